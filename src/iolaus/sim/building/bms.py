"""The building management system: what it says, when, and what it does when asked.

No sockets here. `metadata` is everything to be said first; `due` is what is to be said now: values
that moved, all of them again every hundred seconds and when somebody new is heard, the heartbeat
every ten, and metadata again every hundred seconds, a part of them at each turn, for who subscribed
meanwhile and missed what the broker keeps of it; `heard` takes a message of an integration and
gives what is to be said at once. Requests are levels: one to isolate that had to wait is judged
again at every turn until it is done or withdrawn; one to open again is judged once, when it comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.sim.building.bms_points import Integration, Point, points_of
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.guard import (
    SILENT_S,
    Limits,
    RackState,
    Response,
    judge_isolation,
    judge_set_point,
)
from iolaus.sim.building.plant import Floor, Medium, Plant

AGAIN_S, HEARTBEAT_S = 100.0, 10.0
MOST_BYTES: Final = 4096
MEDIA: Final[Mapping[str, Medium]] = {
    "RackLiquidIsolationRequest": "liquid",
    "RackElectricalIsolationRequest": "electrical",
}


class Said(msgspec.Struct, frozen=True):
    """A value message, as the contract has it."""

    value: float | None
    timestamp: int
    quality: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A request and what became of it, for the oracle."""

    at_s: float
    integration: str
    point: str
    thing: str
    value: float | None
    response: Response


@dataclass(slots=True)
class _Told:
    """What was last said of a point, and when."""

    value: float | None = None
    quality: int = 1
    at_s: float = float("-inf")


@dataclass(slots=True)
class _Asked:
    """A standing request to isolate."""

    point: Point
    said: Said


class Bms:
    user: Final = "bms"

    def __init__(
        self,
        floor: Floor,
        plant: Plant,
        *,
        clock: Clock,
        faults: Faults,
        integrations: Iterable[Integration] = (),
        limits: Limits | None = None,
    ) -> None:
        self.integrations = tuple(integrations)
        self.points: Sequence[Point] = points_of(floor, self.integrations)
        self.limits = limits or Limits()
        self.judged: deque[Judged] = deque(maxlen=1000)
        self.ignored = 0
        self._plant, self._clock, self._faults = plant, clock, faults
        self._own = [point for point in self.points if point.integration is None]
        self._theirs = {point.value_topic: point for point in self.points if point.integration}
        self._told: dict[str, _Told] = {}
        self._described_s, self._described = clock.monotonic(), 0
        self._responses: dict[tuple[str, str], Response] = {}
        self._beats: dict[str, tuple[float, float]] = {}
        self._asked: dict[tuple[str, Medium], _Asked] = {}
        self._holder: dict[str, str] = {}

    # What it says

    def metadata(self) -> Iterator[Message]:
        return map(_metadata, self.points)

    @property
    def filters(self) -> Sequence[str]:
        return [f"BMS/v1/{integration.name}/Value/#" for integration in self.integrations]

    def first(self) -> Iterator[Message]:
        """After a new connection: metadata first; then everything is said again."""
        self._told.clear()
        self._described_s, self._described = self._clock.monotonic(), 0
        return self.metadata()

    def due(self) -> Iterator[Message]:
        """What is to be said now. Standing requests are judged first."""
        self._work()
        for point in self._own:
            message = self._due(point)
            if message is not None:
                yield message
        yield from self._metadata_again()

    def _metadata_again(self) -> Iterator[Message]:
        """All of them once in a hundred seconds, evenly: a burst would hold up what is urgent."""
        number, before = len(self.points), self._described
        laps = (self._clock.monotonic() - self._described_s) / AGAIN_S
        self._described = int(laps * number)
        for n in range(max(before, self._described - number), self._described):
            yield _metadata(self.points[n % number])

    def _due(self, point: Point) -> Message | None:
        if point.point in ("@echo", "@heartbeat"):
            return self._heartbeat(point)
        told = self._told.setdefault(point.path, _Told())
        value, quality = self._now(point, told)
        fresh = self._clock.monotonic() - told.at_s < AGAIN_S
        if fresh and quality == told.quality and not _moved(point, told.value, value):
            return None
        return self._say(point, value, quality)

    def _say(self, point: Point, value: float | None, quality: int = 1) -> Message:
        self._told[point.path] = _Told(value, quality, self._clock.monotonic())
        said = Said(value, round(1000 * self._clock.now()), quality)
        return Message(topic=point.value_topic, payload=msgspec.json.encode(said), qos=point.qos)

    def _now(self, point: Point, told: _Told) -> tuple[float | None, int]:
        strikes = self._faults.strikes
        if strikes("no-value", point.thing, point.type):
            return None, 0
        if told.at_s > float("-inf") and strikes("stale-values", point.thing, "mqtt"):
            return told.value, told.quality
        value = self._read(point)
        bad = value is None or strikes("bad-quality", point.thing, point.type)
        return value, 0 if bad else 1

    def _read(self, point: Point) -> float | None:
        if point.point == "@online":
            return float(self._silent_s(point.thing) <= SILENT_S)
        if point.point in ("@liquid", "@electrical", "@setpoint"):
            return float(self._responses.get((point.thing, point.point), Response.NONE))
        if point.point.startswith("@"):
            return float(point.point[1:])
        value = self._plant.read(point.thing, point.point)
        if value is None:
            return None
        return float(round(value)) if point.states else round(value * point.scale, 3)

    def _heartbeat(self, point: Point) -> Message | None:
        told = self._told.setdefault(point.path, _Told())
        silent = self._faults.strikes("late-heartbeat", "bms")
        if point.point == "@echo" or silent:
            return None
        if self._clock.monotonic() - told.at_s < HEARTBEAT_S:
            return None
        return self._say(point, float(round(1000 * self._clock.now())))

    # What it hears

    def heard(self, topic: str, payload: bytes) -> Sequence[Message]:
        """A message of an integration. What is not understood is counted and else ignored."""
        point = self._theirs.get(topic)
        said = _parsed(payload)
        if point is None or self._faults.strikes("deaf", "bms"):
            self.ignored += 1
            return ()
        if said is None:
            self._answer(point, None, Response.NOT_UNDERSTOOD)
        elif point.type == "HeartbeatTimestampIntegration":
            return self._beat(point, said)
        elif point.type in MEDIA:
            self._isolation(point, said)
        elif point.right == "setpoint":
            self._set_point(point, said)
        return list(self._responding(point))

    def _beat(self, point: Point, said: Said) -> Sequence[Message]:
        name = point.integration or ""
        if self._silent_s(name) > SILENT_S:
            self._told.clear()
        self._beats[name] = (self._clock.monotonic(), said.value or 0.0)
        if self._faults.strikes("late-heartbeat", "bms"):
            return ()
        echoes = (p for p in self._own if p.point == "@echo" and p.thing == name)
        return [self._say(echo, said.value) for echo in echoes]

    def _responding(self, asked: Point) -> Iterator[Message]:
        """The response point of the thing that was asked, without waiting for the next turn."""
        for point in self._own:
            if point.thing == asked.thing and point.point == _response_of(asked):
                message = self._due(point)
                if message is not None:
                    yield message

    def _silent_s(self, integration: str) -> float:
        at, _ = self._beats.get(integration, (float("-inf"), 0.0))
        return self._clock.monotonic() - at

    # What it does

    def _isolation(self, point: Point, said: Said) -> None:
        medium = MEDIA[point.type]
        self._asked.pop((point.thing, medium), None)
        response = self._judge(point, said)
        if said.value == 1.0 and response is Response.STILL_POWERED:
            self._asked[point.thing, medium] = _Asked(point, said)

    def _judge(self, point: Point, said: Said) -> Response:
        medium = MEDIA[point.type]
        rack = self._rack(point.thing)
        response = judge_isolation(said.value, said.quality, liquid=medium == "liquid", rack=rack)
        if response is Response.ACCEPTED:
            self._plant.isolate(point.thing, medium, isolated=said.value == 1.0)
        self._answer(point, said.value, response)
        return response

    def _rack(self, rack: str) -> RackState:
        def flag(word: str) -> bool | None:
            value = self._plant.read(rack, word)
            return None if value is None else bool(value)

        return RackState(
            power_w=self._plant.read(rack, "power_w"),
            dark=bool(flag("electrical_isolated")),
            shut=bool(flag("liquid_isolated")),
            leak=flag("leak"),
            fault=flag("leak_fault"),
        )

    def _set_point(self, point: Point, said: Said) -> None:
        unit, name = point.thing, point.integration or ""
        now_c = self._plant.read(unit, "supply_wanted_c") or self.limits.own_c
        response = judge_set_point(
            said.value,
            said.quality,
            now_c=now_c,
            silent_s=self._silent_s(name),
            limits=self.limits,
        )
        if response is Response.ACCEPTED:
            self._hold(unit, name, said.value)
        self._answer(point, said.value, response)

    def _hold(self, unit: str, name: str, value: float | None) -> None:
        """The last that asked holds the set point; it alone may give it back."""
        if value is not None:
            self._holder[unit] = name
            self._plant.set_point(unit, "supply_wanted_c", value)
        elif self._holder.get(unit) == name:
            del self._holder[unit]
            self._plant.set_point(unit, "supply_wanted_c", self.limits.own_c)

    def _work(self) -> None:
        for key, asked in list(self._asked.items()):
            if self._judge(asked.point, asked.said) is not Response.STILL_POWERED:
                del self._asked[key]
        for unit, name in list(self._holder.items()):
            if self._silent_s(name) > SILENT_S:
                self._hold(unit, name, None)
                self._responses[unit, "@setpoint"] = Response.INTEGRATION_SILENT

    def _answer(self, point: Point, value: float | None, response: Response) -> None:
        key = (point.thing, _response_of(point))
        if self._responses.get(key) is not response or response is not Response.STILL_POWERED:
            entry = Judged(
                at_s=self._clock.now(),
                integration=point.integration or "",
                point=point.type,
                thing=point.thing,
                value=value,
                response=response,
            )
            self.judged.append(entry)
        self._responses[key] = response


def _metadata(point: Point) -> Message:
    data = msgspec.json.encode(point.metadata)
    return Message(topic=point.metadata_topic, payload=data, qos=1, retain=True)


def _response_of(point: Point) -> str:
    return f"@{MEDIA[point.type]}" if point.type in MEDIA else f"@{point.right}"


def _moved(point: Point, before: float | None, now: float | None) -> bool:
    if before is None or now is None:
        return before is not now
    return now != before if point.states else abs(now - before) > point.band


def _parsed(payload: bytes) -> Said | None:
    try:
        return msgspec.json.decode(payload, type=Said) if len(payload) <= MOST_BYTES else None
    except msgspec.MsgspecError:
        return None
