"""Forgetting an endpoint: the one thing that is deleted through the API."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter

from iolaus.kernel.errors import OperatorMust
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, etag, of_type
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

ENDPOINT = BY_NAME["endpoint"]
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="Only if the object still has this ETag."),
]


def endpoint_routes(context: Context) -> list[HTTPRouteHandler]:
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
        return Response(gone)

    return [forget]


def changed(subject: str) -> OperatorMust:
    return OperatorMust(
        "it has changed since you read it",
        operation="write",
        subject=subject,
        code="Changed",
        next_step="read it again, then decide again.",
    )
