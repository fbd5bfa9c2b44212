"""What must not wait for anybody: leaks, lost flow, heat, lost feeds. Pure.

A reflex may only take power away. A hazard (leak, flow, heat, a limit overrun) latches: it outlives
its cause, the sensor and the process, and ends when a person says so. A loss of supply (a feed, a
redundancy, the building's word, a battery that drains) holds while it lasts and a while after it:
what it guards is a limit that budgets know of, and its end gives nothing back but the room that a
budget may fill.

Unknown is never good and never bad. A detector at fault or silent is an alarm and stops growth;
it strikes nothing, and it clears nothing: a zone that was wet stays so until it was read as dry.
One detector is enough for critical; a warning wants a second opinion, of another detector or of
time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from iolaus.energy.ports import WIDE, Event, Grade, Latch, Sense
from iolaus.energy.rack import RackView, Zone
from iolaus.model.plant import ZoneKind

ANY: Final = "*"
CEASED: Final = 0.02
"""Less than this part of the most that flowed is none: a unit that regulates never falls so far."""


class ReflexRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, degrees Celsius, L/min; fractions of nameplate. `*_agree` detectors of one zone, or
    one for `*_dwell_s`, confirm a warning. None: that trip is not set (`leak_cap`: the floor).
    Liquid is cut `liquid_after_s` after the electrical request at the latest. A supply that is
    back counts after `back_dwell_s`. A signal that was heard and is not renewed for `silent_s` is
    unknown."""

    leak_agree: int = 2
    leak_dwell_s: float = 5.0
    leak_cap: float | None = None
    drain: bool = True
    power_off: bool = True
    isolate: bool = True
    liquid_after_s: float = 1.0
    flow_least_lpm: float | None = None
    flow_dwell_s: float = 0.2
    flow_cap: float = 0.3
    coolant_cap_c: float | None = 60.0
    coolant_off_c: float | None = 65.0
    die_cap_c: float | None = 95.0
    die_off_c: float | None = 105.0
    heat_dwell_s: float = 0.5
    over_limit: float = 1.02
    over_dwell_s: float = 0.5
    supply_design_c: float = 40.0
    supply_worst_c: float = 45.0
    return_most_c: float = 60.0
    battery_hold_s: float = 240.0
    back_dwell_s: float = 10.0
    silent_s: Mapping[Sense, float] = MappingProxyType({})

    @property
    def unlinked_cap(self) -> float:
        """What may be drawn at the worst supply temperature that the building may give."""
        span = self.return_most_c - self.supply_design_c
        left = self.return_most_c - self.supply_worst_c
        return max(0.0, min(1.0, left / span)) if span > 0 else 0.0


class Heard(NamedTuple):
    """The last word on one subject. `grade` since `since_s`; `wet` is the worst grade since it was
    last read as good (what unknown holds on to), since `wet_since_s`. `back_s` is when it was read
    as good after it had been worse; that it was unknown meanwhile, or at first, is no loss.
    `most` is the highest flow that was read: one that ceased is lost, one that never was is not."""

    event: Event
    grade: Grade
    since_s: float
    at_s: float
    wet: Grade | None = None
    wet_since_s: float = 0.0
    back_s: float | None = None
    most: float = 0.0


class Hold(NamedTuple):
    """A loss of supply: the rack may draw `watts` while it lasts (None: its floors), or each node
    `fraction` of its nameplate. `subject` is what a plan must know of to be let through."""

    name: str
    subject: str
    watts: float | None
    fraction: float | None
    because: str


class Alarm(NamedTuple):
    """What a person should look at; nothing follows from it but that nothing grows."""

    sense: Sense
    subject: str
    because: str


class Verdict(NamedTuple):
    """`due_s` is when the same signals would judge otherwise, if nothing comes before."""

    latches: tuple[Latch, ...]
    holds: tuple[Hold, ...]
    alarms: tuple[Alarm, ...]
    due_s: float


Key = tuple[Sense, str]
Signals = Mapping[Key, Heard]
_WORSE: Final = {Grade.GOOD: 0, Grade.UNKNOWN: 0, Grade.WARNING: 1, Grade.CRITICAL: 2}
SUPPLY: Final = frozenset({Sense.FEED, Sense.REDUNDANCY, Sense.BUILDING, Sense.BATTERY})
_LOST: Final = {Sense.BATTERY: 1}
"""How bad a supply must read to be lost; a battery gives from a warning on."""


def hear(
    last: Heard | None, event: Event, rules: ReflexRules, now_s: float, *, limit_w: float | None
) -> Heard:
    """Take one event into what is known of its subject. `limit_w` is the rack's."""
    grade, most = graded(event, rules, limit_w=limit_w), last.most if last else 0.0
    if event.sense is Sense.FLOW and event.value is not None and math.isfinite(event.value):
        most = max(most, event.value)
        grade = Grade.CRITICAL if event.value < CEASED * most else grade
    since = last.since_s if last and last.grade is grade else now_s
    wet, wet_since = (last.wet, last.wet_since_s) if last else (None, now_s)
    if grade is Grade.GOOD:
        wet = None
    elif _WORSE[grade] > (_WORSE[wet] if wet else 0):
        wet, wet_since = grade, now_s
    back = last.back_s if last else None
    if grade is Grade.GOOD and last is not None and _was_lost(last):
        back = now_s
    return Heard(event, grade, since, now_s, wet, wet_since, back, most)


def _was_lost(heard: Heard) -> bool:
    """Worse than good at last knowledge. A building that nobody hears is lost without a word."""
    silent = heard.event.sense is Sense.BUILDING and heard.grade is Grade.UNKNOWN
    return silent or (
        heard.wet is not None and _WORSE[heard.wet] >= _LOST.get(heard.event.sense, 2)
    )


def graded(event: Event, rules: ReflexRules, *, limit_w: float | None = None) -> Grade:
    """The sensor's own grade, or that of its value, whichever is worse. A value that is no number
    says nothing."""
    own = event.grade
    if event.value is None or not math.isfinite(event.value):
        return own
    by_value = _by_value(event.sense, event.value, rules, limit_w)
    if own is Grade.UNKNOWN:
        return by_value or own
    return max(own, by_value or own, key=lambda each: _WORSE[each])


def _by_value(
    sense: Sense, value: float, rules: ReflexRules, limit_w: float | None
) -> Grade | None:
    """None where no trip is set for it."""
    if sense is Sense.FLOW:
        return _flowing(value, rules.flow_least_lpm)
    if sense is Sense.RACK_POWER and limit_w is not None:
        return Grade.CRITICAL if value > limit_w * rules.over_limit else Grade.GOOD
    trips = {
        Sense.COOLANT: (rules.coolant_cap_c, rules.coolant_off_c),
        Sense.DIE: (rules.die_cap_c, rules.die_off_c),
    }.get(sense)
    if trips is None or trips == (None, None):
        return None
    warn, off = trips
    if off is not None and value >= off:
        return Grade.CRITICAL
    return Grade.WARNING if warn is not None and value >= warn else Grade.GOOD


def _flowing(lpm: float, least_lpm: float | None) -> Grade | None:
    """Where nobody said how much is enough, any flow is; none at all may be a unit that stands by,
    of which its own word, and heat, tell more."""
    if least_lpm is not None:
        return Grade.CRITICAL if lpm < least_lpm else Grade.GOOD
    return Grade.GOOD if lpm > 0.0 else None


def zone_of(rack: RackView, detector: str) -> Zone:
    """Where a detector hangs. One that nobody has placed speaks for the whole rack."""
    for zone in rack.zones:
        if detector == zone.name or detector in zone.detectors:
            return zone
    kind = ZoneKind.LOOP if detector.startswith(WIDE) else ZoneKind.RACK
    return Zone(name=detector, kind=kind, nodes=tuple(node.name for node in rack.nodes))


def judge(signals: Signals, rack: RackView, rules: ReflexRules, now_s: float) -> Verdict:
    """What follows from all that was heard. The same signals give the same verdict."""
    court = _Court(signals, rack, rules, now_s)
    latches = (*court.leaks(), *court.flows(), *court.heat(), *court.overrun())
    holds = tuple(court.losses())
    return Verdict(latches, holds, tuple(court.unknowns()), court.due_s)


class _Court:
    def __init__(self, signals: Signals, rack: RackView, rules: ReflexRules, now_s: float) -> None:
        self.signals, self.rack, self.rules, self.now_s = signals, rack, rules, now_s
        self.due_s = float("inf")
        self.nodes = tuple(node.name for node in rack.nodes)

    def _of(self, sense: Sense) -> Iterator[tuple[str, Heard]]:
        return ((subject, each) for (kind, subject), each in self.signals.items() if kind is sense)

    def _lasted(self, since_s: float, dwell_s: float) -> bool:
        """Whether it has stood long enough; if not, it is to be looked at again when it has."""
        if self.now_s - since_s >= dwell_s - 1e-9:
            return True
        self.due_s = min(self.due_s, since_s + dwell_s)
        return False

    # --- leaks -------------------------------------------------------------------------------

    def leaks(self) -> Iterator[Latch]:
        zones: dict[str, tuple[Zone, list[Heard]]] = {}
        for subject, heard in self._of(Sense.LEAK):
            zone = zone_of(self.rack, subject)
            zones.setdefault(zone.name, (zone, []))[1].append(heard)
        for zone, said in zones.values():
            yield from self._leak(zone, said)

    def _leak(self, zone: Zone, said: list[Heard]) -> Iterator[Latch]:
        critical = [each for each in said if each.wet is Grade.CRITICAL]
        warned = [each for each in said if each.wet is Grade.WARNING]
        if critical:
            subjects = ", ".join(sorted(each.event.subject for each in critical))
            yield self._latch(zone, Grade.CRITICAL, f"leak is critical at {subjects}")
            return
        lasted = [self._lasted(each.wet_since_s, self.rules.leak_dwell_s) for each in warned]
        if any(lasted) or (warned and len(warned) >= self.rules.leak_agree):
            subjects = ", ".join(sorted(each.event.subject for each in warned))
            yield self._latch(zone, Grade.WARNING, f"leak warning at {subjects}")

    def _latch(self, zone: Zone, grade: Grade, because: str) -> Latch:
        """Tray: cap and drain, then off. Rack and what is wider: the whole rack, and isolated."""
        critical = grade is Grade.CRITICAL
        tray = zone.kind is ZoneKind.TRAY
        return Latch(
            name=f"leak/{zone.name}",
            sense=Sense.LEAK,
            subject=zone.name,
            grade=grade,
            nodes=zone.nodes if tray else self.nodes,
            cap_fraction=self.rules.leak_cap,
            off=critical and self.rules.power_off,
            isolate=critical and not tray and self.rules.isolate,
            after_off=zone.kind not in (ZoneKind.TRAY, ZoneKind.RACK),
            drain=self.rules.drain,
            because=because,
        )

    # --- coolant and heat --------------------------------------------------------------------

    def flows(self) -> Iterator[Latch]:
        for subject, heard in self._of(Sense.FLOW):
            if heard.grade is not Grade.CRITICAL or self._flows_still(subject, heard):
                continue
            if self._lasted(heard.since_s, self.rules.flow_dwell_s):
                because = f"coolant flow of {subject} is lost{_value(heard, 'L/min')}"
                yield self._capped(Sense.FLOW, subject, heard.grade, self.rules.flow_cap, because)

    def _flows_still(self, subject: str, heard: Heard) -> bool:
        """A unit that ceased is no loss where the flow is proved: by the rack's own meter where it
        has one, else by another unit. What says itself that it failed is one."""
        if heard.event.grade is Grade.CRITICAL or not heard.most:
            return False
        if heard.event.value is None or heard.event.value >= CEASED * heard.most:
            return False
        others = {
            name: each for name, each in self._of(Sense.FLOW) if each.most and name != subject
        }
        own = {name: each for name, each in others.items() if name.startswith(f"{self.rack.rack} ")}
        return any(each.grade is Grade.GOOD for each in (own or others).values())

    def heat(self) -> Iterator[Latch]:
        for sense, word in ((Sense.COOLANT, "coolant"), (Sense.DIE, "die")):
            for subject, heard in self._of(sense):
                if _WORSE[heard.grade] == 0:
                    continue
                if not self._lasted(heard.since_s, self.rules.heat_dwell_s):
                    continue
                because = f"{word} temperature of {subject} is {heard.grade}{_value(heard, 'C')}"
                latch = self._capped(sense, subject, heard.grade, self.rules.flow_cap, because)
                yield msgspec.structs.replace(latch, off=heard.grade is Grade.CRITICAL)

    def overrun(self) -> Iterator[Latch]:
        for subject, heard in self._of(Sense.RACK_POWER):
            if heard.grade is not Grade.CRITICAL:
                continue
            if self._lasted(heard.since_s, self.rules.over_dwell_s):
                limit = "its limit" if self.rack.limit_w is None else f"{self.rack.limit_w:g} W"
                because = f"{subject} draws more than {limit}{_value(heard, 'W')}"
                yield self._capped(Sense.RACK_POWER, subject, Grade.CRITICAL, None, because)

    def _capped(
        self, sense: Sense, subject: str, grade: Grade, fraction: float | None, because: str
    ) -> Latch:
        own = subject in self.nodes
        return Latch(
            name=f"{sense}/{subject}",
            sense=sense,
            subject=subject,
            grade=grade,
            nodes=(subject,) if own else self.nodes,
            cap_fraction=fraction,
            drain=sense is not Sense.RACK_POWER,
            because=because,
        )

    # --- losses of supply --------------------------------------------------------------------

    def losses(self) -> Iterator[Hold]:
        for (sense, subject), heard in self.signals.items():
            if sense not in SUPPLY or not self._lost(heard):
                continue
            yield self._hold(sense, subject, heard)

    def _lost(self, heard: Heard) -> bool:
        """Lost, or back from that for less than the dwell. Unknown holds what it was: it neither
        loses nor restores."""
        if _was_lost(heard):
            return True
        since = heard.back_s
        return since is not None and not self._lasted(since, self.rules.back_dwell_s)

    def _hold(self, sense: Sense, subject: str, heard: Heard) -> Hold:
        name = f"{sense}/{subject}"
        if sense is Sense.BUILDING:
            because = f"nothing is heard of {subject}: its worst supply temperature is assumed"
            return Hold(name, subject, float("inf"), self.rules.unlinked_cap, because)
        if sense is Sense.BATTERY:
            return Hold(name, subject, self._battery_w(heard), None, f"{subject} is discharging")
        watts = self.rack.armed.get(subject, self.rack.armed.get(ANY))
        return Hold(name, subject, watts, None, f"{sense} of {subject} is lost")

    def _battery_w(self, heard: Heard) -> float | None:
        """What its charge carries for as long as it has to; unknown carries the floors."""
        soc, held_j = heard.event.value, self.rack.battery_j
        if soc is None or held_j is None or not 0 <= soc <= 1:
            return None
        return soc * held_j / self.rules.battery_hold_s

    # --- what nobody knows -------------------------------------------------------------------

    def unknowns(self) -> Iterator[Alarm]:
        for (sense, subject), heard in self.signals.items():
            if heard.grade is Grade.UNKNOWN:
                why = heard.event.because or "the sensor is at fault or silent"
                yield Alarm(sense, subject, f"{sense} of {subject} is unknown: {why}")


def silenced(signals: Signals, rules: ReflexRules, now_s: float) -> list[Event]:
    """The signals that were not renewed in time, as the events that they have become."""
    return [
        Event(sense=sense, subject=subject, grade=Grade.UNKNOWN, because="it is silent")
        for (sense, subject), heard in signals.items()
        if heard.grade is not Grade.UNKNOWN
        and now_s - heard.at_s > rules.silent_s.get(sense, float("inf"))
    ]


def _value(heard: Heard, unit: str) -> str:
    return "" if heard.event.value is None else f" ({heard.event.value:g} {unit})"
