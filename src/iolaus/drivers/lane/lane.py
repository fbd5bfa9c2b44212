"""One device's lane: what callers use.

A read becomes a flight: a place in the queue, then one GET, shared by all who ask for the same
while it is under way, and cancelled when the last of them leaves. Each page and each member of a
collection is a flight of its own, so a collection never holds a slot for longer. A write is never
shared and never repeated, and what it may have changed is read afresh afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from iolaus.drivers.lane.auth import LoginMemory
from iolaus.drivers.lane.cache import Cache, key_of, touches
from iolaus.drivers.lane.gate import Gate
from iolaus.drivers.lane.queue import Ticket
from iolaus.drivers.lane.rules import Heard, LaneRules, LaneStats, upload_s
from iolaus.drivers.lane.session import (
    AfterClose,
    Conversation,
    SharedSession,
    ended,
    wait_at_most,
)
from iolaus.drivers.ports import CLOSED, Payload, Priority
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, WeErred
from iolaus.wire.redfish.expand import Expander, Verdicts
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload

ROOT: Final = "/redfish/v1"
GRACE_S: Final = 0.25
SWEEP_S: Final = 30.0
CLOSE_S: Final = 15.0
T = TypeVar("T")


class Flight:
    """One GET under way. `riders` wait for it; `stale` says that a write overtook it."""

    __slots__ = (
        "deadline",
        "fresh_s",
        "key",
        "riders",
        "sent",
        "stale",
        "task",
        "ticket",
        "timeout_s",
        "uri",
    )

    task: asyncio.Task[Answer]

    def __init__(self, key: str, uri: str, ticket: Ticket, deadline: float | None) -> None:
        self.key, self.uri, self.ticket, self.deadline = key, uri, ticket, deadline
        self.fresh_s, self.riders = 0.0, 0
        self.timeout_s: float | None = None
        self.sent = self.stale = False


class Lane:
    """`conversation` alone speaks to the device; `connections` is what it is known to bear.
    `after_close` runs once the conversation has ended (its transport's `aclose`); `verdicts` is
    what other lanes know of `$expand`."""

    def __init__(
        self,
        address: str,
        conversation: Conversation,
        clock: Clock,
        *,
        rules: LaneRules | None = None,
        anonymous: bool = False,
        connections: int | None = None,
        on_silence: Heard | None = None,
        after_close: AfterClose | None = None,
        logins: LoginMemory | None = None,
        verdicts: Verdicts | None = None,
    ) -> None:
        rules = rules or LaneRules()
        self.address, self._clock = address, clock
        self._gate = Gate(
            address, clock, rules, connections=connections, on_silence=on_silence, logins=logins
        )
        self._gate.share(conversation, anonymous=anonymous, after_close=after_close)
        self._cache, self._swept_at, self._shared = Cache(rules.cache), 0.0, 0
        self._flights: dict[str, Flight] = {}
        self._flying: set[asyncio.Task[Answer]] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._verdicts = verdicts
        self.expander = Expander(verdicts)

    def at(
        self,
        priority: Priority,
        *,
        deadline_s: float | None = None,
        timeout_s: float | None = None,
    ) -> LaneReads:
        """Reading at a priority. `deadline_s` bounds each request, its wait in the queue too;
        `timeout_s` only from when it is sent (None: as long as its class may take)."""
        return LaneReads(self, priority, deadline_s, timeout_s)

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> LaneWrites:
        """Reading and writing at a priority; `deadline_s` as in `at`."""
        return LaneWrites(self, priority, deadline_s)

    async def read(
        self,
        uri: str,
        *,
        priority: Priority,
        deadline_s: float | None = None,
        timeout_s: float | None = None,
        fresh_s: float = 0.0,
    ) -> Answer:
        """A GET: kept (not older than `fresh_s`), shared, or sent. Raises as `Reads.get` does."""
        self._require_open()
        key, now = key_of(uri), self._clock.monotonic()
        self._sweep(now)
        if kept := self._cache.fresh(key, fresh_s=fresh_s, now=now):
            self._shared += 1
            return kept
        deadline = None if deadline_s is None else now + deadline_s
        flight = self._flights.get(key)
        if flight is None:
            flight = self._take_off(key, uri, priority, deadline)
            flight.timeout_s = timeout_s
        else:
            self._shared += 1
            self._gate.queue.lift(flight.ticket, priority)
            flight.deadline = _later(flight.deadline, deadline)
            flight.timeout_s = _later(flight.timeout_s, timeout_s)
        flight.fresh_s = max(flight.fresh_s, fresh_s)
        return await self._ride(flight, deadline, timeout_s)

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        if_match: str | None = None,
        deadline_s: float | None = None,
        last_word: Callable[[], None] | None = None,
    ) -> Answer:
        """Send once, whatever comes of it. What it may have changed is read afresh afterwards.
        `last_word` is asked when its turn has come, and raises where it may no longer be sent."""

        def send(deadline: float | None) -> Awaitable[Answer]:
            return self._gate.exchange(
                method, uri, body, if_match=if_match, priority=priority, deadline=deadline
            )

        return await self._write(
            uri, send, priority=priority, deadline_s=deadline_s, last_word=last_word
        )

    async def push(
        self,
        uri: str,
        upload: Upload,
        *,
        priority: Priority = Priority.LIFECYCLE,
        deadline_s: float | None = None,
        last_word: Callable[[], None] | None = None,
    ) -> Answer:
        """Send an image once, as it is read from disk; it takes one slot and one connection for
        as long as that lasts. Without a deadline it may take what its size needs on a slow
        controller."""
        most_s = upload_s(upload.size) if deadline_s is None else None

        def send(deadline: float | None) -> Awaitable[Answer]:
            return self._gate.exchange(
                "POST", uri, priority=priority, deadline=deadline, most_s=most_s, upload=upload
            )

        return await self._write(
            uri, send, priority=priority, deadline_s=deadline_s, last_word=last_word
        )

    async def _write(
        self,
        uri: str,
        send: Callable[[float | None], Awaitable[Answer]],
        *,
        priority: Priority,
        deadline_s: float | None,
        last_word: Callable[[], None] | None,
    ) -> Answer:
        self._require_open()
        deadline = None if deadline_s is None else self._clock.monotonic() + deadline_s
        ticket, sent, cut_off = self._gate.queue.ask(priority), False, True
        try:
            await self._gate.turn(ticket, deadline)
            if last_word is not None:
                last_word()
            self._overtake(key_of(uri))
            sent = True
            answer = await send(deadline)
            cut_off = False
            return answer
        finally:
            if sent:
                self._overtake(key_of(uri))
            self._gate.give_back(ticket, cut_off=cut_off)

    async def fetch(
        self, uri: str, *, priority: Priority, deadline_s: float, max_bytes: int
    ) -> bytes:
        """A file of the device, whole, in a slot of its own; nothing of it is kept."""
        session = self._gate.session

        def call() -> Awaitable[bytes]:
            return session.carry(
                uri,
                lambda: session.conversation.fetch(uri, timeout_s=deadline_s, max_bytes=max_bytes),
            )

        return await self.aside(call, priority=priority, deadline_s=deadline_s)

    def log_in_anew(self) -> None:
        """Try for a session at the next request, where Basic stood in for one."""
        self._gate.session.conversation.log_in_anew()

    async def aside(
        self, call: Callable[[], Awaitable[T]], *, priority: Priority, deadline_s: float
    ) -> T:
        """Await a call that speaks to the device by a conversation of its own, in a slot of this
        lane: the device bears no more at once than it always does."""
        self._require_open()
        ticket = self._gate.queue.ask(priority)
        try:
            await self._gate.turn(ticket, self._clock.monotonic() + deadline_s)
            return await call()
        finally:
            self._gate.give_back(ticket, cut_off=False)

    async def events(
        self, uri: str, last_event_id: str | None = None, *, timeout_s: float = 90.0
    ) -> AsyncGenerator[Any, None]:
        """The device's event stream: no slot, but a connection. Ends when the device ends it."""
        self._require_open()
        await self._gate.open_stream()
        try:
            stream = self._gate.session.conversation.stream(
                uri, last_event_id=last_event_id, timeout_s=timeout_s
            )
            async with contextlib.aclosing(stream) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event
        finally:
            self._gate.close_stream()

    def bear(self, connections: int | None) -> None:
        """What the device is known to bear, once it is known."""
        self._gate.bear(connections)

    def use(
        self,
        conversation: Conversation,
        *,
        anonymous: bool = False,
        after_close: AfterClose | None = None,
    ) -> None:
        """Another credential or another pin: nothing that was learned about the old one holds."""
        self._retire(self._gate.session)
        self._gate.renew_auth()
        self._gate.share(conversation, anonymous=anonymous, after_close=after_close)
        self._cache.clear()
        self.expander = Expander(self._verdicts)

    def stats(self) -> LaneStats:
        gate = self._gate
        recent_s, wait_s = gate.limit.recent_s, gate.auth.wait_s(now=self._clock.monotonic())
        return LaneStats(
            address=self.address,
            in_flight=gate.queue.in_flight,
            waiting=gate.queue.waiting,
            sessions=int(gate.session.conversation.has_session),
            streams=gate.streams,
            limit=gate.limit.now,
            ceiling=gate.limit.ceiling,
            breaker=gate.breaker.state.value,
            requests=gate.requests,
            shared=self._shared,
            latency_ms=None if recent_s is None else recent_s * 1000.0,
            login_retry_s=wait_s if wait_s > 0 else None,
            login_refused=gate.auth.failures > 0,
            heard_at=gate.heard_at,
            crowded=gate.session.conversation.crowded,
        )

    async def close(self) -> None:
        """Turn everybody away and delete the session; goes on where its caller is cancelled."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut())
        await asyncio.shield(self._closing)

    # --- flights ------------------------------------------------------------------------------

    def _take_off(self, key: str, uri: str, priority: Priority, deadline: float | None) -> Flight:
        flight = self._flights[key] = Flight(key, uri, self._gate.queue.ask(priority), deadline)
        flight.task = asyncio.create_task(self._fly(flight))
        self._flying.add(flight.task)
        flight.task.add_done_callback(partial(self._landed, flight))
        return flight

    async def _fly(self, flight: Flight) -> Answer:
        await flight.ticket.grant
        flight.sent = True
        kept = self._cache.revalidates(flight.key, now=self._clock.monotonic())
        answer = await self._gate.exchange(
            "GET",
            flight.uri,
            etag=kept.etag if kept else None,
            priority=flight.ticket.priority,
            deadline=flight.deadline,
            most_s=flight.timeout_s,
        )
        if answer.status == 304:
            answer = self._unchanged(flight, kept, answer)
        if flight.key == ROOT:
            self.expander.learn(answer.body)
        if not flight.stale:
            now = self._clock.monotonic()
            self._cache.keep(flight.key, answer, fresh_s=flight.fresh_s, now=now)
        return answer

    def _unchanged(self, flight: Flight, kept: Answer | None, answer: Answer) -> Answer:
        if kept is None:
            raise DeviceLied(
                "HTTP 304 to an unconditional GET",
                operation="GET",
                subject=f"{self.address}{flight.uri}",
                code="UnaskedNotModified",
                next_step="report it to the maker",
            )
        return msgspec.structs.replace(kept, at=answer.at, elapsed_s=answer.elapsed_s)

    def _landed(self, flight: Flight, task: asyncio.Task[Answer]) -> None:
        self._flying.discard(task)
        self._ground(flight)
        self._gate.give_back(flight.ticket, cut_off=task.cancelled())
        if not task.cancelled():
            task.exception()

    def _ground(self, flight: Flight) -> None:
        """Nobody new may ride it."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    async def _ride(
        self, flight: Flight, deadline: float | None, timeout_s: float | None
    ) -> Answer:
        flight.riders += 1
        try:
            if timeout_s is not None and timeout_s != flight.timeout_s:
                await self._arrives_within(flight, timeout_s)
            elif deadline is None:
                await ended(flight.task)
            elif not await self._arrives(flight, deadline):
                raise self._gate.too_late("GET", flight.uri, sent=flight.sent)
            if flight.task.cancelled():
                raise self._closed()
            return flight.task.result()
        finally:
            flight.riders -= 1
            if not flight.riders and not flight.task.done():
                self._ground(flight)
                flight.task.cancel()

    async def _arrives_within(self, flight: Flight, timeout_s: float) -> None:
        """Somebody with more time rides too: our own time counts from when it is sent. What took
        too long for us may hang, so whoever asks next asks anew."""
        sent = flight.sent
        while not await wait_at_most(self._clock, timeout_s, flight.task):
            if sent:
                self._ground(flight)
                raise self._gate.too_late("GET", flight.uri, sent=True)
            sent = flight.sent

    async def _arrives(self, flight: Flight, deadline: float) -> bool:
        """The wire's own time-out is let come first: it tells silence from impatience."""
        wait_s = deadline - self._clock.monotonic()
        if await wait_at_most(self._clock, wait_s, flight.task):
            return True
        ours = flight.sent and flight.deadline == deadline
        return ours and await wait_at_most(self._clock, GRACE_S, flight.task)

    def _overtake(self, key: str) -> None:
        """A write: what it touches is neither kept nor shared with reads from before it."""
        self._cache.touch(key, now=self._clock.monotonic())
        for flight in [each for each in self._flights.values() if touches(key, each.key)]:
            if flight.sent:
                flight.stale = True
                self._ground(flight)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at > SWEEP_S:
            self._swept_at = now
            self._cache.expire(now=now)

    # --- ending -------------------------------------------------------------------------------

    def _retire(self, session: SharedSession) -> None:
        task = asyncio.create_task(session.close(wait_s=CLOSE_S))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _shut(self) -> None:
        self._gate.queue.refuse(self._closed())
        for task in self._flying:
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)
        self._retire(self._gate.session)
        ending = asyncio.gather(*self._retiring, return_exceptions=True)
        await wait_at_most(self._clock, 2 * CLOSE_S, ending)
        self._cache.clear()

    def _require_open(self) -> None:
        if self._closing is not None:
            raise self._closed()

    def _closed(self) -> WeErred:
        return WeErred("the lane is closed", operation="ask", subject=self.address, code=CLOSED)


class LaneReads:
    """`drivers.ports.Reads` at one priority, and the device's event stream; see `LaneWrites`."""

    __slots__ = ("_deadline_s", "_lane", "_priority", "_timeout_s")

    def __init__(
        self,
        lane: Lane,
        priority: Priority,
        deadline_s: float | None,
        timeout_s: float | None = None,
    ) -> None:
        self._lane, self._priority = lane, priority
        self._deadline_s, self._timeout_s = deadline_s, timeout_s

    @property
    def address(self) -> str:
        return self._lane.address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        return await self._lane.read(
            uri,
            priority=self._priority,
            deadline_s=self._deadline_s,
            timeout_s=self._timeout_s,
            fresh_s=fresh_s,
        )

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        get = partial(self.get, fresh_s=fresh_s)
        return await self._lane.expander.members(get, uri, on_gap=on_gap)

    def events(self, uri: str, last_event_id: str | None = None) -> AsyncGenerator[Any, None]:
        """The device's event stream; see `Lane.events`."""
        return self._lane.events(uri, last_event_id)


class LaneWrites(LaneReads):
    """`drivers.ports.Writes` at one priority: reading and writing through one lane."""

    __slots__ = ()

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """See `Lane.write`."""
        return await self._lane.write(
            method,
            uri,
            body,
            priority=self._priority,
            if_match=if_match,
            deadline_s=self._deadline_s if deadline_s is None else deadline_s,
        )

    async def push(self, uri: str, upload: Upload, *, deadline_s: float | None = None) -> Answer:
        """See `Lane.push`."""
        return await self._lane.push(
            uri,
            upload,
            priority=max(self._priority, Priority.LIFECYCLE),
            deadline_s=self._deadline_s if deadline_s is None else deadline_s,
        )


def _later(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
