"""The alarms of a house: judged from the conditions that people are shown, kept, and answered.

A change in the facts of an endpoint makes it due; besides, every endpoint is looked at again within
half a minute, because some conditions come about by time alone. What rooms that watch by themselves
have to say (power, reflexes) they give as occurrences. An alarm is on disk before anybody is told
of it, and every turn of one is an event, so that history has it after it is gone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from iolaus.bus.port import Bus
from iolaus.fleet.notices import Turn
from iolaus.fleet.suppress import Around, hider
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.alarm import SHOWN, Alarm, AlarmState, Occurrence, Said, answered
from iolaus.model.alarm_design import OWN_CHANGES, SuppressWant
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarm_rules import OF_ASSETS, OF_ENDPOINTS, Subject, judge_conditions
from iolaus.model.alarming import Design, Judged, Key, Placed, Stands, causes, settled
from iolaus.model.condition import LEAK_ROLE, endpoint_conditions, leak_verdict
from iolaus.model.endpoint import Event, Reach
from iolaus.model.select import Lookup
from iolaus.north.alarms import missing
from iolaus.north.dto.make import asset_conditions
from iolaus.north.fleet import Fleet, Picture, lookup_of
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.store.shelf import Shelf

log = structlog.get_logger(__name__)
TOPIC: Final = "alarms"
EVERY_S: Final = 2.0
AGAIN_S: Final = 30.0
"""Within this time every endpoint is looked at, whether anything of it changed or not."""
MOST_SOON: Final = 500
"""So many are looked at again at once while a delay of theirs runs; the rest in their turn."""
BREATH: Final = 25
SEVERITY: Final = {"critical": "Critical", "high": "Critical", "medium": "Warning", "low": "OK"}
TURNS: Final[Mapping[AlarmState, str]] = {
    AlarmState.UNACKNOWLEDGED: "AlarmRaised",
    AlarmState.ACKNOWLEDGED: "AlarmAcknowledged",
    AlarmState.RETURNED_UNACKNOWLEDGED: "AlarmReturned",
    AlarmState.LATCHED_UNACKNOWLEDGED: "AlarmLatched",
    AlarmState.LATCHED: "AlarmLatched",
    AlarmState.NORMAL: "AlarmCleared",
    AlarmState.SHELVED: "AlarmShelved",
    AlarmState.SUPPRESSED: "AlarmSuppressed",
    AlarmState.OUT_OF_SERVICE: "AlarmOutOfService",
}
Source = Callable[[], Judged]
"""What a room that watches by itself says now."""


class Alarming:
    """`fleet()` is the hall as it is shown; `sources` are asked at each look; `tell` is given what
    turns before it is kept, and must have it on disk when it returns. `rules` hide by design;
    `drained(uid)` and `changing(uid)` say what is done with a host now."""

    def __init__(
        self,
        *,
        facts: Facts,
        fleet: Callable[[], Fleet],
        kept: Shelf[Alarm],
        bus: Bus,
        clock: Clock,
        sources: Sequence[Source] = (),
        tell: Callable[[Sequence[Turn]], None] = lambda _: None,
        rules: Callable[[], Sequence[SuppressWant]] = lambda: (),
        drained: Callable[[str], bool] = lambda _: False,
        changing: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._facts, self._fleet, self._kept = facts, fleet, kept
        self._bus, self._clock, self.sources = bus, clock, list(sources)
        self._tell_others, self._rules = tell, rules
        self._drained, self._changing = drained, changing
        self._due: set[str] = set()
        self._reach: dict[str, Reach | None] = {}
        self._wet: dict[str, tuple[bool | None, ...]] = {}
        self._pending: dict[Key, float] = {}
        self._turn: list[str] = []
        facts.on_change(self._note)

    @property
    def revision(self) -> int:
        return self._kept.revision

    def all(self) -> Sequence[Alarm]:
        return tuple(self._kept.all().values())

    def rules(self) -> Sequence[SuppressWant]:
        return OWN_CHANGES, *self._rules()

    async def say(self, name: str, said: Said) -> Alarm:
        """What a person does to an alarm. Raises `OperatorMust`: there is none of that name, or
        its state does not know this step."""
        before = next((a for a in self.all() if a.name == name), None)
        if before is None:
            raise missing(name)
        after = answered(before, said, ALARM_KINDS[before.code], now=self._clock.now())
        await self._keep([(before, after)], by=said.by)
        return after

    async def run(self) -> None:
        """Does not return."""
        while True:
            try:
                await self.look()
            except IolausError as error:
                log.warning("alarms_not_kept", error=str(error))
            await self._clock.sleep(EVERY_S)

    async def look(self) -> None:
        """Judge what is due, and what has not been looked at for long."""
        judged: dict[Key, Occurrence | None] = dict(self._gone())
        where: dict[Key, str] = {}
        for number, address in enumerate(self._next()):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            if (picture := self._fleet().picture(address)) is not None:
                found = judge_picture(picture)
                judged |= found
                where |= dict.fromkeys(found, address)
        judged |= causes(_placed(held) for held in self._facts.all_held())
        for source in self.sources:
            judged |= source()
        kept = {alarm.key: alarm for alarm in self.all()}
        changed, self._pending = settled(
            kept,
            judged,
            ALARM_KINDS,
            pending=self._pending,
            now=self._clock.now(),
            design=self._design(),
        )
        await self._keep([(kept.get(key), alarm) for key, alarm in changed.items()])
        waiting = {*self._pending, *(a.key for a in self.all() if a.clear_since is not None)}
        soon = [address for key, address in where.items() if key in waiting]
        self._due.update(soon[:MOST_SOON])

    def _next(self) -> Sequence[str]:
        """The endpoints of this look: those that changed, and the next of the round."""
        if not self._turn:
            self._turn = [held.target.address for held in self._facts.all_held()]
        share = math.ceil(sum(1 for _ in self._facts.all_held()) * EVERY_S / AGAIN_S)
        chosen, self._turn = self._turn[:share], self._turn[share:]
        due, self._due = self._due, set()
        return [*due, *(each for each in chosen if each not in due)]

    def _design(self) -> Design:
        rules, now = self.rules(), self._clock.now()

        def hidden_by(alarm: Alarm, stands: Stands) -> str:
            held = self._facts.held(alarm.endpoint) if alarm.endpoint else None
            uids = tuple(held.uids.values()) if held else ()
            around = Around(
                drained=lambda: any(map(self._drained, uids)),
                changing=lambda: any(map(self._changing, uids)),
                hosts=lambda: self._hosts(alarm.endpoint),
                stands=stands,
            )
            return hider(alarm, rules, around, now=now)

        return hidden_by

    def _hosts(self, address: str) -> Iterable[tuple[str, Lookup]]:
        picture = self._fleet().picture(address) if address else None
        for view in picture.assets if picture else ():
            yield view.name, lookup_of(view)

    def _gone(self) -> Iterable[tuple[Key, None]]:
        """Alarms of endpoints that are watched no more."""
        for alarm in self.all():
            if alarm.endpoint and alarm.active and self._facts.held(alarm.endpoint) is None:
                yield alarm.key, None

    async def _keep(self, pairs: Sequence[tuple[Alarm | None, Alarm]], *, by: str = "") -> None:
        if not pairs:
            return
        put = {_row(a): a for _, a in pairs if a.state is not AlarmState.NORMAL}
        gone = {_row(a) for _, a in pairs if a.state is AlarmState.NORMAL}
        self._tell_others(
            [_turn(before, after) for before, after in pairs if _turns(before, after)]
        )
        await self._kept.replace(put, gone)
        for before, after in pairs:
            if before is None or before.state is not after.state:
                self._tell(before, after, by)

    def _tell(self, before: Alarm | None, after: Alarm, by: str) -> None:
        hidden = before is not None and before.state not in SHOWN and after.state not in SHOWN
        if after.state is AlarmState.NORMAL and hidden:
            return
        who = f" by {by}" if by else ""
        self._facts.record_event(
            Event(
                at=after.changed_at,
                kind=TURNS[after.state],
                severity=SEVERITY[after.priority] if after.active else "OK",
                endpoint=after.endpoint,
                asset=after.uid if len(after.uid) == len(_UUID) else None,
                message=f"{after.name} is {after.state}{who}: {after.message}",
                before=before.state.value if before else None,
                after=after.state.value,
                dedup=f"alarm:{after.uid}:{after.code}:{after.changed_at}:{after.state}",
            )
        )
        self._bus.publish(TOPIC, after.name)

    def _note(self, topic: str, payload: object) -> None:
        """What of the facts can change an alarm; most readings cannot."""
        if topic == "events" and isinstance(payload, Event):
            if payload.endpoint and not payload.kind.startswith("Alarm"):
                self._due.add(payload.endpoint)
        elif not isinstance(payload, str):
            return
        elif topic in ("facts.report", "facts.target"):
            self._due.add(payload)
        elif topic == "facts.status":
            status = self._facts.status_of(payload)
            reach = status.reach if status else None
            if self._reach.get(payload) is not reach:
                self._reach[payload] = reach
                self._due.add(payload)
        elif topic == "facts.hot" and self._leak_turned(payload):
            self._due.add(payload)

    def _leak_turned(self, address: str) -> bool:
        held = self._facts.held(address)
        readings = held.readings.values() if held else ()
        said = tuple(leak_verdict(each) for each in readings if each.role == LEAK_ROLE)
        before = self._wet.get(address, ())
        self._wet[address] = said
        return said != before


def _turns(before: Alarm | None, after: Alarm) -> bool:
    """Whether it is another thing to whoever is told."""
    return before is None or (before.state, before.active) != (after.state, after.active)


def _turn(before: Alarm | None, after: Alarm) -> Turn:
    return Turn(alarm=after, before=before.state.value if before else "")


_UUID: Final = "00000000-0000-0000-0000-000000000000"


def _row(alarm: Alarm) -> str:
    return f"{alarm.uid} {alarm.code}"


def _placed(held: Held) -> Placed:
    reach = held.status.reach if held.status else None
    rack = held.target.labels.get("rack") or next(
        (a.place.rack for a in held.assets.values() if a.place and a.place.rack), ""
    )
    silent = None if reach is None else reach is Reach.UNREACHABLE
    return Placed(rack=rack or "", silent=silent)


def judge_picture(picture: Picture) -> dict[Key, Occurrence | None]:
    """What rings and what is clear at one endpoint."""
    frame, address = picture.frame, picture.frame.target.address
    first = frame.labels(frame.assets[0] if frame.assets else None)
    endpoint = Subject(
        uid=address,
        name=picture.name,
        endpoint=address,
        rack=first.get("rack", ""),
        labels=first,
    )
    found = judge_conditions(endpoint, endpoint_conditions(frame.sight), OF_ENDPOINTS)
    for asset in frame.assets:
        labels = frame.labels(asset)
        name = frame.names[asset.key]
        subject = Subject(
            uid=picture.uid_of(name),
            name=name,
            endpoint=address,
            rack=labels.get("rack", ""),
            labels=labels,
        )
        found |= judge_conditions(subject, asset_conditions(asset, frame), OF_ASSETS)
    return found
