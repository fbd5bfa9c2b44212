"""Evidence from files, for `iolaus verify`: read, judged, and told.

What a file holds is judged and never fails the command: evidence that cannot be read is evidence
that is malformed. What the person gives (a nonce, an anchor, a name that is no file) is an error
of use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.model.reference import ReferenceSet
from iolaus.model.trust import Evidence, Finding, Signature, Verdict
from iolaus.trust.accelerator import AcceleratorResult, judge_accelerator, worst_of
from iolaus.trust.attester import Attester
from iolaus.trust.chains import Anchors, load_anchors
from iolaus.trust.manifests import read_manifest
from iolaus.trust.signing import read_anchors as read_signing_anchors
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, SpdmResult, judge_spdm
from iolaus.trust.tpm import TpmEvidence, judge_tpm
from iolaus.wire.certificates import parse_certificates
from iolaus.wire.document import DocumentMalformed
from iolaus.wire.octets import MAX_EVIDENCE, EvidenceMalformed
from iolaus.wire.spdm.answer import parse_answer
from iolaus.wire.spdm.bundle import parse_bundle

SPDM_NONCES: Final = (32,)
TPM_NONCES: Final = tuple(range(1, 65))

Facts = Sequence[tuple[str, str]]


class Judged(NamedTuple):
    """`facts` are for a person: what the verdict is of."""

    verdict: Verdict
    facts: Facts = ()


def read_file(path: Path, *, most: int = MAX_EVIDENCE) -> bytes:
    """Raises `OperatorMust` where there is no such file, or one of no evidence's size (told before
    it is read, where it is a plain file)."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(most + 1) if size <= most else b""
    except OSError as error:
        raise _bad(str(path), error.strerror or "cannot be read", "name a file.") from None
    if max(size, len(data)) > most:
        raise _bad(str(path), f"more than {most} bytes", "name another file.")
    return data


def read_anchors(paths: Sequence[Path]) -> Anchors:
    """Raises `OperatorMust` where one holds no certificates."""
    found: list[bytes] = []
    for path in paths:
        data = read_file(path)
        try:
            found += parse_certificates(data, subject=str(path))
            load_anchors(found)
        except EvidenceMalformed as error:
            raise _bad(str(path), error.message, "give certificates as PEM or DER.") from None
    return load_anchors(found)


def read_nonce(text: str, sizes: Sequence[int]) -> bytes:
    """Raises `OperatorMust` for what is no hex, or of no such size in bytes."""
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        raise _bad("--nonce", "no hex digits", "write the nonce that was sent in hex.") from None
    if len(nonce) not in sizes:
        told = f"{len(nonce)} bytes, not {sizes[-1]}"
        raise _bad("--nonce", told, "write the whole nonce that was sent in hex.")
    return nonce


def read_at(text: str | None) -> float:
    """Seconds since 1970 of `--at`, or now: "2026-11-05T12:00:00Z", a date, or such seconds.
    Raises `OperatorMust`."""
    if text is None:
        return time.time()
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), UTC).timestamp()
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        told = "write a date, 2026-11-05T12:00:00Z, or seconds since 1970."
        raise _bad("--at", "this is not a time", told) from None


def without_anchor(option: str) -> OperatorMust:
    """Certificates say nothing to somebody who trusts nobody."""
    return _bad(option, "nobody is trusted", "give the makers' roots with --anchor.")


def _bad(subject: str, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="read option",
        subject=subject,
        code="BadOption",
        next_step=next_step,
    )


def _malformed(error: EvidenceMalformed) -> Judged:
    """Of evidence that could not even be unpacked."""
    finding = Finding(code=error.reason, message=f"{error.subject}: {error.message}.")
    verdict = Verdict(
        evidence=Evidence.MALFORMED, signature=Signature.UNVERIFIED, findings=(finding,)
    )
    return Judged(verdict)


def attester_facts(attester: Attester | None) -> Iterator[tuple[str, str]]:
    """Who it is, for a person."""
    if attester is None:
        return
    yield "attester", attester.subject
    if attester.product:
        yield "device", f"{attester.maker} {attester.product}, serial {attester.serial or '-'}"
    yield "pin", attester.pin


def _spdm_facts(result: SpdmResult) -> Iterator[tuple[str, str]]:
    yield from attester_facts(result.attester)
    if result.transcript is not None:
        yield "version", result.transcript.version
    if result.measurements:
        yield "measured", f"{len(result.measurements)} values"


def spdm_question(nonce: str, slot: int) -> SpdmQuestion:
    """Raises `OperatorMust`."""
    return SpdmQuestion(nonce=read_nonce(nonce, SPDM_NONCES), slot=slot)


class Expected(NamedTuple):
    """What a person says that the evidence should speak; None: what came with it."""

    version: str | None
    hashing: str | None
    signing: str | None


def spdm_from_files(
    measurements: Path,
    chain: Path,
    question: SpdmQuestion,
    anchors: Anchors,
    *,
    expected: Expected,
    at: float,
) -> Judged:
    """Raises `OperatorMust` for files that cannot be read."""
    data, held = read_file(measurements), read_file(chain)
    try:
        answer = parse_answer(data)
    except EvidenceMalformed as error:
        return _malformed(error)
    evidence = SpdmEvidence(
        measurements=answer.measurements,
        chain=held,
        version=expected.version or answer.version,
        hashing=expected.hashing or answer.hashing,
        signing=expected.signing or answer.signing,
    )
    result = judge_spdm(evidence, question, anchors, at=at)
    return Judged(result.verdict, tuple(_spdm_facts(result)))


def tpm_from_files(
    files: Mapping[str, Path | None], *, nonce: bytes, anchors: Anchors | None, at: float
) -> Judged:
    """`files` by the fields of `TpmEvidence`; without anchors nobody asks whose key it is. Raises
    `OperatorMust` for those that cannot be read."""
    held = {name: read_file(path) for name, path in files.items() if path is not None}
    evidence = msgspec.convert(held, TpmEvidence)
    result = judge_tpm(evidence, nonce=nonce, anchors=anchors, at=at)
    facts = [*attester_facts(result.attester)]
    if result.measurements:
        quoted = ", ".join(f"{each.algorithm} {each.index}" for each in result.measurements)
        facts.append(("quoted", quoted))
    return Judged(result.verdict, facts)


def _manifest_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file())
        else:
            yield path


class Manifests(NamedTuple):
    """`findings` name the files that are no manifests."""

    sets: tuple[ReferenceSet, ...]
    findings: tuple[Finding, ...]


def read_manifests(paths: Sequence[Path], anchors: Sequence[Path], *, at: float) -> Manifests:
    """Manifests from files and folders. Raises `OperatorMust` for what cannot be read at all."""
    trusted = read_signing_anchors([(str(path), read_file(path)) for path in anchors])
    sets: list[ReferenceSet] = []
    findings: list[Finding] = []
    for path in _manifest_files(paths):
        try:
            held = read_manifest(read_file(path), source=path.name, anchors=trusted, at=at)
        except DocumentMalformed as error:
            detail = {"file": path.name}
            findings.append(Finding(code=error.reason, message=error.message, detail=detail))
        else:
            sets += held.sets
    return Manifests(tuple(sets), tuple(findings))


def accelerators_from_files(
    evidence: Path,
    chain: Path | None,
    manifests: Manifests,
    *,
    nonce: bytes | None,
    anchors: Anchors,
    at: float,
) -> Judged:
    """Raises `OperatorMust` for files that cannot be read."""
    data, given = read_file(evidence), read_file(chain) if chain else None
    try:
        items = parse_bundle(data)
    except EvidenceMalformed as error:
        return _malformed(error)
    results = [
        judge_accelerator(
            item if given is None else msgspec.structs.replace(item, chain=given),
            nonce=nonce,
            anchors=anchors,
            references=manifests.sets,
            at=at,
        )
        for item in items
    ]
    verdict = worst_of([each.verdict for each in results])
    findings = (*verdict.findings, *manifests.findings)
    facts = [fact for each in results for fact in _accelerator_facts(each)]
    return Judged(msgspec.structs.replace(verdict, findings=findings), facts)


def _accelerator_facts(result: AcceleratorResult) -> Iterator[tuple[str, str]]:
    yield from _spdm_facts(result.spdm)
    if result.words:
        yield "says", ", ".join(f"{name} {word}" for name, word in result.words.items())
    for name in result.met:
        yield "as", name
