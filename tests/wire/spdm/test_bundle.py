"""Evidence of accelerators in its two forms."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.bundle import parse_bundle
from tests.sim.roots.world import NONCE
from tests.wire.hostile import chain_pem, hostile, measurements

RAW = measurements("1.1", opaque="tlv")
ITEM = {
    "arch": "HOPPER",
    "certificate": base64.b64encode(chain_pem()).decode(),
    "evidence": base64.b64encode(RAW).decode(),
    "nonce": NONCE.hex(),
}
LIST = json.dumps([ITEM, ITEM]).encode()
TEXT = RAW.hex().encode() + b"\n"


def test_a_list_and_a_single_object() -> None:
    found = parse_bundle(LIST)
    assert len(found) == 2
    assert (found[0].measurements, found[0].chain) == (RAW, chain_pem())
    assert (found[0].nonce, found[0].arch) == (NONCE, "HOPPER")
    assert parse_bundle(json.dumps(ITEM).encode()) == found[:1]


def test_a_hex_text_is_the_transcript_alone() -> None:
    (found,) = parse_bundle(TEXT)
    assert (found.measurements, found.chain, found.nonce) == (RAW, None, None)


@pytest.mark.parametrize(
    "data", [b"[]", b"[{}]", b"[1]", b"xyz", b'[{"evidence": "?"}]', b"[" * 4000,
             json.dumps([ITEM] * 65).encode(), json.dumps(ITEM | {"nonce": "x"}).encode()],
    ids=range(8),
)  # fmt: skip
def test_other_forms_are_malformed(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_bundle(data)


@given(hostile(LIST, TEXT))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes) -> None:
    try:
        parse_bundle(data)
    except EvidenceMalformed:
        return
