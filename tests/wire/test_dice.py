"""DICE extensions: TcbInfo in both shapes, MultiTcbInfo, Ueid, device information."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.dice import (
    parse_device_info,
    parse_module_name,
    parse_multi_tcb_info,
    parse_tcb_info,
    parse_ueid,
)
from iolaus.wire.octets import EvidenceMalformed
from tests.wire.hostile import hostile


def der(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + size + body


SHA384 = bytes.fromhex("608648016503040202")
DIGEST = hashlib.sha384(b"firmware").digest()
FWID = der(0x30, der(0x06, SHA384), der(0x04, DIGEST))
TCB = der(
    0x30,
    der(0x80, b"ACME"), der(0x81, b"Widget"), der(0x82, b"1.4"), der(0x83, b"\x07"),
    der(0x84, b"\x01"), der(0xA6, FWID), der(0x87, b"\x04\x10"), der(0x89, b"kind"),
)  # fmt: skip
SPKI = der(0x30, der(0x30, der(0x06, b"\x2a\x03")), der(0x03, bytes(140)))
RIOT = der(0x30, der(0x02, b"\x01"), SPKI, FWID)


def test_a_tcb_info_in_full() -> None:
    found = parse_tcb_info(TCB)
    assert (found.vendor, found.model, found.version) == ("ACME", "Widget", "1.4")
    assert (found.svn, found.layer, found.index, found.kind) == (7, 1, None, b"kind")
    assert [(f.algorithm, f.digest) for f in found.fwids] == [("sha384", DIGEST)]
    assert found.flags == (False, False, False, True)
    assert found.debug


def test_the_older_shape_holds_the_devices_own_key() -> None:
    found = parse_tcb_info(RIOT)
    assert found.device_key == SPKI
    assert found.fwids[0].digest == DIGEST
    assert not found.debug


def test_several_layers_and_an_identifier() -> None:
    assert len(parse_multi_tcb_info(der(0x30, TCB, TCB))) == 2
    assert parse_ueid(der(0x30, der(0x04, b"12345678"))) == b"12345678"
    assert parse_device_info(der(0x0C, b"ACME:WIDGET:0:1")) == ("ACME", "WIDGET", "0:1")


@pytest.mark.parametrize(
    "data", [b"", TCB[:-1], TCB + b"\0", der(0x31), der(0x30, der(0x02)), der(0x30, der(0x83, b""))]
)
def test_what_is_neither_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_tcb_info(data)


@given(hostile(TCB, RIOT, der(0x30, TCB, TCB)) | st.binary(max_size=40).map(lambda b: der(0x30, b)))
def test_any_extension_is_read_or_malformed(data: bytes) -> None:
    known = (parse_tcb_info, parse_multi_tcb_info, parse_ueid, parse_device_info)
    for parse in (*known, parse_module_name):
        try:
            parse(data)
        except EvidenceMalformed:
            continue
