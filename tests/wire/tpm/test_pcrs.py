"""Register values in the three forms of the tools."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.tpm.pcrs import parse_pcrs
from iolaus.wire.tpm.quote import PcrBank
from tests.wire.hostile import hostile

BANKS = [PcrBank(hashing="sha256", pcrs=(0, 7, 10))]
VALUES = {"sha256": {n: bytes([n]) * 32 for n in (0, 7, 10)}}
BARE = b"".join(VALUES["sha256"].values())
TEXT = "  sha256:\n" + "".join(
    f"    {n:<2}: 0x{value.hex().upper()}\n" for n, value in VALUES["sha256"].items()
)


def stored() -> bytes:
    """As a little-endian host writes TPML_PCR_SELECTION and one TPML_DIGEST."""
    selection = struct.pack("<IHB4sx", 1, 0x0B, 3, bytes([0x81, 0x04, 0, 0])) + bytes(15 * 8)
    digests = [struct.pack("<H64s", 32, value) for value in VALUES["sha256"].values()]
    room = b"".join(digests) + bytes(66 * 5)
    return selection + struct.pack("<II", 1, 3) + room


@pytest.mark.parametrize("data", [BARE, TEXT.encode(), stored()], ids=["bare", "text", "stored"])
def test_each_form_gives_the_values(data: bytes) -> None:
    assert parse_pcrs(data, BANKS) == VALUES


@pytest.mark.parametrize(
    "data", [b"", BARE[:-1], BARE + b"\0", b"sha256:\n  0 : nothing\n", stored()[:-1]]
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_pcrs(data, BANKS)


@given(hostile(BARE, TEXT.encode(), stored()))
def test_any_bytes_are_values_or_malformed(data: bytes) -> None:
    try:
        parse_pcrs(data, BANKS)
    except EvidenceMalformed:
        return
