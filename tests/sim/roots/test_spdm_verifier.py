"""The verifier itself, on transcripts that a responder of other people made."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509

from tests.sim.roots.spdm_verifier import Rejected, parse_chain, verify

pytestmark = pytest.mark.shared
GOOD = (
    "v11-ecdsa-p256-sha256-all", "v11-ecdsa-p384-sha384-all", "v11-ecdsa-p384-sha384-onebyone",
    "v11-rsapss-3072-sha384-all", "v11-rsassa-2048-sha256-all", "v12-ecdsa-p256-sha256-all",
    "v12-ecdsa-p384-sha384-all", "v12-ecdsa-p384-sha384-onebyone", "v12-ecdsa-p384-sha384-raw",
    "v12-ecdsa-p521-sha512-all", "v12-rsapss-3072-sha384-all", "v13-ecdsa-p256-sha256-all",
    "v13-ecdsa-p384-sha384-all", "v13-ecdsa-p384-sha384-onebyone", "v13-ecdsa-p384-sha384-slot1",
)  # fmt: skip


def anchors(shared: Path) -> list[x509.Certificate]:
    folder = shared / "trust" / "anchors"
    return [x509.load_der_x509_certificate(file.read_bytes()) for file in folder.glob("*.der")]


def test_every_recorded_transcript_is_tried(shared: Path) -> None:
    assert {file.name for file in (shared / "trust" / "spdm").iterdir()} == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_real_transcript_is_accepted(shared: Path, name: str) -> None:
    folder = shared / "trust" / "spdm" / name
    meta = json.loads((folder / "meta.json").read_text())
    slot, signing, hashing = meta["summary"]["slot"], meta["base_asym"], meta["base_hash"]
    chain = parse_chain((folder / f"cert_chain_slot{slot}.bin").read_bytes(), hashing)
    trusted = anchors(shared)
    if slot:  # a further slot has a root of its own, which the anchors do not hold
        trusted.append(chain[0])
    found = verify(
        (folder / "redfish_signed_measurements.bin").read_bytes(),
        version=meta["spdm_version"],
        signing=signing,
        hashing=hashing,
        chain=chain,
        anchors=trusted,
        nonce=bytes.fromhex(meta["summary"]["nonce"]),
        slot=slot,
    )
    assert len(found.pairs) == meta["summary"]["npairs"]
    assert [[b.index, b.kind, b.raw, len(b.value)] for b in found.blocks] == meta["summary"][
        "blocks"
    ]


@pytest.mark.parametrize(
    "name",
    ["positive-control", "p11-positive-control", "measurement-bit-flip", "nonce-mismatch-replay"],
)
def test_what_is_wrong_is_rejected_for_what_it_is(shared: Path, name: str) -> None:
    folder = shared / "trust" / "spdm-negative" / name
    expected = json.loads((folder / "expect.json").read_text())
    said = json.loads((folder / "response.json").read_text())
    hashing = said["HashingAlgorithm"].removeprefix("TPM_ALG_")
    verdict = "accept"
    try:
        verify(
            base64.b64decode(said["SignedMeasurements"]),
            version=said["Version"],
            signing="ECDSA_P384",
            hashing=hashing,
            chain=parse_chain((folder / "cert_chain.bin").read_bytes(), hashing),
            anchors=anchors(shared),
            nonce=bytes.fromhex(expected["requested_nonce"]),
            slot=expected["requested_slot"],
        )
    except Rejected as why:
        words = {"signature": "reject:bad-signature", "stale": "reject:stale-nonce"}
        verdict = words[str(why).split(":")[0]]
    assert verdict == expected["expect"]
