"""Signed SPDM measurements to a verdict (DSP0274 1.0 to 1.4). Pure: bytes, anchors and a time in.

The courier is not trusted. Of what it says (version, algorithms) nothing is used to verify; it is
compared with what was signed, and a contradiction is held against the evidence. From 1.2 on the
algorithms are those of the signed negotiation. Before, they are not signed, and the key of the
leaf with the allow-list decides which are tried. Measurements that no valid signature covers are
never given out as measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from iolaus.model.trust import (
    Detail,
    Evidence,
    Finding,
    Identity,
    Lifecycle,
    Measurement,
    Signature,
    Verdict,
)
from iolaus.trust.attester import Attester, keyed_attester, read_attester
from iolaus.trust.chains import Anchors, ChainResult, Validity, judge_chain
from iolaus.trust.lifecycle import judge_lifecycle
from iolaus.trust.signatures import (
    ALLOWED_HASHINGS,
    ALLOWED_SIGNINGS,
    PublicKey,
    digest,
    hashings_of,
    load_public_key,
    signings_of,
    verifies,
)
from iolaus.wire.certificates import (
    Chain,
    looks_like_chain,
    parse_certificates,
    parse_chain,
)
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.algorithms import SIGNINGS, algorithm_name
from iolaus.wire.spdm.parse import parse_transcript
from iolaus.wire.spdm.transcript import ALL, COUNT, Block, Transcript

_CONTEXT: Final = b"responder-measurements signing"
_PREFIX_SIZE: Final = 100
_PUBLIC_KEY: Final = b"-----BEGIN PUBLIC KEY-----"


class SpdmEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """`chain` is SPDM's chain, PEM or DER, or a provisioned public key as PEM (slot 15; it is
    nobody's by itself); None: there is none. `version`, `hashing` and
    `signing` are what came beside it unsigned, or what is expected; None for nothing."""

    measurements: bytes
    chain: bytes | None
    version: str | None = None
    hashing: str | None = None
    signing: str | None = None


class SpdmQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked: a nonce of 32 bytes, used once, a slot, and indices (255 is all). Without a
    nonce freshness is not judged; without a slot or indices any will do."""

    nonce: bytes | None
    slot: int | None = None
    indices: tuple[int, ...] | None = None


class SpdmResult(msgspec.Struct, frozen=True, kw_only=True):
    """`measurements` are those a valid signature covers (else none). `attester` is None where no
    chain could be read; `opaque` is what was signed beside the measurements."""

    verdict: Verdict
    measurements: tuple[Measurement, ...] = ()
    attester: Attester | None = None
    chain: ChainResult | None = None
    transcript: Transcript | None = None

    @property
    def opaque(self) -> bytes:
        valid = self.verdict.signature is Signature.VALID
        return self.transcript.last.opaque if valid and self.transcript else b""


def _finding(code: str, message: str, **detail: Detail) -> Finding:
    return Finding(code=code, message=message, detail=detail)


def _malformed(error: EvidenceMalformed) -> Finding:
    return _finding(
        error.reason, f"{error.subject}: {error.message}.", where=error.subject, offset=error.offset
    )


class _Identified(msgspec.Struct, frozen=True, kw_only=True):
    """The chain's side of the question. `key` is None if there is none, or one that nothing here
    verifies with; `broken`: what was given cannot be read."""

    chain: ChainResult | None = None
    attester: Attester | None = None
    key: PublicKey | None = None
    root_hashings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    broken: bool = False

    @property
    def identity(self) -> Identity:
        return self.chain.identity if self.chain else Identity.UNANCHORED


def _identified(
    data: bytes | None, anchors: Anchors, *, at: float, validity: Validity
) -> _Identified:
    if data is None:
        return _Identified(findings=(_finding("chain-missing", "There is no certificate chain."),))
    try:
        if _PUBLIC_KEY in data:
            return _keyed(data)
        spdm = parse_chain(data) if looks_like_chain(data) else None
        held = spdm or Chain(b"", parse_certificates(data, subject="certificate chain"))
        result = judge_chain(
            held.certificates,
            anchors,
            at=at,
            validity=validity,
            root_hash=spdm.root_hash if spdm else None,
        )
        attester = read_attester(result.linked)
    except EvidenceMalformed as error:
        return _Identified(findings=(_malformed(error),), broken=True)
    hashings = _root_hashings(spdm) if spdm else ()
    key = result.leaf.public_key()
    return _Identified(
        chain=result,
        attester=attester,
        key=key if signings_of(key) else None,  # type: ignore[arg-type]
        root_hashings=hashings,
        findings=result.findings,
    )


def _keyed(data: bytes) -> _Identified:
    """Raises `EvidenceMalformed`."""
    key = load_public_key(data, "provisioned key")
    told = "No certificate says whose this key is; it can only be pinned."
    findings = (_finding("key-unbound", told),)
    return _Identified(key=key, attester=keyed_attester(key), findings=findings)


def _root_hashings(chain: Chain) -> tuple[str, ...]:
    """The hashes that make the root's digest of the root: the negotiated one is among them."""
    root = chain.certificates[0]
    fitting = hashings_of(len(chain.root_hash))
    return tuple(name for name in fitting if digest(name, root) == chain.root_hash)


def _signature_size(key: PublicKey | None, claimed: str) -> int | None:
    """All algorithms of one key make signatures of one size; without a key what is claimed lets
    the bytes be read, and no more."""
    names = signings_of(key) or (claimed,)
    return next((SIGNINGS[name] for name in names if name in SIGNINGS), None)


def _signed_data(transcript: Transcript, hashing: str) -> bytes:
    """What the key signed: the transcript, or from 1.2 on its hash under a prefix (DSP0274,
    "Signature generation")."""
    if transcript.negotiated is None:
        return transcript.signed
    version = f"dmtf-spdm-v{transcript.version}.*".encode() * 4
    prefix = version + _CONTEXT.rjust(_PREFIX_SIZE - len(version), b"\0")
    return prefix + digest(hashing, transcript.signed)


def _algorithms(transcript: Transcript, key: PublicKey, root: Iterable[str],
                claimed: str) -> Iterator[tuple[str, str]]:  # fmt: skip
    """(signing, hashing) to try: the negotiated ones alone; or before 1.2 those of the key with
    every allowed hash, the likeliest first."""
    if transcript.negotiated is not None:
        yield transcript.negotiated.signing, transcript.negotiated.hashing
        return
    likely = tuple(root) or ((claimed,) if claimed in ALLOWED_HASHINGS else ())
    for hashing in dict.fromkeys((*likely, *ALLOWED_HASHINGS)):
        for signing in signings_of(key):
            yield signing, hashing


class _Signed(msgspec.Struct, frozen=True, kw_only=True):
    signature: Signature
    signing: str = ""
    hashing: str = ""
    findings: tuple[Finding, ...] = ()


_WRONG: Final = "The signature is not that of the leaf's key over this transcript."
_INVALID: Final = _Signed(
    signature=Signature.INVALID, findings=(_finding("signature-invalid", _WRONG),)
)


def _unsupported(what: str) -> _Signed:
    found = _finding("algorithm-unsupported", f"{what} is not supported or not allowed.")
    return _Signed(signature=Signature.UNVERIFIED, findings=(found,))


def _verified(transcript: Transcript, who: _Identified, claimed: str) -> _Signed:
    if not transcript.signature or (who.key is None and who.chain is None):
        return _Signed(signature=Signature.UNVERIFIED)
    if who.key is None:
        return _unsupported("The key of the leaf")
    held = transcript.negotiated
    if held and (held.signing not in ALLOWED_SIGNINGS or held.hashing not in ALLOWED_HASHINGS):
        return _unsupported(f"{held.signing or 'no signing'} with {held.hashing or 'no hash'}")
    for signing, hashing in _algorithms(transcript, who.key, who.root_hashings, claimed):
        data = _signed_data(transcript, hashing)
        if verifies(who.key, transcript.signature, data, signing=signing, hashing=hashing):
            return _Signed(signature=Signature.VALID, signing=signing, hashing=hashing)
    return _INVALID


def _short_version(text: str) -> str:
    """ "1.1" of "1.1.0", "v1.1"."""
    return ".".join(text.lower().removeprefix("v").split(".")[:2])


def _contradictions(
    evidence: SpdmEvidence, transcript: Transcript, signed: _Signed, root: tuple[str, ...]
) -> Iterator[Finding]:
    """Where what came beside the evidence is not what was signed. `root`: the hashes that give
    the chain's digest of its root."""
    if evidence.version is not None and _short_version(evidence.version) != transcript.version:
        yield _finding(
            "version-mismatch",
            f"The transcript speaks {transcript.version}, not {evidence.version[:16]}.",
            expected=evidence.version[:16],
            seen=transcript.version,
        )
    held = transcript.negotiated
    seen = (held.hashing, held.signing) if held else (signed.hashing, signed.signing)
    if held and root and held.hashing not in root:
        told = f"The chain's digest of its root is not made with {held.hashing}."
        yield _finding("root-hash-algorithm", told, expected=held.hashing, seen=list(root))
    for claimed, found in zip((evidence.hashing, evidence.signing), seen, strict=True):
        if claimed is not None and found and algorithm_name(claimed) != found:
            yield _finding(
                "algorithm-mismatch",
                f"What was signed uses {found}, not {claimed[:64]}.",
                expected=claimed[:64],
                seen=found,
            )


def _staleness(question: SpdmQuestion, transcript: Transcript) -> Iterator[Finding]:
    """Where the answer is not to this question."""
    last = transcript.last
    if question.nonce is not None and last.nonce != question.nonce:
        yield _finding(
            "nonce-mismatch",
            "The signed nonce is not the one that was sent: an answer to another question.",
            expected=question.nonce.hex(),
            seen=last.nonce.hex() if last.nonce else "",
        )
    if question.slot is not None and last.slot is not None and last.slot != question.slot:
        yield _finding(
            "slot-mismatch",
            f"Slot {last.slot} was asked, not {question.slot}.",
            expected=question.slot,
            seen=last.slot,
        )
    if last.slot is not None and last.answered != last.slot:
        yield _finding(
            "slot-mismatch",
            f"Slot {last.answered} answered for slot {last.slot}.",
            expected=last.slot,
            seen=last.answered,
        )
    if any(pair.changed for pair in transcript.pairs):
        yield _finding("content-changed", "Measurements changed while they were being read.")
    if question.indices is not None and (left_out := _left_out(question.indices, transcript)):
        told = "Measurements that were asked for were left out by whoever asked the device."
        yield _finding("measurements-left-out", told, indices=left_out)


def _left_out(asked: tuple[int, ...], transcript: Transcript) -> list[int]:
    """Of the indices that were asked for, those that the transcript does not answer. That it has
    all is proved by a question for all, or by the device's count of them."""
    held = {block.index for block in transcript.blocks}
    whole = any(pair.operation == ALL for pair in transcript.pairs) or any(
        pair.operation == COUNT and pair.total == len(held) for pair in transcript.pairs
    )
    return [index for index in asked if not (whole if index == ALL else index in held or whole)]


def _evidence(
    question: SpdmQuestion, stale: list[Finding], bad: list[Finding], signed: bool
) -> Evidence | None:
    if bad or not signed:
        return Evidence.MALFORMED
    if stale:
        return Evidence.STALE
    return Evidence.FRESH if question.nonce is not None else None


def _measured(block: Block, transcript: Transcript) -> Measurement:
    held = transcript.negotiated
    fitting = hashings_of(len(block.value))
    algorithm = held.measurement_hashing if held else next(iter(fitting), "")
    return Measurement(
        index=block.index,
        kind=block.kind,
        value=block.value,
        raw=block.raw,
        algorithm="" if block.raw else algorithm,
    )


def _measurements(transcript: Transcript) -> tuple[Measurement, ...]:
    held = {block.index: block for block in transcript.blocks}
    return tuple(_measured(block, transcript) for _, block in sorted(held.items()))


def _unparsed(error: EvidenceMalformed, who: _Identified) -> SpdmResult:
    verdict = Verdict(
        evidence=Evidence.MALFORMED,
        signature=Signature.UNVERIFIED,
        identity=who.identity,
        findings=(_malformed(error), *who.findings),
    )
    return SpdmResult(verdict=verdict, attester=who.attester, chain=who.chain)


def judge_spdm(
    evidence: SpdmEvidence,
    question: SpdmQuestion,
    anchors: Anchors,
    *,
    at: float,
    validity: Validity = Validity.ENFORCED,
) -> SpdmResult:
    """Judge signed measurements at a time (seconds since 1970). The reference axis is left out;
    the lifecycle is None where the device does not say it. Pure; never raises."""
    who = _identified(evidence.chain, anchors, at=at, validity=validity)
    try:
        size = _signature_size(who.key, algorithm_name(evidence.signing or ""))
        transcript = parse_transcript(evidence.measurements, signature_size=size)
    except EvidenceMalformed as error:
        return _unparsed(error, who)
    return _judged(evidence, question, transcript, who)


def _judged(
    evidence: SpdmEvidence, question: SpdmQuestion, transcript: Transcript, who: _Identified
) -> SpdmResult:
    signed = _verified(transcript, who, algorithm_name(evidence.hashing or ""))
    stale = list(_staleness(question, transcript))
    bad = list(_contradictions(evidence, transcript, signed, who.root_hashings))
    if not transcript.signature:
        bad.append(_finding("unsigned", "The answer was asked for without a signature."))
    valid = signed.signature is Signature.VALID
    measured = _measurements(transcript) if valid else ()
    lifecycle, states = _lifecycle(measured, who, valid)
    verdict = Verdict(
        evidence=_evidence(question, stale, [*bad, *(who.findings if who.broken else ())],
                           bool(transcript.signature)),
        signature=signed.signature,
        identity=who.identity,
        lifecycle=lifecycle,
        findings=(*signed.findings, *stale, *bad, *who.findings, *states),
    )  # fmt: skip
    return SpdmResult(
        verdict=verdict,
        measurements=measured,
        attester=who.attester,
        chain=who.chain,
        transcript=transcript,
    )


def _lifecycle(
    measured: tuple[Measurement, ...], who: _Identified, valid: bool
) -> tuple[Lifecycle | None, tuple[Finding, ...]]:
    """Of a valid signature only; nobody else's word counts."""
    return (
        judge_lifecycle(measured, who.attester.tcb if who.attester else ()) if valid else (None, ())
    )
