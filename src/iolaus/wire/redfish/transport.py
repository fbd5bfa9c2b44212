"""HTTP to thousands of controllers over one shared pool (ADR 0002 says why libcurl).

`open_transport(trust)` costs a few hundred bytes: what is heavy belongs to a `Pool` that all
transports of one event loop share and that is closed with the last of them. The pin is compared
after the handshake and before the first byte of a request; it holds for reused connections too.

Nothing is retried, with one exception: a GET on a kept-alive connection that the device had
already closed is sent once more on a fresh one, because no answer to it can have begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from types import TracebackType
from typing import Protocol, Self

import msgspec

from iolaus.kernel.errors import IolausError, PolicyRefused, Unverified
from iolaus.wire.redfish import trust as certificates
from iolaus.wire.redfish.curl import Multi
from iolaus.wire.redfish.faults import silent
from iolaus.wire.redfish.flow import Flow
from iolaus.wire.redfish.port import Request, Response, Transport, Trust
from iolaus.wire.redfish.verdict import PinMismatch, Unproven, Untrusted

KEEP_ALIVE_S = 180.0


class OpenTransport(Transport, Protocol):
    """A transport that its owner closes; also an async context."""

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Pool:
    """What transports share. Opened at the first request, in that request's event loop."""

    def __init__(self, *, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._keep_alive_s = keep_alive_s
        self._multi: Multi | None = None
        self.users = 0

    async def multi(self) -> Multi:
        if self._multi is None:
            self._multi = Multi(keep_alive_s=self._keep_alive_s)
            await self._multi.open()
        return self._multi

    async def aclose(self) -> None:
        multi, self._multi = self._multi, None
        if multi is not None:
            await multi.aclose()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


def open_transport(
    trust: Trust, *, pool: Pool | None = None, keep_alive_s: float = KEEP_ALIVE_S
) -> OpenTransport:
    """A transport that judges certificates by `trust`; close it with `aclose`.

    Cheap: one per device is meant. Without `pool` the event loop's own is shared, whose idle
    connections live as long as the transport said that opened it.
    Raises `OperatorMust` for an unreadable `ca_file` or fingerprint.
    """
    if trust.fingerprint:
        pin = certificates.parse_fingerprint(trust.fingerprint)
        trust = msgspec.structs.replace(trust, fingerprint=pin)
    else:
        certificates.verifying_context(trust.ca_file)
    return _Shared(trust, pool, keep_alive_s)


class _Shared:
    __slots__ = ("_closed", "_joined", "_keep_alive_s", "_pool", "_trust")

    def __init__(self, trust: Trust, pool: Pool | None, keep_alive_s: float) -> None:
        self._trust, self._pool, self._keep_alive_s = trust, pool, keep_alive_s
        self._joined = self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if not self._joined or self._pool is None:
            return
        pool, self._pool, self._joined = self._pool, None, False
        pool.users -= 1
        if pool.users == 0:
            _pools.pop(asyncio.get_running_loop(), None)
            await pool.aclose()

    async def send(self, request: Request) -> Response:
        require_scheme(request, self._trust)
        try:
            return await self._run(request)
        except PinMismatch as error:
            raise certificates.unverified(request.url, self._trust, error.shown, "") from error
        except Untrusted as error:
            raise await self._untrusted(request, str(error)) from error

    async def _run(self, request: Request) -> Response:
        multi = await self._shared_pool(request).multi()
        try:
            return await _carry(multi, request, self._trust, fresh=False)
        except Unproven:
            return await _carry(multi, request, self._trust, fresh=True)

    def _shared_pool(self, request: Request) -> Pool:
        if self._closed:
            raise silent(request, "the transport is closed")
        if self._pool is None:
            loop = asyncio.get_running_loop()
            if loop not in _pools:
                _pools[loop] = Pool(keep_alive_s=self._keep_alive_s)
            self._pool, self._joined = _pools[loop], True
            self._pool.users += 1
        return self._pool

    async def _untrusted(self, request: Request, reason: str) -> Unverified:
        shown: str | None = None
        with contextlib.suppress(IolausError):
            shown = await certificates.first_contact(request.url, timeout_s=request.timeout_s)
        return certificates.unverified(request.url, self._trust, shown, reason[:300])


async def _carry(multi: Multi, request: Request, trust: Trust, *, fresh: bool) -> Response:
    """A stream has a connection of its own: the one that carried large answers has large buffers,
    and is wanted again."""
    if request.stream:
        return await Flow(multi).run(request, trust, fresh=True)
    return await multi.run(request, trust, fresh=fresh)


def require_scheme(request: Request, trust: Trust) -> None:
    """`PolicyRefused` for anything but https, and http where the trust allows it."""
    plain = request.url.startswith("http://")
    if not (request.url.startswith("https://") or (plain and trust.insecure_http)):
        raise PolicyRefused(
            "plain http would show the password to everyone on the way",
            operation="connect",
            subject=request.url.split("/redfish", 1)[0],
            code="PlainHttp",
            next_step="use https, or allow it for this target with --allow-http",
        )
