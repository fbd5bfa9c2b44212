"""Opaque data: the general format, and bare lists of type, length and value."""

from __future__ import annotations

import pytest
from hypothesis import given

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.opaque import parse_general, parse_tlv, tlv_words
from iolaus.wire.spdm.parse import parse_transcript
from tests.wire.hostile import hostile, measurements


def opaque(kind: str) -> bytes:
    return parse_transcript(measurements("1.2", opaque=kind)).last.opaque


def test_the_general_format() -> None:
    (element,) = parse_general(opaque("plain"))
    assert element.registry == 4
    assert element.data == b"RoT-1 measured by itself"


def test_a_bare_list_has_words() -> None:
    words = tlv_words(parse_tlv(opaque("tlv")))
    assert words["driver-version"] == "0.0.0"
    assert words["chip-sku"] == "RoT-1"
    assert set(words) == {
        "driver-version", "vbios-version", "chip-sku", "project", "project-sku", "fwid", "version",
    }  # fmt: skip


def test_a_legacy_version_number_is_five_pairs_of_digits() -> None:
    fields = ((6, bytes.fromhex("005e009601000000")), (6, b"second"))
    assert tlv_words(fields) == {"vbios-version": "96.00.5E.00.01"}


@pytest.mark.parametrize("data", [b"\1", b"\1\0\5\0abc", b"\1\0\0\0\2"])
def test_a_list_ends_exactly(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_tlv(data)


@given(hostile(opaque("plain"), opaque("tlv")))
def test_any_opaque_data_is_read_or_malformed(data: bytes) -> None:
    for parse in (parse_general, parse_tlv):
        try:
            parse(data)
        except EvidenceMalformed:
            continue
