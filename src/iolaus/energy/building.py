"""What a building's points say to the racks' edges, and to the plant. Pure.

A point says what its metadata say and nothing more; which rack it concerns follows from whose it
is. Unknown stays unknown: a leak detector whose fault is told, whose quality is bad, or of which
nothing was heard lately is neither wet nor dry. What serves several racks (a coolant unit, a rope
under a row) concerns each of them as what is wide (`ports.WIDE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from iolaus.energy.plant import Claim, claims_of_served
from iolaus.energy.ports import WIDE, Event, Grade, Sense
from iolaus.wire.dsx.bms import Bms
from iolaus.wire.dsx.point import Metadata

LEAK, FAULT = "RackLeakDetect", "RackLeakSensorFault"
HEARD: Final = frozenset(
    {
        LEAK,
        FAULT,
        "RackLiquidFlow",
        "RackLiquidSupplyTemperature",
        "LeakDetect",
        "Status",
        "GenericPoint",
    }
)
"""Point types that say anything to an edge."""
BAD_WORDS: Final = ("stopped", "off", "tripped", "fault")
CHARGE: Final = "state of charge"
Racks = Callable[[str], tuple[str, ...]]
"""The racks that something of this name stands in, or serves."""


class Told(NamedTuple):
    """An event for the edge of a rack."""

    rack: str
    event: Event


def events_of(
    bms: Bms, path: str, *, now: float, racks: Racks, name: Callable[[str], str]
) -> Iterator[Told]:
    """What a point says now, at monotonic `now`; `name` is what we call an object."""
    known = bms.metadata.get(path)
    if known is None or known.point_type not in HEARD:
        return
    about = name(known.about)
    event = _event(bms, path, known, about, now)
    if event is not None:
        served = tuple(name(each) for each in known.serves)
        where = (about,) if known.object_type == "Rack" else racks(about) or served
        for rack in where:
            yield Told(rack, event)


def _event(bms: Bms, path: str, known: Metadata, about: str, now: float) -> Event | None:
    shown = bms.shown(path, now)
    match known.object_type, known.point_type:
        case "Rack", "RackLeakDetect" | "RackLeakSensorFault":
            return _rack_leak(bms, known, about, now)
        case "Rack", "RackLiquidFlow":
            return _valued(Sense.FLOW, f"{about} liquid", shown.value, shown.reason)
        case "Rack", "RackLiquidSupplyTemperature":
            return _valued(Sense.COOLANT, f"{about} supply", shown.value, shown.reason)
        case "CDU" | "Sensor", "LeakDetect":
            where = ", ".join(known.area) or path.rpartition("/")[2]
            grade = _leak_grade(shown.value, known.states)
            return Event(
                sense=Sense.LEAK,
                subject=f"{WIDE}{about} {where}",
                grade=grade,
                because=shown.reason,
            )
        case "CDU", "Status":
            return _running(known, about, shown.value, shown.reason)
        case "BESS", "Status" | "GenericPoint":
            return _battery(bms, known, about, now)
    return None


def _rack_leak(bms: Bms, known: Metadata, about: str, now: float) -> Event | None:
    """A fault makes the detector's word worth nothing; so does not knowing of one, unless it says
    that it is wet."""
    wet = [bms.shown(path, now) for path, _ in bms.find(LEAK, known.about)]
    if not wet:
        return None
    faults = [bms.shown(path, now) for path, _ in bms.find(FAULT, known.about)]
    subject, because = f"{about} building", ""
    if any(each.value for each in faults):
        grade, because = Grade.UNKNOWN, "the building says that its detector is at fault"
    elif any(each.value for each in wet):
        grade = Grade.CRITICAL
    elif blind := next((each for each in (*wet, *faults) if each.value is None), None):
        grade, because = Grade.UNKNOWN, blind.reason
    else:
        grade = Grade.GOOD
    return Event(sense=Sense.LEAK, subject=subject, grade=grade, because=because)


def _leak_grade(value: float | None, states: Mapping[int, str]) -> Grade:
    if value is None:
        return Grade.UNKNOWN
    if "warn" in states.get(int(value), "").lower():
        return Grade.WARNING
    return Grade.CRITICAL if value else Grade.GOOD


def _running(known: Metadata, about: str, value: float | None, reason: str) -> Event | None:
    """A coolant unit that stands still gives no flow."""
    word = "" if value is None else known.states.get(int(value), "").lower()
    if value is not None and not word:
        return None
    grade = Grade.UNKNOWN if value is None else Grade.GOOD
    if any(each in word for each in BAD_WORDS):
        grade, reason = Grade.CRITICAL, f"the building says that {about} is {word}"
    return Event(sense=Sense.FLOW, subject=f"{about} unit", grade=grade, because=reason)


def _battery(bms: Bms, known: Metadata, about: str, now: float) -> Event | None:
    states = [
        (meta, bms.shown(path, now))
        for path, meta in bms.find("Status", known.about)
        if meta.object_type == "BESS"
    ]
    if not states:
        return None
    charges = [
        bms.shown(path, now).value
        for path, meta in bms.find("GenericPoint", known.about)
        if meta.object_type == "BESS" and any(each.lower() == CHARGE for each in meta.area)
    ]
    known_charges = [each / 100.0 for each in charges if each is not None]
    charge = min(known_charges) if charges and len(known_charges) == len(charges) else None
    words = [
        None if shown.value is None else meta.states.get(int(shown.value), "").lower()
        for meta, shown in states
    ]
    if any(word and "discharg" in word for word in words):
        return Event(
            sense=Sense.BATTERY, subject=f"{about} battery", grade=Grade.CRITICAL, value=charge
        )
    unknown = None in words
    return Event(
        sense=Sense.BATTERY,
        subject=f"{about} battery",
        grade=Grade.UNKNOWN if unknown else Grade.GOOD,
        because="the building does not say" if unknown else "",
    )


def _valued(sense: Sense, subject: str, value: float | None, reason: str) -> Event:
    return Event(sense=sense, subject=subject, grade=Grade.UNKNOWN, value=value, because=reason)


def link_event(why_lost: str, *, name: str) -> Event:
    """Whether the building is heard at all, for every edge."""
    grade = Grade.CRITICAL if why_lost else Grade.GOOD
    return Event(sense=Sense.BUILDING, subject=name, grade=grade, because=why_lost)


def claims_of(
    points: Iterable[Metadata],
    *,
    source: str,
    name: Callable[[str], str],
    home: Callable[[str], str | None],
) -> list[Claim]:
    """What the meters' `servesId` and others' `associateId` say of the plant. What stands in a rack
    (`home`) is fed as part of it."""
    rows: set[tuple[str, str, str, tuple[str, ...]]] = set()
    for known in points:
        about = name(known.about)
        if known.object_type == "PowerMeter" and known.serves:
            above = home(about) or about
            served = dict.fromkeys(home(name(each)) or name(each) for each in known.serves)
            below = tuple(each for each in served if each != above)
            if below:
                rows.add((source, above, "servesId", below))
        elif known.associate:
            rows.add((source, about, "associateId", (known.object_type,)))
    return claims_of_served(sorted(rows))
