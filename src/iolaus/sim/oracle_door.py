"""The oracle's door: plain HTTP on loopback, guarded by a random token, whatever lies behind it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web

from iolaus.kernel.errors import IolausError, OperatorMust

WORDS = ("message", "operation", "subject", "code", "next_step")
"""What is told of a refusal."""
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Behind it are `routes`; what they refuse (`OperatorMust`) or cannot read is answered 400."""

    def __init__(self, routes: Sequence[web.AbstractRouteDef]) -> None:
        self._routes = routes
        self.token = secrets.token_urlsafe(24)
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=4 << 20)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        word = request.headers.get("Authorization", "")
        if not secrets.compare_digest(word.encode(), f"Bearer {self.token}".encode()):
            return as_json({"error": "the token of the ready line is needed"}, status=401)
        try:
            return await handler(request)
        except IolausError as error:
            told = {word: getattr(error, word) for word in WORDS}
            status = 400 if isinstance(error, OperatorMust) else 503
            return as_json({"error": str(error), **told}, status=status)
        except (ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            return as_json({"error": f"not understood: {error!r}"}, status=400)


def as_json(body: object, *, status: int = 200) -> web.Response:
    data = msgspec.json.encode(body)
    return web.Response(body=data, status=status, content_type="application/json")
