"""Policies of power through the API: a change is made, reviewed, approved by another, applied."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.energy import energy_schema
from iolaus.model.ruling import ANYBODY, PowerChange
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.plans import Approve
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

CHANGE: Final = BY_NAME["powerchange"]
REFUSALS: Final = (400, 401, 403, 404, 409, 413, 415, 501)
MOST_DOCUMENTS: Final = 100


class PowerChangeWish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Plants and policies (docs/power.md); each takes the place of the one of its kind."""

    documents: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_DOCUMENTS)]
    source: Annotated[str, Meta(max_length=400, description="Where they came from.")] = "api"


class PowerChangeOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for a change of power."""

    spec: PowerChangeWish


def ruling_routes(context: Context) -> list[HTTPRouteHandler]:
    return [
        _propose(context),
        _approve(context),
        _apply(context),
        _withdraw(context),
        _schema(),
    ]


def _propose(context: Context) -> HTTPRouteHandler:
    @post(
        "/powerchanges",
        status_code=201,
        operation_id="changePower",
        summary="Say how power should be held: nothing changes before it is approved and applied",
        tags=["power"],
        responses={
            **of_type(TYPES["powerchange"][0], "Dry run: what it would be.", *REFUSALS),
            201: of_type(TYPES["powerchange"][0], "The change; review its text.")[200],
        },
    )
    async def propose(
        request: Request[Any, Any, Any], data: JSONBody[PowerChangeOrder], dry_run: DryRun = None
    ) -> Response[Any]:
        principal = _all_seeing(request, Deed.APPLY)
        change = await context.ruling.rules.propose(
            data.spec.documents,
            by=principal.name,
            source=data.spec.source,
            keep=dry_run is None,
        )
        return _told(context, change, status=201 if dry_run is None else 200)

    return propose


def _approve(context: Context) -> HTTPRouteHandler:
    @post(
        "/powerchanges/{name:str}/approve",
        status_code=200,
        operation_id="approvePowerChange",
        summary="Approve a change of power that somebody else made",
        tags=["power"],
        responses=of_type(TYPES["powerchange"][0], "With what it still needs.", *REFUSALS),
    )
    async def approve(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Approve]
    ) -> Response[Any]:
        principal = _all_seeing(request, Deed.APPROVE)
        groups = _groups(_found(context, name), principal, data.groups)
        given = await context.ruling.rules.approve(name, by=principal.name, groups=groups)
        return _told(context, given)

    return approve


def _apply(context: Context) -> HTTPRouteHandler:
    @post(
        "/powerchanges/{name:str}/apply",
        status_code=200,
        operation_id="applyPowerChange",
        summary="Let an approved change of power count from now on",
        tags=["power"],
        responses=of_type(TYPES["powerchange"][0], "The change, in force.", *REFUSALS),
    )
    async def apply(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = _all_seeing(request, Deed.APPLY)
        _found(context, name)
        return _told(context, await context.ruling.rules.apply(name, by=principal.name))

    return apply


def _withdraw(context: Context) -> HTTPRouteHandler:
    @delete(
        "/powerchanges/{name:str}",
        status_code=200,
        operation_id="withdrawPowerChange",
        summary="Withdraw a change of power that is not in force",
        tags=["power"],
        responses=of_type(TYPES["powerchange"][0], "The change, withdrawn.", *REFUSALS),
    )
    async def withdraw(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = _all_seeing(request, Deed.APPLY)
        _found(context, name)
        return _told(context, await context.ruling.rules.withdraw(name, by=principal.name))

    return withdraw


def _schema() -> HTTPRouteHandler:
    @get(
        "/schemas/power",
        operation_id="getPowerSchema",
        summary="JSON Schema of a document of power: Plant, PowerPolicy, LeakPolicy, Building",
        tags=["power"],
        responses=of_type(dict[str, Any], "JSON Schema 2020-12.", 401),
    )
    async def schema(request: Request[Any, Any, Any]) -> Response[Any]:
        principal_of(request)
        return Response(energy_schema())

    return schema


def _told(context: Context, change: PowerChange, *, status: int = 200) -> Response[Any]:
    item = context.ruling.item(change)
    return Response(one_object(context, CHANGE, item), status_code=status)


def _found(context: Context, name: str) -> PowerChange:
    try:
        return context.ruling.rules.change(name)
    except OperatorMust:
        raise not_found("powerchange", name) from None


def _all_seeing(request: Request[Any, Any, Any], deed: Deed) -> Principal:
    """A policy speaks of the whole hall."""
    principal = principal_of(request, deed)
    if principal.scope:
        raise OperatorMust(
            "a token with a scope may not say how the whole hall's power is held",
            operation=deed.value,
            subject="powerchange",
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )
    return principal


def _groups(change: PowerChange, principal: Principal, named: list[str]) -> list[str]:
    """In whose name: those that were named, else all that are asked and are theirs."""
    mine = [each for each in change.needs if each == ANYBODY or principal.speaks_for(each)]
    foreign = [each for each in named if each not in mine]
    if foreign or not mine:
        wanted = ", ".join(each or "anybody else" for each in change.needs)
        raise PolicyRefused(
            f"you do not speak for {', '.join(foreign) or wanted}",
            operation="approve",
            subject=f"powerchange/{change.id}",
            code="NotYourGroup",
            next_step=f"it needs: {wanted}.",
        )
    return named or mine
