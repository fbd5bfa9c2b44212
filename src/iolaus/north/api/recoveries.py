"""What is said of hosts in band, and the support bundle of a node."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, Parameter
from msgspec import Meta

from iolaus.kernel.errors import WeErred
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, Recovers
from iolaus.north.fleet import Item
from iolaus.north.kinds import NODE
from iolaus.north.problems import not_found

REFUSALS: Final = (400, 401, 403, 404, 413, 415, 501)
ZIP: Final = "application/zip"
Dumps = Annotated[
    bool,
    Parameter(
        description="Also what its controller packed itself, which nobody can look into.",
        required=False,
    ),
]


class HostSignal(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a host is, by whoever watches it in band: an agent, a scheduler, a monitor."""

    alive: Annotated[bool, Meta(description="False: it was looked for, and is silent.")]
    source: Annotated[str, Meta(min_length=1, max_length=64, description="slurm, ping, agent ...")]
    detail: Annotated[str, Meta(max_length=256)] = ""


def recovery_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_signal(context), _bundle(context)]


def _signal(context: Context) -> HTTPRouteHandler:
    @post(
        "/nodes/{name:str}/signal",
        status_code=200,
        operation_id="signalHost",
        summary="Say that a node's host is alive, or silent",
        tags=["recovery"],
        responses=of_type(TYPES["node"][0], "The node; see its condition Reach.", *REFUSALS),
    )
    async def signal(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[HostSignal]
    ) -> Response[Any]:
        principal, port = principal_of(request, Deed.DRAIN), _port(context)
        node = await _node(context, name, principal)
        port.say(node.uid, alive=data.alive, source=data.source, detail=data.detail)
        return Response(one_object(context, NODE, node))

    return signal


def _bundle(context: Context) -> HTTPRouteHandler:
    @get(
        "/nodes/{name:str}/bundle",
        operation_id="getSupportBundle",
        summary="All that is kept of a node, as a zip without secrets",
        tags=["recovery"],
        media_type=ZIP,
        responses={
            **problems(400, 401, 403, 404, 501),
            200: of_type(bytes, "The archive.")[200],
        },
    )
    async def bundle(
        request: Request[Any, Any, Any], name: Name, dumps: Dumps = False
    ) -> Response[bytes]:
        principal, port = principal_of(request), _port(context)
        node = await _node(context, name, principal)
        data = await port.bundle(node.uid, dumps=dumps)
        headers = {"Content-Disposition": f'attachment; filename="{node.name}.zip"'}
        return Response(data, media_type=ZIP, headers=headers)

    return bundle


def _port(context: Context) -> Recovers:
    if context.recovers is None:
        raise WeErred(
            "this server recovers no nodes",
            operation="recover",
            subject="nodes",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.recovers


async def _node(context: Context, name: str, principal: Principal) -> Item:
    item = await context.fleet.find(NODE, name, scope=principal.scope)
    if item is None:
        raise not_found("node", name)
    return item
