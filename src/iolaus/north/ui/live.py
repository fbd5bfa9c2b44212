"""The map's WebSocket: the layout once, the scale when it changes, then frames.

It speaks first, so a page needs no request of its own. A slow browser gets the newest frame when
it can take one; nothing queues. A frame comes every few seconds even if nothing changed, so a
browser that hears nothing knows that it is cut off. Another site's page cannot open the socket,
because its Origin is not our Host.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.types import ControllerRouterHandler

from iolaus.kernel.clock import Clock
from iolaus.north.auth import Principal
from iolaus.north.context import Context
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import METRICS
from iolaus.north.ui.scopes import Maps

TICK_S: Final = 1.0
SIGN_OF_LIFE_S: Final = 4.0


def socket_route(context: Context, maps: Maps) -> ControllerRouterHandler:
    @websocket("/ui/ws/hall")
    async def hall_socket(socket: WebSocket[Any, Any, Any]) -> None:
        if not same_origin(socket):
            await socket.close(code=4403, reason="another site's page may not listen")
            return
        await socket.accept()
        principal: Principal = socket.scope["state"]["principal"]
        metric = str(socket.query_params.get("metric", "health"))
        hall_map = maps.of(principal.scope)
        viewer = Viewer(socket, hall_map, metric, clock=context.clock, settle=maps.settle)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await viewer.serve()

    return hall_socket


def same_origin(socket: WebSocket[Any, Any, Any]) -> bool:
    """A browser always says where a page comes from; a program that says nothing is not one."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


class Viewer:
    """One browser: what it looks at, and what it has been told already."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        hall_map: HallMap,
        metric: str,
        *,
        clock: Clock,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._socket, self._map, self._clock, self._settle = socket, hall_map, clock, settle
        self._metric = metric if metric in METRICS else "health"
        self._version, self._scale, self._data, self._sent_at = -1, b"", b"", 0.0

    async def serve(self) -> None:
        """Send until the browser goes; it sends the name of another metric to change."""
        listening = asyncio.ensure_future(self._socket.receive_text())
        try:
            while True:
                await self._send()
                done, _ = await asyncio.wait({listening}, timeout=TICK_S)
                if done:
                    wanted = listening.result()
                    self._metric = wanted if wanted in METRICS else self._metric
                    listening = asyncio.ensure_future(self._socket.receive_text())
        finally:
            listening.cancel()

    async def _send(self) -> None:
        if self._metric == "drift":
            await self._settle()
        version, layout = self._map.layout()
        if version != self._version:
            self._version, self._scale, self._data = version, b"", b""
            await self._socket.send_text(layout.decode())
        frame = self._map.frame(self._metric)
        if frame.version != self._version:  # the hall moved while the layout was on its way
            return
        if frame.scale != self._scale:
            self._scale, self._data = frame.scale, b""
            await self._socket.send_text(frame.scale.decode())
        now = self._clock.monotonic()
        if frame.data != self._data or now - self._sent_at >= SIGN_OF_LIFE_S:
            self._data, self._sent_at = frame.data, now
            await self._socket.send_bytes(frame.data)
