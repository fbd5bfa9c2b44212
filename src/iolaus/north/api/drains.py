"""Nodes drained and given back through the API, and what a person says of a drain by hand."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import WeErred
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, DrainsNodes
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME, NODE
from iolaus.north.problems import not_found

DRAIN: Final = BY_NAME["drain"]
REFUSALS: Final = (400, 401, 403, 404, 409, 413, 415, 501, 502, 504)


class DrainWish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, and who is asked."""

    reason: Annotated[
        str, Meta(min_length=1, max_length=200, description="What people read where work is run.")
    ]
    adapter: Annotated[
        str, Meta(max_length=64, description="A name of drains.yaml; empty: the only one.")
    ] = ""


class DrainOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for a drain."""

    spec: DrainWish


class Saying(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a drain that waits for one."""

    word: Literal["done", "refused"]
    note: Annotated[str, Meta(max_length=1024)] = ""


def drain_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_drain(context), _undrain(context), _say(context)]


def _drain(context: Context) -> HTTPRouteHandler:
    @post(
        "/nodes/{name:str}/drain",
        status_code=202,
        operation_id="drainNode",
        summary="Have work taken away from a node",
        tags=["drains"],
        responses={
            **problems(*REFUSALS),
            202: of_type(TYPES["drain"][0], "It was asked; watch the drain.")[200],
        },
    )
    async def drain(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[DrainOrder]
    ) -> Response[Any]:
        principal, port = principal_of(request, Deed.DRAIN), _port(context)
        node, wish = await _node(context, name, principal), data.spec
        await port.drain(
            node.uid, node.name, adapter=wish.adapter, reason=wish.reason, by=principal.name
        )
        found = await _of(context, node.name, principal)
        return Response(one_object(context, DRAIN, found), status_code=202)

    return drain


def _undrain(context: Context) -> HTTPRouteHandler:
    @post(
        "/nodes/{name:str}/undrain",
        status_code=200,
        operation_id="undrainNode",
        summary="Give a drained node back",
        tags=["drains"],
        responses=of_type(TYPES["node"][0], "The node; what others drained stays.", *REFUSALS),
    )
    async def undrain(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal, port = principal_of(request, Deed.DRAIN), _port(context)
        node = await _node(context, name, principal)
        await port.undrain(node.uid, node.name, by=principal.name)
        return Response(one_object(context, NODE, node))

    return undrain


def _say(context: Context) -> HTTPRouteHandler:
    @post(
        "/nodes/{name:str}/drain/say",
        status_code=200,
        operation_id="sayDrained",
        summary="Say that a drain by hand is done, or will not be",
        tags=["drains"],
        responses=of_type(TYPES["drain"][0], "The drain.", *REFUSALS),
    )
    async def say(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Saying]
    ) -> Response[Any]:
        principal, port = principal_of(request, Deed.DRAIN), _port(context)
        node = await _node(context, name, principal)
        await port.say(node.uid, node.name, word=data.word, note=data.note, by=principal.name)
        found = await _of(context, node.name, principal)
        return Response(one_object(context, DRAIN, found))

    return say


def _port(context: Context) -> DrainsNodes:
    if context.drains is None:
        raise WeErred(
            "this server drains no nodes",
            operation="drain",
            subject="nodes",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.drains


async def _node(context: Context, name: str, principal: Principal) -> Item:
    item = await context.fleet.find(NODE, name, scope=principal.scope)
    if item is None:
        raise not_found("node", name)
    return item


async def _of(context: Context, name: str, principal: Principal) -> Item:
    item = await context.fleet.find(DRAIN, name, scope=principal.scope)
    if item is None:
        raise not_found("drain", name)
    return item
