"""`iolaus edge --site NAME`: owns a part of a site's devices for a hall of many processes.

It is a house that reads, guards and carries out, with everything it learns put into its outbox
first. Without a bus it goes on with the devices that it has, at a restart too: caps, latches and
reflexes need nobody, and what it learns is sent when somebody listens again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus import __version__
from iolaus.app.cluster.bridging import be_nudged, bridge_edge
from iolaus.app.cluster.carrying import FACTS, Carrier
from iolaus.app.cluster.console_desk import ConsoleDesk
from iolaus.app.cluster.core import LEASES, doing
from iolaus.app.cluster.door import TERM, Door
from iolaus.app.cluster.files import FILES, SECRETS, Files
from iolaus.app.cluster.guarding import CAPS, Caps, Guard
from iolaus.app.cluster.handing import REPORTS, Handing
from iolaus.app.cluster.lookout import Lookout
from iolaus.app.cluster.members import MEMBERS, Member, Members, free_bytes
from iolaus.app.cluster.owned import Owned
from iolaus.app.cluster.owning import TTL_S, Owning
from iolaus.app.cluster.seating import SEATS, Seating
from iolaus.app.cluster.wanting import WANTED
from iolaus.app.console_archive import OwnArchive
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.house_edges import deed_record
from iolaus.app.planting import POWER_FILE
from iolaus.app.roles import Role
from iolaus.app.watchdog import Watchdog
from iolaus.bus.leases import TableLeases
from iolaus.bus.nats import Servers, connected
from iolaus.bus.port import BusAway, Trunk
from iolaus.drivers.lane import LaneRules
from iolaus.energy.run import Done
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.model.endpoint import Target
from iolaus.model.shard import SITE, shard_of
from iolaus.north.cli.render import say
from iolaus.observe.collect import Job, Key, Periods
from iolaus.store.parcels import Parcels
from iolaus.store.secrets import Secrets
from iolaus.store.state import make_private

log = structlog.get_logger(__name__)
ALONE_S: Final = 15.0
"""An edge that starts without a bus waits so long for it before it goes on alone."""
SWEEP_S: Final = 2.0
PAT_S: Final = 0.5
RECORDED: Final = "recorded"
"""What consoles said, apart from what the core keeps of them."""
FETCH_S: Final = 5.0


class EdgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`ttl_s` of the leases of shards."""

    bus: Servers
    state_dir: Path
    name: str
    site: str = SITE
    ca_file: str | None = None
    periods: Periods = Periods()
    lanes: LaneRules = LaneRules()
    ttl_s: float = TTL_S
    watchdog: bool = True


class Edge:
    """One process's, over an open house."""

    def __init__(self, options: EdgeOptions, house: House, trunk: Trunk, outbox: Parcels) -> None:
        self._options, self._house, self._trunk = options, house, trunk
        self._clock: Clock = house.clock
        self._boot, self._since = secrets.token_hex(4), house.clock.now()
        self.handing = self._handing()
        self.owned = Owned(
            house,
            trunk.table(WANTED),
            options.site,
            taken=lambda shard: self.seating.take_up(shard),
            handing=self.handing,
        )
        self.leases = TableLeases(trunk.table(LEASES), self._clock)
        self.members = Members(trunk.table(MEMBERS), self._clock, self._mine)
        self.carrier = Carrier(
            outbox=outbox,
            to=trunk.log(FACTS),
            name=options.name,
            clock=self._clock,
            owner_of=self._owner_of,
        )
        self.owning = Owning(
            name=options.name,
            leases=self.leases,
            clock=self._clock,
            wanted=self.owned.shards,
            edges=lambda: len(self.members.alive("edge", options.site)),
            gained=self._gained,
            lost=self._lost,
            ttl_s=options.ttl_s,
        )
        self.consoles = ConsoleDesk(
            name=options.name,
            folder=options.state_dir / RECORDED,
            lines=house.own_lines(),
            clock=self._clock,
        )
        self.door = Door(
            trunk=trunk,
            seals=house.state.secrets,
            lanes=house.lanes,
            clock=self._clock,
            epoch_of=self.owning.epoch,
            credential_of=house.credential_of,
            folder=options.state_dir,
            consoles=self.consoles.answer,
        )
        self.files = Files(
            table=trunk.table(FILES),
            directory=options.state_dir,
            secrets=house.state.secrets,
            clock=self._clock,
            changed=self._file_changed,
        )
        house.state.facts.on_record(self.carrier.take)
        self.guard, self.caps, self.seating = self._guard(), self._caps(), self._seating()
        house.edges.on_deed = self._did

    def _guard(self) -> Guard:
        house = self._house
        return Guard(
            name=self._options.name,
            edges=house.edges,
            room=house.power.powering,
            trunk=self._trunk,
            seals=lambda: house.state.secrets,
            clock=self._clock,
            owns=self._owns,
            newest=lambda: self.door.term,
        )

    def _lookout(self) -> Lookout:
        house = self._house
        return Lookout(
            name=self._options.name,
            site=self._options.site,
            trunk=self._trunk,
            seals=lambda: house.state.secrets,
            sight=house.sight,
            archive=OwnArchive(self.consoles.room.recording),
            stale=self.door.stale,
            let_go=self._let_go,
        )

    def _let_go(self, target: Target) -> None:
        """A bus that was opened for a look, and is not ours, is closed again."""
        if self._house.state.facts.target_of(target.address) is None:
            self._house.buses.keep(target.address, None)

    def _caps(self) -> Caps:
        room = self._house.power.powering
        room.ends = lambda rack: rack in self._house.edges.edges.running
        return Caps(table=self._trunk.table(CAPS), room=room, clock=self._clock)

    def _handing(self) -> Handing:
        house = self._house
        return Handing(
            table=self._trunk.table(REPORTS),
            seals=lambda: house.state.secrets,
            clock=self._clock,
            known=house.state.facts,
            epoch_of=lambda shard: self.owning.epoch(shard),
            until_sent=lambda: self.carrier.until_sent(),
        )

    def _seating(self) -> Seating:
        return Seating(
            table=self._trunk.table(SEATS),
            site=self._options.site,
            seals=lambda: self._house.state.secrets,
            clock=self._clock,
            seats=self._house.edges.edges.seats,
            mine=self.owning.held.keys,
            wanted=lambda shard: self.owned.wanted.get(shard, {}),
            serve=self._house.devices.is_served_by,
        )

    def _owns(self, rack: str) -> bool:
        """Under a lease, at this moment."""
        facts = self._house.state.facts
        found = map(facts.target_of, self._house.edges.edges.addresses(rack))
        epochs = (self.owning.epoch(shard_of(each)) for each in found if each)
        return any(epoch is not None for epoch in epochs)

    def _did(self, done: Done) -> None:
        self.carrier.deed(deed_record(done, at=done.at, by=self._options.name))

    def _mine(self) -> Member:
        options = self._options
        return Member(
            name=options.name,
            role="edge",
            boot=self._boot,
            since=self._since,
            at=self._clock.now(),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            site=options.site,
            shards={shard: each.lease.epoch for shard, each in self.owning.held.items()},
            endpoints=sum(1 for _ in self._house.state.facts.all_held()),
            waiting=self.carrier.waiting,
            trouble=str(self.carrier.trouble or ""),
            free_bytes=free_bytes(options.state_dir),
            round=self._house.round(),
        )

    def _owner_of(self, address: str) -> tuple[str, int] | None:
        target = self._house.state.facts.target_of(address)
        if target is None:
            return None
        shard = shard_of(target)
        return shard, self.owning.last_epoch(shard) or self.owned.epochs.get(shard, 0)

    def _gained(self, shard: str) -> None:
        epoch = self.owning.last_epoch(shard)
        self.owned.gained(shard, epoch)
        self.owned.in_background(self.door.open(shard, epoch))
        self.members.changed()

    def _lost(self, shard: str) -> None:
        self.owned.in_background(self.door.close(shard))
        self.consoles.let_go(shard)
        self.owned.give_up(shard)
        self.members.changed()

    def _file_changed(self, name: str) -> None:
        """Logins that changed are used from now on."""
        if name == SECRETS:
            self.owned.let_in()
        elif name == POWER_FILE:
            self._ruled()

    def _ruled(self) -> None:
        """Another policy counts in the hall: from now on it counts here."""
        try:
            self._house.power.ruling.read_again()
            log.info("policy_taken")
        except IolausError as error:
            log.warning("policy_not_taken", error=str(error))

    async def run(self) -> None:
        """Until cancelled."""
        mine, house = self.owning.held.keys, self._house
        async with doing(
            self.carrier.run,
            self.members.run,
            partial(self.leases.follow, f"{self._options.site}."),
            partial(self.owned.follow, lambda: set(mine())),
            self.owning.run,
            self.files.follow,
            partial(bridge_edge, house.bus, self._trunk, house.edges.edges.running.keys),
            partial(be_nudged, self._trunk, self._hurry),
            self.guard.run,
            self._lookout().run,
            self.consoles.run,
            self.caps.run,
            self.seating.run,
            self.handing.run,
            self._hear_terms,
            self._sweep,
        ):
            try:
                await asyncio.Event().wait()
            finally:
                await self.door.close_all()
                await self.owned.close()

    def _hurry(self, key: Key, afresh: bool) -> None:
        if key.job in (Job.HOT, Job.INVENTORY) and self._house.state.facts.target_of(key.address):
            self._house.hurry(key, afresh)

    async def _hear_terms(self) -> None:
        async with self._trunk.subscribe(TERM) as heard:
            async for body in heard:
                with suppress(ValueError):
                    term, _, now = body.decode("ascii", "replace").partition(" ")
                    self.door.led(int(term), float(now) if now else None)

    async def _sweep(self) -> None:
        """What the last life read: ours again, another's, or ours alone while nobody is heard."""
        began_s, alone = self._clock.monotonic(), False
        while True:
            await self._clock.sleep(SWEEP_S)
            if not self.leases.followed:
                if not alone and self._clock.monotonic() - began_s >= ALONE_S:
                    alone = True
                    log.warning("edge_alone", endpoints=len(self.owned.cached()))
                    self._house.begin_all(spread=True)
                continue
            for shard in self.owned.cached() - self.owning.held.keys():
                holder = self.leases.holder(shard)
                if (holder and holder[0] != self._options.name) or (
                    self.owned.known and shard not in self.owned.wanted
                ):
                    self.owned.give_up(shard)


@asynccontextmanager
async def open_edge(options: EdgeOptions) -> AsyncIterator[Edge]:
    """An edge that works until the end of the block, and lets everything go then."""
    make_private(options.state_dir)
    outbox = Parcels(options.state_dir / "outbox.db")
    outbox.open()
    async with AsyncExitStack() as stack:
        stack.callback(outbox.close)
        trunk = await stack.enter_async_context(connected(options.bus, wait_s=None))
        await _fetched(options, trunk)
        house = await stack.enter_async_context(
            open_house(
                HouseOptions(
                    state_dir=options.state_dir,
                    site=options.site,
                    ca_file=options.ca_file,
                    periods=options.periods,
                    lanes=options.lanes,
                    role=Role.EDGE,
                    heir=True,
                )
            )
        )
        edge = Edge(options, house, trunk, outbox)
        await stack.enter_async_context(doing(edge.run))
        yield edge


async def _fetched(options: EdgeOptions, trunk: Trunk) -> None:
    """The operators' files before anything reads them; the last ones where nobody has any."""
    files = Files(
        table=trunk.table(FILES),
        directory=options.state_dir,
        secrets=Secrets(options.state_dir / "secrets"),
        clock=WallClock(),
    )
    with suppress(BusAway, TimeoutError):
        async with asyncio.timeout(FETCH_S):
            await files.fetch()


async def edge(options: EdgeOptions) -> None:
    """Run until SIGINT or SIGTERM."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    watchdog = Watchdog()
    if options.watchdog:
        watchdog.start()
    async with open_edge(options):
        say(f"{options.name} serves the site {options.site}; Ctrl-C ends it")
        while not ended.is_set():
            watchdog.pat()
            with suppress(TimeoutError):
                async with asyncio.timeout(PAT_S):
                    await ended.wait()
        if options.watchdog:
            watchdog.stop()
