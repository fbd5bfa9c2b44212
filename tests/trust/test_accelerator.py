"""Accelerators: which manifest is theirs, and one verdict over several devices."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from iolaus.model.reference import Digest, Provenance, ReferenceSet, ReferenceValue, SourceKind
from iolaus.model.trust import Evidence, Identity, Reference, Signature, Summary, Verdict
from iolaus.sim.roots.lies import Lie
from iolaus.trust.accelerator import (
    AcceleratorResult,
    fitting,
    judge_accelerator,
    opaque_words,
    worst_of,
)
from iolaus.trust.attester import key_digest, read_attester
from iolaus.trust.chains import load_anchors
from iolaus.trust.manifests import read_manifest
from iolaus.trust.signing import read_anchors
from iolaus.wire.certificates import parse_certificates
from iolaus.wire.spdm.bundle import Bundled, parse_bundle
from tests.sim.roots.world import NONCE, responder
from tests.trust.judging import AT, anchors, chain_of, judged

HONEST = judged(opaque="tlv")
WORDS = opaque_words(HONEST)


def genuine(**changes: object) -> ReferenceSet:
    """What an honest root measures, as its maker's signed manifest would say it."""
    source = Provenance(source="rim", kind=SourceKind.RIM, signature=Signature.VALID,
                        identity=Identity.ANCHORED)  # fmt: skip
    values = tuple(
        ReferenceValue(index=m.index, digests=(Digest(m.algorithm, m.value),))
        for m in HONEST.measurements
        if not m.raw
    )
    held = ReferenceSet(name="RoT-1 of now", part="RoT-1", values=values, provenance=source,
                        model="ROT1", version=WORDS["vbios-version"])  # fmt: skip
    return msgspec.structs.replace(held, **changes)


def asked(*lies: Lie, nonce: bytes | None = NONCE, **changes: object) -> AcceleratorResult:
    root = responder(*lies, opaque="tlv")
    item = Bundled(measurements=root.transcript(NONCE), chain=chain_of(root), nonce=NONCE)
    return judge_accelerator(
        item, nonce=nonce, anchors=anchors(), references=[genuine(**changes)], at=AT
    )


def test_what_runs_is_what_should() -> None:
    result = asked()
    assert result.verdict.reference is Reference.MATCH
    assert result.verdict.summary is Summary.TRUSTED
    assert result.words["chip-sku"] == "RoT-1"
    assert result.met == ("RoT-1 of now",)


@pytest.mark.parametrize("kind", ["tampered", "stale_firmware"])
def test_other_firmware_under_the_same_version(kind: str) -> None:
    result = asked(Lie(f"spdm_{kind}"))
    assert result.verdict.reference is Reference.MISMATCH
    assert result.verdict.summary is Summary.UNTRUSTED
    differing = [f.detail["index"] for f in result.verdict.findings]
    assert differing[0] == 2


def test_without_a_valid_signature_nothing_is_compared() -> None:
    result = asked(Lie("spdm_bad_signature"))
    assert result.verdict.reference is None
    assert result.verdict.summary is Summary.UNTRUSTED


def test_without_a_nonce_of_ours_freshness_is_not_said() -> None:
    result = asked(nonce=None)
    assert result.verdict.evidence is None
    assert result.verdict.summary is Summary.VERIFIED
    assert "freshness-not-asked" in [f.code for f in result.verdict.findings]
    assert asked(nonce=bytes(32)).verdict.evidence is Evidence.STALE
    lying = asked(Lie("spdm_replay"), nonce=None)  # its file says another nonce than was signed
    assert lying.verdict.evidence is Evidence.STALE


def test_a_manifest_of_another_product_is_none() -> None:
    assert asked(model="Other").verdict.reference is Reference.NONE


def test_the_manifest_of_this_version_or_of_any() -> None:
    now, old, other = genuine(), genuine(version="1"), genuine(model="Other")
    version = WORDS["vbios-version"]
    assert fitting([other, old, now], product="RoT-1", version=version) == (now,)
    assert fitting([other, old], product="rot_1", version=version) == (old,)
    assert fitting([other, old, now], product="", version="") == (other, old, now)


def test_several_devices_are_as_good_as_the_worst() -> None:
    verdicts = [asked().verdict, asked(Lie("spdm_bad_signature")).verdict, Verdict()]
    found = worst_of(verdicts)
    assert (found.signature, found.identity, found.reference) == (
        Signature.INVALID, None, None,
    )  # fmt: skip
    assert found.summary is Summary.UNTRUSTED
    (wrong,) = [each for each in found.findings if each.code == "signature-invalid"]
    assert wrong.detail == {"device": 2}
    assert worst_of(verdicts[:1]) == verdicts[0]


def published(shared: Path, files: tuple[str, str | None], at: float) -> AcceleratorResult:
    name, chain = files
    folder = shared / "trust" / "nvidia"
    (item,) = parse_bundle((folder / "evidence" / name).read_bytes())
    if chain:
        held = (folder / "evidence" / chain).read_bytes()
        item = msgspec.structs.replace(item, chain=held)
    root = (folder / "roots" / "verifier_device_root.pem").read_bytes()
    trusted = read_anchors([("rim", (folder / "roots" / "verifier_RIM_root.pem").read_bytes())])
    sets = [
        one
        for file in sorted((folder / "rim").iterdir())
        for one in read_manifest(file.read_bytes(), source=file.name, anchors=trusted, at=at).sets
    ]
    return judge_accelerator(
        item,
        nonce=item.nonce,
        anchors=load_anchors(parse_certificates(root)),
        references=sets,
        at=at,
    )


HOPPER = ("hopperAttestationReport.txt", "hopperCertChain.txt")
SWITCH = ("switch_evidence_ls10.json", None)
IN_2024, IN_2026 = 1_710_000_000.0, 1_795_000_000.0


@pytest.mark.shared
@pytest.mark.parametrize(
    ("files", "at", "reference"),
    [
        (HOPPER, IN_2024, Reference.MATCH),
        (HOPPER, IN_2026, Reference.EXPIRED),
        (SWITCH, IN_2026, Reference.MATCH),
        (SWITCH, IN_2024, Reference.EXPIRED),
    ],
)
def test_published_evidence_is_as_its_makers_manifest(
    shared: Path, files: tuple[str, str | None], at: float, reference: Reference
) -> None:
    result = published(shared, files, at)
    verdict = result.verdict
    assert (verdict.signature, verdict.identity) == (Signature.VALID, Identity.ANCHORED)
    assert verdict.reference is reference
    assert len(result.met) == 1
    assert not [f for f in verdict.findings if f.code.startswith("measurement-d")]


@pytest.mark.shared
def test_a_published_pin_is_the_device_key_not_the_alias(shared: Path) -> None:
    for files in (HOPPER, SWITCH):
        result = published(shared, files, IN_2026).spdm
        assert result.attester is not None
        assert result.chain is not None
        (info,) = result.attester.tcb
        assert info.device_key is not None
        assert result.attester.pin == key_digest(info.device_key)
        assert result.attester.pin == read_attester(result.chain.linked[:-1]).pin
