"""What stands in racks, told by whoever read it to whoever owns them next: a row a shard.

A cap that a rack must keep is shared among all of its nodes. An edge that takes a rack over would
know of them only what it has read by then, and reading a node whole takes seconds; from the row it
knows them all at once, and asks each for its cap before anything moves. What it reads itself goes
before what the row says, and nothing is believed of an address that is not wanted of the shard.

A row says where caps are written, so it is sealed with the key of the logins, as `handing` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.app.cluster.letters import Seals
from iolaus.app.cluster.rounds import rounds
from iolaus.app.rack_seats import RackSeats
from iolaus.bus.port import Table
from iolaus.energy.seats import Seat
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import together
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.store.packing import pack, unpack

log = structlog.get_logger(__name__)
SEATS: Final = "seats"
LABEL: Final = b"iolaus-seats-1\n"
ROUND_S: Final = 3.0


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One endpoint's, and the driver that it called for."""

    seat: Seat
    driver: str


_ROWS: Final = msgspec.msgpack.Decoder(tuple[Row, ...])
_PLACE: Final = Path("seats")


class Seating:
    """An edge's. `mine` are the shards that it owns, `wanted` the targets of one by address;
    `serve` is told which driver an address calls for (raises `IolausError` for one that this
    version does not have)."""

    def __init__(
        self,
        *,
        table: Table,
        site: str,
        seals: Callable[[], Seals],
        clock: Clock,
        seats: RackSeats,
        mine: Callable[[], Collection[str]],
        wanted: Callable[[str], Mapping[str, Target]],
        serve: Callable[[str, str], None],
    ) -> None:
        self._table, self._prefix, self._clock = table, f"{site}.", clock
        self._seals = seals
        self._seats, self._mine, self._wanted, self._serve = seats, mine, wanted, serve
        self._rows: dict[str, bytes] = {}
        self._put: dict[str, bytes] = {}
        self._given: tuple[int, frozenset[str]] | None = None
        self._followed = False

    async def run(self) -> None:
        """Until cancelled."""
        await together(self._follow(), rounds(self.give, self._clock, ROUND_S))

    async def _follow(self) -> None:
        async for entry in self._table.watch(self._prefix):
            if entry is None:
                self._followed = True
            elif self._rows.get(entry.key) != entry.body:
                self._rows[entry.key] = entry.body
                self._put.pop(entry.key, None)
                if entry.key in self._mine():
                    self.take_up(entry.key)

    def take_up(self, shard: str) -> None:
        """It is ours: what its last owner told of it counts until we have read it."""
        if not (body := self._rows.get(shard)):
            return
        try:
            content = self._seals().unseal(body, label=LABEL, what=_PLACE)
            rows = unpack(content, _ROWS)
        except (IolausError, ValueError, RecursionError) as error:
            log.warning("seats_unreadable", shard=shard, error=str(error))
            return
        wanted = self._wanted(shard)
        for row in rows:
            target = wanted.get(row.seat.address)
            if target is not None and self._seats.expect(target, row.seat, row.driver):
                with suppress(IolausError):
                    self._serve(target.address, row.driver)

    async def give(self) -> None:
        """Rows for what was read of our shards since. Raises `BusAway`."""
        mine = frozenset(self._mine())
        given = self._seats.version, mine
        if not self._followed or self._given == given:
            return
        found: dict[str, list[Row]] = {}
        for sat in self._seats.sats():
            if sat.seat is not None and (shard := shard_of(sat.target)) in mine:
                found.setdefault(shard, []).append(Row(sat.seat, sat.driver))
        for shard, rows in found.items():
            content = pack(tuple(sorted(rows, key=lambda row: row.seat.address)))
            if self._put.get(shard) != content:
                sealed = self._seals().seal(content, label=LABEL)
                await self._table.put(shard, sealed)
                self._rows[shard], self._put[shard] = sealed, content
        self._given = given
