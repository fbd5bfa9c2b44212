"""pyreqwest (hyper and rustls) behind the transport port.

It can switch verification off or add an authority, but shows no certificate: a pin can only be
looked at on a connection of its own.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyreqwest.exceptions as faults
from pyreqwest.client import ClientBuilder

from bench.transport.adapter import Adapter, OutOfBandPin
from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.body import Body, Unpack
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.trust import first_contact, unverified


class PyreqwestTransport(Adapter):
    def __init__(self, trust: Trust) -> None:
        super().__init__(trust)
        self._pin, self._client = OutOfBandPin(trust), self._new_client(trust)

    def _new_client(self, trust: Trust) -> Any:
        builder = ClientBuilder().http1_only().no_proxy().follow_redirects(False)
        builder = builder.gzip(False).default_cookie_store(False)
        builder = builder.pool_idle_timeout(timedelta(seconds=60)).error_for_status(False)
        if trust.fingerprint:
            builder = builder.danger_accept_invalid_certs(True)
        elif trust.ca_file:
            builder = builder.add_root_certificate_pem(Path(trust.ca_file).read_bytes())
        return builder.build()

    async def aclose(self) -> None:
        await self._client.close()

    async def worded(self, request: Request, error: Exception) -> Exception:
        text = f"{error} {getattr(error, 'details', '')}"
        if "certificate" in text.lower():
            shown: str | None = None
            with contextlib.suppress(IolausError):
                shown = await first_contact(request.url)
            return unverified(request.url, self.trust, shown, text[:200])
        cut = any(word in text for word in ("close_notify", "end of file", "connection closed"))
        if cut or isinstance(error, (faults.NetworkError, faults.RequestTimeoutError)):
            return silent(request, text)
        return lied(request, f"not HTTP: {text}", "NotHttp")

    async def exchange(self, request: Request, begun: float) -> Response:
        await self._pin.require(request)
        asked = self._client.request(request.method, request.url).headers(dict(request.headers))
        if request.body is not None:
            asked = asked.body_bytes(request.body)
        streamed = asked.streamed_read_buffer_limit(0).build_streamed()
        answer = await streamed.__aenter__()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        coding = headers.get("content-encoding", "")
        if request.stream and answer.status == 200:
            chunks = _chunks(streamed, answer, Unpack(coding))
            return Response(answer.status, headers, b"", chunks=chunks)
        try:
            body = Body(coding=coding, max_bytes=request.max_bytes)
            while (chunk := await answer.body_reader.read_chunk()) is not None:
                body.feed(bytes(chunk))
        finally:
            await streamed.__aexit__(None, None, None)
        return Response(answer.status, headers, body.finish(), time.monotonic() - begun)


async def _chunks(streamed: Any, answer: Any, unpack: Unpack) -> Any:
    try:
        while (chunk := await answer.body_reader.read_chunk()) is not None:
            for piece in unpack.feed(bytes(chunk)):
                yield piece
    finally:
        await streamed.__aexit__(None, None, None)
