"""A place for the fakes of this folder: a server on loopback, and the accident that each can have.

`Accident` strikes one request: "before" it had its effect or "after" it, the connection is cut
without an answer. That is what a crash of either side between a request and its answer looks like.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


class Accident:
    """Strikes the request number `at` (from 1, in order of arrival); counts them all."""

    def __init__(self) -> None:
        self.at, self.when, self.count = 0, "after", 0

    def strike(self, at: int, when: str) -> None:
        self.at, self.when, self.count = at, when, 0

    @property
    def struck(self) -> bool:
        return 0 < self.at <= self.count

    def middleware(self) -> Middleware:
        @web.middleware
        async def cut(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.count += 1
            if self.count != self.at:
                return await handler(request)
            if self.when == "after":
                with contextlib.suppress(web.HTTPException):
                    await handler(request)
            if request.transport:
                request.transport.abort()
            return web.Response()

        return cut


@contextlib.asynccontextmanager
async def served(
    app: web.Application, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """The URL of `app`, which listens on a free port of 127.0.0.1."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http{'s' if context else ''}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
