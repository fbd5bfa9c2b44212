"""One exhibit to a verdict on all five axes: what was signed, by whom, and is it what should run.

The signature, the chain and the question are judged by `spdm` and `tpm`; here they are joined with
references. Which references concern a component is decided by what the component itself signed
(its manifest, its certificate's device information), never by what the controller calls it: a
courier could choose the reference that fits. Measurements that match a release while the component
signs another release's name differ: that is old firmware under a new label.

What the controller says by itself is used in one direction only: against. It never adds to trust.
Pure: the same exhibit, anchors, references and time give the same verdict.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.model.appraisal import Pin
from iolaus.model.evidence import Exhibit, Outcome, Protocol
from iolaus.model.reference import ReferenceSet, SourceKind
from iolaus.model.trust import (
    Detail,
    Evidence,
    Finding,
    Identity,
    Lifecycle,
    Measurement,
    Reference,
    Signature,
    Verdict,
)
from iolaus.trust.attester import Attester, read_attester
from iolaus.trust.chains import Anchors, ChainResult, Validity, judge_chain
from iolaus.trust.compare import Comparison, compare, meets
from iolaus.trust.floors import Floor, floored
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, judge_spdm
from iolaus.trust.tpm import TpmEvidence, TpmResult, judge_tpm
from iolaus.wire.certificates import parse_certificates
from iolaus.wire.octets import EvidenceMalformed, Octets
from iolaus.wire.spdm.opaque import parse_tlv, tlv_words
from iolaus.wire.tpm.eventlog import EventLog

MAX_NAMES: Final = 128
CRTM_VERSION: Final = 0x00000008
EFI_ACTION: Final = 0x80000007
CODE: Final = frozenset((0x80000003, 0x80000004, 0x80000005, 0x80000008, 0x8000000A, 0x800000E1))
"""Events that measure code: boot services, drivers, firmware volumes."""
BOOT: Final = "boot"
BOOT_FIRMWARE, OPTION_ROM = "boot-firmware", "option-rom"
PLATFORM: Final[Mapping[int, str]] = {0: BOOT_FIRMWARE, 2: OPTION_ROM}
"""Registers that hold code of the platform, before any loader."""
LABELLED: Final = frozenset(("mutable-firmware", BOOT_FIRMWARE))
"""Kinds of measurement beside which a version is signed."""
MUST_MATCH: Final = frozenset(("rom", "mutable-firmware", BOOT_FIRMWARE))
"""Kinds of measurement without a reference of which nothing is a match."""
DEBUG_MODE: Final = b"UEFI Debug Mode"
_ORDER: Final = (Reference.MISMATCH, Reference.UNTRUSTED, Reference.EXPIRED, Reference.NONE,
                 Reference.MATCH)  # fmt: skip
NOT_ASKED: Final[Mapping[Outcome, Evidence]] = {
    Outcome.NONE: Evidence.NONE,
    Outcome.UNREACHABLE: Evidence.UNREACHABLE,
    Outcome.MALFORMED: Evidence.MALFORMED,
}


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What policy decides of an appraisal. `max_age_s` is how long evidence counts as fresh;
    `accept_learned` lets values that were learned here count as a maker's;
    `accept_expired` lets references whose signer's certificate has expired count;
    `secure_boot` demands that the last boot enforced it, `floors` least security versions."""

    max_age_s: float = 3 * 3600.0
    validity: Validity = Validity.ENFORCED
    accept_learned: bool = False
    accept_expired: bool = False
    secure_boot: bool = False
    floors: tuple[Floor, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """`identity` is the digest of the key that stays (hex, "" for nobody), `subject` its name;
    `measurements` those that a valid signature covers; `references` name the sets that matched
    and `parts` what those are of; `chain` is from root to leaf as far as it was shown. `maker`,
    `model` and `version` are what it calls itself under its signature ("": it does not). `key` is
    the digest of the signing key where `identity` is not of it."""

    verdict: Verdict
    identity: str = ""
    subject: str = ""
    measurements: tuple[Measurement, ...] = ()
    references: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    chain: ChainResult | None = None
    maker: str = ""
    model: str = ""
    version: str = ""
    key: str = ""

    def identity_under(self, pin: Pin | None) -> str:
        """By what it is known: a TPM that was enrolled by its attestation key, by that as long as
        it has it."""
        enrolled = pin is not None and bool(self.key) and pin.identity == self.key
        return self.key if enrolled else self.identity


class _Proved(msgspec.Struct, frozen=True, kw_only=True):
    """What a protocol's judge made of it. `names` are what the component signed of itself: name
    -> version ("": it says none)."""

    verdict: Verdict
    measurements: tuple[Measurement, ...] = ()
    attester: Attester | None = None
    chain: ChainResult | None = None
    names: Mapping[str, str] = {}
    versions: tuple[str, ...] = ()


def appraise(
    exhibit: Exhibit,
    *,
    anchors: Anchors,
    references: Iterable[ReferenceSet],
    at: float,
    rules: Rules | None = None,
    parts: Iterable[str] = (),
) -> Judged:
    """Judge at a time (seconds since 1970). `parts` are those that this attester matched before:
    they concern it still, whatever it leaves out now. Never raises."""
    rules = rules or Rules()
    if exhibit.outcome is not Outcome.ANSWERED or exhibit.question is None:
        return _unanswered(exhibit, anchors, at=at, rules=rules)
    spdm = exhibit.attester.protocol is Protocol.SPDM
    proved = (_spdm if spdm else _tpm)(exhibit, anchors, at, rules)
    return _compared(proved, tuple(references), frozenset(parts), exhibit, at=at, rules=rules)


def _finding(code: str, message: str, **detail: Detail) -> Finding:
    return Finding(code=code, message=message, detail=detail)


# --- nothing signed -----------------------------------------------------------------------------


def _unanswered(exhibit: Exhibit, anchors: Anchors, *, at: float, rules: Rules) -> Judged:
    """A chain that is shown can be judged; that its key is there, nobody showed."""
    found = [_finding(f"evidence-{exhibit.outcome}", exhibit.why or "Nothing was answered.")]
    chain, attester = None, None
    if exhibit.shown.chain:
        try:
            ders = parse_certificates(exhibit.shown.chain, subject="certificate chain")
            chain = judge_chain(ders, anchors, at=at, validity=rules.validity)
            attester = read_attester(chain.linked)
            found += chain.findings
            found.append(_links(chain))
        except EvidenceMalformed as error:
            found.append(_finding(error.reason, f"{error.subject}: {error.message}."))
    found += _missing(exhibit)
    verdict = Verdict(
        evidence=NOT_ASKED.get(exhibit.outcome, Evidence.NONE),
        signature=Signature.UNVERIFIED,
        identity=chain.identity if chain else Identity.UNANCHORED,
        reference=Reference.NONE,
        lifecycle=None,
        findings=tuple(found),
    )
    subject = attester.subject if attester else ""
    return Judged(verdict=verdict, subject=subject, chain=chain)


def _links(chain: ChainResult) -> Finding:
    told = f"{len(chain.linked)} of {len(chain.certificates)} certificates hold link by link"
    names = [each.subject.rfc4514_string()[:120] for each in chain.certificates]
    ends = "to an anchor of ours" if chain.anchor is not None else "to no anchor of ours"
    return _finding("chain-shown", f"{told}, {ends}; no signature proves that its key is there.",
                    certificates=names)  # fmt: skip


def _missing(exhibit: Exhibit) -> Iterator[Finding]:
    for what, why in exhibit.shown.missing.items():
        yield _finding(f"{what.replace('_', '-')}-missing", f"{what}: {why}.")
    yield _finding(
        "signature-missing", "For a full verdict it would have to sign measurements with our nonce."
    )


# --- what was signed ----------------------------------------------------------------------------


def _spdm(exhibit: Exhibit, anchors: Anchors, at: float, rules: Rules) -> _Proved:
    assert exhibit.question is not None
    claimed = exhibit.claimed
    evidence = SpdmEvidence(
        measurements=exhibit.measurements,
        chain=exhibit.shown.chain or None,
        version=claimed.get("Version"),
        hashing=claimed.get("HashingAlgorithm"),
        signing=claimed.get("SigningAlgorithm"),
    )
    asked = exhibit.question
    question = SpdmQuestion(nonce=asked.nonce, slot=asked.slot, indices=asked.indices)
    found = judge_spdm(evidence, question, anchors, at=at, validity=rules.validity)
    names = dict(_manifest(found.measurements))
    names |= _told_by(found.attester, found.opaque)
    raws = [m for m in found.measurements if m.kind == "version" and m.raw]
    return _Proved(
        verdict=found.verdict,
        measurements=found.measurements,
        attester=found.attester,
        chain=found.chain,
        names=names,
        versions=tuple(_text(each.value) for each in raws),
    )


def _manifest(measurements: Iterable[Measurement]) -> Iterator[tuple[str, str]]:
    """Lines "component=version" of a measurement manifest that is text."""
    for each in measurements:
        if each.kind != "manifest" or not each.raw:
            continue
        for line in _text(each.value).splitlines()[:MAX_NAMES]:
            name, equals, version = line.partition("=")
            if equals:
                yield name.strip(), version.strip()


def _told_by(attester: Attester | None, opaque: bytes) -> dict[str, str]:
    """Names in what a certificate or a signature covers, none with a version."""
    names: dict[str, str] = {}
    if attester is not None:
        layers = (info.model or "" for info in attester.tcb)
        names |= dict.fromkeys(filter(None, (attester.product, *layers)), "")
    with contextlib.suppress(EvidenceMalformed):
        names |= dict.fromkeys(filter(None, tlv_words(parse_tlv(opaque)).values()), "")
    return names


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").rstrip("\0")


def _tpm(exhibit: Exhibit, anchors: Anchors, at: float, rules: Rules) -> _Proved:
    assert exhibit.question is not None
    try:
        octets = Octets(exhibit.measurements, subject="TPM measurements", order="big")
        quote = octets.sized(2, "the quote")
        signature = exhibit.measurements[2 + len(quote) :]
    except EvidenceMalformed as error:
        finding = _finding(error.reason, f"{error.subject}: {error.message}.")
        return _Proved(verdict=Verdict(evidence=Evidence.MALFORMED,
                                       signature=Signature.UNVERIFIED,
                                       findings=(finding,)))  # fmt: skip
    evidence = TpmEvidence(
        quote=quote,
        signature=signature,
        key=exhibit.shown.chain,
        event_log=exhibit.shown.log or None,
        endorsement=exhibit.shown.endorsement or None,
    )
    nonce = exhibit.question.nonce
    found = judge_tpm(evidence, nonce=nonce, anchors=anchors, at=at, validity=rules.validity)
    return _booted(found, exhibit, rules)


def _booted(found: TpmResult, exhibit: Exhibit, rules: Rules) -> _Proved:
    """The events of a boot as measurements, where their log is what was quoted."""
    verdict, log = found.verdict, found.log
    extra = [] if log else [_finding("log-missing", "No log says what the registers hold.")]
    lifecycle = None
    if log is not None:
        debug = any(e.kind == EFI_ACTION and e.data.startswith(DEBUG_MODE) for e in log.events)
        lifecycle = Lifecycle.DEBUG if debug else Lifecycle.OK
        extra += [_finding("debug-mode", "The host booted with a debugger.")] if debug else []
    off = any(each.code == "secure-boot-off" for each in verdict.findings)
    says_on = b'"SecureBootCurrentBoot":"Enabled"' in exhibit.shown.secure_boot
    reference = Reference.MISMATCH if off and (rules.secure_boot or says_on) else None
    if off and says_on:
        told = "The controller says that Secure Boot is on; the boot was measured without it."
        extra.append(_finding("secure-boot-contradicted", told))
    verdict = msgspec.structs.replace(
        verdict,
        reference=reference,
        lifecycle=lifecycle,
        identity=verdict.identity or Identity.UNANCHORED,
        findings=(*verdict.findings, *extra),
    )
    bank = found.quote.banks[0].hashing if found.quote and found.quote.banks else ""
    code = tuple(_code(log, bank)) if log else ()
    return _Proved(
        verdict=verdict,
        measurements=(*found.measurements, *code),
        attester=found.attester,
        versions=tuple(_crtm_versions(log)) if log else (),
    )


def _code(log: EventLog, bank: str) -> Iterator[Measurement]:
    """Firmware volumes and option ROMs; `index` is the event's number behind the registers'."""
    for number, event in enumerate(log.events):
        value, kind = event.digests.get(bank), PLATFORM.get(event.pcr)
        if value is not None and kind is not None and event.kind in CODE:
            yield Measurement(index=1000 + number, kind=kind, value=value, algorithm=bank)


def _crtm_versions(log: EventLog) -> Iterator[str]:
    for event in log.events:
        if event.kind == CRTM_VERSION and event.pcr == 0:
            yield event.data.decode("utf-16-le", "replace").rstrip("\0")


# --- is it what should run ----------------------------------------------------------------------


def _compared(
    proved: _Proved,
    references: Sequence[ReferenceSet],
    parts: frozenset[str],
    exhibit: Exhibit,
    *,
    at: float,
    rules: Rules,
) -> Judged:
    verdict = proved.verdict
    met: tuple[ReferenceSet, ...] = ()
    if verdict.signature is Signature.VALID and verdict.evidence is not Evidence.MALFORMED:
        mine = _mine(proved, references, parts, exhibit.attester.protocol)
        verdict, met = _with_references(proved, mine, at=at, rules=rules)
        name = exhibit.attester.name
        verdict = floored(verdict, proved.measurements, met, name=name, floors=rules.floors)
    else:
        verdict = msgspec.structs.replace(verdict, reference=Reference.NONE)
    who = proved.attester
    return Judged(
        verdict=verdict,
        identity=who.pin if who else "",
        subject=who.subject if who else "",
        measurements=proved.measurements,
        references=tuple(each.name for each in met),
        parts=tuple(dict.fromkeys(each.part for each in met)),
        chain=proved.chain,
        maker=who.maker if who else "",
        model=_called(proved),
        key=who.key if who else "",
        version=_running(proved),
    )


def _called(proved: _Proved) -> str:
    """What it calls itself; a boot's firmware has no name of its own."""
    if any(each.kind in PLATFORM.values() for each in proved.measurements):
        return BOOT
    own = proved.attester.product if proved.attester else ""
    return own or next((name for name in proved.names if name), "")


def _running(proved: _Proved) -> str:
    """The one version that it signs for itself."""
    named = proved.names.get(_called(proved), "")
    return named or (proved.versions[0] if len(proved.versions) == 1 else "")


def _mine(
    proved: _Proved, references: Iterable[ReferenceSet], parts: frozenset[str], protocol: Protocol
) -> list[ReferenceSet]:
    """The references that concern it. A boot log names no firmware, so of a boot those do that
    something in it meets, and all releases of what it met before."""
    if protocol is Protocol.SPDM:
        return [each for each in references if each.part in parts or _concerns(each, proved)]
    code = _compared_kinds(proved, protocol)
    values = {each.value for each in code}
    return [
        each
        for each in references
        if all(value.index is None for value in each.values)
        and (each.part in parts or not values.isdisjoint(_digests(each)))
    ]


def _digests(references: ReferenceSet) -> Iterator[bytes]:
    return (digest.value for value in references.values for digest in value.digests)


def _compared_kinds(proved: _Proved, protocol: Protocol) -> tuple[Measurement, ...]:
    if protocol is Protocol.SPDM:
        return proved.measurements
    return tuple(each for each in proved.measurements if each.kind in PLATFORM.values())


def _with_references(
    proved: _Proved, mine: Sequence[ReferenceSet], *, at: float, rules: Rules
) -> tuple[Verdict, tuple[ReferenceSet, ...]]:
    boot = any(each.kind == "pcr" for each in proved.measurements)
    seen = _compared_kinds(proved, Protocol.TPM if boot else Protocol.SPDM)
    groups = _by_part(mine) if boot else [list(mine)]
    found = _worst(
        compare(seen, each, at=at, accept_learned=rules.accept_learned) for each in groups
    )
    met = tuple(each for each in mine if each.name in found.met)
    outcome, labels = _labelled(found, met, proved)
    if outcome is Reference.EXPIRED and rules.accept_expired:
        outcome = Reference.MATCH
    bare = [each.index for each in seen if each.kind in MUST_MATCH and not _is_covered(each, met)]
    if bare and outcome in (Reference.MATCH, Reference.EXPIRED):
        outcome = Reference.NONE
        told = f"{len(bare)} measurements of code have no reference."
        labels.append(_finding("code-unreferenced", told, indices=bare))
    if proved.verdict.reference is Reference.MISMATCH:
        outcome = Reference.MISMATCH
    findings = (*proved.verdict.findings, *found.findings, *labels)
    verdict = msgspec.structs.replace(proved.verdict, reference=outcome, findings=findings)
    return verdict, met


def _by_part(mine: Iterable[ReferenceSet]) -> list[list[ReferenceSet]]:
    """Parts of a boot stand for themselves: that one is right covers no other."""
    found: dict[str, list[ReferenceSet]] = {}
    for each in mine:
        found.setdefault(each.part, []).append(each)
    return list(found.values()) or [[]]


def _worst(found: Iterable[Comparison]) -> Comparison:
    each = list(found)
    outcome = min((c.reference for c in each), key=_ORDER.index)
    findings = tuple(f for c in each for f in c.findings if f.code != "measurement-unreferenced")
    if len(each) == 1:
        findings = each[0].findings
    return Comparison(outcome, findings, tuple(name for c in each for name in c.met))


def _is_covered(seen: Measurement, met: Iterable[ReferenceSet]) -> bool:
    """A maker's whole manifest of a device covers all of it; else a value must be met."""
    return any(
        each.provenance.kind is SourceKind.RIM
        or any(value.index in (None, seen.index) and meets(seen, value) for value in each.values)
        for each in met
    )


def _concerns(references: ReferenceSet, proved: _Proved) -> bool:
    """It is of something that the component names: itself, or what it measures."""
    maker = proved.attester.maker if proved.attester else ""
    if maker and references.vendor and references.vendor.lower() != maker.lower():
        return False
    model = references.model or references.part
    return any(model == name or model.startswith(f"{name} ") for name in proved.names if name)


def _labelled(
    found: Comparison, met: Iterable[ReferenceSet], proved: _Proved
) -> tuple[Reference, list[Finding]]:
    """A digest of one release under the signed name of another differs, if somebody vouches for
    what the release is."""
    wrong = [each for each in met if each.version and not _says(each, proved)]
    findings = [
        _finding(
            "version-differs",
            f"It measures {each.name} and says that it runs "
            f"{_claimed(each, proved) or 'another version'}.",
            reference=each.name,
            expected=each.version,
            seen=_claimed(each, proved),
        )
        for each in wrong
    ]
    counts = found.reference is not Reference.UNTRUSTED
    return (Reference.MISMATCH if wrong and counts else found.reference), findings


def _claimed(references: ReferenceSet, proved: _Proved) -> str:
    named = proved.names.get(references.model or references.part, "")
    return named or ", ".join(proved.versions[:4])


def _says(references: ReferenceSet, proved: _Proved) -> bool:
    """The version that was signed for this part; where no part is named, any that was signed.
    Parts of which nothing is said (a ROM) are right by their digest."""
    named = proved.names.get(references.model or references.part)
    if named:
        return named == references.version
    labelled = [each for each in proved.measurements if each.kind in LABELLED]
    if not proved.versions or not any(_is_covered(each, (references,)) for each in labelled):
        return True
    return references.version in proved.versions
