"""What people ask of the room of power: latches released, caps for a while, racks isolated."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

EDGE: Final = BY_NAME["edge"]
CAP: Final = BY_NAME["powercap"]
LONGEST_S: Final = 30 * 86_400.0
REFUSALS: Final = (400, 401, 403, 404, 409, 413, 415, 501, 502, 503, 504)
Restore = Annotated[
    bool,
    QueryParameter(
        description="Whether what was in force before is put back, where no loop holds the rack."
    ),
]
Reason = Annotated[
    str, Meta(min_length=1, max_length=1024, description="Why; it stands in the audit log.")
]


class LatchRelease(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A person's word that what is latched may end."""

    reason: Reason
    node: Annotated[str, Meta(max_length=256, description="Of this node alone; empty: all.")] = ""


class IsolationOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A person's word that the building shall cut a rack off, or give it back."""

    reason: Reason


class PowerCapWish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be drawn at most, and for how long."""

    subject: Annotated[
        str, Meta(min_length=1, max_length=256, description="A node with a cap, or a rack.")
    ]
    watts: Annotated[float, Meta(gt=0, le=1e9)]
    for_s: Annotated[float, Meta(gt=0, le=LONGEST_S, description="Seconds.")]
    reason: Reason


class PowerCapOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for a cap."""

    spec: PowerCapWish


def power_routes(context: Context) -> list[HTTPRouteHandler]:
    return [
        _release(context),
        _isolate(context),
        _unisolate(context),
        _hold(context),
        _clear(context),
    ]


def _release(context: Context) -> HTTPRouteHandler:
    @post(
        "/edges/{name:str}/release",
        status_code=200,
        operation_id="releaseLatches",
        summary="Release what reflexes latched in a rack; nothing is switched on by it",
        tags=["power"],
        responses=of_type(TYPES["edge"][0], "The edge after it.", *REFUSALS),
    )
    async def release(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[LatchRelease]
    ) -> Response[Any]:
        principal = principal_of(request, Deed.POWER)
        await _edge(context, name, principal)
        subject = data.node or name
        await context.power_shelf.room.release(subject, by=principal.name, reason=data.reason)
        return Response(one_object(context, EDGE, await _edge(context, name, principal)))

    return release


def _isolate(context: Context) -> HTTPRouteHandler:
    @post(
        "/edges/{name:str}/isolate",
        status_code=202,
        operation_id="isolateRack",
        summary="Ask the building to cut a rack off, electrically and then its liquid",
        tags=["power"],
        responses={
            **problems(*REFUSALS),
            202: of_type(TYPES["edge"][0], "It was asked; the edge after it.")[200],
        },
    )
    async def isolate(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[IsolationOrder]
    ) -> Response[Any]:
        principal = principal_of(request, Deed.POWER)
        await _edge(context, name, principal)
        await context.power_shelf.room.isolate(name, by=principal.name, reason=data.reason)
        item = await _edge(context, name, principal)
        return Response(one_object(context, EDGE, item), status_code=202)

    return isolate


def _unisolate(context: Context) -> HTTPRouteHandler:
    @post(
        "/edges/{name:str}/unisolate",
        status_code=200,
        operation_id="releaseIsolation",
        summary="Ask the building to give a rack back; nothing is switched on by it",
        tags=["power"],
        responses={
            **problems(*REFUSALS),
            200: of_type(TYPES["edge"][0], "The building confirms it; the edge after it.")[200],
            202: of_type(TYPES["edge"][0], "It was asked, and is not confirmed yet.")[200],
        },
    )
    async def unisolate(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[IsolationOrder]
    ) -> Response[Any]:
        principal = principal_of(request, Deed.POWER)
        await _edge(context, name, principal)
        room = context.power_shelf.room
        done = await room.unisolate(name, by=principal.name, reason=data.reason)
        item = await _edge(context, name, principal)
        return Response(one_object(context, EDGE, item), status_code=200 if done else 202)

    return unisolate


def _hold(context: Context) -> HTTPRouteHandler:
    @post(
        "/powercaps",
        status_code=201,
        operation_id="setPowerCap",
        summary="Hold a node or a rack at so many watts for a while",
        tags=["power"],
        responses={
            **problems(*REFUSALS),
            201: of_type(TYPES["powercap"][0], "The cap; it is read back where we write it.")[200],
        },
    )
    async def hold(request: Request[Any, Any, Any], data: JSONBody[PowerCapOrder]) -> Response[Any]:
        principal, wish = principal_of(request, Deed.POWER), data.spec
        await _within(context, wish.subject, principal)
        cap = await context.power_shelf.room.hold(
            wish.subject, wish.watts, for_s=wish.for_s, by=principal.name, reason=wish.reason
        )
        item = await context.fleet.find(CAP, cap.subject, scope=principal.scope)
        if item is None:
            raise not_found("powercap", cap.subject)
        return Response(one_object(context, CAP, item), status_code=201)

    return hold


def _clear(context: Context) -> HTTPRouteHandler:
    @delete(
        "/powercaps/{name:str}",
        status_code=200,
        operation_id="clearPowerCap",
        summary="End a cap before its time",
        tags=["power"],
        responses=of_type(TYPES["powercap"][0], "The cap as it was.", *REFUSALS),
    )
    async def clear(
        request: Request[Any, Any, Any], name: Name, restore: Restore = True
    ) -> Response[Any]:
        principal = principal_of(request, Deed.POWER)
        item = await context.fleet.find(CAP, name, scope=principal.scope)
        if item is None:
            raise OperatorMust(
                "no cap is set on it, or it is not yours to see",
                operation="clear cap",
                subject=name,
                code="NotFound",
                next_step="see which are set: iolaus power cap list",
            )
        await context.power_shelf.room.clear(name, restore=restore)
        return Response(one_object(context, CAP, item))

    return clear


async def _edge(context: Context, name: str, principal: Principal) -> Item:
    item = await context.fleet.find(EDGE, name, scope=principal.scope)
    if item is None:
        _must_be_heard(context, name)
        raise not_found("edge", name)
    return item


async def _within(context: Context, subject: str, principal: Principal) -> None:
    """What a scope does not see, it cannot hold."""
    for word in ("edge", "node"):
        if await context.fleet.find(BY_NAME[word], subject, scope=principal.scope) is not None:
            return
    _must_be_heard(context, subject)
    raise OperatorMust(
        "it is no rack with an edge and no node, or not yours to see",
        operation="set cap",
        subject=subject,
        code="NotFound",
        next_step="see racks and their nodes with caps: iolaus get edges -o wide",
    )


def _must_be_heard(context: Context, subject: str) -> None:
    """Whether a rack is there cannot be told before every edge spoke of its own."""
    room = context.power
    if room is not None and (why := room.unheard()):
        raise WeErred(
            why,
            operation="ask of power",
            subject=subject,
            code="NotReady",
            next_step="ask again in a few seconds.",
        )
