"""Which targets there are, for the edges: a row a shard, written by the core that leads.

The database is the truth and the rows follow it; a core that begins to lead writes what differs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from iolaus.app.cluster.rounds import rounds
from iolaus.bus.port import Table
from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.store.facts import Facts
from iolaus.store.packing import pack, unpack

log = structlog.get_logger(__name__)
WANTED: Final = "wanted"
ROUND_S: Final = 0.2
_TARGETS: Final = msgspec.msgpack.Decoder(tuple[Target, ...])


def parse_targets(body: bytes) -> tuple[Target, ...] | None:
    """None for what is no row of ours."""
    try:
        return unpack(body, _TARGETS) if body else ()
    except (ValueError, RecursionError):
        return None


class Wanting:
    """The leading core's end. `first` hands on what edges need before they read a new target: its
    login."""

    def __init__(
        self,
        *,
        facts: Facts,
        table: Table,
        clock: Clock,
        first: Callable[[], Awaitable[None]],
    ) -> None:
        self._facts, self._table, self._clock, self._first = facts, table, clock, first
        self._shards: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._known: dict[str, tuple[Target, ...]] | None = None

    def note(self, topic: str, payload: Any) -> None:
        """A listener of the facts."""
        if topic == "facts.target":
            self._note(payload)

    def _note(self, address: str) -> None:
        if (before := self._shards.pop(address, None)) is not None:
            self._dirty.add(before)
        if (target := self._facts.target_of(address)) is not None:
            self._shards[address] = shard_of(target)
            self._dirty.add(self._shards[address])

    async def run(self) -> None:
        """Until cancelled."""
        for held in self._facts.all_held():
            self._note(held.target.address)
        await rounds(self.round, self._clock, ROUND_S)

    async def round(self) -> None:
        """Write what differs. Raises `BusAway`."""
        if self._known is None:
            rows = await self._table.rows()
            self._known = {key: parse_targets(entry.body) or () for key, entry in rows.items()}
            self._dirty |= self._known.keys()
        if self._dirty:
            await self._first()
        for shard in sorted(self._dirty):
            wanted = self._targets(shard)
            if self._known.get(shard, ()) != wanted:
                await self._table.put(shard, pack(wanted) if wanted else b"")
                self._known[shard] = wanted
            self._dirty.discard(shard)

    def _targets(self, shard: str) -> tuple[Target, ...]:
        mine = sorted(address for address, each in self._shards.items() if each == shard)
        found = (self._facts.target_of(address) for address in mine)
        return tuple(target for target in found if target is not None)
