"""What an operator says of an endpoint: that it may be changed, or that it be forgotten."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.endpoint import Mode
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, etag, of_type, problems
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

ENDPOINT = BY_NAME["endpoint"]
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="Only if the object still has this ETag."),
]


class EndpointWish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be said of an endpoint."""

    mode: Annotated[
        Literal["read-only", "managed"],
        Meta(description="`managed` allows that it is changed by plans."),
    ]


class EndpointPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of an endpoint's spec."""

    spec: EndpointWish


def endpoint_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_say(context), _refresh(context), _forget(context)]


def _say(context: Context) -> HTTPRouteHandler:
    @patch(
        "/endpoints/{name:str}",
        operation_id="setEndpoint",
        summary="Say whether an endpoint may be changed",
        tags=["endpoints"],
        responses=of_type(
            TYPES["endpoint"][0], "The endpoint as it is now.", 400, 401, 403, 404, 412, 413, 415
        ),
    )
    async def say(
        request: Request[Any, Any, Any],
        name: Name,
        data: JSONBody[EndpointPatch],
        dry_run: DryRun = None,
        if_match: IfMatch = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.MANAGE)
        item = await context.fleet.find(ENDPOINT, name, scope=principal.scope)
        if item is None:
            raise not_found("endpoint", name)
        if if_match not in (None, "*", etag(item.revision)):
            raise changed(f"endpoint/{name}")
        target = context.facts.target_of(item.view.address)  # type: ignore[attr-defined]
        if target is not None and dry_run is None:
            mode = Mode(data.spec.mode)
            context.facts.put_target(msgspec.structs.replace(target, mode=mode))
            await context.facts.keep()
        item = await context.fleet.find(ENDPOINT, name, scope=principal.scope) or item
        return Response(one_object(context, ENDPOINT, item))

    return say


def _refresh(context: Context) -> HTTPRouteHandler:
    @post(
        "/endpoints/{name:str}/refresh",
        status_code=202,
        operation_id="refreshEndpoint",
        summary="Read an endpoint's whole inventory now",
        tags=["endpoints"],
        responses={
            **problems(400, 401, 403, 404, 413, 415, 501),
            202: of_type(TYPES["endpoint"][0], "It is read as soon as its turn comes.")[200],
        },
    )
    async def refresh(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request, Deed.REFRESH)
        item = await context.fleet.find(ENDPOINT, name, scope=principal.scope)
        if item is None:
            raise not_found("endpoint", name)
        if context.read_again is None:
            raise WeErred(
                "this server reads no devices",
                operation="refresh",
                subject=f"endpoint/{name}",
                code="NotOffered",
                next_step="ask the server that does.",
            )
        context.read_again(item.view.address)  # type: ignore[attr-defined]
        return Response(one_object(context, ENDPOINT, item), status_code=202)

    return refresh


def _forget(context: Context) -> HTTPRouteHandler:
    @delete(
        "/endpoints/{name:str}",
        status_code=200,
        operation_id="forgetEndpoint",
        summary="Forget an endpoint: it is polled no more",
        tags=["endpoints"],
        responses=of_type(TYPES["endpoint"][0], "What was forgotten.", 400, 401, 403, 404, 412),
    )
    async def forget(
        request: Request[Any, Any, Any],
        name: Name,
        dry_run: DryRun = None,
        if_match: IfMatch = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.FORGET)
        item = await context.fleet.find(ENDPOINT, name, scope=principal.scope)
        if item is None:
            raise not_found("endpoint", name)
        if if_match not in (None, "*", etag(item.revision)):
            raise changed(f"endpoint/{name}")
        gone = one_object(context, ENDPOINT, item)
        if dry_run is None:
            context.facts.remove_target(item.view.address)  # type: ignore[attr-defined]
            await context.facts.keep()
        return Response(gone)

    return forget


def changed(subject: str) -> OperatorMust:
    return OperatorMust(
        "it has changed since you read it",
        operation="write",
        subject=subject,
        code="Changed",
        next_step="read it again, then decide again.",
    )
