"""Asking the verifier of the simulated hall's roots, which it knows nothing of."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.sim.roots.algorithms import HASHINGS
from iolaus.sim.roots.chain import root_authority
from iolaus.sim.roots.lies import Lie
from iolaus.sim.roots.responder import Responder
from iolaus.trust.chains import Anchors
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, SpdmResult, judge_spdm
from tests.sim.roots.world import NONCE, SEED, responder

AT = 1_790_000_000.0


def anchors(*slots: int) -> Anchors:
    return Anchors(tuple(root_authority(SEED, slot).leaf for slot in slots or (0,)))


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def chain_of(root: Responder, slot: int = 0) -> bytes:
    return root.certified(slot).spdm(HASHINGS[root.root.hashing])


def judged(
    *lies: Lie,
    measurements: bytes | None = None,
    chain: bytes | None = None,
    nonce: bytes = NONCE,
    slot: int = 0,
    trusted: Anchors | None = None,
    beside: dict[str, str] | None = None,
    **changes: Any,
) -> SpdmResult:
    """The verdict on an answer of a root with these lies; `changes` are of its declaration,
    `beside` is what the courier says with it."""
    root = responder(*lies, **changes)
    data = root.transcript(NONCE, slot=slot) if measurements is None else measurements
    evidence = SpdmEvidence(
        measurements=data, chain=chain_of(root, slot) if chain is None else chain, **(beside or {})
    )
    question = SpdmQuestion(nonce=nonce, slot=slot)
    return judge_spdm(evidence, question, trusted or anchors(), at=AT)


def words(result: SpdmResult) -> tuple[str | None, ...]:
    """Evidence, signature, identity, lifecycle and summary."""
    verdict = result.verdict
    axes = (verdict.evidence, verdict.signature, verdict.identity, verdict.lifecycle)
    return (*(None if axis is None else axis.value for axis in axes), verdict.summary.value)


def codes(result: SpdmResult) -> list[str]:
    return [finding.code for finding in result.verdict.findings]
