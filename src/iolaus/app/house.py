"""What a server is made of, opened in order and closed in the opposite one.

Closing matters as much as opening: every session on every device is deleted, what was read is on
disk, and no task is left. If this process is killed instead, the next one finds the same state and
reaps the sessions; there is no other start path.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from iolaus import __version__
from iolaus.act.term import Rules
from iolaus.app.alarming import Alarming
from iolaus.app.attesting import ANCHORS, POLICY, Attesting
from iolaus.app.bequeathing import bequest_of
from iolaus.app.checkpoints import Checkpoints
from iolaus.app.console_lines import OwnLines, place_in
from iolaus.app.consoles import Consoles
from iolaus.app.discovering import Discoverer
from iolaus.app.draining import Draining
from iolaus.app.edges import counts_of
from iolaus.app.gear import AGAIN_S
from iolaus.app.handmade import Handmade
from iolaus.app.house_lanes import Afar, NoLine, open_lanes
from iolaus.app.house_loops import serve_of
from iolaus.app.house_onboarding import Tempo, house_onboarding
from iolaus.app.joining import Joining
from iolaus.app.keyring import Keyring
from iolaus.app.memory import raise_file_limit, save_memory
from iolaus.app.notifying import Notifier
from iolaus.app.pace import Bounds, Paced, keep_pace
from iolaus.app.planting import POWER_FILE
from iolaus.app.powerhouse import PowerHouse
from iolaus.app.recovering import recovering_of
from iolaus.app.references import References
from iolaus.app.roles import JOBS, Alone, Role
from iolaus.app.rolling import Rolling
from iolaus.app.round import Round
from iolaus.app.sight import Handshakes, OwnSight, Sight
from iolaus.bus.local import LocalBus
from iolaus.drivers.lane import LaneRules
from iolaus.fleet.advisories import read_advisories
from iolaus.fleet.exposures import Exposures
from iolaus.fleet.folder import ImageFolder
from iolaus.fleet.ledger import Ledger
from iolaus.fleet.policies import load_policies
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.tasks import end
from iolaus.loop import Loop
from iolaus.model.advisory import Kept as Advised
from iolaus.model.alarm import Alarm
from iolaus.model.alarming import Judged
from iolaus.model.credential import CredentialFact
from iolaus.model.endpoint import Target, protocol_of
from iolaus.north.api.build import create_app
from iolaus.north.auth import Auth, TokenFile
from iolaus.north.context import Context
from iolaus.observe.attest import AttestRules
from iolaus.observe.building import BuildingDevice
from iolaus.observe.buses import Buses, ModbusDevice
from iolaus.observe.collect import Collector, Job, Key, Periods
from iolaus.observe.devices import Devices, LaneDevice
from iolaus.observe.events import Follower, Intake, StreamRules
from iolaus.observe.sentry import SentryRules
from iolaus.observe.subscribe import Receiver, SubscriptionRules
from iolaus.store.database import Guard
from iolaus.store.drains import StoredDrains
from iolaus.store.past import Past
from iolaus.store.picture import Picture
from iolaus.store.state import TOKENS, State, open_state
from iolaus.wire.modbus.bus import Rates
from iolaus.wire.modbus.line import PymodbusLine
from iolaus.wire.redfish.port import Credential

Serve = Callable[[Hashable], Awaitable[float | None]]
JudgesRacks = Callable[[Iterable[Alarm]], Judged]
WORKERS: Mapping[Job, int] = {
    Job.INVENTORY: 48,
    Job.HOT: 64,
    Job.LOGS: 32,
    Job.EVENTS: 20_000,
    Job.SUBSCRIPTION: 64,
    Job.ATTEST: 32,
    Job.SURVEY: 2,
    Job.BESIDE: 32,
    Job.SENTRY: 64,
}
PACE: Mapping[Job, Bounds] = {
    Job.INVENTORY: Bounds(least=8, most=192, patience_s=0.2),
    Job.HOT: Bounds(spare=8, least=16, most=512, patience_s=0.1),
    Job.LOGS: Bounds(spare=2, least=4, most=64, patience_s=0.05),
    Job.ATTEST: Bounds(spare=4, least=8, most=32, aside=4, patience_s=0.05),
    Job.BESIDE: Bounds(least=4, most=32, patience_s=0.05),
}
"""Who yields first when there is more to do than can be done; the rest is small or waits."""
OWED_S = 5.0
BUSES = "buses"
BUSES_PACE = Bounds(least=20, most=100, patience_s=0.05)
"""In hundredths of the usual rates of registers."""


BUDGETS: Mapping[str, int] = {"reset": 20, "reset-manager": 10, "ac-cycle": 3}
"""How often, in all roll-outs that run, a step may be helped by force before a person must look."""


class HouseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`demo` lets loopback in without a token. `receiver_url` is where devices can push events
    to (it ends in /redfish-events); None subscribes nowhere. `tls` are the PEM files of our own
    certificate (with its chain) and key; None speaks plain HTTP. `role` says which of its tasks
    this house has. `simulated`: the hall is our own, and the host keys of its consoles are
    believed when first seen. `heir`: boosts are taken back when this process dies (`app.heir`)."""

    state_dir: Path
    listen: str = "127.0.0.1:8080"
    tls: tuple[Path, Path] | None = None
    demo: bool = False
    simulated: bool = False
    site: str = ""
    ca_file: str | None = None
    receiver_url: str | None = None
    periods: Periods = Periods()
    lanes: LaneRules = LaneRules()
    streams: StreamRules = StreamRules()
    sentry: SentryRules = SentryRules()
    subscriptions: SubscriptionRules = SubscriptionRules()
    attesting: AttestRules = AttestRules()
    rollouts: Rules = Rules(budgets=BUDGETS)
    database: str | None = None
    registers: Rates = Rates()
    onboarding: Tempo = Tempo()
    role: Role = Role.ALL
    heir: bool = False

    @property
    def web(self) -> str:
        """Where its pages are, as seen from where it listens."""
        return f"{'https' if self.tls else 'http'}://{self.listen}"


class House:
    """An open house: its state, its lanes, and what keeps the picture true. `hurry` asks for a run
    of one key now, `judge_racks` says what rings of the racks; others may do that for it."""

    def __init__(
        self,
        *,
        options: HouseOptions,
        state: State,
        clock: Clock,
        afar: Afar | None = None,
    ) -> None:
        self.options, self.state, self.clock = options, state, clock
        self.bus = LocalBus()
        self._untried, self._looked_s = False, -math.inf
        self.lanes = afar.lanes if afar else open_lanes(options, state, clock)
        self.hurry: Callable[[Key, bool], None] = self._hurry
        self.devices = Devices(lanes=self.lanes, credential_of=self.credential_of)
        self.buses = self._own_buses()
        own = OwnSight(clock=clock, buses=self.buses, ca_file=options.ca_file)
        self.sight: Sight = afar.sight if afar else own
        self.collector = self._collector()
        self.intake = Intake(
            picture=state.facts,
            clock=clock,
            wake=self.wake,
            heed=lambda address, told: self.edges.edges.told(address, told),
        )
        self.follower = Follower(
            picture=state.facts,
            open_device=self.devices.open,
            intake=self.intake,
            clock=clock,
            wake=self.wake,
            rules=options.streams,
        )
        self.receiver = _receiver(options, clock)
        self.checkpoints = Checkpoints(state=state, clock=clock)
        files = (POLICY, TOKENS, ANCHORS, POWER_FILE)
        self.handmade = Handmade(state=state, clock=clock, names=files)
        self.ledger = self._ledger()
        policies = load_policies(state.directory / POLICY)
        self.mapped = [each.mapped() for policy in policies for each in policy.spec.products]
        self.exposures = Exposures(
            facts=state.facts, ledger=self.ledger, kept=state.advisories, mapped=self.mapped
        )
        self.attesting = self._attesting()
        self.joining = self._joining()
        self.loops = self._loops()
        self.discoverer = self._discoverer()
        self.keyring = self._keyring()
        state.secrets.on_change(self.ledger.note_login)
        self.rolling = self._rolling()
        self.draining = self._draining()
        self.onboarding = house_onboarding(self)
        self.power = self._power()
        self.edges, self.centre = self.power.edges, self.power.centre
        self.bequest = bequest_of(self)
        self.consoles = self._consoles(afar)
        self.alarming = self._alarming()
        self.notifier = self._notifier()
        self.judge_racks: JudgesRacks = self.power.powering.judged
        self.alarming.sources.append(lambda: self.judge_racks(self.alarming.all()))

    def _own_buses(self) -> Buses:
        line = NoLine if self.options.role is Role.CORE else PymodbusLine
        tell, rates = self.state.facts.record_event, self.options.registers
        return Buses(clock=self.clock, tell=tell, rates=rates, open_line=line)

    def _loops(self) -> Mapping[Job, Loop]:
        return {
            job: Loop(
                clock=self.clock,
                reconcile=serve_of(self, job),
                workers=WORKERS[job],
                name=job.value,
            )
            for job in Job
        }

    def _notifier(self) -> Notifier:
        return Notifier(
            folder=self.state.directory,
            alarms=lambda: self.alarming.all(),
            clock=self.clock,
            web=self.options.web,
        )

    def _joining(self) -> Joining:
        again_s = min(
            AGAIN_S, 2.0 * self.options.periods.hot_s
        )  # before an edge takes it for silent
        joining = Joining(
            self.state,
            self.clock,
            planted=lambda: self.power.planted,
            again_s=again_s,
            here=self.options.role is not Role.CORE,
        )
        joining.on_joined = lambda target: self.collector.begin(target.address)
        return joining

    def _alarming(self) -> Alarming:
        return Alarming(
            facts=self.state.facts,
            fleet=lambda: self.context.fleet,
            kept=self.state.alarms,
            bus=self.bus,
            clock=self.clock,
            tell=lambda turns: self.notifier.keep(turns),
            rules=lambda: self.notifier.file.read().rules,
            drained=self.draining.is_drained,
            changing=self.rolling.conductor.is_at,
        )

    def _consoles(self, afar: Afar | None) -> Consoles:
        return Consoles(
            folder=self.state.directory,
            place_of=lambda uid: place_in(self.context.fleet, uid),
            lines=afar.lines if afar else self.own_lines(),
            record=self.state.audit.append,
            clock=self.clock,
            archive=afar.archive if afar else None,
            trust_first=self.options.simulated,
        )

    def own_lines(self) -> OwnLines:
        """Consoles of the devices that this process reaches."""
        return OwnLines(
            facts=lambda: self.state.facts,
            open_device=self.devices.open,
            credential_of=self.credential_of,
            ca_file=self.options.ca_file,
        )

    def _collector(self) -> Collector:
        return Collector(
            picture=self.state.facts,
            open_device=self.open,
            clock=self.clock,
            wake=self.wake,
            periods=self.options.periods,
        )

    def _rolling(self) -> Rolling:
        self.images = ImageFolder(self.state.directory / "images")
        self.recovering = recovering_of(self)
        return Rolling(
            state=self.state,
            images=self.images,
            bus=self.bus,
            clock=self.clock,
            ledger=self.ledger,
            open_device=self.devices.open,
            read_again=self.read_again,
            look_again=self.look_again,
            hot_s=self.options.periods.hot_s,
            rotation=self.keyring.rotation,
            rules=self.options.rollouts,
            shows=Handshakes(self.sight, self.state.facts.target_of),
            attesting=self.attesting,
            wiping=self.keyring.wiping,
            recovering=self.recovering,
        )

    def _discoverer(self) -> Discoverer:
        return Discoverer(
            facts=self.state.facts,
            secrets=self.state.secrets,
            clock=self.clock,
            sight=self.sight,
            begin=self.collector.begin,
            appears=lambda found: self.onboarding.found(found),
        )

    def _ledger(self) -> Ledger:
        return Ledger(
            facts=self.state.facts,
            baselines=self.state.baselines,
            clock=self.clock,
            slow_interval_s=self.options.periods.inventory_s,
            authorities=self.state.authorities.known,
            credential_of=self.credential_fact,
        )

    def _power(self) -> PowerHouse:
        return PowerHouse(
            state=self.state,
            bus=self.bus,
            clock=self.clock,
            buses=self.buses,
            joining=self.joining,
            open_device=self.devices.open,
            period_s=self.options.periods.hot_s,
        )

    def _draining(self) -> Draining:
        return Draining(
            facts=self.state.facts,
            kept=StoredDrains(self.state.database),
            adapters=self.rolling.adapters,
            bus=self.bus,
            clock=self.clock,
            going=self.rolling.drains.all,
            wake=self.rolling.conductor.wake,
            acting=lambda: self.rolling.conductor.acting,
        )

    def open(self, target: Target) -> LaneDevice | ModbusDevice | BuildingDevice:
        """The device of a target, whatever is spoken to it."""
        if protocol_of(target.address) == "dsx":
            return self.joining.device(target)
        if protocol_of(target.address) == "modbus":
            return self.buses.open(target)
        return self.devices.open(target)

    def wake(self, key: Key, after_s: float) -> None:
        self.loops[key.job].wake(key, after_s=after_s)

    async def keep_pace(self) -> None:
        """A hot set may be late by a period, an inventory by a third of one; none was promised of
        a hall that is not discovered yet."""
        periods = self.options.periods
        promised = {Job.HOT: periods.hot_s, Job.INVENTORY: periods.inventory_s / 3}
        bounds: dict[str, Bounds] = {
            job: msgspec.structs.replace(each, promise_s=promised.get(job, math.inf))
            for job, each in PACE.items()
        }
        paced: dict[str, Paced] = dict(self.loops.items())
        paced[BUSES], bounds[BUSES] = self.buses, BUSES_PACE
        await keep_pace(paced, bounds, owed=self._owes)

    def _owes(self, job: str) -> bool:
        """What reads devices knows which it has not tried; a core sees it of those of its edges."""
        if job != Job.INVENTORY or self.options.role is not Role.CORE:
            return job == Job.INVENTORY and self.collector.unread > 0
        if (now_s := self.clock.monotonic()) - self._looked_s >= OWED_S:
            self._looked_s = now_s
            self._untried = any(each.status is None for each in self.state.facts.all_held())
        return self._untried

    def note_target(self, topic: str, payload: Any) -> None:
        if topic == "facts.target":
            self.buses.keep(payload, self.state.facts.target_of(payload))

    def duties(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What this house does all the time, by its role."""
        role = self.options.role
        yield from (self.loops[job].run() for job in JOBS[role])
        yield self.keep_pace()
        yield from self.power.tasks(role)
        if self.options.heir and role is not Role.CORE:
            yield self.bequest.run()
        if role is not Role.EDGE:
            yield from (self.rolling.run(), self.attesting.run())
            yield from (self.keyring.loop.run(), self.draining.run(), self.checkpoints.run())
            yield from (self.handmade.run(), self.alarming.run(), self.onboarding.run())
            yield from (self.consoles.run(), self.notifier.run(), self.recovering.run())

    def look_again(self, address: str) -> None:
        """Somebody waits to know how it fares."""
        self.hurry(Key(address, Job.HOT), False)

    def read_again(self, address: str) -> None:
        """An inventory now; what is under way is followed by another."""
        self.hurry(Key(address, Job.INVENTORY), True)

    def _hurry(self, key: Key, afresh: bool) -> None:
        self.loops[key.job].hurry(key, afresh=afresh)

    def credential_of(self, target: Target) -> Credential | None:
        login = self.state.secrets.login_for(target.address, name=target.credential)
        return Credential(user=login.user, password=login.password) if login else None

    def credential_fact(self, target: Target) -> CredentialFact | None:
        return self.state.secrets.fact_of(target.address, name=target.credential)

    def let_in(self, address: str) -> None:
        """Its login is another now: the lane goes on with that at once, and reads it again."""
        if (target := self.state.facts.target_of(address)) is not None:
            self.open(target)
        self.collector.begin(address)

    def begin_all(self, *, spread: bool) -> None:
        """Start collecting every known target; where a new password was left unproved, after it
        is known which one is in force."""
        for held in list(self.state.facts.all_held()):
            if not self.keyring.settles_first(held.target.address):
                self.collector.begin(held.target.address, spread=spread)

    def ready(self) -> str:
        """Why the hall is not discovered yet; empty when every target was tried."""
        held = list(self.state.facts.all_held())
        waiting = sum(each.status is None for each in held)
        return f"{waiting} of {len(held)} endpoints have not been tried yet" if waiting else ""

    def round(self) -> Round:
        """How it keeps up with its hot sets."""
        every_s, unread = self.collector.periods.hot_s, self.collector.unread
        late_s = max(self.loops[Job.HOT].lag_s(), self.collector.round_s - every_s)
        return Round(every_s=every_s, late_s=late_s, unread=unread)

    def stats(self) -> Mapping[str, float]:
        """Our own numbers, for metrics."""
        found = {f"loop_lag_seconds_{job}": loop.lag_s() for job, loop in self.loops.items()}
        found |= {f"loop_workers_{job}": float(loop.workers) for job, loop in self.loops.items()}
        found["energy_heir"] = float(self.bequest.is_kept)
        found["event_streams"] = float(len(self.follower.live))
        return found | counts_of(self.edges.edges.running)

    def read_advisories(self, raw: bytes, source: str, by: str) -> Sequence[Advised]:
        return read_advisories(raw, source=source, at=self.clock.now(), by=by)

    @cached_property
    def context(self) -> Context:
        periods = self.options.periods
        return Context(
            facts=self.state.facts,
            bus=self.bus,
            clock=self.clock,
            auth=Auth(demo=self.options.demo, tokens=TokenFile(self.options.state_dir / TOKENS)),
            version=__version__,
            discover=self.discoverer,
            series=Past(facts=self.state.facts, series=self.state.series),
            site=self.options.site,
            interval_s=periods.hot_s,
            slow_interval_s=periods.inventory_s,
            ready=self.ready,
            stats=self.stats,
            baselines=self.state.baselines,
            rolls=self.rolling,
            authorities=self.state.authorities,
            drains=self.draining,
            secrets=self.state.secrets,
            read_again=self.read_again,
            attests=self.attesting,
            recovers=self.recovering,
            alarms=self.alarming,
            onboards=self.onboarding,
            consoles=self.consoles,
            notifier=self.notifier,
            plant=self.power.planted.plant,
            points=self.joining.points,
            power=self.power.powering,
            rules=self.power.ruling,
            seen_site=self.power.site,
            ledger=self.ledger,
            audit_log=self.state.audit,
            checkpoints=self.checkpoints,
            advisories=self.state.advisories,
            read_advisories=self.read_advisories,
            surfaces=self.state.surfaces,
            members=Alone(self.state.facts, self.clock, self.options.site, self.round),
            exposures=self.exposures,
            references=References(
                shelf=self.state.references,
                clock=self.clock,
                witnesses=self.attesting.witnesses,
            ),
        )

    def application(self) -> Any:
        """The ASGI application: the API and pages, and the door that devices push events to."""
        api, receiver = create_app(self.context), self.receiver
        if receiver is None:
            return api
        receiver.intake = self.intake

        async def route(scope: Any, receive: Any, send: Any) -> None:
            pushed = scope["type"] == "http" and scope["path"].startswith("/redfish-events/")
            await (receiver if pushed else api)(scope, receive, send)

        return route

    def _attesting(self) -> Attesting:
        return Attesting(
            state=self.state,
            bus=self.bus,
            clock=self.clock,
            open_device=self.devices.open,
            wake=self.wake,
            rules=self.options.attesting,
            exposures=self.exposures,
        )

    def _keyring(self) -> Keyring:
        return Keyring(
            state=self.state,
            clock=self.clock,
            lanes=self.lanes,
            credential_of=self.credential_of,
            open_device=self.devices.open,
            let_in=self.let_in,
        )


def _receiver(options: HouseOptions, clock: Clock) -> Receiver | None:
    if options.receiver_url is None:
        return None
    return Receiver(url=options.receiver_url, secret=secrets.token_bytes(32), clock=clock)


@asynccontextmanager
async def open_house(
    options: HouseOptions,
    *,
    afar: Afar | None = None,
    guard: Guard | None = None,
    clock: Clock | None = None,
    picture: Picture | None = None,
) -> AsyncIterator[House]:
    """Open the state, start the loops; close all of it on the way out. Where several
    processes hold the hall, `afar` leads to the devices that others own, `guard` is asked before
    the state is written, and `clock` is the one that they agree on.

    Raises `OperatorMust` when the state is in use or cannot be read, `WeErred` on a full disk."""
    clock = clock or WallClock()
    raise_file_limit()
    save_memory()
    state = open_state(
        options.state_dir, clock=clock, database=options.database, guard=guard, picture=picture
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(state.close)
        await state.start()
        house = House(options=options, state=state, clock=clock, afar=afar)
        stack.push_async_callback(house.lanes.close)
        stack.push_async_callback(house.buses.close)
        if options.role is not Role.CORE:
            house.joining.begin(house.power.planted.said.building)
        stack.push_async_callback(house.joining.close)
        state.facts.on_change(house.bus.publish)
        state.facts.on_change(house.note_target)
        tasks = [asyncio.create_task(duty) for duty in house.duties()]
        stack.push_async_callback(house.rolling.close)
        stack.push_async_callback(end, *tasks)
        yield house
