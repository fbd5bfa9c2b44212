"""Manifests judged: whose they are, until when, and what values they give."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from iolaus.kernel.errors import OperatorMust
from iolaus.model.reference import SourceKind
from iolaus.model.trust import Identity, Measurement, Reference, Signature, Summary
from iolaus.sim.roots.references import (
    as_corim,
    reference_authority,
    reference_values,
    signed,
)
from iolaus.trust.compare import compare
from iolaus.trust.manifests import Imported, read_manifest
from iolaus.trust.signing import Anchors, read_anchors
from tests.trust.made import LATER, NOW, Maker, maker
from tests.wire.corim.test_parse import corim
from tests.wire.rim.test_manifest import GOOD, resource, swid
from tests.wire.rim.test_manifest import signed as signed_xml

PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def read(data: bytes, anchors: Anchors | None = None, at: float = NOW) -> Imported:
    return read_manifest(data, source="file", anchors=anchors or Anchors(), at=at)


def cose(payload: bytes, key: ec.EllipticCurvePrivateKey, **headers: Any) -> bytes:
    protected = cbor2.dumps({1: -35, **{int(k[1:]): v for k, v in headers.items()}})
    data = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384())))
    signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def root_of(made: Maker) -> Anchors:
    return read_anchors([("root.pem", made.pems[-1])])


def test_a_manifest_of_an_anchored_signer_is_verified() -> None:
    made = maker()
    data = cose(corim({0: []}), made.key, _33=list(made.ders))
    found = read(data, root_of(made))
    assert found.verdict.summary is Summary.VERIFIED
    assert (found.provenance.signer, found.provenance.kind) == ("CN=S", SourceKind.CORIM)
    assert found.provenance.genuine


def test_the_signature_the_signer_and_the_time_are_axes_of_their_own() -> None:
    made, other = maker(), maker()
    data = cose(corim({0: []}), made.key, _33=list(made.ders))
    stranger = read(data, root_of(other))
    assert stranger.provenance.signature is Signature.VALID
    assert stranger.verdict.identity is Identity.UNANCHORED
    assert stranger.verdict.findings[-1].code == "signer-unanchored"
    forged = read(cose(corim({0: []}), other.key, _33=list(made.ders)), root_of(made))
    assert forged.verdict.summary is Summary.UNTRUSTED
    assert forged.verdict.identity is Identity.UNANCHORED
    old = read(data, root_of(made), at=LATER)
    assert (old.verdict.reference, old.verdict.summary) == (Reference.EXPIRED, Summary.UNKNOWN)
    assert old.provenance.genuine


def test_a_manifest_ends_when_the_first_of_its_bounds_does() -> None:
    made = maker()
    meta = cbor2.dumps({0: {0: "me"}, 1: {1: cbor2.CBORTag(1, int(NOW) + 50)}})
    body = corim({0: []}, _4={1: cbor2.CBORTag(1, int(NOW) + 90)})
    found = read(cose(body, made.key, _33=list(made.ders), _8=meta), root_of(made))
    assert found.provenance.not_after == int(NOW) + 50


def test_a_bare_key_may_be_the_anchor() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, PUBLIC)
    anchors = read_anchors([("acme.pem", pem)])
    found = read(cose(corim({0: []}), key, _4=b"kid"), anchors)
    assert (found.provenance.signer, found.provenance.genuine) == ("acme.pem", True)
    unknown = read(cose(corim({0: []}), key, _4=b"kid"))
    assert unknown.provenance.signature is Signature.UNVERIFIED
    assert unknown.verdict.summary is Summary.UNKNOWN


def test_an_issuer_that_may_not_issue_anchors_nobody() -> None:
    made = maker(authority_may_issue=False)
    data = cose(corim({0: []}), made.key, _33=list(made.ders))
    assert read(data, root_of(made)).verdict.identity is Identity.UNANCHORED


def test_an_unsigned_manifest_says_so() -> None:
    found = read(corim({0: []}))
    assert found.provenance.signature is Signature.UNVERIFIED
    assert [each.code for each in found.verdict.findings] == ["manifest-unsigned"]


def test_an_accelerators_manifest_counts_from_the_first_block() -> None:
    made = maker()
    data = signed_xml(swid(resource(0), resource(1, active="False")), made)
    found = read(data, root_of(made))
    assert found.verdict.summary is Summary.VERIFIED
    (one,) = found.sets
    assert [(each.index, each.active) for each in one.values] == [(1, True), (2, False)]
    changed = read(data.replace(GOOD.encode(), b"00" * 48), root_of(made))
    assert changed.provenance.signature is Signature.INVALID
    assert "digest-differs" in [each.code for each in changed.verdict.findings]


def test_what_is_no_anchor_is_told() -> None:
    with pytest.raises(OperatorMust, match="neither a certificate nor a public key"):
        read_anchors([("note.txt", b"hello")])


def test_the_simulated_makers_manifest_is_met_by_what_its_images_measure() -> None:
    values = reference_values()
    root = reference_authority("seed").chain[0].public_bytes(serialization.Encoding.PEM)
    found = read(signed(as_corim(values), seed="seed"), read_anchors([("root", root)]))
    assert found.provenance.genuine
    assert len(found.sets) == len(values)
    value, one = next((v, s) for v, s in zip(values, found.sets, strict=True) if v.index)
    index = next(iter(value.index.values()))
    seen = Measurement(
        index=index, kind="rom", value=bytes.fromhex(value.digests["sha384"]), algorithm="sha384"
    )
    judged = compare([seen], [one], at=NOW)
    assert judged.reference in (Reference.MATCH, Reference.EXPIRED)


def blocks(evidence: bytes) -> list[Measurement]:
    """The measurements of one request and answer, read with no code of the product."""
    at, end = 45, 45 + int.from_bytes(evidence[42:45], "little")
    found = []
    while at < end:
        size = int.from_bytes(evidence[at + 2 : at + 4], "little")
        value = evidence[at + 7 : at + 4 + size]
        found.append(Measurement(index=evidence[at], kind="rom", value=value, algorithm="sha384"))
        at += 4 + size
    return found


@pytest.mark.shared
def test_published_evidence_matches_its_published_manifest_index_by_index(shared: Path) -> None:
    folder = shared / "trust" / "nvidia"
    anchors = read_anchors([("root", (folder / "roots" / "verifier_RIM_root.pem").read_bytes())])
    at = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    read = {
        file.name: read_manifest(file.read_bytes(), source=file.name, anchors=anchors, at=at)
        for file in (folder / "rim").iterdir()
    }
    assert all(each.provenance.genuine for each in read.values())
    boards = [s for each in read.values() for s in each.sets if s.model == "GH100"]
    board = blocks(bytes.fromhex((folder / "evidence/hopperAttestationReport.txt").read_text()))
    then = datetime(2024, 6, 1, tzinfo=UTC).timestamp()
    assert len(board) == 64
    assert compare(board, boards, at=then).reference is Reference.MATCH
    now = compare(board, boards, at=at)
    assert now.reference is Reference.EXPIRED
    assert now.met == ("NVIDIA Corporation GH100 GPU 96.00.5E.00.01",)
    others = [each for each in boards if each.version != "96.00.5E.00.01"]
    differs = compare(board, others, at=then)
    assert (differs.reference, differs.findings[0].detail["index"]) == (Reference.MISMATCH, 12)
    listed = json.loads((folder / "evidence/switch_evidence_ls10.json").read_bytes())
    switches = [s for each in read.values() for s in each.sets if s.model == "LS10"]
    for one in listed:
        found = compare(blocks(b64decode(one["evidence"])), switches, at=at)
        assert found.reference is Reference.MATCH
