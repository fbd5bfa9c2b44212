"""HTTP to thousands of controllers over one shared pool.

`open_transport(trust)` costs a few hundred bytes: what is heavy (connector, TLS contexts, DNS
cache) belongs to a `Pool` that all transports of one event loop share and that is closed with
the last of them. Connections are kept apart by trust, so one opened under another pin is never
reused. The pin is compared right after the handshake, before the first byte of a request.

Nothing is retried here, with one exception: a GET on a kept-alive connection that the device had
already closed is sent once more on a fresh one, because no answer to it can have begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
import weakref
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

import aiohttp

from iolaus.kernel.errors import DeviceLied, DeviceSilent, IolausError, PolicyRefused
from iolaus.wire.redfish import trust as certificates
from iolaus.wire.redfish.body import Body, BodyGarbled, BodyTooLarge, Unpack
from iolaus.wire.redfish.port import Request, Response, Transport, Trust

KEEP_ALIVE_S = 30.0
_MAX_HEADER = 32 * 1024


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
        self._session: aiohttp.ClientSession | None = None
        self.users = 0

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0, keepalive_timeout=self._keep_alive_s, ttl_dns_cache=60
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
                max_line_size=8190,
                max_field_size=_MAX_HEADER,
            )
        return self._session

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


def open_transport(trust: Trust, *, pool: Pool | None = None) -> OpenTransport:
    """A transport that judges certificates by `trust`; close it with `aclose`.

    Cheap: one per device is meant. Without `pool` the event loop's own is shared.
    Raises `OperatorMust` for an unreadable `ca_file` or fingerprint.
    """
    return _Shared(trust, pool)


class _Shared:
    __slots__ = ("_pool", "_shared", "_ssl", "_trust")

    def __init__(self, trust: Trust, pool: Pool | None) -> None:
        self._trust, self._pool, self._shared = trust, pool, pool is None
        self._ssl: ssl.SSLContext | aiohttp.Fingerprint
        if trust.fingerprint:
            digest = bytes.fromhex(certificates.parse_fingerprint(trust.fingerprint))
            self._ssl = aiohttp.Fingerprint(digest)
        else:
            self._ssl = certificates.verifying_context(trust.ca_file)

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
        if not self._shared or self._pool is None:
            return
        pool, self._pool = self._pool, None
        pool.users -= 1
        if pool.users == 0:
            _pools.pop(asyncio.get_running_loop(), None)
            await pool.aclose()

    async def send(self, request: Request) -> Response:
        if not request.url.startswith("https://"):
            _require_plain_http_allowed(request, self._trust)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._exchange(request, begun)
        except IolausError:
            raise
        except TimeoutError as error:
            raise _silent(request, f"no complete answer within {request.timeout_s:g} s") from error
        except aiohttp.ServerFingerprintMismatch as error:
            shown = error.got.hex()
            raise certificates.unverified(request.url, self._trust, shown, "") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise await self._untrusted(request, error) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise _lied(request, f"TLS failed: {error.os_error}", "NotTls") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError) as error:
            raise _silent(request, f"{error or type(error).__name__}"[:300]) from error
        except aiohttp.ClientPayloadError as error:
            raise _cut_or_garbled(request, error) from error
        except (aiohttp.ClientError, ValueError, BodyGarbled) as error:
            raise _lied(request, f"not HTTP: {error}"[:300], "NotHttp") from error
        except BodyTooLarge as error:
            raise _lied(request, f"the answer is too large: {error}", "TooLarge") from error

    async def _exchange(self, request: Request, begun: float) -> Response:
        answer = (
            await self._joined()
            .session()
            .request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                ssl=self._ssl,
                allow_redirects=False,
            )
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        coding = headers.get("content-encoding", "")
        if request.stream and answer.status == 200:
            chunks = _chunks(request, answer, Unpack(coding))
            return Response(answer.status, headers, b"", _since(begun), chunks, answer.close)
        try:
            body = await _whole(request, answer, coding)
        except BaseException:
            answer.close()
            raise
        answer.release()
        return Response(answer.status, headers, body, _since(begun))

    def _joined(self) -> Pool:
        if self._pool is None:
            self._pool = _pools.setdefault(asyncio.get_running_loop(), Pool())
            self._pool.users += 1
        return self._pool

    async def _untrusted(self, request: Request, error: Exception) -> IolausError:
        shown: str | None = None
        with contextlib.suppress(IolausError):
            shown = await certificates.first_contact(request.url, timeout_s=request.timeout_s)
        reason = str(getattr(error, "certificate_error", error))[:300]
        return certificates.unverified(request.url, self._trust, shown, reason)


async def _whole(request: Request, answer: aiohttp.ClientResponse, coding: str) -> bytes:
    body = Body(coding=coding, max_bytes=request.max_bytes)
    announced = answer.content_length
    if announced is not None and announced > request.max_bytes and request.method != "HEAD":
        raise BodyTooLarge(f"{announced} bytes announced, {request.max_bytes} allowed")
    async for chunk in answer.content.iter_any():
        body.feed(chunk)
    return body.finish()


async def _chunks(
    request: Request, answer: aiohttp.ClientResponse, unpack: Unpack
) -> AsyncIterator[bytes]:
    try:
        while True:
            chunk = await asyncio.wait_for(answer.content.readany(), request.timeout_s)
            if not chunk:
                return
            for piece in unpack.feed(chunk):
                yield piece
    except TimeoutError as error:
        raise _silent(request, f"the stream was silent for {request.timeout_s:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _silent(request, f"the stream broke: {error}"[:300]) from error
    except BodyGarbled as error:
        raise _lied(request, str(error), "NotHttp") from error
    finally:
        answer.close()


def _since(begun: float) -> float:
    return time.monotonic() - begun


def _require_plain_http_allowed(request: Request, trust: Trust) -> None:
    if not (trust.insecure_http and request.url.startswith("http://")):
        raise PolicyRefused(
            "plain http would show the password to everyone on the way",
            operation="connect",
            subject=request.url.split("/redfish", 1)[0],
            code="PlainHttp",
            next_step="use https, or allow it for this target with --allow-http",
        )


def _cut_or_garbled(request: Request, error: aiohttp.ClientPayloadError) -> IolausError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, aiohttp.http_exceptions.TransferEncodingError):
        return _lied(request, f"not HTTP: {cause.message}"[:300], "NotHttp")
    return _silent(request, "the connection was cut before the end of the answer")


def _silent(request: Request, message: str) -> DeviceSilent:
    return DeviceSilent(
        message,
        operation=request.method,
        subject=request.url,
        next_step="check the network and whether the controller is up",
    )


def _lied(request: Request, message: str, code: str) -> DeviceLied:
    return DeviceLied(
        message,
        operation=request.method,
        subject=request.url,
        code=code,
        next_step="check that the address is a management controller with Redfish",
    )
