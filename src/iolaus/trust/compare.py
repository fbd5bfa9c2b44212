"""Measurements held against references: one axis, and findings that say what differs.

References come as sets that are compared whole (`iolaus.model.reference`). A set that is met
covers its indices. One that is not met differs, unless it is another release of a part that was
met, or all that it speaks of is covered. So of two releases either may run, and never a mixture.

Only a set that is genuine counts for or against. One that has expired still counts, as `expired`,
because most published manifests outlive their signing certificates and a policy may say what that
is worth; a difference from it is a difference. What nobody vouches for (unsigned, another's
anchor, learned) is told in findings and gives `untrusted` at best. What an active reference
expects and was not measured differs as well: leaving measurements out improves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from iolaus.model.reference import ReferenceSet, ReferenceValue, SourceKind
from iolaus.model.trust import Detail, Finding, Measurement, Reference

MAX_DIFFERENCES: Final = 16
"""Differences that are told one by one."""


class Comparison(NamedTuple):
    """`met` names the sets that decided it."""

    reference: Reference
    findings: tuple[Finding, ...]
    met: tuple[str, ...] = ()


class Difference(NamedTuple):
    value: ReferenceValue
    seen: Measurement | None


class _Held(NamedTuple):
    """A set and how it fared."""

    references: ReferenceSet
    differences: tuple[Difference, ...]
    indices: frozenset[int | None]


def compare(
    measurements: Sequence[Measurement],
    references: Iterable[ReferenceSet],
    *,
    at: float,
    accept_learned: bool = False,
) -> Comparison:
    """`references` are those of this component; `at` (seconds since 1970) is when it is judged.
    `accept_learned`: values that were learned here count as genuine ones."""
    sets = [each for each in references if comparable(each)]
    genuine = [s for s in sets if _counts(s, accept_learned=accept_learned)]
    if not sets:
        return Comparison(Reference.NONE, (_no_reference(),))
    held = [_hold(each, measurements) for each in genuine or sets]
    current = [h for h in held if h.references.provenance.current(at)]
    met, unmet = _settle(current)
    expired = not current or bool(unmet)
    if expired and len(current) < len(held):
        met, unmet = _settle(held)
    findings = [*_differences(unmet), *_notes(met or unmet, at)]
    if not genuine:
        return Comparison(Reference.UNTRUSTED, (*_doubts(sets), *findings), _names(met))
    if unmet:
        return Comparison(Reference.MISMATCH, tuple(findings), _names(met))
    findings += _unreferenced(measurements, met)
    old = any(not h.references.provenance.current(at) for h in met)
    return Comparison(Reference.EXPIRED if old else Reference.MATCH, tuple(findings), _names(met))


def comparable(references: ReferenceSet) -> bool:
    """Does it demand anything of measurements?"""
    return any(_demands(value) for value in references.values)


def _demands(value: ReferenceValue) -> bool:
    return value.active and bool(value.digests or value.raw is not None or value.unsupported)


def _counts(references: ReferenceSet, *, accept_learned: bool) -> bool:
    learned = references.provenance.kind is SourceKind.LEARNED
    return accept_learned if learned else references.provenance.genuine


def _hold(references: ReferenceSet, measurements: Sequence[Measurement]) -> _Held:
    """Values of one index (or of one key, or of none) are alternatives of each other."""
    grouped: dict[tuple[int | None, str], list[ReferenceValue]] = {}
    for value in references.values:
        if _demands(value):
            grouped.setdefault((value.index, value.key), []).append(value)
    by_index = {each.index: each for each in measurements}
    differences = []
    for (index, _), values in grouped.items():
        seen = measurements if index is None else [by_index[index]] if index in by_index else []
        if not any(meets(one, value) for one in seen for value in values):
            differences.append(Difference(values[0], by_index.get(-1 if index is None else index)))
    differences.sort(key=lambda each: -1 if each.value.index is None else each.value.index)
    return _Held(references, tuple(differences), frozenset(index for index, _ in grouped))


def meets(seen: Measurement, value: ReferenceValue) -> bool:
    """Is this measurement as that value says?"""
    if value.unsupported:
        return False
    if value.raw is not None:
        return seen.raw and masked(seen.value, value.mask) == masked(value.raw, value.mask)
    return any(_is(seen, each.algorithm, each.value) for each in value.digests)


def masked(value: bytes, mask: bytes | None) -> bytes:
    """The bits that count; a value of another length than its mask has none of them."""
    if mask is None:
        return value
    if len(mask) != len(value):
        return b"\0" * (len(mask) + 1)
    return bytes(a & b for a, b in zip(value, mask, strict=True))


def _is(seen: Measurement, algorithm: str, digest: bytes) -> bool:
    if seen.raw:
        known = algorithm.replace("-", "_")
        return known in hashlib.algorithms_available and digest == _hash(known, seen.value)
    return seen.algorithm in ("", algorithm) and seen.value == digest


def _hash(algorithm: str, value: bytes) -> bytes:
    return hashlib.new(algorithm, value).digest()


def _settle(held: Sequence[_Held]) -> tuple[list[_Held], list[_Held]]:
    """What is met, and what should be and is not: of each part, the release that is nearest."""
    met = [each for each in held if not each.differences]
    covered = frozenset(index for each in met for index in each.indices)
    parts = {each.references.part for each in met}
    unmet: dict[str, _Held] = {}
    for each in held:
        part = each.references.part
        if not each.differences or part in parts or (met and each.indices <= covered):
            continue
        if part not in unmet or _distance(each) < _distance(unmet[part]):
            unmet[part] = each
    return met, list(unmet.values())


def _distance(held: _Held) -> tuple[int, str]:
    return len(held.differences), held.references.name


def _names(held: Iterable[_Held]) -> tuple[str, ...]:
    return tuple(each.references.name for each in held)


def _differences(unmet: Iterable[_Held]) -> Iterator[Finding]:
    for each in unmet:
        for difference in each.differences[:MAX_DIFFERENCES]:
            yield _difference(difference, each)
        more = len(each.differences) - MAX_DIFFERENCES
        if more > 0:
            told = f"{more} more measurements differ from {each.references.name}"
            yield Finding(code="more-differences", message=told, detail={"count": more})


def _difference(difference: Difference, held: _Held) -> Finding:
    value, seen = difference
    where = "a measurement" if value.index is None else f"measurement {value.index}"
    named = f" ({value.name})" if value.name else ""
    detail: dict[str, Detail] = {
        "index": value.index,
        "expected": _expected(value),
        "seen": seen.value.hex() if seen else None,
        "reference": held.references.name,
        "source": held.references.provenance.source,
    }
    if value.unsupported:
        told = f"{where}{named} has demands that cannot be checked: {', '.join(value.unsupported)}"
        return Finding(code="reference-unsupported", message=told, detail=detail)
    if seen is None:
        told = f"{where}{named}, which {held.references.name} expects, was not measured"
        if value.index is None:
            told = f"no measurement is as {held.references.name} expects{named}"
        return Finding(code="measurement-missing", message=told, detail=detail)
    told = f"{where}{named} is not as {held.references.name} says; see what was installed there"
    return Finding(code="measurement-differs", message=told, detail=detail)


def _expected(value: ReferenceValue) -> list[str]:
    if value.raw is not None:
        return [value.raw.hex() + (f"/{value.mask.hex()}" if value.mask else "")]
    return [f"{each.algorithm}:{each.value.hex()}" for each in value.digests]


def _notes(held: Iterable[_Held], at: float) -> Iterator[Finding]:
    for each in held:
        provenance, name = each.references.provenance, each.references.name
        detail: dict[str, Detail] = {"reference": name, "source": provenance.source}
        if provenance.kind is SourceKind.LEARNED:
            told = f"{name} was learned here, and is nobody's promise"
            yield Finding(code="reference-learned", message=told, detail=detail)
        if not provenance.current(at):
            ends = {"not_before": provenance.not_before, "not_after": provenance.not_after}
            told = f"{name} or its signer's certificate is not valid at that time"
            yield Finding(code="reference-expired", message=told, detail={**detail, **ends})


def _doubts(sets: Iterable[ReferenceSet]) -> Iterator[Finding]:
    for each in islice(sets, MAX_DIFFERENCES):
        provenance = each.provenance
        told = (
            f"{each.name} counts for nothing: its signature is {provenance.signature}, "
            f"its signer {provenance.identity}"
        )
        detail: dict[str, Detail] = {"reference": each.name, "source": provenance.source}
        yield Finding(code="reference-untrusted", message=told, detail=detail)


def _unreferenced(measurements: Iterable[Measurement], met: Iterable[_Held]) -> Iterator[Finding]:
    covered = frozenset(index for each in met for index in each.indices)
    rest = [each.index for each in measurements if each.index not in covered]
    if rest and None not in covered:
        told = f"{len(rest)} measurements have no reference"
        yield Finding(code="measurement-unreferenced", message=told, detail={"indices": rest})


def _no_reference() -> Finding:
    told = "there is no reference for it; import its maker's with: iolaus reference import"
    return Finding(code="no-reference", message=told)
