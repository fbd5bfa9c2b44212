"""What a server is made of, opened in order and closed in the opposite one.

Closing matters as much as opening: every session on every device is deleted, what was read is on
disk, and no task is left. If this process is killed instead, the next one finds the same state and
reaps the sessions; there is no other start path.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import signal
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import uvicorn

from iolaus import __version__
from iolaus.act.term import Rules
from iolaus.app.alarming import Alarming
from iolaus.app.attesting import ANCHORS, POLICY, Attesting
from iolaus.app.centring import HouseCentre
from iolaus.app.checkpoints import Checkpoints
from iolaus.app.discovering import Discoverer
from iolaus.app.draining import Draining
from iolaus.app.edges import counts_of
from iolaus.app.gear import Gear
from iolaus.app.handmade import Handmade
from iolaus.app.house_edges import HouseEdges
from iolaus.app.joining import Joining
from iolaus.app.keyring import Keyring
from iolaus.app.memory import raise_file_limit, save_memory
from iolaus.app.pace import Bounds, Paced, keep_pace
from iolaus.app.planting import POWER_FILE, Planted, load_written
from iolaus.app.powering import Powering
from iolaus.app.references import References
from iolaus.app.rolling import Rolling
from iolaus.bus.local import LocalBus
from iolaus.drivers.lane import Aside, LaneRules, Lanes, redfish_conversations
from iolaus.drivers.lane.lanes import Converse
from iolaus.fleet.advisories import read_advisories
from iolaus.fleet.exposures import Exposures
from iolaus.fleet.ledger import Ledger
from iolaus.fleet.policies import load_policies
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.loop import Loop
from iolaus.model.advisory import Kept as Advised
from iolaus.model.credential import CredentialFact
from iolaus.model.endpoint import Target, protocol_of
from iolaus.north.api.build import create_app
from iolaus.north.auth import Auth, TokenFile
from iolaus.north.context import Context
from iolaus.observe.attest import AttestRules
from iolaus.observe.beside import Beside
from iolaus.observe.building import BuildingDevice
from iolaus.observe.buses import Buses, ModbusDevice
from iolaus.observe.collect import Collector, Job, Key, Periods
from iolaus.observe.devices import Devices, LaneDevice
from iolaus.observe.events import Follower, Intake, StreamRules
from iolaus.observe.subscribe import Receiver, Subscriber, SubscriptionRules
from iolaus.observe.surface import Surveyor
from iolaus.store.drains import StoredDrains
from iolaus.store.lease import StoredLeases
from iolaus.store.past import Past
from iolaus.store.state import State, open_state
from iolaus.store.tries import CountedLogins
from iolaus.wire.modbus.bus import Rates
from iolaus.wire.redfish.port import Credential, SessionLedger

TOKENS = "tokens.json"
Serve = Callable[[Hashable], Awaitable[float | None]]
WORKERS: Mapping[Job, int] = {
    Job.INVENTORY: 48,
    Job.HOT: 64,
    Job.LOGS: 32,
    Job.EVENTS: 20_000,
    Job.SUBSCRIPTION: 64,
    Job.ATTEST: 32,
    Job.SURVEY: 2,
    Job.BESIDE: 32,
}
PACE: Mapping[Job, Bounds] = {
    Job.INVENTORY: Bounds(spare=16, least=32, most=192, patience_s=0.2),
    Job.HOT: Bounds(spare=8, least=64, most=512, patience_s=0.1),
    Job.LOGS: Bounds(spare=2, least=4, most=64, patience_s=0.05),
    Job.ATTEST: Bounds(spare=4, least=8, most=32, patience_s=0.05),
    Job.BESIDE: Bounds(least=4, most=32, patience_s=0.05),
}
"""Who yields first when there is more to do than can be done; the rest is small or waits."""
BUSES = "buses"
BUSES_PACE = Bounds(least=20, most=100, patience_s=0.05)
"""In hundredths of the usual rates of registers."""


BUDGETS: Mapping[str, int] = {"reset": 20, "reset-manager": 10, "ac-cycle": 3}
"""How often, in all roll-outs that run, a step may be helped by force before a person must look."""


class HouseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`demo` lets loopback in without a token. `receiver_url` is where devices can push events
    to (it ends in /redfish-events); None subscribes nowhere. `tls` are the PEM files of our own
    certificate (with its chain) and key; None speaks plain HTTP."""

    state_dir: Path
    listen: str = "127.0.0.1:8080"
    tls: tuple[Path, Path] | None = None
    demo: bool = False
    site: str = ""
    ca_file: str | None = None
    receiver_url: str | None = None
    periods: Periods = Periods()
    lanes: LaneRules = LaneRules()
    streams: StreamRules = StreamRules()
    subscriptions: SubscriptionRules = SubscriptionRules()
    attesting: AttestRules = AttestRules()
    rollouts: Rules = Rules(budgets=BUDGETS)
    database: str | None = None
    registers: Rates = Rates()


class House:
    """An open house: its state, its lanes, and what keeps the picture true."""

    def __init__(self, *, options: HouseOptions, state: State, clock: Clock) -> None:
        self.options, self.state, self.clock = options, state, clock
        self.bus = LocalBus()
        self.lanes = _lanes(options, state, clock)
        self.devices = Devices(lanes=self.lanes, credential_of=self.credential_of)
        self.buses = Buses(clock=clock, tell=state.facts.record_event, rates=options.registers)
        self.collector = Collector(
            picture=state.facts,
            open_device=self.open,
            clock=clock,
            wake=self.wake,
            periods=options.periods,
        )
        self.intake = Intake(picture=state.facts, clock=clock, wake=self.wake)
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
        self.handmade = Handmade(state=state, clock=clock, names=(POLICY, TOKENS, ANCHORS))
        self.ledger = self._ledger()
        policies = load_policies(state.directory / POLICY)
        self.mapped = [each.mapped() for policy in policies for each in policy.spec.products]
        self.exposures = Exposures(
            facts=state.facts, ledger=self.ledger, kept=state.advisories, mapped=self.mapped
        )
        self.attesting = self._attesting()
        self.joining = Joining(state=state, clock=clock, planted=lambda: self.planted)
        self.loops = {job: self._loop(job) for job in Job}
        self.discoverer = self._discoverer()

        self.keyring = self._keyring()
        state.secrets.on_change(self.ledger.note_login)
        self.rolling = self._rolling()
        self.draining = self._draining()
        self.planted = self._planted()
        self.edges = self._edges()
        self.centre = self._centre()
        self.powering = self._powering()
        self.gear = self._gear()
        self.alarming = Alarming(
            facts=state.facts,
            fleet=lambda: self.context.fleet,
            kept=state.alarms,
            bus=self.bus,
            clock=clock,
        )
        self.alarming.sources.append(lambda: self.edges.judged(a.key for a in self.alarming.all()))

    def _rolling(self) -> Rolling:
        return Rolling(
            state=self.state,
            bus=self.bus,
            clock=self.clock,
            ledger=self.ledger,
            open_device=self.devices.open,
            read_again=self.read_again,
            look_again=self.look_again,
            hot_s=self.options.periods.hot_s,
            rotation=self.keyring.rotation,
            rules=self.options.rollouts,
            ca_file=self.options.ca_file,
            attesting=self.attesting,
        )

    def _discoverer(self) -> Discoverer:
        return Discoverer(
            facts=self.state.facts,
            secrets=self.state.secrets,
            clock=self.clock,
            ca_file=self.options.ca_file,
            begin=self.collector.begin,
            buses=self.buses,
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

    def _planted(self) -> Planted:
        """Raises `OperatorMust` where the operator's file of power is wrong."""
        written = load_written(self.state.directory / POWER_FILE)
        return Planted(written, self.state.facts, self.clock)

    def _edges(self) -> HouseEdges:
        said = self.planted.said
        return HouseEdges(
            state=self.state,
            bus=self.bus,
            clock=self.clock,
            open_device=self.devices.open,
            plant=self.planted.plant,
            power=said.power_policy,
            leak=said.leak_policy,
            period_s=self.options.periods.hot_s,
            building=self.joining,
        )

    def _gear(self) -> Gear:
        """What the building and the gear say reaches edges and centre from now on."""
        self.joining.tell(self.edges.edges)
        self.joining.centre = self.centre
        return Gear(
            buses=self.buses,
            facts=self.state.facts,
            places=self.joining.places,
            edges=self.edges.edges,
            clock=self.clock,
        )

    def _centre(self) -> HouseCentre:
        leases, bus = StoredLeases(self.state.database), self.bus
        plant, policy = self.planted.plant, self.edges.power
        return HouseCentre(plant=plant, policy=policy, bus=bus, clock=self.clock, leases=leases)

    def _powering(self) -> Powering:
        return Powering(
            edges=self.edges,
            centre=self.centre,
            directory=self.state.directory,
            clock=self.clock,
            alone=lambda: self.joining.joined is None,
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
        return job == Job.INVENTORY and self.collector.unread > 0

    def note_target(self, topic: str, payload: Any) -> None:
        if topic == "facts.target":
            self.buses.keep(payload, self.state.facts.target_of(payload))

    def look_again(self, address: str) -> None:
        """Somebody waits to know how it fares."""
        self.loops[Job.HOT].hurry(Key(address, Job.HOT))

    def read_again(self, address: str) -> None:
        """An inventory now; what is under way is followed by another."""
        self.loops[Job.INVENTORY].hurry(Key(address, Job.INVENTORY), afresh=True)

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

    def stats(self) -> Mapping[str, float]:
        """Our own numbers, for metrics."""
        found = {f"loop_lag_seconds_{job}": loop.lag_s() for job, loop in self.loops.items()}
        found |= {f"loop_workers_{job}": float(loop.workers) for job, loop in self.loops.items()}
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
            alarms=self.alarming,
            plant=self.planted.plant,
            power=self.powering,
            ledger=self.ledger,
            audit_log=self.state.audit,
            checkpoints=self.checkpoints,
            advisories=self.state.advisories,
            read_advisories=self.read_advisories,
            surfaces=self.state.surfaces,
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

    def _loop(self, job: Job) -> Loop:
        serve: Serve = self.collector.reconcile
        if job is Job.EVENTS:
            serve = self.follower.reconcile
        elif job is Job.SUBSCRIPTION:
            serve = self._subscriber()
        elif job is Job.BESIDE:
            serve = self._beside()
        elif job is Job.SURVEY:
            serve = self._surveyor()
        elif job is Job.ATTEST:
            serve = self.attesting.attestor.reconcile
        return Loop(clock=self.clock, reconcile=serve, workers=WORKERS[job], name=job.value)

    def _surveyor(self) -> Serve:
        return Surveyor(
            facts=self.state.facts, kept=self.state.surfaces, clock=self.clock, wake=self.wake
        ).reconcile

    def _beside(self) -> Serve:
        facts, clock = self.state.facts, self.clock
        return Beside(picture=facts, open_bus=self.buses.open, clock=clock).reconcile

    def _subscriber(self) -> Serve:
        if self.receiver is None:
            return _never
        return Subscriber(
            picture=self.state.facts,
            open_device=self.devices.open,
            receiver=self.receiver,
            clock=self.clock,
            wake=self.wake,
            rules=self.options.subscriptions,
        ).reconcile


def _lanes(options: HouseOptions, state: State, clock: Clock) -> Lanes:
    """Trials of logins share everything with the lanes but their sessions."""

    def converse(ledger: SessionLedger) -> Converse:
        return redfish_conversations(
            clock, ledger=ledger, ca_file=options.ca_file, insecure_http=True
        )

    logins = CountedLogins(
        state.logins, state.tries, policy_of=state.secrets.policy_of, clock=clock
    )
    return Lanes(
        converse(state.sessions),
        clock,
        rules=options.lanes,
        logins=logins,
        trials=converse(Aside(state.sessions)),
    )


async def _never(_: Hashable) -> float | None:
    return None


def _receiver(options: HouseOptions, clock: Clock) -> Receiver | None:
    if options.receiver_url is None:
        return None
    return Receiver(url=options.receiver_url, secret=secrets.token_bytes(32), clock=clock)


@asynccontextmanager
async def open_house(options: HouseOptions) -> AsyncIterator[House]:
    """Open the state, start the loops; close all of it on the way out.

    Raises `OperatorMust` when the state is in use or cannot be read, `WeErred` on a full disk."""
    clock = WallClock()
    raise_file_limit()
    save_memory()
    state = open_state(options.state_dir, clock=clock, database=options.database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(state.close)
        await state.start()
        house = House(options=options, state=state, clock=clock)
        stack.push_async_callback(house.lanes.close)
        stack.push_async_callback(house.buses.close)
        house.joining.begin(house.planted.said.building)
        stack.push_async_callback(house.joining.close)
        state.facts.on_change(house.bus.publish)
        state.facts.on_change(house.note_target)
        tasks = [asyncio.create_task(loop.run()) for loop in house.loops.values()]
        tasks.append(asyncio.create_task(house.keep_pace()))
        tasks.append(asyncio.create_task(house.rolling.conductor.run()))
        tasks.append(asyncio.create_task(house.attesting.run()))
        tasks.append(asyncio.create_task(house.keyring.loop.run()))
        tasks.append(asyncio.create_task(house.draining.run()))
        tasks.append(asyncio.create_task(house.edges.run()))
        tasks.append(asyncio.create_task(house.centre.run()))
        tasks.append(asyncio.create_task(house.powering.run()))
        tasks.append(asyncio.create_task(house.checkpoints.run()))
        tasks.append(asyncio.create_task(house.handmade.run()))
        tasks.append(asyncio.create_task(house.alarming.run()))
        tasks.append(asyncio.create_task(house.gear.run()))
        stack.push_async_callback(house.rolling.close)
        stack.push_async_callback(_cancel, tasks)
        yield house


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Server(uvicorn.Server):
    """Stops at SIGINT or SIGTERM and leaves the rest of closing to whoever opened the house:
    the stock server raises the signal once more, which would cut that short. A second signal
    changes nothing, as closing takes a few seconds at most."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def make_server(house: House) -> Server:
    """The HTTP server; its `serve()` returns at SIGINT or SIGTERM."""
    host, _, port = house.options.listen.rpartition(":")
    certificate, key = house.options.tls or (None, None)
    return Server(
        uvicorn.Config(
            house.application(),
            host=host.strip("[]") or "127.0.0.1",
            port=int(port),
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
            ws="websockets-sansio",
        )
    )


async def run_server(server: uvicorn.Server, listen: str) -> None:
    """Serve until a signal; an address that cannot be bound is the operator's to change."""
    try:
        await server.serve()
    except SystemExit:
        raise OperatorMust(
            "the address is in use or may not be bound",
            operation="listen on",
            subject=listen,
            code="AddressInUse",
            next_step="stop what listens there, or choose another with --listen 127.0.0.1:PORT.",
        ) from None
