"""Values learned from components that agree: what several measure alike, and nobody signed. Pure.

That many run the same proves neither that it is right nor whose it is, so what is learned is
labelled so and counts only where a policy accepts it. What it is good for: that one departs from
the others shows before a maker has published anything. Only components that proved who they are
teach, and of measurements of code all of them must agree: a majority is not asked for, since it is
who departs that a person should look at. Measurements of other things (a serial number, a setting)
are left out where they differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.model.naming import slug
from iolaus.model.reference import (
    Digest,
    KeptReference,
    Provenance,
    ReferenceSet,
    ReferenceValue,
    SourceKind,
)
from iolaus.model.trust import (
    Evidence,
    Finding,
    Identity,
    Lifecycle,
    Measurement,
    Reference,
    Signature,
    Verdict,
)
from iolaus.trust.appraise import BOOT, MUST_MATCH, PLATFORM, Judged

NO_FIRMWARE: Final = frozenset(("svn", "version", "device-mode", "manifest", "pcr"))
"""Kinds of measurement that say what something is called, or what was measured elsewhere."""
SHOWN: Final = 8
_CODE: Final = MUST_MATCH | frozenset(PLATFORM.values())


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """One component (`label` is "node:component"), the verdict that stands, and its newest
    evidence as it was judged."""

    label: str
    standing: Verdict
    judged: Judged


def teaches(verdict: Verdict) -> bool:
    """Did it prove who it is, and is nothing known against it?"""
    return (
        verdict.evidence is Evidence.FRESH
        and verdict.signature is Signature.VALID
        and verdict.identity in (Identity.ANCHORED, Identity.PINNED)
        and verdict.reference is not Reference.MISMATCH
        and verdict.lifecycle in (None, Lifecycle.OK)
    )


def learned(
    witnesses: Iterable[Witness], *, name: str, by: str, at: float, least: int
) -> KeptReference:
    """What those of `witnesses` that teach have in common, a set for each kind of component, of
    which there must be `least`. `at` is in seconds since 1970. Raises `OperatorMust` where they
    do not agree, or where there are too few."""
    held = list(witnesses)
    good = [each for each in held if teaches(each.standing) and each.judged.model]
    kinds: dict[tuple[str, str], list[Witness]] = {}
    for each in good:
        kinds.setdefault((each.judged.maker, each.judged.model), []).append(each)
    few = [f"{model} ({len(them)})" for (_, model), them in kinds.items() if len(them) < least]
    if few or not kinds:
        raise _too_few(name, few, len(held), least)
    findings = list(_left_out(held, good))
    sets = [_set(kind, them, findings, name) for kind, them in sorted(kinds.items())]
    data = msgspec.json.encode(sets, order="deterministic")
    provenance = Provenance(
        source=f"{len(good)} components measured here",
        kind=SourceKind.LEARNED,
        digest=hashlib.sha256(data).hexdigest(),
        imported_at=at,
        count=len(good),
    )
    kept = tuple(msgspec.structs.replace(each, provenance=provenance) for each in sets)
    return KeptReference(
        name=slug(name)[:60].strip("-") or "learned", data=data, sets=kept, provenance=provenance,
        by=by, findings=tuple(findings),
    )  # fmt: skip


def _set(
    kind: tuple[str, str], them: Sequence[Witness], findings: list[Finding], name: str
) -> ReferenceSet:
    maker, model = kind
    values, differing = _agreed(them, name)
    if differing:
        told = f"{model}: measurements that differ and are no code are left out"
        findings.append(Finding(code="left-out", message=told, detail={"indices": differing}))
    versions = {each.judged.version for each in them}
    part = f"boot ({name})" if model == BOOT else f"{maker} {model}".strip()
    return ReferenceSet(
        name=f"{part} (learned as {name})",
        part=part,
        values=tuple(values),
        provenance=Provenance(source="", kind=SourceKind.LEARNED),
        vendor=maker,
        model=model,
        version=versions.pop() if len(versions) == 1 else "",
    )


def _agreed(them: Sequence[Witness], name: str) -> tuple[list[ReferenceValue], list[int]]:
    """Values that all have, and the indices of those that are left out."""
    seen = [{_place(m): m for m in _firmware(each.judged)} for each in them]
    values, differing = list[ReferenceValue](), list[int]()
    for place in sorted({place for each in seen for place in each}):
        found = [each.get(place) for each in seen]
        first = next(m for m in found if m is not None)
        if all(m == first for m in found):
            values.append(_value(first, place))
        elif any(m is not None and m.kind in _CODE for m in found):
            raise _differ(name, them, found, place[1])
        else:
            differing.append(place[1])
    if not values:
        raise _too_few(name, [f"{them[0].judged.model} (0 values)"], len(them), 1)
    return values, differing


def _firmware(judged: Judged) -> Iterator[Measurement]:
    return (each for each in judged.measurements if each.kind not in NO_FIRMWARE)


def _place(seen: Measurement) -> tuple[str, int]:
    """Events of a boot have no lasting index; their order has."""
    return (seen.kind if seen.kind in PLATFORM.values() else "", seen.index)


def _value(seen: Measurement, place: tuple[str, int]) -> ReferenceValue:
    index, key = (None, f"{place[0]}-{place[1]}") if place[0] else (seen.index, "")
    if seen.raw:
        return ReferenceValue(index=index, key=key, raw=seen.value)
    return ReferenceValue(index=index, key=key, digests=(Digest(seen.algorithm, seen.value),))


def _left_out(held: Sequence[Witness], good: Sequence[Witness]) -> Iterator[Finding]:
    names = {each.label for each in good}
    rest = [each.label for each in held if each.label not in names]
    if rest:
        told = f"{len(rest)} taught nothing: not proved who they are, or something is against them"
        yield Finding(code="not-learned-from", message=told, detail={"components": rest[:SHOWN]})


def _differ(
    name: str, them: Sequence[Witness], found: Sequence[Measurement | None], index: int
) -> OperatorMust:
    groups: dict[str, list[str]] = {}
    for each, seen in zip(them, found, strict=True):
        groups.setdefault(seen.value.hex()[:16] if seen else "nothing", []).append(each.label)
    told = "; ".join(
        f"{len(labels)} say {value} ({', '.join(labels[:SHOWN])})"
        for value, labels in sorted(groups.items(), key=lambda g: -len(g[1]))[:SHOWN]
    )
    return OperatorMust(
        f"they do not agree on measurement {index}: {told}",
        operation="learn",
        subject=name,
        code="ComponentsDiffer",
        next_step="look at those that depart, and learn from those that should run the same.",
    )


def _too_few(name: str, few: Sequence[str], count: int, least: int) -> OperatorMust:
    told = f": {', '.join(few[:SHOWN])}" if few else f" among {count}"
    return OperatorMust(
        f"fewer than {least} components of a kind proved who they are{told}",
        operation="learn",
        subject=name,
        code="TooFewToLearnFrom",
        next_step="import the anchors of their makers and ask them: iolaus attest; or say --least.",
    )
