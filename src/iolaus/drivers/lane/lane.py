"""One device's lane: joins queue, limit, breaker, session and cache; alone awaits the device.

A read becomes a flight: a place in the queue, then one GET, shared by all who ask for the same
while it is under way, and cancelled when the last of them leaves. A write is never shared and never
repeated. Each outcome is judged in one place (`_exchange`): silence feeds the breaker and the
limit, 503 the limit, and any answer at all says that the device lives. What was refused here on
the device's behalf (`HeldBack`, `GivenUp`) cost it nothing and says nothing about it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import msgspec

from iolaus.drivers.lane.auth import AuthBackOff, AuthRules, HeldBack
from iolaus.drivers.lane.breaker import Breaker, BreakerRules
from iolaus.drivers.lane.cache import Cache, CacheRules, key_of, touches
from iolaus.drivers.lane.limit import Limit, LimitRules
from iolaus.drivers.lane.members import read_members
from iolaus.drivers.lane.queue import Queue, Ticket
from iolaus.drivers.lane.session import (
    AfterClose,
    Conversation,
    SharedSession,
    wait_at_most,
)
from iolaus.drivers.ports import Payload, Priority
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, WeErred
from iolaus.wire.redfish.port import Answer

BUSY: Final = frozenset({429, 503})
GRACE_S: Final = 0.25
SWEEP_S: Final = 30.0
CLOSE_S: Final = 15.0
TIMEOUT_S: Final[Mapping[Priority, float]] = MappingProxyType(
    {
        Priority.SAFETY: 10.0,
        Priority.CONTROL: 30.0,
        Priority.LIFECYCLE: 120.0,
        Priority.TELEMETRY: 20.0,
        Priority.INVENTORY: 60.0,
    }
)

Heard = Callable[[str, bool, str], None]
"""(address, silent, reason): the device was given up, or is back. Called once each way."""


class GivenUp(DeviceSilent):
    """Nothing was sent: the device is being left alone, or the deadline passed in the queue."""


class LaneRules(msgspec.Struct, frozen=True, kw_only=True):
    """`max_in_flight` is the operator's bound. `timeout_s` per class holds where a caller gives no
    deadline. With `stream_takes_connection` an event stream lowers the ceiling by one where the
    device's number of connections is known."""

    max_in_flight: int = 2
    stream_takes_connection: bool = True
    timeout_s: Mapping[Priority, float] = TIMEOUT_S
    limit: LimitRules = LimitRules()
    breaker: BreakerRules = BreakerRules()
    auth: AuthRules = AuthRules()
    cache: CacheRules = CacheRules()


class LaneStats(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as it is now. `requests` were sent; `shared` were answered without asking again."""

    address: str
    in_flight: int
    waiting: int
    sessions: int
    streams: int
    limit: int
    ceiling: int
    breaker: str
    requests: int
    shared: int
    latency_ms: float | None = None
    login_retry_s: float | None = None


class Flight:
    """One GET under way. `riders` wait for it; `stale` says that a write overtook it."""

    __slots__ = ("deadline", "fresh_s", "key", "riders", "sent", "stale", "task", "ticket", "uri")

    task: asyncio.Task[Answer]

    def __init__(self, key: str, uri: str, ticket: Ticket, deadline: float | None) -> None:
        self.key, self.uri, self.ticket, self.deadline = key, uri, ticket, deadline
        self.fresh_s, self.riders = 0.0, 0
        self.sent = self.stale = False


class Lane:
    """`conversation` alone speaks to the device; `connections` is what it is known to bear.
    `after_close` runs once the conversation has ended (its transport's `aclose`)."""

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
    ) -> None:
        rules = rules or LaneRules()
        self.address, self._clock, self._rules = address, clock, rules
        self._connections, self._on_silence = connections, on_silence
        self._auth = AuthBackOff(rules.auth)
        self._session = SharedSession(
            conversation, clock, self._auth, anonymous=anonymous, after_close=after_close
        )
        self._breaker, self._cache = Breaker(rules.breaker), Cache(rules.cache)
        self._limit = Limit(rules.limit, ceiling=rules.max_in_flight)
        limit = self._limit
        self._queue = Queue(limit=lambda: limit.now, ceiling=lambda: limit.ceiling)
        self._flights: dict[str, Flight] = {}
        self._flying: set[asyncio.Task[Answer]] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._streams = self._requests = self._shared = 0
        self._swept_at = 0.0
        self._reshape()

    # --- what callers use ---------------------------------------------------------------------

    def at(self, priority: Priority, *, deadline_s: float | None = None) -> LaneReads:
        """Reading at a priority; `deadline_s` bounds each request, its wait in the queue too."""
        return LaneReads(self, priority, deadline_s)

    async def read(
        self, uri: str, *, priority: Priority, deadline_s: float | None = None, fresh_s: float = 0.0
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
        else:
            self._shared += 1
            self._queue.lift(flight.ticket, priority)
            flight.deadline = _later(flight.deadline, deadline)
        flight.fresh_s = max(flight.fresh_s, fresh_s)
        return await self._ride(flight, deadline)

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """Send once, whatever comes of it. What it may have changed is read afresh afterwards."""
        self._require_open()
        deadline = None if deadline_s is None else self._clock.monotonic() + deadline_s
        ticket, cut_off = self._queue.ask(priority), True
        try:
            await self._turn(ticket, deadline)
            self._overtake(key_of(uri))
            answer = await self._exchange(
                method, uri, body, if_match=if_match, priority=ticket.priority, deadline=deadline
            )
            cut_off = False
            return answer
        finally:
            if ticket.grant.done() and not ticket.grant.cancelled():
                self._overtake(key_of(uri))
            self._give_back(ticket, cut_off=cut_off)

    async def events(
        self, uri: str, last_event_id: str | None = None, *, timeout_s: float = 90.0
    ) -> AsyncIterator[Any]:
        """The device's event stream: no slot, but a connection. Ends when the device ends it."""
        self._require_open()
        self._require_room_for_stream()
        self._streams += 1
        self._reshape()
        try:
            await self._enter()
            stream = self._session.conversation.stream(
                uri, last_event_id=last_event_id, timeout_s=timeout_s
            )
            async with contextlib.aclosing(stream) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event
        finally:
            self._streams -= 1
            self._reshape()

    def bear(self, connections: int | None) -> None:
        """What the device is known to bear, once it is known."""
        self._connections = connections
        self._reshape()

    def use(
        self,
        conversation: Conversation,
        *,
        anonymous: bool = False,
        after_close: AfterClose | None = None,
    ) -> None:
        """Another credential or another pin: nothing that was learned about the old one holds."""
        old, self._auth = self._session, AuthBackOff(self._rules.auth)
        self._session = SharedSession(
            conversation,
            self._clock,
            self._auth,
            anonymous=anonymous,
            after_close=after_close,
        )
        self._cache.clear()
        self._retire(old)

    def stats(self) -> LaneStats:
        recent_s, wait_s = self._limit.recent_s, self._auth.retry_at - self._clock.monotonic()
        return LaneStats(
            address=self.address,
            in_flight=self._queue.in_flight,
            waiting=self._queue.waiting,
            sessions=int(self._session.conversation.has_session),
            streams=self._streams,
            limit=self._limit.now,
            ceiling=self._limit.ceiling,
            breaker=self._breaker.state.value,
            requests=self._requests,
            shared=self._shared,
            latency_ms=None if recent_s is None else recent_s * 1000.0,
            login_retry_s=wait_s if wait_s > 0 else None,
        )

    async def close(self) -> None:
        """Turn everybody away and delete the session; goes on where its caller is cancelled."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut())
        await asyncio.shield(self._closing)

    # --- reads --------------------------------------------------------------------------------

    def _take_off(self, key: str, uri: str, priority: Priority, deadline: float | None) -> Flight:
        flight = self._flights[key] = Flight(key, uri, self._queue.ask(priority), deadline)
        flight.task = asyncio.create_task(self._fly(flight))
        self._flying.add(flight.task)
        flight.task.add_done_callback(partial(self._landed, flight))
        return flight

    async def _fly(self, flight: Flight) -> Answer:
        await flight.ticket.grant
        flight.sent = True
        kept = self._cache.revalidates(flight.key, now=self._clock.monotonic())
        answer = await self._exchange(
            "GET",
            flight.uri,
            etag=kept.etag if kept else None,
            priority=flight.ticket.priority,
            deadline=flight.deadline,
        )
        if answer.status == 304:
            answer = self._unchanged(flight, kept, answer)
        if not flight.stale:
            self._cache.keep(
                flight.key, answer, fresh_s=flight.fresh_s, now=self._clock.monotonic()
            )
        return answer

    def _unchanged(self, flight: Flight, kept: Answer | None, answer: Answer) -> Answer:
        if kept is None:
            raise DeviceLied(
                "HTTP 304 to an unconditional GET",
                operation="GET",
                subject=f"{self.address}{flight.uri}",
                code="UnaskedNotModified",
            )
        return msgspec.structs.replace(kept, at=answer.at, elapsed_s=answer.elapsed_s)

    def _landed(self, flight: Flight, task: asyncio.Task[Answer]) -> None:
        self._flying.discard(task)
        self._ground(flight)
        self._give_back(flight.ticket, cut_off=task.cancelled())
        if not task.cancelled():
            task.exception()

    def _ground(self, flight: Flight) -> None:
        """Nobody new may ride it."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    async def _ride(self, flight: Flight, deadline: float | None) -> Answer:
        flight.riders += 1
        try:
            if deadline is None:
                await asyncio.wait({flight.task})
            elif not await self._arrives(flight, deadline):
                raise self._too_late("GET", flight.uri)
            if flight.task.cancelled():
                raise self._closed()
            return flight.task.result()
        finally:
            flight.riders -= 1
            if not flight.riders and not flight.task.done():
                self._ground(flight)
                flight.task.cancel()

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

    # --- slots and outcomes -------------------------------------------------------------------

    async def _turn(self, ticket: Ticket, deadline: float | None) -> None:
        if deadline is None or ticket.grant.done():
            await ticket.grant
        elif not await wait_at_most(self._clock, deadline - self._clock.monotonic(), ticket.grant):
            raise self._too_late("write to", "")
        else:
            ticket.grant.result()

    def _give_back(self, ticket: Ticket, *, cut_off: bool) -> None:
        """A login that outlives its cancelled requester keeps the slot until it is over."""
        if cut_off:
            self._session.when_settled(partial(self._queue.leave, ticket))
        else:
            self._queue.leave(ticket)

    async def _exchange(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        deadline: float | None,
        etag: str | None = None,
        if_match: str | None = None,
    ) -> Answer:
        """One request in a slot, and what its outcome teaches."""

        async def send() -> Answer:
            timeout_s = self._timeout_s(method, uri, priority, deadline)
            self._requests += 1
            return await self._session.conversation.request(
                method, uri, body, etag=etag, if_match=if_match, timeout_s=timeout_s
            )

        session = self._session
        return await self._learning(
            priority, lambda: session.carry(key_of(uri), send), uri=uri, method=method
        )

    async def _learning(
        self, priority: Priority, ask: Callable[[], Awaitable[Answer]], *, method: str, uri: str
    ) -> Answer:
        sent_at = self._clock.monotonic()
        if not self._breaker.admits(now=sent_at, forced=priority is Priority.SAFETY):
            raise self._left_alone(method, uri, sent_at)
        try:
            answer = await ask()
        except (HeldBack, GivenUp):
            self._breaker.abandoned(now=self._clock.monotonic())
            raise
        except DeviceSilent as silence:
            self._fell_silent(sent_at, silence)
            raise
        except DeviceRefused as refused:
            self._was_heard()
            if refused.status in BUSY:
                self._limit.busy(sent_at=sent_at, now=self._clock.monotonic())
            raise
        except DeviceLied:
            self._was_heard()
            raise
        except BaseException:
            self._breaker.abandoned(now=self._clock.monotonic())
            raise
        self._was_heard()
        self._limit.answered(
            sent_at=sent_at, elapsed_s=answer.elapsed_s, now=self._clock.monotonic()
        )
        return answer

    def _fell_silent(self, sent_at: float, silence: DeviceSilent) -> None:
        now = self._clock.monotonic()
        self._limit.silent(sent_at=sent_at, now=now)
        if self._breaker.silent(now=now) and self._on_silence:
            self._on_silence(self.address, True, silence.message)

    def _was_heard(self) -> None:
        if self._breaker.answered() and self._on_silence:
            self._on_silence(self.address, False, "it answers again")

    async def _enter(self) -> None:
        """Be logged in before a stream opens, through the queue like everything else."""
        ticket = self._queue.ask(Priority.TELEMETRY)
        try:
            await ticket.grant
            await self._session.ensure()
        finally:
            self._give_back(ticket, cut_off=True)

    def _timeout_s(
        self, method: str, uri: str, priority: Priority, deadline: float | None
    ) -> float:
        if deadline is None:
            return self._rules.timeout_s[priority]
        left_s = deadline - self._clock.monotonic()
        if left_s <= 0:
            raise self._too_late(method, uri)
        return left_s

    def _reshape(self) -> None:
        ceiling = self._rules.max_in_flight
        if self._connections is not None:
            streams = self._streams if self._rules.stream_takes_connection else 0
            ceiling = min(ceiling, self._connections - streams)
        self._limit.set_ceiling(ceiling)
        self._queue.pump()

    # --- ending, and saying so ----------------------------------------------------------------

    def _retire(self, session: SharedSession) -> None:
        task = asyncio.create_task(session.close(wait_s=CLOSE_S))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _shut(self) -> None:
        self._queue.refuse(self._closed())
        for task in self._flying:
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)
        self._retire(self._session)
        await wait_at_most(
            self._clock, 2 * CLOSE_S, asyncio.gather(*self._retiring, return_exceptions=True)
        )
        self._cache.clear()

    def _require_open(self) -> None:
        if self._closing is not None:
            raise self._closed()

    def _require_room_for_stream(self) -> None:
        counts = self._rules.stream_takes_connection and self._connections is not None
        if counts and (self._connections or 0) - self._streams <= 1:
            raise HeldBack(
                "an event stream would take the device's last connection",
                operation="stream from",
                subject=self.address,
                code="NoConnectionForStream",
                next_step="nothing: it is polled instead",
            )

    def _closed(self) -> WeErred:
        return WeErred("the lane is closed", operation="ask", subject=self.address, code="Closed")

    def _too_late(self, operation: str, uri: str) -> GivenUp:
        return GivenUp(
            f"no answer before the deadline ({self._queue.in_flight} in flight, "
            f"{self._queue.waiting} waiting)",
            operation=operation,
            subject=f"{self.address}{uri}",
            code="DeadlinePassed",
            next_step="ask for less at once, or give more time",
        )

    def _left_alone(self, operation: str, uri: str, now: float) -> GivenUp:
        wait_s = max(0.0, self._breaker.probe_at - now)
        return GivenUp(
            f"silent {self._breaker.silences} times in a row; next probe in {wait_s:.0f} s",
            operation=operation,
            subject=f"{self.address}{uri}",
            code="LaneOpen",
            next_step="check the network and whether the controller is up",
        )


class LaneReads:
    """`drivers.ports.Reads` at one priority."""

    __slots__ = ("_deadline_s", "_lane", "_priority")

    def __init__(self, lane: Lane, priority: Priority, deadline_s: float | None) -> None:
        self._lane, self._priority, self._deadline_s = lane, priority, deadline_s

    @property
    def address(self) -> str:
        return self._lane.address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        return await self._lane.read(
            uri, priority=self._priority, deadline_s=self._deadline_s, fresh_s=fresh_s
        )

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        return await read_members(partial(self.get, fresh_s=fresh_s), uri, on_gap=on_gap)


def _later(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
