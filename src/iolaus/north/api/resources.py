"""`GET /api/v1/<kind>` and `GET /api/v1/<kind>/<name>`: one pair of routes for each noun."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from iolaus.north.api.lists import (
    Continue,
    FieldSelector,
    LabelSelector,
    Limit,
    list_page,
    one_object,
    principal_of,
    read_query,
)
from iolaus.north.api.objects import TYPES
from iolaus.north.api.watch import watch
from iolaus.north.context import Context
from iolaus.north.kinds import KINDS, Kind, Source
from iolaus.north.problems import PROBLEM_TYPE, Problem, not_found

SSE: Final = "text/event-stream"
Watch = Annotated[
    bool, QueryParameter(name="watch", description="Stay and tell changes as server-sent events.")
]
ResourceVersion = Annotated[
    str | None,
    QueryParameter(
        name="resourceVersion",
        max_length=64,
        description="With `watch`: what you hold; if it is the newest, no initial ADDED.",
    ),
]
Name = Annotated[str, PathParameter(max_length=512, description="metadata.name of the object.")]


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            data_container=Problem,
            media_type=PROBLEM_TYPE,
            generate_examples=False,
            description="Refused, with a code and the next step.",
        )
        for status in statuses
    }


def of_type(container: Any, description: str, *statuses: int) -> dict[int, ResponseSpec]:
    good = ResponseSpec(data_container=container, generate_examples=False, description=description)
    return {200: good, **problems(*statuses)}


def resource_routes(context: Context) -> list[HTTPRouteHandler]:
    return [
        route
        for kind in KINDS
        if kind.source is not Source.EVENT
        for route in (_list_route(context, kind), _get_route(context, kind))
    ]


def _list_route(context: Context, kind: Kind) -> HTTPRouteHandler:
    @get(
        f"/{kind.plural}",
        operation_id=f"list{kind.list_object.removesuffix('List')}s",
        summary=f"List {kind.plural}",
        tags=[kind.plural],
        responses=of_type(TYPES[kind.name][1], f"A page of {kind.plural}.", 400, 401, 403),
    )
    async def list_objects(
        request: Request[Any, Any, Any],
        label_selector: LabelSelector = None,
        field_selector: FieldSelector = None,
        limit: Limit = None,
        continue_token: Continue = None,
        watch_changes: Watch = False,
        resource_version: ResourceVersion = None,
    ) -> Response[Any]:
        query = read_query(
            context,
            kind,
            request,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            after=continue_token,
        )
        if watch_changes:
            return stream(watch(context, kind, query, have=resource_version or ""))
        return Response(await list_page(context, kind, query))

    return list_objects


def _get_route(context: Context, kind: Kind) -> HTTPRouteHandler:
    @get(
        f"/{kind.plural}/{{name:str}}",
        operation_id=f"get{kind.object}",
        summary=f"Get one {kind.name}",
        tags=[kind.plural],
        responses=of_type(TYPES[kind.name][0], f"The {kind.name}.", 400, 401, 403, 404),
    )
    async def get_object(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request)
        item = await context.fleet.find(kind, name, scope=principal.scope)
        if item is None:
            raise not_found(kind.name, name)
        return Response(one_object(context, kind, item), headers={"ETag": etag(item.revision)})

    return get_object


def etag(revision: int) -> str:
    return f'"{revision}"'


def stream(chunks: Any) -> Stream:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(chunks, media_type=SSE, headers=headers)
