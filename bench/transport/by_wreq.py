"""wreq (hyper and BoringSSL) behind the transport port.

It tells the peer's certificate with the answer, which is after the credentials went out; so here
too a pin can only be looked at beforehand on another connection.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import wreq
from wreq import exceptions as faults

from bench.transport.adapter import Adapter, OutOfBandPin
from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.body import Body, Unpack
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.trust import first_contact, unverified

_METHODS = {name: getattr(wreq.Method, name) for name in ("GET", "POST", "PATCH", "DELETE", "HEAD")}


class WreqTransport(Adapter):
    def __init__(self, trust: Trust) -> None:
        super().__init__(trust)
        self._pin = OutOfBandPin(trust)
        verify: Any = not trust.fingerprint
        if trust.ca_file and not trust.fingerprint:
            verify = Path(trust.ca_file)
        self._client = wreq.Client(
            tls_verify=verify,
            tls_verify_hostname=not trust.fingerprint,
            redirect=wreq.redirect.Policy.none(),
            http1_only=True,
            no_proxy=True,
            gzip=False,
            pool_idle_timeout=timedelta(seconds=60),
        )

    async def aclose(self) -> None:
        """Connections go when the client is collected."""

    async def worded(self, request: Request, error: Exception) -> Exception:
        text = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
            shown: str | None = None
            with contextlib.suppress(IolausError):
                shown = await first_contact(request.url)
            return unverified(request.url, self.trust, shown, text[:200])
        cut = (faults.ConnectionError, faults.ConnectionResetError, faults.TimeoutError)
        if isinstance(error, cut) or "IncompleteBody" in text or "IncompleteMessage" in text:
            return silent(request, text)
        return lied(request, f"not HTTP: {text}", "NotHttp")

    async def exchange(self, request: Request, begun: float) -> Response:
        await self._pin.require(request)
        options: dict[str, Any] = {"headers": dict(request.headers)}
        if request.body is not None:
            options["body"] = request.body
        answer = await self._client.request(_METHODS[request.method], request.url, **options)
        headers = {_text(name).lower(): _text(value) for name, value in answer.headers}
        status, coding = answer.status.as_int(), headers.get("content-encoding", "")
        if request.stream and status == 200:
            return Response(status, headers, b"", chunks=_chunks(answer, Unpack(coding)))
        body = Body(coding=coding, max_bytes=request.max_bytes)
        async with answer, answer.stream() as stream:
            async for chunk in stream:
                if isinstance(chunk, memoryview):
                    body.feed(bytes(chunk))
        return Response(status, headers, body.finish(), time.monotonic() - begun)


async def _chunks(answer: Any, unpack: Unpack) -> Any:
    async with answer, answer.stream() as stream:
        async for chunk in stream:
            if isinstance(chunk, memoryview):
                for piece in unpack.feed(bytes(chunk)):
                    yield piece


def _text(raw: memoryview) -> str:
    return bytes(raw).decode("latin-1")
