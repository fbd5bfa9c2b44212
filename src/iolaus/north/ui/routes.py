"""Addresses of the pages. The guard before them sets the content policy and knows who asks.

What is outside the asker's scope is on no page, in no history and on no map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from litestar import MediaType, Request, Response, get
from litestar.connection import ASGIConnection
from litestar.params import PathParameter
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from iolaus.model.select import Selector
from iolaus.north.auth import Principal
from iolaus.north.context import Context
from iolaus.north.ui.alarmpages import AlarmPages, alarm_page_routes
from iolaus.north.ui.consolepages import console_page_routes
from iolaus.north.ui.driftpages import Asked, DriftPages
from iolaus.north.ui.live import socket_route
from iolaus.north.ui.onboardpages import OnboardPages, onboard_page_routes
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.paper import Paper
from iolaus.north.ui.planepages import PlanePages, plane_page_routes
from iolaus.north.ui.powerpages import PowerPages, power_page_routes
from iolaus.north.ui.rollforms import roll_routes
from iolaus.north.ui.rollpages import RollPages
from iolaus.north.ui.scopes import Maps, visible_names
from iolaus.north.ui.signin import sign_in_routes
from iolaus.north.ui.trustpages import TrustPages, trust_routes

Name = Annotated[str, PathParameter()]
HEADERS: Final = {"Cache-Control": "no-store"}
STATIC: Final = Path(__file__).parent / "static"
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
    maps = Maps(context)
    paper = Paper(context.clock, leaves=not context.auth.demo)
    pages = Pages(context, maps, paper)
    return [
        *_pages(pages),
        *_drift(DriftPages(context, maps, paper), pages),
        *roll_routes(context, RollPages(context, paper), pages),
        *trust_routes(TrustPages(context, paper), pages),
        *alarm_page_routes(AlarmPages(context, paper), pages),
        *onboard_page_routes(context, OnboardPages(context, paper)),
        *power_page_routes(PowerPages(context, paper)),
        *plane_page_routes(PlanePages(context, paper)),
        *console_page_routes(context, paper, pages),
        *sign_in_routes(context, pages),
        _history(context),
        socket_route(context, maps),
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
        html = await pages.table(
            scope_of(request),
            selector=query.get("selector", ""),
            sort=query.get("sort", ""),
            page=number_of(query.get("page", "1")),
        )
        return page(html, pages)

    @get("/ui/racks", include_in_schema=False)
    async def racks(request: Request[Any, Any, Any]) -> Response[str]:
        return page(pages.racks(scope_of(request)), pages)

    @get("/ui/racks/{name:path}", include_in_schema=False)
    async def rack(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part, name = "part" in request.query_params, str(name).removeprefix("/")
        return page(pages.rack(scope_of(request), name, part=part), pages, what=name)

    @get("/ui/assets/{name:str}", include_in_schema=False)
    async def asset(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        html = await pages.asset(scope_of(request), name, part=part)
        return page(html, pages, what=name)

    return [hall, summary, table, racks, rack, asset]


def _drift(drift: DriftPages, pages: Pages) -> list[ControllerRouterHandler]:
    @get("/ui/drift", include_in_schema=False)
    async def by_cause(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        asked = Asked(
            baseline=query.get("baseline", ""),
            outcome=query.get("outcome", ""),
            selector=query.get("selector", ""),
            cause=query.get("cause", ""),
            page=number_of(query.get("page", "1")),
        )
        return page(await drift.drift(scope_of(request), asked, part="part" in query), pages)

    @get("/ui/baselines", include_in_schema=False)
    async def baselines(request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        return page(await drift.baselines(scope_of(request), part=part), pages)

    @get("/ui/baselines/{name:str}", include_in_schema=False)
    async def baseline(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        html = await drift.baseline(scope_of(request), name, part=part)
        return page(html, pages, what=name)

    return [by_cause, baselines, baseline]


def number_of(text: str) -> int:
    """The number of a page; the first for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _history(context: Context) -> ControllerRouterHandler:
    @get("/ui/history", include_in_schema=False)
    async def history(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        query = request.query_params
        name, role = query.get("asset", ""), query.get("role", "")
        place = context.fleet.index().get(name)
        picture = context.fleet.picture(place[0]) if place else None
        shown = visible_names(picture, scope_of(request)) if picture else set()
        sensors = picture.sensors if picture and name in shown else []
        sensor = next((s for s in sensors if role and s.node == name and s.role == role), None)
        if picture is None or sensor is None or context.series is None:
            return Response(content={"at": [], "mean": [], "unit": ""}, status_code=404)
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
            },
            headers=HEADERS,
        )

    return history
