"""Who goes next: strict priority, first come first served within a class, never over the limit.

The queue hands out slots and awaits nothing but its own turn. Its rules, each a property test:

* in flight never exceeds the ceiling, and outside safety never the adaptive limit, but for this:
* one long request alone (lifecycle, inventory) never keeps a short one waiting, or a hung listing
  would hide for a minute that the device has died;
* nobody is granted while a higher class could be;
* a safety request ignores the adaptive limit, and may take any slot that falls free after its
  arrival: it waits for at most one request in flight, always;
* long classes (lifecycle, inventory) together leave one slot free where the limit is above one;
* a waiter that gives up, at whatever moment, leaves neither a slot nor a place in the queue behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from iolaus.drivers.ports import Priority

LONG: Final = frozenset({Priority.LIFECYCLE, Priority.INVENTORY})


class Ticket:
    """A place in the queue. `grant` is set when it becomes a slot; `seen` is what it met."""

    __slots__ = ("grant", "priority", "seen")

    def __init__(self, priority: Priority, grant: asyncio.Future[None], seen: int) -> None:
        self.priority, self.grant, self.seen = priority, grant, seen


class Queue:
    """`limit()` is the adaptive limit and `ceiling()` the hard one, asked at every decision."""

    __slots__ = ("_ceiling", "_held", "_limit", "_waiting")

    def __init__(self, *, limit: Callable[[], int], ceiling: Callable[[], int]) -> None:
        self._limit, self._ceiling = limit, ceiling
        self._held: set[Ticket] = set()
        self._waiting: dict[Priority, deque[Ticket]] = {}

    @property
    def in_flight(self) -> int:
        return len(self._held)

    @property
    def waiting(self) -> int:
        return sum(len(row) for row in self._waiting.values())

    def ask(self, priority: Priority) -> Ticket:
        """Take a place. The caller awaits `ticket.grant`, and calls `leave` whatever happens."""
        grant = asyncio.get_running_loop().create_future()
        ticket = Ticket(priority, grant, self.in_flight)
        self._waiting.setdefault(priority, deque()).append(ticket)
        self.pump()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the slot or the place back. Harmless when done twice."""
        if ticket in self._held:
            self._held.discard(ticket)
        else:
            self._unqueue(ticket)
            ticket.grant.cancel()
        self.pump()

    def lift(self, ticket: Ticket, priority: Priority) -> None:
        """Somebody more urgent waits for the same answer: go with their class, at its end. What
        is under way already stays what it is."""
        if priority >= ticket.priority or not self._unqueue(ticket):
            return
        ticket.priority, ticket.seen = priority, self.in_flight
        self._waiting.setdefault(priority, deque()).append(ticket)
        self.pump()

    def refuse(self, error: Exception) -> None:
        """Turn away everybody who waits: the lane is closing."""
        rows, self._waiting = self._waiting, {}
        for ticket in [each for row in rows.values() for each in row]:
            if not ticket.grant.done():
                ticket.grant.set_exception(error)

    def pump(self) -> None:
        """Grant what may be granted; also called when the limit or the ceiling has moved."""
        while (ticket := self._next()) is not None:
            self._unqueue(ticket)
            self._held.add(ticket)
            ticket.grant.set_result(None)

    def _next(self) -> Ticket | None:
        for priority in sorted(self._waiting):
            row = self._waiting[priority]
            while row and row[0].grant.done():
                row.popleft()
            if row and self._may_go(row[0]):
                return row[0]
            if row and priority not in LONG:
                return None
        return None

    def _may_go(self, ticket: Ticket) -> bool:
        count, limit, ceiling = len(self._held), self._limit(), self._ceiling()
        if ticket.priority is Priority.SAFETY:
            return count < max(ceiling, ticket.seen)
        if ticket.priority in LONG and min(limit, ceiling) > 1:
            long_ones = sum(held.priority in LONG for held in self._held)
            return count < min(limit, ceiling) and long_ones < min(limit, ceiling) - 1
        if count == 1 < ceiling and ticket.priority not in LONG:
            return limit > 1 or next(iter(self._held)).priority in LONG
        return count < min(limit, ceiling)

    def _unqueue(self, ticket: Ticket) -> bool:
        row = self._waiting.get(ticket.priority)
        if not row or ticket not in row:
            return False
        row.remove(ticket)
        if not row:
            del self._waiting[ticket.priority]
        return True
