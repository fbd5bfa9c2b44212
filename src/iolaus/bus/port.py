"""The bus as ports: what wakes a room, and what passes between processes.

`Bus` is for rooms of one process or of several: messages carry no state, they only wake the loop.
Topics are dotted words ("facts.report", "facts.hot", "facts.status", "events"). Delivery is
at-most-once to whoever listens; a slow subscriber loses the oldest messages, never blocks others.

`Trunk` is what processes share beside it, always as bytes: questions to one who answers, a log
that keeps its order, work that is done once somebody says so, tables, and leases. Everything that
waits raises `BusAway` where the bus cannot be reached in time; whether it took effect is then not
known, so whatever is written carries a name or a revision by which it may be written again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from iolaus.kernel.errors import WeErred
from iolaus.model.lease import Lease

Answers = Callable[[bytes], Awaitable[bytes]]


class Bus(Protocol):
    def publish(self, topic: str, message: Any) -> None: ...

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """A topic with everything below it; "*" or nothing is all."""
        ...


class BusAway(WeErred):
    """The bus did not answer in time, or cannot be reached."""

    def __init__(self, message: str, *, operation: str, subject: str) -> None:
        super().__init__(
            message,
            operation=operation,
            subject=subject,
            code="BusAway",
            next_step="nothing is lost: it goes on when the bus is back (iolaus doctor says more).",
        )


class Unheard(WeErred):
    """Nobody answers there: the question reached no one."""

    def __init__(self, topic: str) -> None:
        super().__init__("nobody answers there", operation="ask", subject=topic, code="Unheard")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a log, or one row of a table: `number` is its place in the order of all, or the
    row's revision. A row that was removed has an empty `body`."""

    number: int
    key: str
    body: bytes


class Log(Protocol):
    """Entries in one order, kept until they are old."""

    async def append(self, key: str, body: bytes, *, id_: str) -> int:
        """Durable before it returns; its number. One `id_` is kept once: again within two minutes
        it is the entry of then. Raises `BusAway`."""
        ...

    def read(self, *, after: int) -> AsyncIterator[Entry]:
        """Every entry behind that number in order, and then each that comes; does not end. What
        is no longer kept is missing. Waits out a bus that is away."""
        ...

    async def last(self) -> int:
        """The newest number; 0 where there is none. Raises `BusAway`."""
        ...


class Table(Protocol):
    """Rows by key; dots in a key make prefixes."""

    async def get(self, key: str) -> Entry | None:
        """Raises `BusAway`."""
        ...

    async def put(self, key: str, body: bytes, *, revision: int | None = None) -> int | None:
        """The new revision. With a `revision` only if the row is still that one (0: if there is
        none), else None. An empty body removes. Raises `BusAway`."""
        ...

    async def rows(self, prefix: str = "") -> dict[str, Entry]:
        """Those that are there, by key. Raises `BusAway`."""
        ...

    def watch(self, prefix: str = "") -> AsyncIterator[Entry | None]:
        """Every row as it is, then None, then each change, removals too; does not end. Several
        changes of one row may come as the last of them. Waits out a bus that is away."""
        ...


class Work(Protocol):
    """What was taken from a queue and is not done yet. `tries` counts how often it was taken."""

    @property
    def body(self) -> bytes: ...

    @property
    def tries(self) -> int: ...

    async def done(self) -> None:
        """Never given out again. Raises `BusAway`."""
        ...

    async def again(self) -> None:
        """Somebody else may have it at once."""
        ...


class Queue(Protocol):
    """Work for whoever takes it. What is neither done nor given back within the queue's patience
    is given out again, so it is done at least once."""

    async def put(self, body: bytes, *, id_: str) -> None:
        """Durable before it returns; one `id_` within two minutes is one piece of work. Raises
        `BusAway`."""
        ...

    async def take(self, *, wait_s: float) -> Work | None:
        """The oldest that is free; None where there was none for so long."""
        ...


class Leases(Protocol):
    """One holder of a name at a time; the epoch grows whenever it is taken anew. `now` (seconds
    since 1970) is for those who keep leases by the clock of the wall."""

    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None:
        """The lease, or None while another holds it."""
        ...

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None:
        """The same lease for longer, or None where it was lost or ran out."""
        ...

    async def release(self, lease: Lease) -> None:
        """Let it go at once. What is not ours stays as it is."""
        ...


class Trunk(Bus, Protocol):
    """A bus between processes; its messages are bytes."""

    @property
    def reached(self) -> bool:
        """Whether the bus can be reached as far as is known."""
        ...

    async def ask(self, topic: str, body: bytes, *, timeout_s: float) -> bytes:
        """Raises `Unheard` where nobody answers there, `BusAway` where no answer came in time: it
        may have been heard."""
        ...

    def answer(self, topic: str, answers: Answers) -> AbstractAsyncContextManager[None]:
        """Answer what is asked there, many at once. `answers` raises nothing."""
        ...

    def log(self, name: str) -> Log: ...

    def table(self, name: str) -> Table: ...

    def queue(self, name: str, *, patience_s: float) -> Queue: ...
