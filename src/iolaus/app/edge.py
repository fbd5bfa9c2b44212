"""`iolaus edge`: the edges of some racks in a process of their own, close to the hardware.

It needs the controllers and nothing else: no server, no database, no bus. It reads each one whole,
then the hot set again and again, and follows its events; what it learns goes to the edges. With
nobody to lease it a budget a rack stands at its floors, and its reflexes work as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from iolaus.app.edge_hands import Hands, NoBuilding
from iolaus.app.edges import Edges
from iolaus.app.watchdog import Watchdog
from iolaus.drivers.lane import LaneRules, Lanes, redfish_conversations
from iolaus.drivers.ports import Priority
from iolaus.energy.policy import LeakPolicy, Mode, PowerPolicy
from iolaus.energy.rules import edge_rules, paced
from iolaus.energy.run import Done
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.model.endpoint import Mode as Managed
from iolaus.model.endpoint import Target
from iolaus.north.cli.render import say
from iolaus.observe.devices import Devices, LaneDevice
from iolaus.observe.targets import load_hosts
from iolaus.store.held import Held, lay_hot, lay_report
from iolaus.wire.redfish.port import Credential

log = structlog.get_logger(__name__)
INVENTORY_S = 900.0
AGAIN_S = 5.0
PAT_S = 0.5


class EdgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`state_dir` keeps the latches. `period_s` lies between two readings of one controller."""

    targets: tuple[Target, ...]
    credential: Credential | None
    state_dir: Path
    ca_file: str | None = None
    power: PowerPolicy = PowerPolicy()
    leak: LeakPolicy = LeakPolicy()
    period_s: float = 1.0
    watchdog: bool = True


class Watch:
    """Reads controllers for their edges."""

    def __init__(self, edges: Edges, devices: Devices, clock: Clock, period_s: float) -> None:
        self._edges, self._devices = edges, devices
        self._clock, self._period_s = clock, period_s

    async def follow(self, target: Target) -> None:
        """Until cancelled: inventories, with hot sets between them."""
        self._edges.seats.wait_for(target)
        device = self._devices.open(target)
        while True:
            try:
                await self._round(target, device)
            except IolausError as error:
                log.warning("a controller cannot be read", name=target.name, error=str(error))
                self._edges.seats.tried(target.address)
                self._edges.lost(target.address)
                await self._clock.sleep(AGAIN_S)

    async def _round(self, target: Target, device: LaneDevice) -> None:
        driver = await device.driver(afresh=True)
        held = Held(target=target)
        lay_report(held, await driver.inventory(device.at(Priority.INVENTORY)))
        assert held.report is not None
        self._edges.seats.learn(target, held.report)
        until_s = self._clock.monotonic() + INVENTORY_S
        while self._clock.monotonic() < until_s:
            self._edges.hear(target.address, held.assets.values(), list(held.readings.values()))
            await self._clock.sleep(self._period_s)
            lay_hot(held, await driver.hot(device.at(Priority.TELEMETRY), held.report))

    async def listen(self, target: Target) -> None:
        """Until cancelled: a device that offers no stream is asked again much later."""
        device = self._devices.open(target)
        while True:
            pause_s = AGAIN_S
            try:
                async for event in device.events(None):
                    self._edges.told(target.address, event)
            except DeviceRefused:
                pause_s = INVENTORY_S
            except IolausError as error:
                log.info("a stream of events ended", name=target.name, error=str(error))
            await self._clock.sleep(pause_s)


@asynccontextmanager
async def open_edges(options: EdgeOptions) -> AsyncIterator[Edges]:
    """The edges of the targets' racks, running; closed and logged out at the end."""
    clock = WallClock()
    conversations = redfish_conversations(clock, ca_file=options.ca_file, insecure_http=True)
    lanes = Lanes(conversations, clock, rules=LaneRules())
    devices = Devices(lanes=lanes, credential_of=lambda _: options.credential)
    by_address = {target.address: target for target in options.targets}
    edges = Edges(
        hands=Hands(open_device=devices.open, target_of=by_address.get),
        building=NoBuilding(),
        clock=clock,
        directory=options.state_dir / "edges",
        rules=lambda rack: paced(edge_rules(options.power, options.leak, rack), options.period_s),
        tell=lambda _: None,
        record=_told,
    )
    watch = Watch(edges, devices, clock, options.period_s)
    tasks = [asyncio.create_task(edges.run())]
    for target in options.targets:
        tasks += [asyncio.create_task(watch.follow(target))]
        tasks += [asyncio.create_task(watch.listen(target))]
    try:
        yield edges
    finally:
        await end(*tasks)
        await lanes.close()


async def edge(options: EdgeOptions) -> None:
    """Run until SIGINT or SIGTERM."""
    if not any(target.labels.get("rack") for target in options.targets):
        raise OperatorMust(
            "no endpoint says in which rack it stands",
            operation="start edge",
            subject="hosts file",
            code="NoRack",
            next_step="give each host a label `rack` (docs/edge.md).",
        )
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    watchdog = Watchdog()
    if options.watchdog:
        watchdog.start()
    say(f"{len(options.targets)} controllers, mode {options.power.mode}; Ctrl-C ends it")
    async with open_edges(options) as edges:
        shown: set[str] = set()
        while not ended.is_set():
            watchdog.pat()
            for rack in sorted(edges.running.keys() - shown):
                view = edges.running[rack].view
                floor_w = sum(node.floor_w for node in view.nodes)
                say(f"{rack}: {len(view.nodes)} nodes with a cap, floor {floor_w:.0f} W")
                shown.add(rack)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAT_S):
                    await ended.wait()
    if options.watchdog:
        watchdog.stop()


def chosen(
    hosts: Path, word: str, *, allow_http: bool = False
) -> tuple[tuple[Target, ...], PowerPolicy, LeakPolicy]:
    """The targets of a hosts file and the policies of one word. `control` is the operator's word
    that these may be changed. Raises `OperatorMust` for a file that cannot be read."""
    power, leak = modes(word)
    managed = Managed.MANAGED if power.mode is Mode.CONTROL else Managed.READ_ONLY
    found = load_hosts(hosts, allow_http=allow_http)
    return tuple(msgspec.structs.replace(each, mode=managed) for each in found), power, leak


def modes(word: str) -> tuple[PowerPolicy, LeakPolicy]:
    """The policies of one word: observe, advise or control."""
    mode = Mode(word)
    return PowerPolicy(mode=mode), LeakPolicy(mode=mode)


def _told(done: Done) -> None:
    because = f" ({done.because})" if done.because else ""
    say(f"{done.rack}: {done.what} {done.subject}: {done.fate}{because}")
