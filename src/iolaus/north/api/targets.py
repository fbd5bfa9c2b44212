"""Load targets that people set for the whole site."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.energy.asked import LONGEST_S
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

SITE: Final = BY_NAME["sitepower"]
REFUSALS: Final = (400, 401, 403, 404, 413, 415, 501)


class LoadTargetWish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the site shall draw at most, from when and for how long."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            description="One of the same name takes its place.",
        ),
    ]
    limit_w: Annotated[float, Meta(ge=0, le=1e12)]
    in_s: Annotated[float, Meta(ge=0, le=LONGEST_S, description="Seconds until it begins.")] = 0.0
    for_s: Annotated[float, Meta(gt=0, le=LONGEST_S, description="Seconds that it holds.")]
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]


class LoadTargetOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for a load target."""

    spec: LoadTargetWish


def target_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_set(context), _clear(context)]


def _set(context: Context) -> HTTPRouteHandler:
    @post(
        "/loadtargets",
        status_code=201,
        operation_id="setLoadTarget",
        summary="Have the whole site draw no more than so many watts for a while",
        tags=["power"],
        responses={
            **problems(*REFUSALS),
            201: of_type(TYPES["sitepower"][0], "The site with its targets.")[200],
        },
    )
    async def set_target(
        request: Request[Any, Any, Any], data: JSONBody[LoadTargetOrder]
    ) -> Response[Any]:
        principal, wish = principal_of(request, Deed.POWER), data.spec
        await _site(context, principal)
        start = context.clock.now() + wish.in_s
        context.site_shelf.seen.ask_less(
            wish.name, wish.limit_w, start=start, until=start + wish.for_s, by=principal.name,
            reason=wish.reason,
        )  # fmt: skip
        return Response(await _site(context, principal), status_code=201)

    return set_target


def _clear(context: Context) -> HTTPRouteHandler:
    @delete(
        "/loadtargets/{name:str}",
        status_code=200,
        operation_id="clearLoadTarget",
        summary="End a load target that a person set before its time",
        tags=["power"],
        responses=of_type(TYPES["sitepower"][0], "The site with its targets.", *REFUSALS),
    )
    async def clear(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request, Deed.POWER)
        await _site(context, principal)
        context.site_shelf.seen.ask_no_more(name)
        return Response(await _site(context, principal))

    return clear


async def _site(context: Context, principal: Principal) -> Any:
    """Who sees a part of the hall only has no say over all of it."""
    item = await context.fleet.find(SITE, "site", scope=principal.scope)
    if item is None:
        raise not_found("sitepower", "site")
    return one_object(context, SITE, item)
