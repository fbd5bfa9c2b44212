"""Advisories through the API: imported as they are published, removed, and answered by a baseline.

The body of an import is the publisher's file itself, so that its digest is of what was published.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from iolaus.fleet.remedy import nothing_to_fix
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.dto.advisories import AdvisoryImport
from iolaus.north.dto.desired import document_of
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

ADVISORY: Final = BY_NAME["advisory"]
Source = Annotated[
    str, QueryParameter(max_length=400, description="Where it came from: a file's name, a URL.")
]


class LeftOver(msgspec.Struct, kw_only=True):
    """An affected firmware that the baseline does not fix."""

    node: str
    component: str
    reason: str


class AdvisoryFix(msgspec.Struct, kw_only=True, rename="camel"):
    """`document` is a baseline that can be applied and planned."""

    document: dict[str, Any]
    left: list[LeftOver]
    api_version: str = "iolaus.dev/v1"
    kind: str = "AdvisoryFix"


def advisory_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_import(context), _remove(context), _fix(context)]


def _import(context: Context) -> HTTPRouteHandler:
    @post(
        "/advisories",
        status_code=200,
        operation_id="importAdvisories",
        summary="Import a file of advisories: CSAF 2.0 or OSV, as it was published",
        tags=["advisories"],
        responses=of_type(
            AdvisoryImport, "What became of each.", 400, 401, 403, 413, 415, 422, 501
        ),
    )
    async def import_advisories(
        request: Request[Any, Any, Any], source: Source = "api", dry_run: DryRun = None
    ) -> Response[Any]:
        principal = principal_of(request, Deed.SECURE)
        _must_see_all(principal)
        read = context.read_advisories
        if read is None:
            raise _not_offered()
        found = read(await request.body(), source, principal.name)
        told = await context.bulletins.take(found, keep=dry_run is None)
        return Response(AdvisoryImport(items=told, dry_run=dry_run is not None))

    return import_advisories


def _remove(context: Context) -> HTTPRouteHandler:
    @delete(
        "/advisories/{name:str}",
        status_code=200,
        operation_id="removeAdvisory",
        summary="Remove an advisory: nodes are held against it no more",
        tags=["advisories"],
        responses=of_type(TYPES["advisory"][0], "What was removed.", 400, 401, 403, 404),
    )
    async def remove(
        request: Request[Any, Any, Any], name: Name, dry_run: DryRun = None
    ) -> Response[Any]:
        principal = principal_of(request, Deed.SECURE)
        _must_see_all(principal)
        item = await context.fleet.find(ADVISORY, name, scope=principal.scope)
        if item is None:
            raise not_found("advisory", name)
        gone = one_object(context, ADVISORY, item)
        if dry_run is None:
            await context.bulletins.kept.remove(name)
        return Response(gone)

    return remove


def _fix(context: Context) -> HTTPRouteHandler:
    @get(
        "/advisories/{name:str}/fix",
        operation_id="fixAdvisory",
        summary="A baseline that brings every affected node to the fixed versions",
        tags=["advisories"],
        responses=of_type(AdvisoryFix, "The baseline.", 400, 401, 403, 404),
    )
    async def fix(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request)
        found = await context.bulletins.remedy(name, principal.scope)
        if found is None:
            raise not_found("advisory", name)
        if found.baseline is None:
            raise nothing_to_fix(name, found.left)
        left = [LeftOver(**each._asdict()) for each in found.left]
        return Response(AdvisoryFix(document=document_of(found.baseline), left=left))

    return fix


def _must_see_all(principal: Principal) -> None:
    if principal.scope:
        raise OperatorMust(
            "a token with a scope may not say what counts for the whole hall",
            operation="import",
            subject="advisories",
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )


def _not_offered() -> WeErred:
    return WeErred(
        "this server reads no advisories",
        operation="import",
        subject="advisories",
        code="NotOffered",
        next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
    )
