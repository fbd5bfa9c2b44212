"""Every parser of bytes that come from a device is named here with the test that fuzzes it.

Whatever takes `bytes` in the rooms that meet devices is a parser, the inside of one, or stands
below with the reason why it is none. A new one that is in no list fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "iolaus"
ROOMS = ("wire", "drivers", "observe")

PARSERS = {
    "wire/advisory/read.py": (
        "wire/advisory/test_read.py",
        "test_any_bytes_give_an_advisory_or_the_one_error",
    ),
    "wire/archive.py": (
        "wire/test_archive.py",
        "test_whatever_bytes_are_read_or_refused",
    ),
    "wire/certificates.py": (
        "wire/test_certificates.py",
        "test_any_bytes_are_certificates_or_malformed",
    ),
    "wire/dice.py": (
        "wire/test_dice.py",
        "test_any_extension_is_read_or_malformed",
    ),
    "wire/spdm/parse.py": (
        "wire/spdm/test_parse.py",
        "test_any_bytes_are_a_transcript_or_malformed",
    ),
    "wire/spdm/answer.py": (
        "wire/spdm/test_answer.py",
        "test_any_bytes_are_an_answer_or_malformed",
    ),
    "wire/spdm/bundle.py": (
        "wire/spdm/test_bundle.py",
        "test_any_bytes_are_a_bundle_or_malformed",
    ),
    "wire/spdm/opaque.py": (
        "wire/spdm/test_opaque.py",
        "test_any_opaque_data_is_read_or_malformed",
    ),
    "wire/tpm/quote.py": (
        "wire/tpm/test_quote.py",
        "test_any_bytes_are_a_quote_or_malformed",
    ),
    "wire/tpm/public.py": (
        "wire/tpm/test_public.py",
        "test_any_bytes_are_a_key_or_malformed",
    ),
    "wire/tpm/eventlog.py": (
        "wire/tpm/test_eventlog.py",
        "test_any_bytes_are_a_log_or_malformed",
    ),
    "wire/tpm/pcrs.py": (
        "wire/tpm/test_pcrs.py",
        "test_any_bytes_are_values_or_malformed",
    ),
    "wire/cbor.py": (
        "wire/test_cbor.py",
        "test_any_bytes_give_an_item_or_the_one_error",
    ),
    "wire/corim/parse.py": (
        "wire/corim/test_parse.py",
        "test_any_bytes_give_a_corim_or_the_one_error",
    ),
    "wire/cose.py": (
        "wire/test_cose.py",
        "test_any_bytes_give_a_signature_or_the_one_error",
    ),
    "wire/rim/manifest.py": (
        "wire/rim/test_manifest.py",
        "test_any_bytes_give_a_manifest_or_the_one_error",
    ),
    "wire/rim/signature.py": (
        "wire/rim/test_manifest.py",
        "test_damage_anywhere_gives_a_manifest_or_the_one_error",
    ),
    "wire/safe/report.py": (
        "wire/safe/test_report.py",
        "test_any_bytes_give_a_report_or_the_one_error",
    ),
    "wire/tarball/archive.py": (
        "wire/tarball/test_archive.py",
        "test_any_bytes_give_an_archive_or_the_one_error",
    ),
    "wire/pldm/parse.py": (
        "wire/pldm/test_package.py",
        "test_any_bytes_give_a_package_or_the_one_error",
    ),
    "wire/dsx/point.py": (
        "wire/dsx/test_point.py",
        "test_any_bytes_are_a_point_or_nothing",
    ),
    "wire/dsx/flex.py": (
        "wire/dsx/test_flex.py",
        "test_any_bytes_are_targets_or_the_one_error",
    ),
    "wire/modbus/values.py": (
        "wire/modbus/test_values.py",
        "test_any_words_are_a_value_or_a_reason",
    ),
    "wire/redfish/body.py": (
        "wire/redfish/test_decode.py",
        "test_any_coded_bytes_are_a_body_or_garbled",
    ),
    "wire/redfish/decode.py": (
        "wire/redfish/test_decode.py",
        "test_any_bytes_give_an_object_or_one_error",
    ),
    "wire/redfish/errors.py": (
        "wire/redfish/test_errors.py",
        "test_any_refusal_is_one_printable_error",
    ),
    "wire/redfish/head.py": (
        "wire/redfish/test_trust.py",
        "test_any_head_is_parsed",
    ),
    "wire/redfish/sse.py": (
        "wire/redfish/test_sse.py",
        "test_any_bytes_are_taken",
    ),
    "observe/surface.py": (
        "observe/test_surface.py",
        "test_any_certificate_is_read_or_nothing",
    ),
    "observe/ssdp.py": (
        "observe/test_ssdp.py",
        "test_any_datagram_is_survived",
    ),
    "drivers/redfish/events.py": (
        "drivers/redfish/test_extractions_fuzz.py",
        "test_pushed_bytes_never_raise",
    ),
    "drivers/redfish/attest.py": (
        "drivers/redfish/test_attest.py",
        "test_any_answer_is_measurements_or_one_error",
    ),
    "drivers/redfish/certificates.py": (
        "drivers/redfish/test_certificates.py",
        "test_any_certificate_is_read_or_nothing",
    ),
    "wire/ipmi/packets.py": (
        "wire/ipmi/test_packets.py",
        "test_any_bytes_are_a_packet_or_none",
    ),
    "wire/ipmi/login.py": (
        "wire/ipmi/test_packets.py",
        "test_a_controller_may_say_anything_while_it_lets_in",
    ),
}
"""File -> file and name of the fuzz test of what is public in it."""

OTHERS = {
    "wire/ipmi/sol.py": "hands datagrams to `packets` and `login`",
    "wire/console/faults.py": "any bytes have a printable last line",
    "wire/console/ssh.py": "hands bytes on as they are; the library reads the protocol",
    "wire/console/websocket.py": "hands bytes on as they are; the library reads the protocol",
    "wire/octets.py": "the bounded cursor that the parsers of evidence go forward with",
    "wire/corim/review.py": "carries digests that `parse` has read",
    "wire/document.py": "bounds, and the error of the others",
    "wire/pldm/package.py": "the values that `parse` makes of a package",
    "wire/redfish/client.py": "sends bytes of ours",
    "wire/redfish/port.py": "carries a body that `body` has bounded and unpacked",
    "wire/redfish/curl.py": "hands pieces to `body` and `head`",
    "wire/redfish/flow.py": "hands lines to `head` and pieces to `sse`",
    "wire/redfish/trust.py": "hashes; any bytes have a digest",
    "drivers/ports.py": "says what drivers take",
    "drivers/redfish/driver.py": "hands a chain to `attest`",
    "drivers/lane/cache.py": "unpacks what it packed itself",
    "wire/dsx/bms.py": "hands payloads to `point`",
    "observe/building.py": "hands payloads to `wire/dsx/bms` and `wire/dsx/flex`",
    "wire/mqtt/link.py": "bounds a payload and hands it to its party",
    "wire/modbus/line.py": "counts the bytes that the library reads frames from",
    "observe/capture.py": "writes JSON of ours to files",
    "observe/subscribe.py": "bounds a body and hands it to `drivers/redfish/events`",
}


def takers(file: Path) -> Iterator[str]:
    """Functions of this file that take bytes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            shapes = [ast.unparse(a.annotation) for a in arguments if a.annotation]
            if any("bytes" in shape and "Callable" not in shape for shape in shapes):
                yield node.name


def test_whoever_takes_bytes_of_a_device_is_known() -> None:
    found = {
        file.relative_to(SOURCE).as_posix()
        for room in ROOMS
        for file in (SOURCE / room).rglob("*.py")
        if any(takers(file))
    }
    assert found == PARSERS.keys() | OTHERS.keys()


@pytest.mark.parametrize(("parser", "test"), PARSERS.items(), ids=list(PARSERS))
def test_each_parser_is_fuzzed(parser: str, test: tuple[str, str]) -> None:
    file, name = test
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    module = f"iolaus.{parser.removesuffix('.py').replace('/', '.')}"
    assert f"from {module} import" in text
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert any(ast.unparse(each).startswith("given(") for each in functions[name].decorator_list)


@pytest.mark.parametrize("parser", PARSERS)
def test_each_parser_is_soaked(parser: str) -> None:
    soaks = sorted((ROOT / "tests" / "wire").glob("test_soak*.py"))
    text = "".join(each.read_text(encoding="utf-8") for each in soaks)
    assert f"from iolaus.{parser.removesuffix('.py').replace('/', '.')} import" in text
