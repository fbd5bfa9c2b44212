"""The building joined to the hall: its link, what it says carried to the racks, what we ask of it.

What an operator wrote (`Building` in the file of power) becomes a link that runs for as long as the
server does. The broker is an endpoint like any other, so its points are readings with quality and
age, and a building that falls silent is an endpoint that is out of reach. Besides, its leaks,
flows, batteries and its heartbeat are levels for the edges, told when they change and again every
half minute, because an edge may be younger than the last change. What is asked of a building is
permitted by name, confirmed by the building, and told where it was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.app.isolating import Isolating
from iolaus.energy.building import Told, claims_of, events_of, link_event
from iolaus.energy.documents import seconds
from iolaus.energy.plant import Claim
from iolaus.energy.ports import Event as Signal
from iolaus.energy.ports import HearsEvents, IsolationRequest
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import PolicyRefused
from iolaus.kernel.tasks import end
from iolaus.model.building import BuildingDocument
from iolaus.model.endpoint import Event, Target
from iolaus.model.point import Point
from iolaus.observe.building import Building, BuildingDevice
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets
from iolaus.wire.dsx.bms import Change
from iolaus.wire.dsx.flex import Untrusted, load_keys
from iolaus.wire.dsx.point import Metadata
from iolaus.wire.mqtt.address import parse_broker
from iolaus.wire.mqtt.link import Access

log = structlog.get_logger(__name__)
WATCH_S: Final = 1.0
SWEEP_S, AGAIN_S = 5.0, 30.0
GRACE_S: Final = 30.0
"""A building has this long to be heard after our start before it counts as lost."""
LOST, BACK = "BuildingLinkLost", "BuildingLinkBack"


class Silence:
    """Hears events where no edge runs."""

    def event(self, rack: str, event: Signal) -> None:
        del rack, event


class Joined:
    """`edges` is told what concerns racks, `claims` takes what concerns the plant. Is
    `energy.ports.AsksBuilding`."""

    def __init__(
        self,
        document: BuildingDocument,
        *,
        facts: Facts,
        secrets: Secrets,
        clock: Clock,
        claims: Callable[[tuple[Claim, ...]], None],
        refuse: Callable[[Untrusted], None],
        edges: HearsEvents | None = None,
        again_s: float = AGAIN_S,
    ) -> None:
        self.document, self.spec = document, document.spec
        self.edges: HearsEvents = edges or Silence()
        self._facts, self._secrets, self._clock, self._claims = facts, secrets, clock, claims
        self.link = self._made(refuse)
        self.device = BuildingDevice(self.link, clock)
        self.why_lost = "not tried yet"
        self._since, self._lost, self._again_s = clock.monotonic(), False, again_s
        self._told: dict[tuple[str, str, str], tuple[Signal, float]] = {}
        self._places = Places(facts, clock)
        self._ours = {self.name(theirs): theirs for theirs in self.spec.objects}
        self._described, self._swept = -1, float("-inf")
        self.link.on_change.append(self._heard)
        self.isolating = Isolating(
            self.link, self.spec, clock=clock, theirs=self.theirs, record=self._record
        )

    def _made(self, refuse: Callable[[Untrusted], None]) -> Building:
        """Raises `OperatorMust` for a broker or keys that are none, `PolicyRefused` for the clear
        over a network."""
        spec = self.spec
        keys = {
            each.name: load_keys(_read(Path(each.keys_file)), source=each.keys_file)
            for each in spec.flex.senders
        }
        return Building(
            parse_broker(spec.broker, insecure=spec.insecure),
            Access(
                login=self._login,
                ca_file=_path(spec.ca_file),
                cert_file=_path(spec.cert_file),
                key_file=_path(spec.key_file),
                fingerprint=spec.fingerprint,
            ),
            self._clock,
            integration=spec.integration,
            heartbeat_s=seconds(spec.heartbeat),
            keys=keys,
            refuse=refuse,
        )

    def _login(self) -> tuple[str, str] | None:
        login = self._secrets.get(self.spec.credential) if self.spec.credential else None
        return (login.user, login.password) if login else None

    @property
    def target(self) -> Target:
        """The broker as an endpoint."""
        return Target(address=self.device.address, name=self.document.metadata.name)

    # --- names and places --------------------------------------------------------------------

    def name(self, theirs: str) -> str:
        """What we call an object of the building's."""
        return self.spec.objects.get(theirs, theirs)

    def theirs(self, ours: str) -> str:
        return self._ours.get(ours, ours)

    # --- what it says ------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: the link, and who watches it."""
        linking = asyncio.create_task(self.link.run())
        try:
            while True:
                self.look()
                await self._clock.sleep(WATCH_S)
        finally:
            self.link.close()
            await end(linking, *self.isolating.asking.values())

    def look(self) -> None:
        """Whether it is heard, and what became old meanwhile."""
        self.why_lost = self.link.why_lost()
        self._turn()
        now = self._clock.monotonic()
        if self._lost or not self.why_lost:
            self._tell([Told("*", link_event(self.why_lost, name=self.document.metadata.name))])
        if now - self._swept >= min(SWEEP_S, self._again_s) or self._lost:
            self._swept = now
            for path in self.link.bms.metadata:
                self._tell(self._events(path))
            if self.link.bms.revision != self._described:
                self._describe()

    def _turn(self) -> None:
        """Lost or back: one event and one line in the log for each."""
        now = self._clock.monotonic()
        young = self.link.bms.beat is None and now - self._since < GRACE_S
        if bool(self.why_lost) == self._lost or (self.why_lost and young):
            return
        self._lost = bool(self.why_lost)
        (log.warning if self._lost else log.info)("building_link", lost=self.why_lost or None)
        message = self.why_lost or "the building is heard again"
        self._record(LOST if self._lost else BACK, "Critical" if self._lost else "OK", message)

    def _describe(self) -> None:
        points = self.link.bms.metadata
        self._described = self.link.bms.revision
        source = f"building/{self.document.metadata.name}"
        found = claims_of(points.values(), source=source, name=self.name, home=self._places.home)
        self._claims(tuple(found))

    def points(self) -> list[Point]:
        """Every point that was described, as it counts now."""
        now, at = self._clock.monotonic(), self._clock.now()
        return [self._point(path, known, now, at) for path, known in self.link.bms.metadata.items()]

    def _point(self, path: str, known: Metadata, now: float, at: float) -> Point:
        shown, heard = self.link.bms.shown(path, now), self.link.bms.values.get(path)
        about, is_ours = self.name(known.about), known.integration == self.spec.integration
        word = "" if shown.value is None else known.states.get(int(shown.value), "")
        return Point(
            name=path,
            building=self.document.metadata.name,
            about=about,
            object_type=known.object_type,
            point_type=known.point_type,
            unit=known.unit,
            area=known.area,
            serves=tuple(self.name(each) for each in known.serves),
            is_associate=known.associate,
            value=shown.value,
            state=word,
            quality=heard.value.quality if heard else None,
            age_s=max(0.0, at - heard.at) if heard else None,
            reason="we say it" if is_ours else shown.reason,
            ours=is_ours,
            rack=about if known.object_type == "Rack" else self._places.home(about) or "",
        )

    def _heard(self, change: Change) -> None:
        self._tell(self._events(change.path))

    def _events(self, path: str) -> list[Told]:
        now = self._clock.monotonic()
        return list(
            events_of(self.link.bms, path, now=now, racks=self._places.racks, name=self.name)
        )

    def _tell(self, told: Iterable[Told]) -> None:
        now = self._clock.monotonic()
        for rack, event in told:
            key = (rack, event.sense, event.subject)
            last = self._told.get(key)
            plain = msgspec.structs.replace(event, because="")
            if last is None or last[0] != plain or now - last[1] >= self._again_s:
                self._told[key] = plain, now
                self.edges.event(rack, event)

    # --- what is asked -----------------------------------------------------------------------

    async def isolate(self, request: IsolationRequest) -> bool:
        """As `Isolating.isolate`."""
        return await self.isolating.isolate(request)

    async def ask_supply(self, unit: str, supply_c: float | None, *, because: str) -> None:
        """Ask for a coolant unit's supply temperature, until it is taken back (None). Raises
        `PolicyRefused` where that is not allowed, `DeviceRefused` where the building takes no such
        request, `DeviceSilent` where its broker does not hear us."""
        if "setpoint" not in self.spec.allow:
            raise PolicyRefused(
                "the building may not be asked for set points",
                operation="ask for a supply temperature",
                subject=unit,
                code="NotAllowed",
                next_step="add `setpoint` to `allow` of the Building in power.yaml.",
            )
        await self.link.ask_supply(self.theirs(unit), supply_c)
        what = "its own set point" if supply_c is None else f"{supply_c:g} C"
        self._record("SetPointAsked", "OK", f"{unit} was asked for {what} ({because})")

    def _record(self, kind: str, severity: str, message: str) -> None:
        self._facts.record_event(
            Event(
                at=self._clock.now(),
                kind=kind,
                severity=severity,
                endpoint=self.device.address,
                message=message,
            )
        )


class Places:
    """Where things stand, by their labels. Made anew when it is older than a few seconds."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts, self._clock = facts, clock
        self._made_s = float("-inf")
        self._labels: Mapping[str, Mapping[str, str]] = {}
        self._rows: Mapping[tuple[str, str], tuple[str, ...]] = {}
        self._racks: frozenset[str] = frozenset()

    def home(self, name: str) -> str | None:
        """The rack in which something of this name stands."""
        self._fresh()
        return self._labels.get(name, {}).get("rack") or None

    def racks(self, name: str) -> tuple[str, ...]:
        """The racks that it is, stands in, or serves as a part of their row."""
        self._fresh()
        if name in self._racks:
            return (name,)
        labels = self._labels.get(name, {})
        if rack := labels.get("rack"):
            return (rack,)
        return self._rows.get((labels.get("hall", ""), labels.get("row", "")), ())

    def of_target(self, target: Target) -> tuple[str, ...]:
        """The same of a target."""
        self._fresh()
        rack = target.labels.get("rack")
        row = target.labels.get("hall", ""), target.labels.get("row", "")
        return (rack,) if rack else self._rows.get(row, ())

    def _fresh(self) -> None:
        now = self._clock.monotonic()
        if now - self._made_s < SWEEP_S:
            return
        self._made_s = now
        targets = [held.target for held in self._facts.all_held()]
        self._labels = {each.name: each.labels for each in targets if each.name}
        rows: dict[tuple[str, str], dict[str, None]] = {}
        for each in targets:
            if (rack := each.labels.get("rack")) and (row := each.labels.get("row")):
                rows.setdefault((each.labels.get("hall", ""), row), {})[rack] = None
        self._rows = {row: tuple(racks) for row, racks in rows.items()}
        self._racks = frozenset(rack for racks in rows.values() for rack in racks)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _read(path: Path) -> str:
    """Empty where it cannot be read: whoever parses it says what is wrong with that."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
