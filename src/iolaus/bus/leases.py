"""Leases as rows of a table, whatever bus keeps it.

No clock is shared: a lease is over for others when its row has stood unchanged for its whole time
by *their* monotonic clock, counted from when they first saw it, which is never before its holder
last asked. Its holder counts from before it asked, so it stops first. The epoch is the revision of
the row that took the lease, and revisions of a table only grow.
"""

from __future__ import annotations

from typing import Final

import msgspec

from iolaus.bus.port import Entry, Table
from iolaus.kernel.clock import Clock
from iolaus.model.lease import Lease

MARGIN: Final = 0.1
"""A part of a lease's time by which others wait longer: clocks do not run alike."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`epoch` 0: that of this very row. A row with no holder was let go."""

    holder: str
    ttl_s: float
    epoch: int = 0


class _Ours(msgspec.Struct, frozen=True):
    """Until when we may think that we hold it, and the revision that its row had from us."""

    ends_s: float
    number: int


class TableLeases:
    """`bus.port.Leases` over a table that nobody else writes."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._clock = table, clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._ours: dict[tuple[str, int], _Ours] = {}
        self.rows: dict[str, tuple[Row, int]] = {}
        self.followed = False

    async def follow(self, prefix: str = "") -> None:
        """Until cancelled: what others take and renew is seen as it happens, so that a lease that
        is over is known to be at once."""
        async for entry in self._table.watch(prefix):
            if entry is None:
                self.followed = True
            elif self._seen.get(entry.key, (0, 0.0))[0] != entry.number:
                self._seen[entry.key] = entry.number, self._clock.monotonic()
                row = parse_row(entry.body)
                self.rows[entry.key] = row, row.epoch or entry.number

    def holder(self, name: str) -> tuple[str, int] | None:
        """Who holds it under which epoch, as far as was followed; None where it is over."""
        row, epoch = self.rows.get(name, (None, 0))
        if row is None or not row.holder or self.is_over(name):
            return None
        return row.holder, epoch

    def renewed_s(self, name: str) -> float | None:
        """Seconds since it was last seen to be taken or renewed."""
        seen = self._seen.get(name)
        return None if seen is None else self._clock.monotonic() - seen[1]

    def is_over(self, name: str) -> bool:
        """Whether others may take it, as far as was followed."""
        row, _ = self.rows.get(name, (None, 0))
        if row is None or not row.holder:
            return True
        return self._clock.monotonic() - self._seen[name][1] >= row.ttl_s * (1 + MARGIN)

    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None:
        entry = await self._table.get(name)
        if entry is not None and entry.body:
            row = parse_row(entry.body)
            if row.holder and not self._over(name, entry, row):
                mine = _lease(name, row, entry.number, now + ttl_s)
                return await self.renew(mine, ttl_s, now) if row.holder == holder else None
        asked_at = self._clock.monotonic()
        fresh = msgspec.json.encode(Row(holder=holder, ttl_s=ttl_s))
        number = await self._table.put(name, fresh, revision=entry.number if entry else 0)
        if number is None:
            return None
        lease = Lease(name=name, holder=holder, epoch=number, expires_at=now + ttl_s)
        return self._taken(lease, asked_at + ttl_s, number)

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None:
        asked_at, ours = self._clock.monotonic(), self._ours.get((lease.name, lease.epoch))
        if ours is None or asked_at >= ours.ends_s:
            return None
        row = msgspec.json.encode(Row(holder=lease.holder, ttl_s=ttl_s, epoch=lease.epoch))
        number = await self._table.put(lease.name, row, revision=ours.number)
        if number is None:
            entry = await self._mine(lease)
            if entry is None:
                return None
            number = await self._table.put(lease.name, row, revision=entry.number)
        if number is None:
            return None
        longer = msgspec.structs.replace(lease, expires_at=now + ttl_s)
        return self._taken(longer, asked_at + ttl_s, number)

    async def release(self, lease: Lease) -> None:
        self._ours.pop((lease.name, lease.epoch), None)
        entry = await self._mine(lease)
        if entry is not None:
            gone = msgspec.json.encode(Row(holder="", ttl_s=0.0, epoch=lease.epoch))
            await self._table.put(lease.name, gone, revision=entry.number)

    async def _mine(self, lease: Lease) -> Entry | None:
        """Its row, if it is still that lease's: read afresh, because a renewal that seemed to
        fail may have come true."""
        entry = await self._table.get(lease.name)
        if entry is None or not entry.body:
            return None
        row = parse_row(entry.body)
        is_mine = row.holder == lease.holder and (row.epoch or entry.number) == lease.epoch
        return entry if is_mine else None

    def _over(self, name: str, entry: Entry, row: Row) -> bool:
        now_s = self._clock.monotonic()
        revision, since_s = self._seen.get(name, (0, now_s))
        if revision != entry.number:
            self._seen[name] = entry.number, now_s
            return False
        return now_s - since_s >= row.ttl_s * (1 + MARGIN)

    def _taken(self, lease: Lease, ends_s: float, number: int) -> Lease:
        self._ours[lease.name, lease.epoch] = _Ours(ends_s, number)
        return lease


def parse_row(body: bytes) -> Row:
    """A row that nobody of ours wrote is nobody's."""
    try:
        return msgspec.json.decode(body, type=Row)
    except (msgspec.MsgspecError, RecursionError):
        return Row(holder="", ttl_s=0.0)


def _lease(name: str, row: Row, number: int, expires_at: float) -> Lease:
    return Lease(name=name, holder=row.holder, epoch=row.epoch or number, expires_at=expires_at)
