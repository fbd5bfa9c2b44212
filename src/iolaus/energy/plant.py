"""Building the plant from what was claimed of it, by whom.

The operator's plant file, the devices that were discovered and the building's metadata all say the
same kind of thing: this source says that this subject's field has this value. Claims are joined
field by field. Where sources differ, nobody is believed for being louder: the conflict is kept and
shown, and the safer value counts until somebody settles it - the lower limit, the higher nameplate,
and for a rack that two sources hang on different feeds, both, each carrying all of it.

What is missing is a gap with a reason. A load whose nameplate nobody knows cannot be planned with,
so its rack's limit becomes unknown and its neighbours get their floors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from iolaus.model.plant import (
    CoolingUnit,
    Domain,
    DomainKind,
    LeakZone,
    Load,
    Loop,
    Plant,
    PlantConflict,
    PlantGap,
    ZoneKind,
)

Value = str | float | tuple[str, ...]
DOMAIN_FIELDS: Final = ("kind", "parent", "standby", "limit_w", "efficiency", "overhead_w")
LOAD_FIELDS: Final = ("rack", "floor_w", "nameplate_w", "idle_w", "priority", "job")
DECIDED: Final = "powerpolicy/"
"""Sources that begin so are decisions and not claims about what is."""
DEEPEST: Final = 32
_ORDER: Final = {kind: at for at, kind in enumerate(DomainKind)}


@dataclass(frozen=True, slots=True)
class Claim:
    """`source` says of `subject` ("domain/h1-a", "load/h1-r01-u01", "loop/...", "unit/...",
    "zone/...") that `field` is `value`: watts as numbers, names as text, several as a tuple."""

    source: str
    subject: str
    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Settled:
    """A field as it counts, and what was claimed where sources differ."""

    value: Value
    source: str
    claims: tuple[tuple[str, str], ...] = ()


def claims_of_served(rows: Iterable[tuple[str, str, str, Value]]) -> list[Claim]:
    """Claims from (source, subject, field, value) rows of a building system: `servesId` of a meter
    says who hangs on it, which is a claim of theirs about their parent. An `associateId` says only
    whose part something is, and makes no way for power."""
    found = []
    for source, subject, field, value in rows:
        if field == "servesId":
            served = (
                (value,)
                if isinstance(value, str)
                else tuple(value)
                if isinstance(value, tuple)
                else ()
            )
            found += [Claim(source, f"domain/{name}", "parent", subject) for name in served]
            found.append(Claim(source, f"domain/{subject}", "kind", DomainKind.BREAKER.value))
        elif field != "associateId":
            found.append(Claim(source, f"domain/{subject}", field, value))
    return found


def build_plant(claims: Iterable[Claim], *, first: Sequence[str] = ()) -> Plant:
    """The plant as it counts. `first` are sources in the order in which they are taken at their
    word where no value is safer than another (a kind, a name); others follow by name. What is
    impossible (a circle, a parent that is nowhere) is cut, and stands among the gaps."""
    rank = {source: at for at, source in enumerate(first)}
    ordered = sorted(
        set(claims),
        key=lambda c: (c.subject, c.field, rank.get(c.source, len(rank)), c.source, str(c.value)),
    )
    settled: dict[str, dict[str, Settled]] = {}
    conflicts: list[PlantConflict] = []
    for (subject, field), rows in groupby(ordered, key=lambda c: (c.subject, c.field)):
        found = _settle(field, list(rows))
        settled.setdefault(subject, {})[field] = found
        if found.claims:
            conflicts.append(PlantConflict(subject, field, found.claims, _text(found.value)))
    gaps: list[PlantGap] = []
    loads = _loads(settled, gaps)
    domains = _domains(settled, loads, gaps)
    names = {domain.name for domain in domains}
    return Plant(
        domains=tuple(domains),
        loads=tuple(load for load in loads if load.rack in names),
        loops=tuple(_loops(settled)),
        units=tuple(_units(settled)),
        zones=tuple(_zones(settled)),
        conflicts=tuple(conflicts),
        gaps=tuple(gaps),
    )


# --- one field -----------------------------------------------------------------------------------


def _settle(field: str, rows: Sequence[Claim]) -> Settled:
    decided = [row for row in rows if row.source.startswith(DECIDED)]
    if decided:
        others = [row for row in rows if row not in decided]
        alone = Settled(decided[0].value, decided[0].source)
        return _decide(field, _settle(field, others) if others else alone, decided[0])
    values = [row.value for row in rows]
    if len({_text(value) for value in values}) == 1:
        return Settled(values[0], rows[0].source)
    told = tuple((row.source, _text(row.value)) for row in rows)
    if field == "parent":
        every = tuple(dict.fromkeys(_text(value) for value in values))
        return Settled(every, rows[0].source, told)
    if field in _JOINED:
        names = [name for value in values for name in _names(value)]
        return Settled(tuple(dict.fromkeys(names)), rows[0].source, told)
    safer = _SAFER.get(field)
    numbers = [value for value in values if isinstance(value, float | int)]
    if safer is None or len(numbers) < len(values):
        return Settled(values[0], rows[0].source, told)
    return Settled(float(safer(numbers)), rows[0].source, told)


def _decide(field: str, told: Settled, decided: Claim) -> Settled:
    """A policy is no claim about what is: it decides, but never below the lowest cap there is."""
    if field != "floor_w" or not isinstance(told.value, float | int):
        return Settled(decided.value, decided.source, told.claims)
    least = decided.value if isinstance(decided.value, float | int) else told.value
    return Settled(float(max(least, told.value)), decided.source, told.claims)


_SAFER: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "limit_w": min,
    "efficiency": min,
    "overhead_w": max,
    "nameplate_w": max,
    "floor_w": max,
    "idle_w": max,
    "priority": min,
}
_JOINED: Final = frozenset({"standby", "units", "racks", "members"})


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float | int) else value


def _names(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


# --- what stands in the plant --------------------------------------------------------------------


def _of(
    settled: Mapping[str, Mapping[str, Settled]], word: str
) -> dict[str, Mapping[str, Settled]]:
    start = f"{word}/"
    return {s.removeprefix(start): f for s, f in sorted(settled.items()) if s.startswith(start)}


def _number(fields: Mapping[str, Settled], name: str) -> float | None:
    found = fields.get(name)
    if found is None or not isinstance(found.value, float | int) or not _is_plain(found.value):
        return None
    return float(found.value)


def _is_plain(value: float) -> bool:
    return value >= 0 and not math.isnan(value)


def _word(fields: Mapping[str, Settled], name: str) -> str | None:
    found = fields.get(name)
    return next(iter(_names(found.value)), None) or None if found else None


def _loads(settled: Mapping[str, Mapping[str, Settled]], gaps: list[PlantGap]) -> list[Load]:
    loads = []
    for name, fields in _of(settled, "load").items():
        rack, plate = _word(fields, "rack"), _number(fields, "nameplate_w")
        floor = _number(fields, "floor_w")
        if rack is None:
            gaps.append(PlantGap(f"load/{name}", "rack", "nobody says in which rack it stands"))
            continue
        if plate is None:
            gaps.append(PlantGap(f"load/{name}", "nameplate_w", "nobody says how much it can draw"))
        if floor is None and plate is not None:
            gaps.append(
                PlantGap(f"load/{name}", "floor_w", "no lowest cap is known: it is not capped")
            )
        known = plate if plate is not None else floor or 0.0
        least = min(floor, known) if floor is not None else known
        idle = min(_number(fields, "idle_w") or 0.0, known)
        job, priority = _word(fields, "job"), _priority(fields)
        loads.append(Load(name, rack, least, known, idle, priority, job))
    return loads


def _priority(fields: Mapping[str, Settled]) -> int:
    found = _number(fields, "priority")
    return 1 if found is None else int(min(max(found, 0), 3))


def _domains(
    settled: Mapping[str, Mapping[str, Settled]], loads: Sequence[Load], gaps: list[PlantGap]
) -> list[Domain]:
    blind = {gap.subject.removeprefix("load/") for gap in gaps if gap.field == "nameplate_w"}
    unrated = {load.rack for load in loads if load.name in blind}
    named = _of(settled, "domain")
    for load in loads:
        named.setdefault(load.rack, {})
    above = {name: _feeders(name, fields, named, gaps) for name, fields in named.items()}
    _cut_circles(above, gaps)
    found = [
        _domain(name, fields, above[name], unrated=name in unrated, gaps=gaps)
        for name, fields in named.items()
    ]
    return sorted(found, key=lambda domain: (_ORDER[domain.kind], domain.name))


def _domain(
    name: str, fields: Mapping[str, Settled], above: Sequence[str], *, unrated: bool,
    gaps: list[PlantGap],
) -> Domain:  # fmt: skip
    limit = _number(fields, "limit_w")
    if limit is None:
        gaps.append(PlantGap(f"domain/{name}", "limit_w", "nobody says how much it can carry"))
    efficiency = _number(fields, "efficiency") or 1.0
    sources = sorted({each.source for each in fields.values()})
    parent = fields.get("parent")
    return Domain(
        name=name,
        kind=_kind(fields),
        parent=above[0] if above else None,
        limit_w=None if unrated else limit,
        standby=tuple(above[1:]),
        source=", ".join(sources),
        efficiency=min(max(efficiency, 0.5), 1.0),
        overhead_w=_number(fields, "overhead_w") or 0.0,
        alone=parent is not None and bool(parent.claims),
    )


def _kind(fields: Mapping[str, Settled]) -> DomainKind:
    word = _word(fields, "kind")
    return DomainKind(word) if word in set(DomainKind) else DomainKind.RACK


def _feeders(
    name: str, fields: Mapping[str, Settled], named: Mapping[str, object], gaps: list[PlantGap]
) -> list[str]:
    told = [*_told(fields, "parent"), *_told(fields, "standby")]
    found = [each for each in dict.fromkeys(told) if each in named and each != name]
    missing = dict.fromkeys(each for each in told if each not in named)
    gaps += [_cut(name, f"{each} is nowhere in the plant") for each in missing]
    return found


def _told(fields: Mapping[str, Settled], name: str) -> tuple[str, ...]:
    return _names(fields[name].value) if name in fields else ()


def _cut_circles(above: dict[str, list[str]], gaps: list[PlantGap]) -> None:
    """Who feeds itself in a circle, or stands too deep, is cut from what is above it."""
    depth: dict[str, int] = {}
    for start in sorted(above):
        open_: dict[str, None] = {}
        stack = [(start, False)]
        while stack:
            name, left = stack.pop()
            if left:
                del open_[name]
                depth[name] = _depth(name, above, depth, gaps)
            elif name not in depth and name not in open_:
                open_[name] = None
                stack.append((name, True))
                for feeder in [each for each in above[name] if each in open_]:
                    above[name].remove(feeder)
                    gaps.append(_cut(name, f"it feeds itself by way of {feeder}"))
                stack += [(feeder, False) for feeder in above[name]]


def _depth(
    name: str, above: dict[str, list[str]], depth: Mapping[str, int], gaps: list[PlantGap]
) -> int:
    found = 1 + max((depth.get(feeder, 0) for feeder in above[name]), default=0)
    if found <= DEEPEST:
        return found
    above[name].clear()
    gaps.append(_cut(name, f"more than {DEEPEST} domains stand above it"))
    return 1


def _cut(name: str, reason: str) -> PlantGap:
    return PlantGap(f"domain/{name}", "parent", reason)


def _loops(settled: Mapping[str, Mapping[str, Settled]]) -> list[Loop]:
    return [
        Loop(name, _told(fields, "units"), _told(fields, "racks"))
        for name, fields in _of(settled, "loop").items()
    ]


def _units(settled: Mapping[str, Mapping[str, Settled]]) -> list[CoolingUnit]:
    return [
        CoolingUnit(name, _word(fields, "loop")) for name, fields in _of(settled, "unit").items()
    ]


def _zones(settled: Mapping[str, Mapping[str, Settled]]) -> list[LeakZone]:
    found = []
    for name, fields in _of(settled, "zone").items():
        word = _word(fields, "kind")
        kind = ZoneKind(word) if word in set(ZoneKind) else ZoneKind.RACK
        found.append(LeakZone(name, kind, _told(fields, "members")))
    return found
