"""`iolaus core`: a replica that answers for the hall, and leads it while it has the lease.

Whoever does not lead passes its callers on, and reads what is known of the hall against the time
when it has to. Whoever begins to lead fetches the operators' files, opens a house on the database,
takes the log from where the database ends, and tells the edges its term before anything else.
Whoever ends to lead closes all of that and waits for its turn again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus import __version__
from iolaus.act.term import Rules
from iolaus.app.cluster.bridging import bridge_core, nudging
from iolaus.app.cluster.carrying import FACTS, LOG, Taker
from iolaus.app.cluster.door import TERM
from iolaus.app.cluster.errands import FarSight
from iolaus.app.cluster.far import FarLanes, Post
from iolaus.app.cluster.far_archive import FarArchive, Shelf
from iolaus.app.cluster.far_lines import FarLines
from iolaus.app.cluster.files import FILES, Files
from iolaus.app.cluster.front import Front, Where, split_address
from iolaus.app.cluster.guarding import CAPS, Caps, write_caps
from iolaus.app.cluster.leading import HUNG_S, PATIENCE_S, Leading
from iolaus.app.cluster.members import MEMBERS, Member, Members, free_bytes
from iolaus.app.cluster.racks import FarRacks
from iolaus.app.cluster.standby import Standby
from iolaus.app.cluster.standing import Standings
from iolaus.app.cluster.wanting import WANTED, Wanting
from iolaus.app.house import BUDGETS, House, HouseOptions, open_house
from iolaus.app.house_lanes import Afar
from iolaus.app.listening import server_of, warm
from iolaus.app.planting import POWER_FILE
from iolaus.app.roles import Role
from iolaus.app.round import Round
from iolaus.app.serving import first_token
from iolaus.app.watchdog import ROUNDS, Watchdog, end_hung, end_stuck, fused
from iolaus.bus.leases import TableLeases
from iolaus.bus.nats import Servers, connected
from iolaus.bus.port import BusAway, Trunk
from iolaus.kernel.clock import AgreedClock, WallClock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.kernel.tasks import Duty, end, keep_on
from iolaus.north.cli.render import say
from iolaus.observe.collect import Periods
from iolaus.store.database import Database
from iolaus.store.saving import has_targets
from iolaus.store.secrets import Secrets
from iolaus.store.state import TOKENS, make_private

log = structlog.get_logger(__name__)
LEASES: Final = "leases"
LOOK_S: Final = 0.5
PAT_S: Final = 1.0
FETCH_S: Final = 3.0
CLOSE_S: Final = 30.0
"""So long a hall that another leads may take to be closed here."""
RULES: Final = Rules(ttl_s=6.0, margin_s=1.5, retry_s=1.0, budgets=BUDGETS)
"""The lease of the roll-outs runs out as soon as that of the core."""


class CoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`advertise` is where other cores reach this one; None: where it listens."""

    database: str
    bus: Servers
    listen: str
    state_dir: Path
    name: str
    advertise: str | None = None
    site: str = ""
    ca_file: str | None = None
    tls: tuple[Path, Path] | None = None
    periods: Periods = Periods()
    rollouts: Rules = RULES


class Core:
    """One process's."""

    def __init__(self, options: CoreOptions, trunk: Trunk) -> None:
        self._options, self._trunk, self._clock = options, trunk, AgreedClock(WallClock())
        self._boot, self._since = secrets.token_hex(4), self._clock.now()
        holder = f"{options.name}:{self._boot}"
        self._asked = Database(options.database, patience_s=PATIENCE_S)
        self.leading = Leading(self._asked, holder, self._clock)
        self._beside = Database(options.database)
        self.standby = Standby(self._beside, self._clock, leads=lambda: self.leading.term > 0)
        self.members = Members(trunk.table(MEMBERS), self._clock, self._mine)
        self.leases = TableLeases(trunk.table(LEASES), self._clock)
        self.secrets = Secrets(options.state_dir / "secrets")
        self.files = Files(
            table=trunk.table(FILES),
            directory=options.state_dir,
            secrets=self.secrets,
            clock=self._clock,
            counts=self._counts,
        )
        self._inside: Where | None = None
        self._house: House | None = None
        self._trouble = ""
        self.ended = asyncio.Event()

    def _mine(self) -> Member:
        options, house = self._options, self._house
        return Member(
            name=options.name,
            role="core",
            boot=self._boot,
            since=self._since,
            at=self._clock.now(),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            address=options.advertise or options.listen,
            leads=self.leading.term if self._inside else 0,
            endpoints=sum(1 for _ in house.state.facts.all_held())
            if house
            else self.standby.endpoints,
            number=house.state.facts.positions.get(LOG, 0) if house else 0,
            waiting=house.state.facts.waiting if house else 0,
            trouble=self._trouble or str(self.leading.trouble or "") or self._cut_off(),
            free_bytes=free_bytes(options.state_dir),
            round=Round(every_s=options.periods.hot_s),
        )

    def _cut_off(self) -> str:
        return "" if self._trunk.reached else "the bus cannot be reached: edges are not heard"

    def where(self) -> Where | None:
        """Where whoever leads is asked. A newer term than ours is believed at once, because a
        database that does not answer may keep us from hearing of it there."""
        leader = self.members.leader()
        if self._inside is not None and (leader is None or leader.leads <= self.leading.term):
            return self._inside
        if leader is None or leader.name == self._options.name:
            return None
        return split_address(leader.address)

    def close(self) -> None:
        """After `run`: its connections to the database. Waits for a read that is under way."""
        self._asked.close()
        self.standby.close()

    async def run(self) -> None:
        """Until `ended`."""
        async with doing(self.standby.run):
            while not self.ended.is_set():
                await self._take_turn()

    async def _take_turn(self) -> None:
        """Stand by until we lead or end, then lead. What whoever leads gives is taken until then,
        and no longer; that ends beside, for a bus that is away keeps nobody from leading."""
        caps = partial(write_caps, self._trunk.table(CAPS), self._options.state_dir)
        following = [asyncio.create_task(keep_on(each)) for each in (self.files.follow, caps)]
        try:
            while not self.ended.is_set() and not await self._taken():
                await self._rest()
        finally:
            ending = asyncio.create_task(end(*following))
        try:
            if self.leading.term:
                await self._lead()
                self._trouble = ""
        except IolausError as error:
            self._stands(error)
        finally:
            await self.leading.let_go()
            await ending
        await self._rest()

    async def _taken(self) -> bool:
        try:
            if await self.leading.take():
                return True
            self._trouble = ""
        except IolausError as error:
            self._stands(error)
        return False

    def _stands(self, error: IolausError) -> None:
        if str(error) != self._trouble:
            log.warning("core_stands", error=str(error))
        self._trouble = str(error)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self.ended.wait()

    async def _lead(self) -> None:
        keeping = asyncio.create_task(self.leading.keep())
        try:
            await self._fetched()
            log.info("core_leads", epoch=self.leading.term)
            with fused(keeping, within_s=CLOSE_S, bite=end_stuck):
                async with self._opened() as house:
                    await self._serve(house, keeping)
        finally:
            self._inside = self._house = None
            await end(keeping)

    def _counts(self, name: str) -> bool:
        """A policy that somebody wrote into the file by hand counts from the next start on."""
        return name != POWER_FILE or (self._house is not None and self._house.power.ruling.rules())

    async def _fetched(self) -> None:
        """A bus that is away keeps nobody from answering: `files.lead` fetches them then."""
        await self.files.begin()
        with suppress(BusAway, TimeoutError):
            async with asyncio.timeout(FETCH_S):
                await self.files.fetch()
        if not (self._options.state_dir / TOKENS).exists():
            await asyncio.to_thread(self._must_be_new)

    def _must_be_new(self) -> None:
        """Whoever led a hall without its files would give its own, empty ones to everybody: where a
        hall was put back, the core that has them leads first."""
        if self._asked.read(has_targets):
            raise OperatorMust(
                "neither its directory nor the bus has the logins, tokens and policies of this "
                "hall, which is not new",
                operation="lead",
                subject=self._options.name,
                code="FilesMissing",
                next_step="start a core that has them: the one that led last, or whose directory "
                "was restored.",
            )

    async def make_ready(self) -> None:
        """What is needed to lead is loaded and made before: a machine on which something died is
        busy, and while a bus elects nothing can be made there."""
        await asyncio.to_thread(warm)
        tables = (self._trunk.table(name) for name in (FILES, WANTED, CAPS))
        asking: list[Callable[[], Awaitable[object]]] = [partial(t.get, "") for t in tables]
        for ask in (*asking, self._trunk.log(FACTS).last):
            while not await _is_answered(ask):
                await self._clock.sleep(LOOK_S)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[House]:
        options = self._options
        post = Post(
            trunk=self._trunk,
            seals=lambda: self.secrets,
            clock=self._clock,
            owner_of=self.leases.holder,
            term=lambda: self.leading.term,
        )
        house_options = HouseOptions(
            state_dir=options.state_dir,
            listen="127.0.0.1:0",
            tls=options.tls,
            site=options.site,
            ca_file=options.ca_file,
            database=options.database,
            periods=options.periods,
            rollouts=options.rollouts,
            role=Role.CORE,
        )
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(
                open_house(
                    house_options,
                    afar=self._afar(post),
                    guard=self.leading.guard,
                    clock=self._clock,
                    picture=await self.standby.take(),
                )
            )
            self._house, house.hurry = house, nudging(self._trunk)
            taker = Taker(facts=house.state.facts, log=self._trunk.log(FACTS), clock=self._clock)
            wanting = Wanting(
                facts=house.state.facts,
                table=self._trunk.table(WANTED),
                clock=self._clock,
                first=self.files.give,
            )
            house.state.facts.on_change(wanting.note)
            first_token(options.state_dir)
            house.context.hand_on = self.files.give
            racks = self._racks(house)
            house.context.members = self._standings(house, taker, racks)
            duties = (
                taker.run,
                wanting.run,
                self.files.lead,
                self._tell_term,
                racks.run,
                self._caps(house).run,
                partial(_write_down, taker, house),
                partial(bridge_core, house.bus, self._trunk),
            )
            await stack.enter_async_context(doing(*duties))
            yield house

    def _afar(self, post: Post) -> Afar:
        sight = self._sight()
        archive = FarArchive(sight, self._shelves)
        return Afar(lanes=FarLanes(post), sight=sight, lines=FarLines(post), archive=archive)

    def _shelves(self) -> list[Shelf]:
        alive = {each.name for each in self.members.alive("edge")}
        return [
            Shelf(each.name, each.site, each.name in alive)
            for each, _ in self.members.all()
            if each.role == "edge"
        ]

    def _sight(self) -> FarSight:
        return FarSight(
            trunk=self._trunk,
            seals=lambda: self.secrets,
            clock=self._clock,
            serving=lambda site: [each.name for each in self.members.alive("edge", site)],
            owner_of=self.leases.holder,
            term=lambda: self.leading.term,
        )

    def _racks(self, house: House) -> FarRacks:
        """What edges guard, in the place of what this process would."""
        racks = FarRacks(
            inner=house.power.powering,
            trunk=self._trunk,
            seals=lambda: self.secrets,
            clock=self._clock,
            term=lambda: self.leading.term,
        )
        house.context.power, house.judge_racks = racks, racks.judged
        return racks

    def _standings(self, house: House, taker: Taker, racks: FarRacks) -> Standings:
        return Standings(
            members=self.members,
            leases=self.leases,
            taker=taker,
            facts=house.state.facts,
            clock=self._clock,
            reached=lambda: self._trunk.reached,
            trouble=lambda: self.leading.trouble,
            hung=lambda: [each.rack for each in racks.edges() if each.state == "hung"],
        )

    def _caps(self, house: House) -> Caps:
        house.power.powering.ends = lambda _: False
        return Caps(table=self._trunk.table(CAPS), room=house.power.powering, clock=self._clock)

    async def _tell_term(self) -> None:
        while True:
            self._trunk.publish(TERM, f"{self.leading.term} {self._clock.now():.3f}".encode())
            await self._clock.sleep(1.0)

    async def _serve(self, house: House, keeping: asyncio.Task[None]) -> None:
        """Until we end, or another leads."""
        if keeping.done():
            return
        server = await server_of(house, takes_signals=False)
        serving = asyncio.create_task(server.serve())
        ending = asyncio.create_task(self.ended.wait())
        try:
            while not server.started and not serving.done():
                await self._clock.sleep(0.02)
            if server.started:
                self._inside = server.servers[0].sockets[0].getsockname()[:2]
                await self.members.tell()
                said = f"{self._options.name} leads (epoch {self.leading.term})"
                say(f"{said} with {len(list(house.state.facts.all_held()))} endpoints")
            await asyncio.wait({serving, ending, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._inside = None
            server.should_exit = True
            ending.cancel()
            await asyncio.gather(serving, ending, return_exceptions=True)


async def _is_answered(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        await ask()
    except BusAway:
        return False
    return True


async def _write_down(taker: Taker, house: House) -> None:
    """Until cancelled: what edges did, into the audit log."""
    while True:
        record = await taker.deeds.get()
        try:
            await house.state.audit.append(record)
        except IolausError as error:
            log.warning("deed_not_written", subject=record.subject, error=str(error))


@asynccontextmanager
async def doing(*duties: Duty) -> AsyncIterator[None]:
    """All of them, side by side; one that fails is begun anew."""
    tasks = [asyncio.create_task(keep_on(duty)) for duty in duties]
    try:
        yield
    finally:
        await end(*tasks)


async def core(options: CoreOptions) -> None:
    """Run until SIGINT or SIGTERM. Raises `BusAway` where the bus is not there at first, and
    `OperatorMust` for what was set wrongly."""
    make_private(options.state_dir)
    async with connected(options.bus) as trunk:
        this, loop = Core(options, trunk), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, this.ended.set)
        front = Front(options.listen, this.where, tls=options.tls is not None)
        await front.open()
        say(f"{options.name} answers at {options.listen}; Ctrl-C stops it")
        watchdog = Watchdog(bite=end_hung, round_s=HUNG_S / (ROUNDS + 1))
        watchdog.start()
        try:
            duties = (this.members.run, this.leases.follow, this.make_ready)
            async with doing(*duties, partial(_pat, watchdog)):
                await this.run()
        finally:
            await front.close()
            watchdog.stop()
            await asyncio.to_thread(this.close)


async def _pat(watchdog: Watchdog) -> None:
    while True:
        watchdog.pat()
        await asyncio.sleep(PAT_S)
