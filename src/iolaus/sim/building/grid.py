"""The grid side: an energy provider that sends load targets and hears what became of them.

Messages are CloudEvents in structured mode whose data is signed, by the DSX Flex contract. The
provider sends targets when told (`set_load`) or by a timetable, believes what agents report only
if it is signed by a key it knows, fresh and new, and keeps all of it for the oracle. Its faults
are what an agent must not fall for: a wrong key, changed or unsigned data, old or repeated events.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.sim.building.bms import Message
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.signing import Signer, Trusted, Untrusted

FRESH_S: Final = 300.0
OLD_S: Final = 3600.0
MOST_BYTES: Final = 1 << 20
TYPES: Final = {
    "grid.powerstate.status.v1": "grid/v1/dsx-flex-agent/{who}/powerstate/status",
    "grid.powerbreach.alert.v1": "grid/v1/dsx-flex-agent/{who}/powerbreach",
    "grid.powerbreach.enforcement.v1": "grid/v1/infra/{who}/powerbreach/enforcement",
}


class Envelope(msgspec.Struct, frozen=True):
    """What of a CloudEvent the grid looks at."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    data: Any
    correlationid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """At most `limit_w` (None: no limit any more) on these feeds (none: on all), from `start_s`
    to `end_s`, seconds since 1970 (None: now, and until replaced)."""

    limit_w: float | None
    feeds: Sequence[str] = ()
    start_s: float | None = None
    end_s: float | None = None
    best_effort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message of an agent. `why` says why it is not believed; None if it is."""

    at_s: float
    topic: str
    type: str
    correlation: str | None
    why: str | None
    data: Any = None


@dataclass(slots=True)
class Grid:
    """`sent` are the envelopes as they went out; `heard` what came back. `folder` holds the
    grid's key set (`grid.jwks.json`) and that of its agents (`agents.jwks.json`, theirs)."""

    name: str
    folder: Path
    clock: Clock
    faults: Faults
    seed: int = 0
    timetable: Sequence[tuple[float, Target]] = ()
    sent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=1000))
    heard_of: deque[Heard] = field(default_factory=lambda: deque(maxlen=1000))
    user: str = "grid"
    _waiting: deque[Message] = field(default_factory=deque)
    _first: Message | None = None
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=10_000))
    _told: int = 0
    _born_s: float = field(init=False)
    _random: Random = field(init=False)
    _signer: Signer = field(init=False)
    _agents: Trusted = field(init=False)

    def __post_init__(self) -> None:
        self._born_s = self.clock.monotonic()
        self._random = Random(f"{self.seed}/{self.name}")  # noqa: S311  a simulation
        self._signer = Signer(f"{self.name}-1")
        self._agents = Trusted(self.folder / "agents.jwks.json")
        (self.folder / "grid.jwks.json").write_text(json.dumps(self._signer.public()))

    @property
    def topic(self) -> str:
        return f"grid/v1/isv/{self.name}/loadtarget/set"

    # What it says

    def set_load(self, *targets: Target) -> str:
        """Send these targets with the next turn; their correlation id."""
        old_s = OLD_S if self.faults.strikes("expired", self.user) else 0.0
        event = self._event({"targets": [self._target(target, old_s) for target in targets]}, old_s)
        message = Message(topic=self.topic, payload=msgspec.json.encode(event), qos=1)
        self.sent.append(event)
        self._waiting.append(message)
        self._first = self._first or message
        if self.faults.strikes("replayed", self.user):
            self._waiting.append(self._first)
        return str(event["correlationid"])

    def _target(self, target: Target, old_s: float) -> dict[str, Any]:
        start_s = self.clock.now() if target.start_s is None else target.start_s
        end_s = start_s + OLD_S / 2 if old_s and target.end_s is None else target.end_s
        interval = {"start_time": stamp(start_s - old_s)}
        if end_s is not None:
            interval["end_time"] = stamp(end_s - old_s)
        limit = None
        if target.limit_w is not None:
            limit = {"value": round(target.limit_w / 1000.0, 3), "unit": "kilowatt"}
        return {
            "interval": interval,
            "feed_tags": list(target.feeds),
            "load_constraint": limit,
            "strategy": {"best_effort": target.best_effort},
        }

    def _event(self, data: dict[str, Any], old_s: float) -> dict[str, Any]:
        return {
            "specversion": "1.0.2",
            "id": self._uuid(),
            "source": f"//grid/v1/isv/{self.name}",
            "type": "grid.loadtarget.set.v1",
            "time": stamp(self.clock.now() - old_s),
            "datacontenttype": "application/json",
            "subject": "loadtarget",
            "correlationid": self._uuid(),
            "traceparent": f"00-{self._hex(16)}-{self._hex(8)}-01",
            "data": self._signed(data),
        }

    def _signed(self, data: dict[str, Any]) -> Any:
        strikes = self.faults.strikes
        if strikes("unsigned", self.user):
            return data
        forge = strikes("wrong-key", self.user)
        token = self._signer.sign(msgspec.json.encode(data), forge=forge)
        if strikes("tampered", self.user):
            more = {"targets": [{**t, "load_constraint": None} for t in data["targets"]]}
            head, _, signature = token.split(".")
            other = self._signer.sign(msgspec.json.encode(more)).split(".")[1]
            return f"{head}.{other}.{signature}"
        return token

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _hex(self, size: int) -> str:
        return self._random.randbytes(size).hex()

    # A party of the link

    @property
    def filters(self) -> Sequence[str]:
        return [topic.format(who="+") for topic in TYPES.values()]

    def first(self) -> Iterator[Message]:
        return iter(())

    def due(self) -> Iterator[Message]:
        age_s = self.clock.monotonic() - self._born_s
        while self._told < len(self.timetable) and self.timetable[self._told][0] <= age_s:
            self.set_load(self.timetable[self._told][1])
            self._told += 1
        while self._waiting:
            yield self._waiting.popleft()

    def heard(self, topic: str, payload: bytes) -> Iterator[Message]:
        self.heard_of.append(self._judged(topic, payload))
        return iter(())

    # What it believes

    def _judged(self, topic: str, payload: bytes) -> Heard:
        kind, correlation = "", None
        try:
            event = _envelope(payload)
            kind, correlation = event.type, event.correlationid
            data = self._believed(topic, event)
        except Untrusted as error:
            return Heard(at_s=self.clock.now(), topic=topic, type=kind,
                         correlation=correlation, why=str(error))  # fmt: skip
        self._seen.append(event.id)
        return Heard(at_s=self.clock.now(), topic=topic, type=kind,
                     correlation=correlation, why=None, data=data)  # fmt: skip

    def _believed(self, topic: str, event: Envelope) -> Any:
        """The data. Raises Untrusted."""
        who = event.source.rpartition("/")[2]
        if TYPES.get(event.type, "").format(who=who) != topic:
            raise Untrusted("wrong topic")
        if event.id in self._seen:
            raise Untrusted("replayed")
        if abs(_seconds(event.time) - self.clock.now()) > FRESH_S:
            raise Untrusted("not fresh")
        if not isinstance(event.data, str):
            raise Untrusted("unsigned")
        try:
            return msgspec.json.decode(self._agents.verify(event.data))
        except msgspec.DecodeError as error:
            raise Untrusted("not understood") from error


def stamp(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise Untrusted("no time") from error


def _envelope(payload: bytes) -> Envelope:
    try:
        if len(payload) <= MOST_BYTES:
            return msgspec.json.decode(payload, type=Envelope)
    except msgspec.MsgspecError as error:
        raise Untrusted("not understood") from error
    raise Untrusted("too large")
