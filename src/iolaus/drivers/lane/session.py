"""Being let in: the one session that everything to a device shares, and never locking its account.

Controllers have eight to sixteen session slots and leak them; so there is one, opened by the first
request that needs it and deleted on every path. What a killed predecessor left is deleted before
the first login, so that the device never holds two of ours. Logging in runs in a task of its own:
a cancelled caller would otherwise leave a session on the device that nobody knows. The conversation
decides when Basic stands in for a session that is not to be had; here is decided whether the
credential may be tried at all, and that an unproven one is tried by one request at a time. A URI
that answers 401 even in a new session is refused from then on without asking, so that a resource
which an account may not read never costs a login per poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from iolaus.drivers.lane.auth import AuthBackOff, HeldBack
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.wire.redfish.errors import LoginUnanswered
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload

MOST_DENIED: Final = 64
DENIED_S: Final = 300.0
PUBLIC: Final = frozenset({"/redfish", "/redfish/v1"})
"""Answered whoever asks (DSP0266 section 9.2): no proof that the credential is right."""
LOGIN_REFUSED: Final = frozenset({400, 401, 403})

T = TypeVar("T")
AfterClose = Callable[[], Awaitable[None]]


class Conversation(Protocol):
    """What a lane needs of one device's HTTP conversation (`wire.redfish.client.Redfish`)."""

    @property
    def address(self) -> str: ...

    @property
    def has_session(self) -> bool: ...

    @property
    def crowded(self) -> bool: ...

    @property
    def wants_login(self) -> bool: ...

    def log_in_anew(self) -> None: ...

    async def fetch(self, uri: str, *, timeout_s: float, max_bytes: int) -> bytes: ...

    async def request(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        etag: str | None = None,
        if_match: str | None = None,
        timeout_s: float = 30.0,
    ) -> Answer: ...

    async def push(self, uri: str, upload: Upload, *, timeout_s: float) -> Answer: ...

    async def login(self) -> None: ...

    async def logout(self) -> None: ...

    async def reap(self) -> int: ...

    def stream(
        self, uri: str, *, last_event_id: str | None = None, timeout_s: float = 90.0
    ) -> AsyncIterator[Any]: ...


class SharedSession:
    """Wraps a conversation; every authenticated request goes through `carry`."""

    __slots__ = (
        "_after_close",
        "_anonymous",
        "_auth",
        "_clock",
        "_denied",
        "_doubted",
        "_idle",
        "_login",
        "_on_silence",
        "_proving",
        "_reaped",
        "_users",
        "conversation",
    )

    def __init__(
        self,
        conversation: Conversation,
        clock: Clock,
        auth: AuthBackOff,
        *,
        anonymous: bool,
        after_close: AfterClose | None = None,
        on_silence: Callable[[DeviceSilent], None] = lambda _: None,
    ) -> None:
        self.conversation, self._anonymous = conversation, anonymous
        self._after_close, self._on_silence = after_close, on_silence
        self._clock, self._auth = clock, auth
        self._login: asyncio.Task[None] | None = None
        self._proving: asyncio.Lock | None = None
        self._denied: dict[str, float] = {}
        self._reaped = False
        self._doubted: weakref.ref[DeviceSilent] | None = None
        self._users = 0
        self._idle: asyncio.Event | None = None

    async def carry(self, uri: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send when let in. Raises `DeviceRefused` (401) without asking where asking would harm."""
        self._check_denied(uri)
        self._users += 1
        try:
            await self.ensure()
            if self._anonymous or self.conversation.has_session or self._auth.accepted:
                return await self._send(uri, send)
            async with self._turn_to_prove():
                self._check()
                return await self._prove(uri, send)
        finally:
            self._users -= 1
            if self._idle and not self._users:
                self._idle.set()

    async def _prove(self, uri: str, send: Callable[[], Awaitable[T]]) -> T:
        """The password goes with the request itself, and nobody answers: that may count, too."""
        try:
            return await self._send(uri, send)
        except DeviceSilent as silence:
            if uri not in PUBLIC and not self._auth.accepted:
                self._doubt(silence)
            raise

    async def ensure(self) -> None:
        """Log in if that is due; whoever comes meanwhile waits for the same login."""
        self._check()
        if self.conversation.wants_login and self._login is None:
            self._login = asyncio.create_task(self._open())
            self._login.add_done_callback(self._opened)
        if self._login is not None:
            await asyncio.shield(self._login)

    def when_settled(self, done: Callable[[], None]) -> None:
        """Call `done` when no login is under way: at once, mostly."""
        if self._login is None:
            done()
        else:
            self._login.add_done_callback(lambda _: done())

    async def close(self, *, wait_s: float) -> None:
        """Delete our session, when its last user is done or `wait_s` has passed. Never raises:
        what cannot be deleted stays in the ledger, to be reaped."""
        if self._login is not None:
            await asyncio.wait({self._login})
        if self._users:
            self._idle = asyncio.Event()
            await wait_at_most(self._clock, wait_s, asyncio.ensure_future(self._idle.wait()))
        with contextlib.suppress(IolausError):
            await self.conversation.logout()
        if self._after_close:
            await self._after_close()

    async def _send(self, uri: str, send: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await send()
        except DeviceRefused as refused:
            self._judge(uri, refused)
            raise
        except LoginUnanswered as silence:
            self._doubt(silence)
            raise
        if uri not in PUBLIC:
            self._auth.succeeded()
        return answer

    def _judge(self, uri: str, refused: DeviceRefused) -> None:
        """Was it the credential, or only this resource?"""
        if self._anonymous or isinstance(refused, HeldBack):
            return
        if self.conversation.has_session:
            if refused.status == 401:
                self._deny(uri)
        elif refused.status == 401 or (
            self.conversation.wants_login and refused.status in LOGIN_REFUSED
        ):
            self._auth.failed(now=self._clock.monotonic())

    async def _open(self) -> None:
        if not self._reaped:
            self._reaped = True
            with contextlib.suppress(IolausError):
                await self.conversation.reap()
        try:
            await self.conversation.login()
        except DeviceRefused as refused:
            if refused.status in LOGIN_REFUSED:
                self._auth.failed(now=self._clock.monotonic())
            raise
        except LoginUnanswered as silence:
            self._doubt(silence)
            raise
        if self.conversation.has_session:
            self._auth.succeeded()

    def _opened(self, login: asyncio.Task[None]) -> None:
        """Its silence counts also where whoever asked for it has long gone."""
        self._login = None
        failure = None if login.cancelled() else login.exception()
        if isinstance(failure, DeviceSilent):
            self._on_silence(failure)

    def _doubt(self, silence: DeviceSilent) -> None:
        """Once, however many waited for the same login."""
        if self._doubted is None or self._doubted() is not silence:
            self._doubted = weakref.ref(silence)
            self._auth.doubted()

    def _turn_to_prove(self) -> asyncio.Lock:
        if self._proving is None:
            self._proving = asyncio.Lock()
        return self._proving

    def _check(self) -> None:
        self._auth.check(
            now=self._clock.monotonic(), operation="log in to", address=self.conversation.address
        )

    def _deny(self, uri: str) -> None:
        self._denied[uri] = self._clock.monotonic() + DENIED_S
        if len(self._denied) > MOST_DENIED:
            del self._denied[next(iter(self._denied))]

    def _check_denied(self, uri: str) -> None:
        wait_s = self._denied.get(uri, 0.0) - self._clock.monotonic()
        if wait_s <= 0:
            self._denied.pop(uri, None)
            return
        raise HeldBack(
            f"HTTP 401 although the session is valid; asked again in {wait_s:.0f} s",
            operation="read",
            subject=f"{self.conversation.address}{uri}",
            code="Forbidden",
            next_step="give the account the privilege, or use another account",
            status=403,
            retry_after_s=wait_s,
        )


async def ended(task: asyncio.Task[Any]) -> None:
    """Wait for its end, whatever that is; who gives up leaves it running. Once for each request,
    where `asyncio.wait` would cost three times as much."""
    if task.done():
        return
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Task[Any]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


async def wait_at_most(clock: Clock, seconds: float, future: asyncio.Future[Any]) -> bool:
    """Whether the future is done in time; it is left running where it is not."""
    sleeper = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({future, sleeper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeper.cancel()
    return future.done()
