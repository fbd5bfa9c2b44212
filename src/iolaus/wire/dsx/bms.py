"""The building as it tells itself: points, their last values, and whether it is still there.

Pure: what was heard goes in with its time, and what to say comes out as messages. Metadata come
first; a value without them is kept aside and told, because a number that may be a temperature or
a valve must not be used. A value counts while the building repeats it (every hundred seconds, by
the contract), while its quality is good and while the heartbeat goes on; else it is unknown, with
the reason. What we ask of the building is a level: it is said again at every connection and every
hundred seconds for as long as it holds, so that a lost message or a restarted building cannot
undo it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.dsx.point import (
    Metadata,
    PointValue,
    Topic,
    encode_value,
    parse_metadata,
    parse_topic,
    parse_value,
    value_topic,
)
from iolaus.wire.mqtt.link import Message

AGAIN_S, HEARTBEAT_S = 100.0, 10.0
STALE_S: Final = 2.5 * AGAIN_S
MISSED: Final = 3.0
SILENT_S: Final = MISSED * HEARTBEAT_S
MOST_POINTS: Final = 200_000
MOST_ASIDE: Final = 10_000
Medium = Literal["electrical", "liquid"]
REQUESTS: Final[Mapping[Medium, str]] = {
    "electrical": "RackElectricalIsolationRequest",
    "liquid": "RackLiquidIsolationRequest",
}
STATUSES: Final[Mapping[Medium, str]] = {
    "electrical": "RackElectricalIsolationStatus",
    "liquid": "RackLiquidIsolationStatus",
}
SETPOINT: Final = "LiquidTemperatureSpRequest"
BEAT_BMS, BEAT_OURS, ECHO_OURS = (
    "HeartbeatTimestampBms",
    "HeartbeatTimestampIntegration",
    "HeartbeatEchoIntegration",
)


class Heard(NamedTuple):
    """A value, and when we heard it: monotonic, and seconds since 1970."""

    value: PointValue
    mono_s: float
    at: float


class Shown(NamedTuple):
    """A point's value as it may be used: None with a reason, or the number."""

    value: float | None
    reason: str
    at: float | None


class Change(NamedTuple):
    """A point of which something was heard; metadata that say the same again are no change."""

    path: str
    metadata: Metadata | None


class Bms:
    """One building. `integration` is the name under which it lets us publish, `heartbeat_s` how
    often both sides say that they are there; three that are missed are silence. `revision` grows
    with each change of the metadata."""

    def __init__(self, integration: str, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.integration, self.heartbeat_s = integration, heartbeat_s
        self.metadata: dict[str, Metadata] = {}
        self.values: dict[str, Heard] = {}
        self.aside: dict[str, Heard] = {}
        self.ignored = self.malformed = self.revision = 0
        self.beat: Heard | None = None
        self.linked_at: float | None = None
        self._paths: dict[tuple[str, str], dict[str, None]] = {}
        self._ours: dict[tuple[str, str], str] = {}
        self._wanted: dict[str, float | None] = {}
        self._said: dict[str, float] = {}
        self._echo: list[Message] = []

    # What it says

    def linked(self, now: float | None) -> None:
        """The link to the broker is there since monotonic `now`, or (None) it is not."""
        self.linked_at = now
        self._said.clear()

    def take(self, topic: str, payload: bytes, *, mono_s: float, at: float) -> Change | None:
        """A message of the building; None for one that says nothing."""
        found = parse_topic(topic)
        if found is None:
            self.ignored += 1
            return None
        if found.is_metadata:
            return self._take_metadata(found, payload)
        return self._take_value(found, payload, mono_s, at)

    def _take_metadata(self, topic: Topic, payload: bytes) -> Change | None:
        if not payload:  # a retained message that is taken back
            self._forget(topic.path)
            return Change(topic.path, None)
        known = parse_metadata(payload, topic)
        if known is None or (len(self.metadata) >= MOST_POINTS and topic.path not in self.metadata):
            self.malformed += 1
            return None
        if self.metadata.get(topic.path) == known:
            return None
        self._forget(topic.path, values=False)
        self.metadata[topic.path] = known
        self._paths.setdefault((known.point_type, known.about), {})[topic.path] = None
        if known.integration == self.integration:
            self._ours[known.point_type, known.about] = topic.path
        if (held := self.aside.pop(topic.path, None)) is not None:
            self.values[topic.path] = held
            self._note_beat(topic.path, held)
        return Change(topic.path, known)

    def _take_value(self, topic: Topic, payload: bytes, mono_s: float, at: float) -> Change | None:
        value = parse_value(payload)
        if value is None:
            self.malformed += 1
            return None
        known, heard = self.metadata.get(topic.path), Heard(value, mono_s, at)
        if topic.publisher != ((known.integration if known else "") or "PUB"):
            self.ignored += 1
            return None
        if known is None:
            if len(self.aside) < MOST_ASIDE or topic.path in self.aside:
                self.aside[topic.path] = heard
            return Change(topic.path, None)
        self.values[topic.path] = heard
        self._note_beat(topic.path, heard)
        return Change(topic.path, known)

    def _note_beat(self, path: str, heard: Heard) -> None:
        if self.metadata[path].point_type != BEAT_BMS or not heard.value.is_good:
            return
        if self.beat is None or heard.value.value != self.beat.value.value:
            self.beat = heard
        about = self.metadata[path].about
        if (echo := self._ours.get((ECHO_OURS, about))) is not None:
            payload = encode_value(heard.value.value, at_ms=round(1000 * heard.at))
            topic = value_topic(echo, publisher=self.integration)
            self._echo.append(Message(topic, payload, qos=1))

    def _forget(self, path: str, *, values: bool = True) -> None:
        self.revision += 1
        known = self.metadata.pop(path, None)
        if known is not None:
            key = known.point_type, known.about
            del self._paths[key][path]
            if not self._paths[key]:
                del self._paths[key]
            if self._ours.get(key) == path:
                del self._ours[key]
        if values:
            self.values.pop(path, None)

    # What is known

    def why_lost(self, now: float) -> str:
        """Why the building cannot be believed now; empty while its heartbeat goes on."""
        if self.linked_at is None:
            return "no link to the building's broker"
        if self.beat is None:
            return "the building has sent no heartbeat"
        silent_s = now - self.beat.mono_s
        if silent_s <= MISSED * self.heartbeat_s:
            return ""
        return f"the building's heartbeat stopped {silent_s:.0f} s ago"

    def shown(self, path: str, now: float) -> Shown:
        """A point's value at monotonic `now`, or why it is unknown. Never a value from before."""
        heard = self.values.get(path)
        if heard is None:
            return Shown(None, "the building has not said it yet", None)
        if why := self.why_lost(now):
            return Shown(None, why, heard.at)
        if heard.value.quality != 1:
            return Shown(None, f"its quality is {heard.value.quality}, not good", heard.at)
        age = now - heard.mono_s
        if age > STALE_S:
            return Shown(None, f"said {age:.0f} s ago and not repeated", heard.at)
        return Shown(heard.value.value, "", heard.at)

    def find(self, point_type: str, about: str) -> Iterator[tuple[str, Metadata]]:
        """Points of this type of a rack or an object."""
        for path in self._paths.get((point_type, about), ()):
            yield path, self.metadata[path]

    def isolated(self, rack: str, medium: Medium, now: float) -> bool | None:
        """Whether the building says that the rack is cut off; None where nobody knows."""
        told = [self.shown(path, now).value for path, _ in self.find(STATUSES[medium], rack)]
        if not told or any(value is None for value in told):
            return None
        return all(value == 1.0 for value in told)

    # What we say

    def ask_isolation(self, rack: str, medium: Medium, *, isolate: bool) -> Message:
        """The request that stands from now on. Raises `DeviceRefused` where the building takes
        none from us for this rack."""
        path = self._our_path(REQUESTS[medium], rack)
        return self._want(path, 1.0 if isolate else 0.0)

    def request_path(self, rack: str, medium: Medium) -> str:
        """The point by which we ask for it. Raises `DeviceRefused` as above."""
        return self._our_path(REQUESTS[medium], rack)

    def ask_supply(self, unit: str, supply_c: float | None) -> Message:
        """Ask for a coolant unit's supply temperature; None takes the request back. Raises
        `DeviceRefused` as above."""
        return self._want(self._our_path(SETPOINT, unit), supply_c)

    def tell(self, point_type: str, about: str, value: float | None) -> Message | None:
        """A value of ours that asks for nothing ("RackLeakDetectTray"); None where the building
        has no such point for us."""
        path = self._ours.get((point_type, about))
        return None if path is None else self._want(path, value)

    def takes_supply(self) -> Sequence[str]:
        """The coolant units whose supply temperature we may ask for, as the building has them."""
        return [about for kind, about in self._ours if kind == SETPOINT]

    def standing(self) -> Mapping[str, float | None]:
        """What we ask now, by the point's path."""
        return dict(self._wanted)

    def due(self, now: float, *, at: float) -> Iterator[Message]:
        """What is to be said at monotonic `now` (`at`: seconds since 1970): heartbeat, echoes,
        and what stands."""
        echoes, self._echo = self._echo, []
        yield from echoes
        for (kind, _), path in list(self._ours.items()):
            last = self._said.get(path, float("-inf"))
            if kind == BEAT_OURS and now - last >= self.heartbeat_s:
                self._said[path] = now
                yield self._message(path, float(round(1000 * at)), at)
        for path, value in self._wanted.items():
            if now - self._said.get(path, float("-inf")) >= AGAIN_S and path in self.metadata:
                self._said[path] = now
                yield self._message(path, value, at)

    def stamp(self, message: Message, *, now: float, at: float) -> Message:
        """A request as it is sent at `at`."""
        path = message.topic.split("/", 4)[4]
        self._said[path] = now
        return self._message(path, self._wanted.get(path), at)

    def _want(self, path: str, value: float | None) -> Message:
        self._wanted[path] = value
        self._said.pop(path, None)
        return self._message(path, value, 0.0)

    def _message(self, path: str, value: float | None, at: float) -> Message:
        payload = encode_value(value, at_ms=round(1000 * at))
        return Message(value_topic(path, publisher=self.integration), payload, qos=1)

    def _our_path(self, point_type: str, about: str) -> str:
        path = self._ours.get((point_type, about))
        if path is None:
            raise DeviceRefused(
                f"the building offers {self.integration} no {point_type} for it",
                operation="ask the building",
                subject=about,
                code="BuildingOffersNot",
                next_step="ask whoever runs the building system to publish this point's "
                f"metadata with integration {self.integration}.",
            )
        return path
