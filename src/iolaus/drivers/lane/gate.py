"""The gate: a slot, a session, one request - and what its outcome teaches, in one place.

Silence feeds the breaker and the limit, 503 the limit, and any answer at all says that the device
lives. What was refused here on the device's behalf (`HeldBack`, `GivenUp`) cost it nothing and
says nothing about it. A login's silence counts once, however many waited for it, and also where
none of them has waited to the end.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from iolaus.drivers.lane.auth import AuthBackOff, HeldBack, LoginMemory
from iolaus.drivers.lane.breaker import Breaker
from iolaus.drivers.lane.cache import key_of
from iolaus.drivers.lane.limit import Limit
from iolaus.drivers.lane.queue import Queue, Ticket
from iolaus.drivers.lane.rules import GivenUp, Heard, LaneRules
from iolaus.drivers.lane.session import AfterClose, Conversation, SharedSession, wait_at_most
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload

BUSY: Final = frozenset({429, 503})


class Gate:
    """Owns queue, limit, breaker, back-off and session of one device."""

    def __init__(
        self,
        address: str,
        clock: Clock,
        rules: LaneRules,
        *,
        connections: int | None,
        on_silence: Heard | None,
        logins: LoginMemory | None = None,
    ) -> None:
        self.address, self._clock, self._rules = address, clock, rules
        self._connections, self._on_silence = connections, on_silence
        self.breaker = Breaker(rules.breaker)
        self.auth = AuthBackOff(rules.auth, address=address, memory=logins)
        self.auth.recall(now=clock.monotonic())
        limit = self.limit = Limit(rules.limit, ceiling=rules.max_in_flight)
        self.queue = Queue(limit=lambda: limit.now, ceiling=lambda: limit.ceiling)
        self.streams = self.requests = 0
        self.heard_at: float | None = None
        self.session: SharedSession
        self._counted: weakref.ref[DeviceSilent] | None = None
        self._reshape()

    def renew_auth(self) -> None:
        """A clean slate of refusals, for another credential."""
        self.auth.clear()
        self.auth = self.auth.another()

    def share(
        self, conversation: Conversation, *, anonymous: bool, after_close: AfterClose | None
    ) -> None:
        """Speak through this conversation from now on."""
        self.session = SharedSession(
            conversation,
            self._clock,
            self.auth,
            anonymous=anonymous,
            after_close=after_close,
            on_silence=self._fell_silent,
        )

    # --- slots --------------------------------------------------------------------------------

    async def turn(self, ticket: Ticket, deadline: float | None) -> None:
        if deadline is not None and not ticket.grant.done():
            wait_s = deadline - self._clock.monotonic()
            if not await wait_at_most(self._clock, wait_s, ticket.grant):
                raise self.too_late("write", "", sent=False)
        await ticket.grant

    def give_back(self, ticket: Ticket, *, cut_off: bool) -> None:
        """A login that outlives its cancelled requester keeps the slot until it is over."""
        leave = partial(self.queue.leave, ticket)
        if cut_off:
            self.session.when_settled(leave)
        else:
            leave()

    def bear(self, connections: int | None) -> None:
        self._connections = connections
        self._reshape()

    async def open_stream(self) -> None:
        """Room for one more stream, and a login if one is due: through the queue, like all."""
        self._require_room_for_stream()
        self.streams += 1
        self._reshape()
        ticket = self.queue.ask(Priority.TELEMETRY)
        try:
            await ticket.grant
            await self.session.ensure()
        except BaseException:
            self.close_stream()
            raise
        finally:
            self.give_back(ticket, cut_off=True)

    def close_stream(self) -> None:
        self.streams -= 1
        self._reshape()

    def _reshape(self) -> None:
        ceiling = self._rules.max_in_flight
        if self._connections is not None:
            streams = self.streams if self._rules.stream_takes_connection else 0
            ceiling = min(ceiling, self._connections - streams)
        self.limit.set_ceiling(ceiling)
        self.queue.pump()

    def _require_room_for_stream(self) -> None:
        if not self._rules.stream_takes_connection or self._connections is None:
            return
        if self._connections - self.streams <= 1:
            raise HeldBack(
                "an event stream would take the device's last connection",
                operation="stream from",
                subject=self.address,
                code="NoConnectionForStream",
                next_step="nothing: it is polled instead",
            )

    # --- one request --------------------------------------------------------------------------

    async def exchange(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        deadline: float | None,
        most_s: float | None = None,
        etag: str | None = None,
        if_match: str | None = None,
        upload: Upload | None = None,
    ) -> Answer:
        """One request, in a slot that the caller holds."""
        session, conversation = self.session, self.session.conversation

        async def send() -> Answer:
            timeout_s = self._timeout_s(method, uri, priority, deadline)
            if most_s is not None:
                timeout_s = most_s if deadline is None else min(most_s, timeout_s)
            self.requests += 1
            if upload is not None:
                return await conversation.push(uri, upload, timeout_s=timeout_s)
            return await conversation.request(
                method, uri, body, etag=etag, if_match=if_match, timeout_s=timeout_s
            )

        now, forced = self._clock.monotonic(), priority is Priority.SAFETY
        if not self.breaker.admits(now=now, forced=forced):
            raise self._left_alone(method, uri, now)
        return await self._learning(
            lambda: session.carry(key_of(uri), send), tells_pace=upload is None
        )

    async def _learning(self, ask: Callable[[], Awaitable[Answer]], *, tells_pace: bool) -> Answer:
        """An image takes as long as its size; how long says nothing of the device's pace."""
        sent_at = self._clock.monotonic()
        try:
            answer = await ask()
        except (HeldBack, GivenUp):
            self.breaker.abandoned(now=self._clock.monotonic())
            raise
        except DeviceSilent as silence:
            self.limit.silent(sent_at=sent_at, now=self._clock.monotonic())
            self._fell_silent(silence)
            raise
        except DeviceRefused as refused:
            self._was_heard()
            if refused.status in BUSY:
                self.limit.busy(sent_at=sent_at, now=self._clock.monotonic())
            raise
        except DeviceLied:
            self._was_heard()
            raise
        except BaseException:
            self.breaker.abandoned(now=self._clock.monotonic())
            raise
        self._was_heard()
        if tells_pace:
            self.limit.answered(
                sent_at=sent_at, elapsed_s=answer.elapsed_s, now=self._clock.monotonic()
            )
        return answer

    def _fell_silent(self, silence: DeviceSilent) -> None:
        if self._counted and self._counted() is silence:
            return
        self._counted = weakref.ref(silence)
        if self.breaker.silent(now=self._clock.monotonic()) and self._on_silence:
            self._on_silence(self.address, True, silence.message)

    def _was_heard(self) -> None:
        self.heard_at = self._clock.monotonic()
        if self.breaker.answered() and self._on_silence:
            self._on_silence(self.address, False, "it answers again")

    def _timeout_s(
        self, method: str, uri: str, priority: Priority, deadline: float | None
    ) -> float:
        if deadline is None:
            return self._rules.timeout_s[priority]
        left_s = deadline - self._clock.monotonic()
        if left_s <= 0:
            raise self.too_late(method, uri, sent=False)
        return left_s

    def too_late(self, operation: str, uri: str, *, sent: bool) -> GivenUp | HeldBack:
        """Sent, it is the device that was silent; in the queue, it was merely busy."""
        kind = GivenUp if sent else HeldBack
        return kind(
            f"no answer before the deadline ({self.queue.in_flight} in flight, "
            f"{self.queue.waiting} waiting)",
            operation=operation,
            subject=f"{self.address}{uri}",
            code="DeadlinePassed",
            next_step="ask for less at once, or give more time",
        )

    def _left_alone(self, operation: str, uri: str, now: float) -> GivenUp:
        wait_s = max(0.0, self.breaker.probe_at - now)
        return GivenUp(
            f"silent {self.breaker.silences} times in a row; next probe in {wait_s:.0f} s",
            operation=operation,
            subject=f"{self.address}{uri}",
            code="LaneOpen",
            next_step="check the network and whether the controller is up",
        )
