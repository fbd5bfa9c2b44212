"""The whole at a glance: the summary, what kinds there are, health, readiness."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import EVERYTHING, Selector
from iolaus.model.summary import Reached, Seen, Summary, summarize
from iolaus.north.api.lists import principal_of
from iolaus.north.api.objects import API_VERSION
from iolaus.north.api.resources import of_type, problems
from iolaus.north.context import Context
from iolaus.north.dto.views import AssetView
from iolaus.north.fleet import picture_items, visible
from iolaus.north.kinds import BY_NAME, KINDS, Source
from iolaus.north.places import leaks, node_power_w


class SummaryObject(msgspec.Struct, kw_only=True, rename="camel"):
    """Counts of everything that the caller may see."""

    api_version: str
    kind: str
    site: str
    version: str
    status: Summary


class Resource(msgspec.Struct, kw_only=True, rename="camel"):
    name: str
    singular_name: str
    short_names: list[str]
    kind: str
    verbs: list[str]


class Resources(msgspec.Struct, kw_only=True, rename="camel"):
    """What this API offers."""

    api_version: str
    kind: str
    resources: list[Resource]


class Word(msgspec.Struct, kw_only=True):
    status: str


async def summary_of(context: Context, scope: Selector = EVERYTHING) -> Summary:
    """The counts, as the banner and the overview page show them."""
    seen: list[Seen] = []
    reached: list[Reached] = []
    async for picture in context.fleet.pictures():
        seen.extend(seen_of(view) for view in picture.assets if visible(view, scope))
        if any(picture_items(BY_NAME["endpoint"], picture, scope)):
            report = picture.held.report
            reached.append(
                Reached(
                    reach=picture.endpoint.state,
                    has_inventory=report is not None,
                    deviations=len(report.deviations) if report else 0,
                    firmware=len(report.firmware) if report else 0,
                )
            )
    return summarize(seen, reached)


def seen_of(view: AssetView) -> Seen:
    return Seen(
        kind=view.kind,
        vendor=view.vendor,
        health=view.health,
        power_state=view.power_state,
        power_w=node_power_w(view),
        power_limit_w=view.power_limit_w,
        leak=leaks(view),
        age_s=view.age_s,
        is_stale=view.stale,
        has_identity=bool(view.serial or view.uuid),
    )


def overview_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/summary",
        operation_id="getSummary",
        summary="Counts of the whole hall",
        tags=["summary"],
        responses=of_type(SummaryObject, "The counts.", 400, 401, 403),
    )
    async def get_summary(request: Request[Any, Any, Any]) -> Response[Any]:
        principal = principal_of(request)
        return Response(
            SummaryObject(
                api_version=API_VERSION,
                kind="Summary",
                site=context.site,
                version=context.version,
                status=await summary_of(context, principal.scope),
            )
        )

    @get(
        "/",
        operation_id="listKinds",
        summary="What kinds there are",
        tags=["summary"],
        responses=of_type(Resources, "The kinds.", 400, 401, 403),
    )
    async def list_kinds(request: Request[Any, Any, Any]) -> Response[Any]:
        principal_of(request)
        return Response(
            Resources(api_version=API_VERSION, kind="APIResourceList", resources=[*_resources()])
        )

    return [get_summary, list_kinds]


def health_routes(context: Context) -> list[HTTPRouteHandler]:
    @get("/healthz", operation_id="healthz", summary="The process is alive", tags=["health"])
    async def healthz() -> Word:
        return Word(status="ok")

    @get(
        "/readyz",
        operation_id="readyz",
        summary="The hall is discovered",
        tags=["health"],
        responses=of_type(Word, "Discovered.") | problems(503),
    )
    async def readyz() -> Response[Any]:
        if why := context.ready():
            raise OperatorMust(
                why,
                operation="ready",
                subject="hall",
                code="NotReady",
                next_step="wait; iolaus get endpoints shows how far it is.",
            )
        return Response(Word(status="ready"), media_type=MediaType.JSON)

    return [healthz, readyz]


def _resources() -> Iterable[Resource]:
    for kind in KINDS:
        verbs = ["get", "list", "watch"]
        yield Resource(
            name=kind.plural,
            singular_name=kind.name,
            short_names=[kind.short] if kind.short else [],
            kind=kind.object,
            verbs=[*verbs, "delete"] if kind.source is Source.ENDPOINT else verbs,
        )
