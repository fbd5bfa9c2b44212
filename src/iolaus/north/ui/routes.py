"""Addresses of the pages. The guard before them sets the content policy and knows who asks.

The map's WebSocket speaks first: the layout once, the scale when it changes, then frames. A slow
browser gets the newest frame when it can take one; nothing queues. Another site's page cannot open
the socket, because its Origin is not our Host. What is outside the asker's scope is on no page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import MediaType, Request, Response, WebSocket, get, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from iolaus.model.select import Selector
from iolaus.north.auth import Principal
from iolaus.north.context import Context
from iolaus.north.fleet import Picture, visible
from iolaus.north.ui.hallmap import METRICS, HallMap
from iolaus.north.ui.pages import Pages

HEADERS: Final = {"Cache-Control": "no-store"}
STATIC: Final = Path(__file__).parent / "static"
TICK_S: Final = 1.0
HISTORY_S: Final = 3600.0
POINTS: Final = 360


def page(html: str | None, pages: Pages, what: str = "") -> Response[str]:
    found = html is not None
    return Response(
        content=html if html is not None else pages.missing(what),
        media_type=MediaType.HTML,
        status_code=200 if found else 404,
        headers=HEADERS,
    )


def routes(context: Context) -> Sequence[ControllerRouterHandler]:
    """All page handlers, to be mounted at the root of the server."""
    pages, maps = Pages(context), Maps(context)
    return [
        *_pages(pages),
        _history(context),
        _socket(maps),
        create_static_files_router(
            path="/ui/static", directories=[STATIC], include_in_schema=False
        ),
    ]


def scope_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Selector:
    principal: Principal = connection.scope["state"]["principal"]
    return principal.scope


def _pages(pages: Pages) -> list[ControllerRouterHandler]:
    @get("/", include_in_schema=False)
    async def hall(request: Request[Any, Any, Any]) -> Response[str]:
        return page(await pages.hall(scope_of(request)), pages)

    @get("/ui/summary", include_in_schema=False)
    async def summary(request: Request[Any, Any, Any]) -> Response[str]:
        return page(await pages.summary(scope_of(request)), pages)

    @get("/ui/table", include_in_schema=False)
    async def table(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        number = query.get("page", "1")
        shown = int(number) if number.isdigit() and len(number) < 7 else 1
        chosen = query.get("selector", "")
        return page(await pages.table(scope_of(request), selector=chosen, page=shown), pages)

    @get("/ui/racks", include_in_schema=False)
    async def racks(request: Request[Any, Any, Any]) -> Response[str]:
        return page(await pages.racks(scope_of(request)), pages)

    @get("/ui/racks/{name:str}", include_in_schema=False)
    async def rack(name: str, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        return page(await pages.rack(scope_of(request), name, part=part), pages, what=name)

    @get("/ui/assets/{name:str}", include_in_schema=False)
    async def asset(name: str, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        return page(await pages.asset(scope_of(request), name, part=part), pages, what=name)

    return [hall, summary, table, racks, rack, asset]


def _history(context: Context) -> ControllerRouterHandler:
    @get("/ui/history", include_in_schema=False)
    async def history(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        query = request.query_params
        name, role = query.get("asset", ""), query.get("role", "")
        place = context.fleet.index().get(name)
        picture = context.fleet.picture(place[0]) if place else None
        shown = visible_names(picture, scope_of(request)) if picture else set()
        sensors = picture.sensors if picture and name in shown else []
        sensor = next((s for s in sensors if s.node == name and s.role == role), None)
        if picture is None or sensor is None or context.series is None:
            return Response(
                content={"at": [], "mean": [], "unit": "", "title": role}, status_code=404
            )
        now = context.clock.now()
        samples = await context.series.history(
            endpoint=picture.frame.target.address,
            reading=f"{sensor.uri}#{sensor.name}",
            since=now - HISTORY_S,
            until=now,
            step_s=HISTORY_S / POINTS,
            limit=POINTS,
        )
        return Response(
            content={
                "at": [sample.at for sample in samples],
                "mean": [sample.value for sample in samples],
                "unit": sensor.unit,
                "title": sensor.name,
            },
            headers=HEADERS,
        )

    return history


def _socket(maps: Maps) -> ControllerRouterHandler:
    @websocket("/ui/ws/hall")
    async def hall_socket(socket: WebSocket[Any, Any, Any]) -> None:
        if not same_origin(socket):
            await socket.close(code=4403, reason="another site's page may not listen")
            return
        await socket.accept()
        hall_map = maps.of(scope_of(socket))
        viewer = Viewer(socket, hall_map, str(socket.query_params.get("metric", "health")))
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await viewer.serve()

    return hall_socket


def same_origin(socket: WebSocket[Any, Any, Any]) -> bool:
    """A browser always says where a page comes from; a program that says nothing is not one."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


def visible_names(picture: Picture, scope: Selector) -> set[str]:
    """The names at one endpoint that exist for this scope."""
    return {view.name for view in picture.assets if visible(view, scope)}


class Scoped:
    """The names that exist for one scope, as the map asks for them."""

    def __init__(self, context: Context, scope: Selector) -> None:
        self._context, self._scope = context, scope

    def names_of(self, address: str) -> Mapping[str, str]:
        names, picture = self._context.fleet.names_of(address), self._context.fleet.picture(address)
        if picture is None or not self._scope:
            return names
        shown = visible_names(picture, self._scope)
        return {key: name for key, name in names.items() if name in shown}


class Maps:
    """One map for each scope that somebody looks with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._maps: dict[Selector, HallMap] = {}

    def of(self, scope: Selector) -> HallMap:
        if scope not in self._maps:
            self._maps[scope] = HallMap(
                facts=self._context.facts,
                names=Scoped(self._context, scope),
                clock=self._context.clock,
                interval_s=self._context.interval_s,
                slow_interval_s=self._context.slow_interval_s,
            )
        return self._maps[scope]


class Viewer:
    """One browser: what it looks at, and what it has been told already."""

    def __init__(self, socket: WebSocket[Any, Any, Any], hall_map: HallMap, metric: str) -> None:
        self._socket, self._map = socket, hall_map
        self._metric = metric if metric in METRICS else "health"
        self._version, self._scale, self._data = -1, b"", b""

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
        self._map.sample_power()
        version, layout = self._map.layout()
        if version != self._version:
            self._version, self._scale, self._data = version, b"", b""
            await self._socket.send_text(layout.decode())
        frame = self._map.frame(self._metric)
        if frame.scale != self._scale:
            self._scale, self._data = frame.scale, b""
            await self._socket.send_text(frame.scale.decode())
        if frame.data != self._data:
            self._data = frame.data
            await self._socket.send_bytes(frame.data)
