"""Which shards of its site an edge owns: as many as its share, under a lease each.

Every edge decides for itself by the same rule, and the lease settles it where two decide alike.
What is free is taken at once by whoever has room, and after a moment by anybody; whoever has more
than a share for a while gives one back at a time. Who takes it goes on
with what the last owner read, but has to log in everywhere and to look at each device: where others
did not take what was given back, because all are busy, it is given back ever more seldom.

An edge that cannot reach the bus keeps its devices although its leases run out, because a rack that
nobody guards is worse than one that two read: it carries nothing out for others, and gives a shard
up when it hears that it is another's.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from iolaus.bus.leases import TableLeases
from iolaus.bus.port import BusAway
from iolaus.kernel.clock import Clock
from iolaus.model.lease import Lease

log = structlog.get_logger(__name__)
TTL_S: Final = 5.0
"""With what follows in the worst case (half a second until the last renewal is seen, a tenth for
clocks, a round, an orphan's time, the taking) another owns within eight seconds."""
ROUND_S: Final = 0.25
RENEW_S: Final = 1.25
ORPHAN_S: Final = 1.0
"""What nobody with room took for so long, anybody takes."""
SETTLE_S: Final = 0.75
"""While a bus elects, which takes it up to nine seconds, the leases of all run out. Whoever had a
shard takes it again first: a hall that is dealt anew reads everything anew."""
OVER_S, OVER_MAX_S = 3.0, 600.0
"""So long more than a share is kept once it came back, twice as long each further time; at most so
long. The first time it is given back at once: nothing of it may be read yet."""
CALM_S: Final = 300.0
"""Whoever had its share and no more for so long, or for twice its patience, begins anew."""
MARGIN_S: Final = 0.5
"""The last part of a lease, in which nothing is begun."""
LATE_S: Final = 1.5
"""A lease that is renewed with less left than this was nearly lost: that is worth a line."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to try to take, in this order, and what to give back."""

    take: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()


def share_of(wanted: Collection[str], edges: int) -> int:
    return math.ceil(len(wanted) / max(1, edges))


class Surplus:
    """Since when an edge has more than its share, and how long it keeps that. No clock is read."""

    def __init__(self) -> None:
        self._patience_s, self._gave = 0.0, False
        self._even_s, self._over_s = float("-inf"), float("-inf")

    def gives(self, *, over: bool, now_s: float) -> bool:
        """Whether one may be given back now; to be asked at every round."""
        if over and self._even_s >= self._over_s:
            self._over_s = now_s
            again_s = min(max(OVER_S, 2 * self._patience_s), OVER_MAX_S)
            self._patience_s = again_s if self._gave else 0.0
        if not over:
            self._even_s = now_s
            if now_s - self._over_s > max(CALM_S, 2 * self._patience_s):
                self._gave = False
        may = over and now_s - self._over_s >= self._patience_s
        self._gave = self._gave or may
        return may


def choose(
    *,
    wanted: Collection[str],
    mine: Collection[str],
    free_s: Mapping[str, float],
    edges: int,
    name: str,
    gives: bool = True,
) -> Choice:
    """`free_s` says since how long each free shard is free, `gives` whether more than a share may
    be given back. Pure."""
    share = share_of(wanted, edges)
    room = max(0, share - len(mine))
    ordered = sorted(free_s, key=lambda shard: zlib.crc32(f"{name}/{shard}".encode()))
    soon = ordered[:room]
    orphans = [each for each in ordered if each not in soon and free_s[each] >= ORPHAN_S]
    leave = sorted(mine)[:1] if gives and len(mine) > share and not free_s else ()
    return Choice(take=(*soon, *orphans), leave=tuple(leave))


class Held(msgspec.Struct, kw_only=True):
    """A shard that is ours. `until_s` (monotonic) is when its lease ends by our own clock."""

    lease: Lease
    until_s: float
    renewed_s: float


class Owning:
    """`wanted` are the shards that have targets, `edges` how many live in this site. `gained` and
    `lost` are told of each shard that becomes ours, be it under another epoch, or is no longer."""

    def __init__(
        self,
        *,
        name: str,
        leases: TableLeases,
        clock: Clock,
        wanted: Callable[[], Collection[str]],
        edges: Callable[[], int],
        gained: Callable[[str], None],
        lost: Callable[[str], None],
        ttl_s: float = TTL_S,
    ) -> None:
        self._name, self._leases, self._clock = name, leases, clock
        self._wanted, self._edges, self._gained, self._lost = wanted, edges, gained, lost
        self._ttl_s = ttl_s
        self._free: dict[str, float] = {}
        self._away_s, self._surplus = float("-inf"), Surplus()
        self.held: dict[str, Held] = {}

    def epoch(self, shard: str) -> int | None:
        """Under which something may be done for others now; None where it may not."""
        held = self.held.get(shard)
        if held is None or self._clock.monotonic() >= held.until_s - MARGIN_S:
            return None
        return held.lease.epoch

    def last_epoch(self, shard: str) -> int:
        """Under which it is read, be the lease over or not."""
        held = self.held.get(shard)
        return held.lease.epoch if held else 0

    async def run(self) -> None:
        """Until cancelled; then everything is let go."""
        try:
            while True:
                try:
                    await self.round()
                except BusAway:
                    self._away_s = self._clock.monotonic()
                await self._clock.sleep(ROUND_S * self._ttl_s / TTL_S)
        finally:
            await self._let_go()

    async def round(self) -> None:
        """Raises `BusAway`; what is ours stays so."""
        await _all(self._keep(shard) for shard in list(self.held))
        if not self._leases.followed:
            return
        now_s, wanted = self._clock.monotonic(), set(self._wanted())
        free = {each for each in wanted - self.held.keys() if self._leases.is_over(each)}
        self._free = {each: self._free.get(each, now_s) for each in free}
        edges = self._edges()
        over = len(self.held) > share_of(wanted, edges)
        choice = choose(
            wanted=wanted,
            mine=self.held.keys(),
            free_s={each: now_s - since for each, since in self._free.items()},
            edges=edges,
            name=self._name,
            gives=self._surplus.gives(over=over, now_s=now_s),
        )
        for shard in (*choice.leave, *(self.held.keys() - wanted)):
            await self._leave(shard)
        if now_s - self._away_s >= SETTLE_S:
            await _all(self._take(shard) for shard in choice.take)

    async def _take(self, shard: str) -> None:
        asked_s = self._clock.monotonic()
        lease = await self._leases.acquire(shard, self._name, self._ttl_s, self._clock.now())
        if lease is None:
            return
        self._free.pop(shard, None)
        is_new = self.last_epoch(shard) != lease.epoch
        self.held[shard] = Held(lease=lease, until_s=asked_s + self._ttl_s, renewed_s=asked_s)
        if is_new:
            log.info("shard_taken", shard=shard, epoch=lease.epoch)
            self._gained(shard)

    async def _keep(self, shard: str) -> None:
        held, asked_s = self.held[shard], self._clock.monotonic()
        if asked_s - held.renewed_s < RENEW_S * self._ttl_s / TTL_S:
            return
        lease = await self._leases.renew(held.lease, self._ttl_s, self._clock.now())
        if lease is not None:
            if (left_s := held.until_s - asked_s) < LATE_S:
                log.warning("shard_renewed_late", shard=shard, left_s=round(left_s, 2))
            held.lease, held.until_s, held.renewed_s = lease, asked_s + self._ttl_s, asked_s
        elif self._is_anothers(shard):
            self._gone(shard)
        else:
            await self._take(shard)

    def _is_anothers(self, shard: str) -> bool:
        holder = self._leases.holder(shard)
        return holder is not None and holder[0] != self._name

    async def _leave(self, shard: str) -> None:
        held = self.held[shard]
        self._gone(shard)
        await self._leases.release(held.lease)

    def _gone(self, shard: str) -> None:
        log.info("shard_gone", shard=shard, epoch=self.held.pop(shard).lease.epoch)
        self._lost(shard)

    async def _let_go(self) -> None:
        """What cannot be let go runs out by itself."""
        with suppress(BusAway):
            await _all(self._leases.release(held.lease) for held in list(self.held.values()))


async def _all(doing: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Side by side, because a bus that is slow would make one after the other late. Raises what
    the first of them raised, when all have ended."""
    for ended in await asyncio.gather(*doing, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
