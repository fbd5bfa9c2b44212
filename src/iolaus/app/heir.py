"""What outlives a server that holds racks: a small process that takes its boosts back.

No device knows a lease, so a cap above the floor is only safe while somebody lives who would lower
it. A server tells its heir beforehand what to do (`Will`, through a pipe and nowhere else), and
then beats. When the pipe closes, the server is dead; when the beat stays away for a lease, it
hangs. Either way every node that is capped above its floor gets its floor, read back; nothing else
is written, and nothing is ever raised. After a death there is a moment in which a server that is
begun again at once may come first. The heir is superseded by whoever writes another name into the
directory, looks there before every write, and ends when all is done or its time is over.

It ends by itself only: the signals that end a process tree find it at work. SIGTERM makes it give
up sooner on who does not answer: a supervisor may wait for it before it begins the server again.
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.app.edge_hands import Hands
from iolaus.app.logs import configure_logs
from iolaus.drivers.lane import LaneRules, Lanes, redfish_conversations
from iolaus.energy.seats import Seat
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.tasks import end
from iolaus.model.endpoint import Target
from iolaus.observe.devices import Devices
from iolaus.wire.redfish.port import Credential

log = structlog.get_logger(__name__)
FILE: Final = "heir"
LOOK_S: Final = 0.05
AGAIN_S: Final = 0.25
AT_ONCE: Final = 256
NEAR_W: Final = 1.0
LONGEST: Final = 1 << 28
HURRIED_S: Final = 4.5


class Will(msgspec.Struct, frozen=True, kw_only=True):
    """`boot` names the server that wrote it, `directory` is where another's name would stand.
    `floors` is by node what it may be left with; logins are by address, drivers by address and
    name. `lease_s` is how long a beat may stay away, `grace_s` what a server that begins again has
    before anything is written, `last_s` when the heir gives up on who does not answer."""

    boot: str
    directory: str
    seats: tuple[Seat, ...]
    floors: Mapping[str, float]
    targets: tuple[Target, ...]
    logins: Mapping[str, tuple[str, str]]
    drivers: Mapping[str, str]
    ca_file: str | None = None
    lease_s: float = 3.0
    grace_s: float = 1.0
    last_s: float = 60.0


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What goes through the pipe, one a line: a new will, an end that is meant, or a beat."""

    will: Will | None = None
    end: bool = False


def succeed(directory: Path, boot: str) -> None:
    """From now on this server's word counts; an heir of another one stops. It need not outlast
    the machine, which no heir does."""
    fresh = directory / f".{FILE}.new"
    fresh.write_text(boot)
    fresh.replace(directory / FILE)


class Heir:
    """One will, carried out or not."""

    def __init__(self, will: Will, clock: Clock, hurried: asyncio.Event) -> None:
        self.will, self._clock, self._hurried = will, clock, hurried
        targets = {each.address: each for each in will.targets}
        conversations = redfish_conversations(clock, ca_file=will.ca_file, insecure_http=True)
        self._lanes = Lanes(conversations, clock, rules=LaneRules())
        devices = Devices(lanes=self._lanes, credential_of=self._login)
        for address, name in will.drivers.items():
            devices.is_served_by(address, name)
        self._hands = Hands(open_device=devices.open, target_of=targets.get)
        self._hands.seats = {seat.name: seat for seat in will.seats}
        self._turn = asyncio.Semaphore(AT_ONCE)

    def _login(self, target: Target) -> Credential | None:
        login = self.will.logins.get(target.address)
        return Credential(user=login[0], password=login[1]) if login else None

    @property
    def is_superseded(self) -> bool:
        try:
            return (Path(self.will.directory) / FILE).read_text() != self.will.boot
        except OSError:
            return False

    async def execute(self, *, grace_s: float) -> None:
        """Look at every node, wait out the grace, and lower what is above its floor."""
        began_s = self._clock.monotonic()
        names = self.will.floors if grace_s else ()
        looking = asyncio.gather(*(self._hands.read_cap(name) for name in names))
        while self._clock.monotonic() - began_s < grace_s and not self.is_superseded:
            await self._clock.sleep(LOOK_S)
        todo = set(self.will.floors)
        while todo and not self.is_superseded:
            todo -= set(await self._lower(todo))
            last_s = min(self.will.last_s, HURRIED_S if self._hurried.is_set() else math.inf)
            if self._clock.monotonic() - began_s > grace_s + last_s:
                break
            await self._clock.sleep(AGAIN_S if todo else 0.0)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        if self.is_superseded:
            log.info("another server holds the racks")
            return
        left, count = sorted(todo), len(self.will.floors) - len(todo)
        log.warning("nobody holds the racks: floors", at_floor=count, unanswered=left[:20])

    async def _lower(self, names: Iterable[str]) -> list[str]:
        """Those that have no more than their floor now."""
        wanted = sorted(names)
        done = await asyncio.gather(*(self._floor(name) for name in wanted))
        return [name for name, is_so in zip(wanted, done, strict=True) if is_so]

    async def _floor(self, name: str) -> bool:
        floor_w = self.will.floors[name]
        async with self._turn:
            found = await self._hands.read_cap(name)
            if found is not None and found > floor_w + NEAR_W and not self.is_superseded:
                found = await self._hands.write_cap(name, floor_w, safety=True)
        return found is not None and found <= floor_w + NEAR_W

    async def close(self) -> None:
        await self._lanes.close()


async def wait(
    pipe: asyncio.StreamReader, clock: Clock, hurried: asyncio.Event | None = None
) -> None:
    """Until the server is gone and its will is carried out."""
    hurried = hurried or asyncio.Event()
    will: Will | None = None
    acting: asyncio.Task[None] | None = None
    while True:
        try:
            async with asyncio.timeout(will.lease_s if will else None):
                line = await pipe.readline()
        except TimeoutError:
            if will is not None and acting is None:
                log.warning("the server hangs")
                acting = asyncio.create_task(_carry_out(will, clock, hurried, grace_s=0.0))
            continue
        if acting is not None:
            await end(acting)
            acting = None
        said = msgspec.json.decode(line, type=Line) if line.endswith(b"\n") else None
        if said is None or said.end:
            break
        will = said.will or will
    if will is not None:
        await _carry_out(will, clock, hurried, grace_s=will.grace_s if said is None else 0.0)


async def _carry_out(will: Will, clock: Clock, hurried: asyncio.Event, *, grace_s: float) -> None:
    heir = Heir(will, clock, hurried)
    try:
        await heir.execute(grace_s=grace_s)
    finally:
        await heir.close()


async def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    hurried, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, hurried.set)
    pipe = asyncio.StreamReader(limit=LONGEST)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pipe), sys.stdin)
    await wait(pipe, WallClock(), hurried)


if __name__ == "__main__":
    configure_logs()
    asyncio.run(main())
