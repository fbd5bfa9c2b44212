"""aiohttp behind the transport port: fingerprints natively, bodies bounded while they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator

import aiohttp

from bench.transport.adapter import Adapter
from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish import trust as certificates
from iolaus.wire.redfish.body import Body, BodyGarbled, BodyTooLarge, Unpack
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request, Response, Trust


class AiohttpTransport(Adapter):
    def __init__(self, trust: Trust) -> None:
        super().__init__(trust)
        self._session: aiohttp.ClientSession | None = None
        self._ssl: ssl.SSLContext | aiohttp.Fingerprint
        if trust.fingerprint:
            self._ssl = aiohttp.Fingerprint(bytes.fromhex(trust.fingerprint))
        else:
            self._ssl = certificates.verifying_context(trust.ca_file)

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
                max_field_size=32 * 1024,
            )
        return self._session

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def worded(self, request: Request, error: Exception) -> Exception:
        if isinstance(error, aiohttp.ServerFingerprintMismatch):
            return certificates.unverified(request.url, self.trust, error.got.hex(), "")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            shown: str | None = None
            with contextlib.suppress(IolausError):
                shown = await certificates.first_contact(request.url)
            return certificates.unverified(request.url, self.trust, shown, str(error))
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return lied(request, f"TLS failed: {error.os_error}", "NotTls")
        if isinstance(error, (aiohttp.ServerDisconnectedError, OSError)):
            return silent(request, f"{error or type(error).__name__}")
        cause = error.__cause__ or error.__context__
        garbled = isinstance(cause, aiohttp.http_exceptions.TransferEncodingError)
        if isinstance(error, aiohttp.ClientPayloadError) and (
            not garbled or "Not enough data" in str(cause)
        ):
            return silent(request, "the connection was cut before the end of the answer")
        return lied(request, f"not HTTP: {error}", "NotHttp")

    async def exchange(self, request: Request, begun: float) -> Response:
        answer = await self.session().request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            ssl=self._ssl,
            allow_redirects=False,
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        coding = headers.get("content-encoding", "")
        if request.stream and answer.status == 200:
            chunks = _chunks(request, answer, Unpack(coding))
            return Response(answer.status, headers, b"", 0.0, chunks, answer.close)
        try:
            body = await _whole(request, answer, coding)
        except BaseException:
            answer.close()
            raise
        answer.release()
        return Response(answer.status, headers, body, time.monotonic() - begun)


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
        raise silent(request, f"the stream was silent for {request.timeout_s:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise silent(request, f"the stream broke: {error}") from error
    except BodyGarbled as error:
        raise lied(request, str(error), "NotHttp") from error
    finally:
        answer.close()
