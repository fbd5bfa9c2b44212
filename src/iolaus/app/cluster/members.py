"""Who is alive: each process tells of itself, and everybody sees who fell silent.

No clock is shared: a member is silent when its row has not changed for some seconds of the
observer's own. A member that ends takes its row away; one that was killed stays as silent for a
day, so that people see that it is missing.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from iolaus.app.round import Round
from iolaus.bus.port import BusAway, Table
from iolaus.kernel.clock import Clock
from iolaus.kernel.tasks import end, keep_on

TELL_S: Final = 1.5
SILENT_S: Final = 5.0
FORGOTTEN_S: Final = 86400.0
MEMBERS: Final = "members"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is core or edge; `since` and `at` are seconds since 1970; `boot` differs for every
    start. `shards` are owned under `epochs`; `waiting` parcels are not sent yet. A core that leads
    says under which epoch (`leads`), and where it is asked (`address`). `free_bytes` are left where
    its state is (-1: not known); `round` is of an edge, and a core's says how often it is told."""

    name: str
    role: str
    boot: str
    since: float
    at: float
    host: str = ""
    pid: int = 0
    version: str = ""
    site: str = ""
    address: str = ""
    leads: int = 0
    shards: dict[str, int] = {}
    endpoints: int = 0
    waiting: int = 0
    number: int = 0
    trouble: str = ""
    free_bytes: int = -1
    round: Round = Round()


def free_bytes(directory: Path) -> int:
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return -1


_MEMBER: Final = msgspec.json.Decoder(Member)


def parse_member(body: bytes) -> Member | None:
    """None for what no member wrote."""
    try:
        return _MEMBER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None


class Members:
    """What is known of all; `mine` says what is told of this one."""

    def __init__(self, table: Table, clock: Clock, mine: Callable[[], Member]) -> None:
        self._table, self._clock, self._mine = table, clock, mine
        self._seen: dict[str, tuple[Member, float]] = {}
        self._skews: dict[str, float] = {}
        self._changed = asyncio.Event()

    def all(self) -> list[tuple[Member, float]]:
        """By name, with the seconds since it was heard."""
        now_s, now = self._clock.monotonic(), self._clock.now()
        return [
            (member, now_s - heard_s)
            for _, (member, heard_s) in sorted(self._seen.items())
            if now - member.at < FORGOTTEN_S
        ]

    def alive(self, role: str, site: str | None = None) -> list[Member]:
        return [
            member
            for member, silent_s in self.all()
            if silent_s < SILENT_S and member.role == role and site in (None, member.site)
        ]

    def leader(self) -> Member | None:
        leading = [each for each in self.alive("core") if each.leads]
        return max(leading, key=lambda each: each.leads, default=None)

    def skew_s(self, name: str) -> float:
        """How far its clock was ahead of ours when it was last heard; 0 where it is not known."""
        return self._skews.get(name, 0.0)

    async def run(self) -> None:
        """Until cancelled; then our row is taken away."""
        watching = asyncio.create_task(keep_on(self._watch))
        try:
            while True:
                self._changed.clear()
                await self.tell()
                await self._rest()
        finally:
            await end(watching)
            with suppress(BusAway):
                await self._table.put(self._mine().name, b"")

    def changed(self) -> None:
        """What is told of us is no longer so: tell it soon."""
        self._changed.set()

    async def _rest(self) -> None:
        resting = asyncio.create_task(self._clock.sleep(TELL_S))
        changing = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((resting, changing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(resting, changing)

    async def tell(self) -> None:
        """Say now how we are; while the bus is away nobody hears it."""
        mine = self._mine()
        self._seen[mine.name] = mine, self._clock.monotonic()
        try:
            await self._table.put(mine.name, msgspec.json.encode(mine))
        except BusAway:
            return

    async def _watch(self) -> None:
        fresh = False
        async for entry in self._table.watch():
            if entry is None:
                fresh = True
            elif not entry.body:
                self._seen.pop(entry.key, None)
                self._skews.pop(entry.key, None)
            elif (member := parse_member(entry.body)) is not None:
                self._seen[entry.key] = member, self._clock.monotonic()
                if fresh:
                    self._skews[entry.key] = member.at - self._clock.now()
