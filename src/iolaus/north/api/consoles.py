"""Consoles: who is on which, what they said, words found in them, and links that let watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, WebSocket, delete, get, post, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import IolausError, OperatorMust, WeErred
from iolaus.kernel.tasks import end
from iolaus.model.console import Way
from iolaus.model.desired import Duration
from iolaus.north.api.console_socket import TAIL, Visit
from iolaus.north.api.lists import principal_of
from iolaus.north.api.moments import read_moment
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.auth import ALLOWED, Deed, Principal
from iolaus.north.consoles import ConsoleRoom, ConsoleShare, ConsoleStanding, Guest, Sought
from iolaus.north.context import Context
from iolaus.north.dto.make import when
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found
from iolaus.north.ui.live import same_origin
from iolaus.store.searching import Hit

NODE: Final = BY_NAME["node"]
OCTETS: Final = "application/octet-stream"
MOST_SHARED_S: Final = 7 * 86_400.0
MOST_HITS: Final = 1000
SHARED: Final = "iolaus.console"
Moment = Annotated[str | None, QueryParameter(max_length=64, description="15m, 2h, or a time.")]


class ConsoleView(msgspec.Struct, kw_only=True):
    """A console that is open, wanted or recorded. `state`: connecting, open, lost, refused, idle;
    `bytes` is how much of it is recorded now."""

    node: str
    state: str
    since: datetime | None
    way: str
    bytes: int
    watchers: list[str]
    writer: str
    kept: bool
    message: str
    next_step: str


class ConsoleViews(msgspec.Struct, kw_only=True):
    """Consoles, by the names of their nodes."""

    items: list[ConsoleView]


class FoundLine(msgspec.Struct, kw_only=True):
    """A line that holds all words that were looked for."""

    node: str
    at: datetime | None
    offset: int
    text: str


class FoundLines(msgspec.Struct, kw_only=True):
    """Lines, oldest first. `whole` is false where there are more than were asked for; `unheard` are
    edges that may hold recordings and did not answer."""

    items: list[FoundLine]
    whole: bool
    unheard: list[str] = []


class KeepOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether a console is recorded even when nobody watches."""

    kept: bool


class ShareOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """For how long a link may be watched by."""

    lasts: Annotated[Duration, Meta(description="As in 1h; at most 7d.")] = "1h"


class ShareView(msgspec.Struct, kw_only=True):
    """A link that lets watch one console. `link` is told once, to whoever made it."""

    id: str
    node: str
    made_by: str
    expires_at: datetime | None
    link: str | None = None


class ShareViews(msgspec.Struct, kw_only=True):
    """Links that still let watch."""

    items: list[ShareView]


def console_routes(context: Context) -> list[ControllerRouterHandler]:
    return [
        _list(context),
        _search(context),
        _recording(context),
        _keep(context),
        _forget_key(context),
        _share(context),
        _shares(context),
        _unshare(context),
        _socket(context),
    ]


def _room(context: Context) -> ConsoleRoom:
    if context.consoles is None:
        raise WeErred(
            "this server opens no consoles",
            operation="open",
            subject="consoles",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.consoles


async def _node(context: Context, principal: Principal, name: str) -> Item:
    item = await context.fleet.find(NODE, name, scope=principal.scope)
    if item is None:
        raise not_found("node", name)
    return item


def _list(context: Context) -> HTTPRouteHandler:
    @get(
        "/consoles",
        operation_id="listConsoles",
        summary="List consoles that are open or kept",
        tags=["consoles"],
        responses=of_type(ConsoleViews, "The consoles.", 401, 403, 501),
    )
    async def list_consoles(request: Request[Any, Any, Any]) -> Response[ConsoleViews]:
        principal = principal_of(request, Deed.WATCH)
        found = [each async for each, _ in _visible(context, principal)]
        return Response(ConsoleViews(items=[_view(each) for each in found]))

    return list_consoles


async def _visible(
    context: Context, principal: Principal
) -> AsyncIterator[tuple[ConsoleStanding, Item]]:
    for each in _room(context).all():
        item = await context.fleet.find(NODE, each.node, scope=principal.scope)
        if item is not None:
            yield each, item


def _view(standing: ConsoleStanding) -> ConsoleView:
    return ConsoleView(
        node=standing.node,
        state=standing.state,
        since=when(standing.since),
        way=standing.way,
        bytes=standing.end - standing.start,
        watchers=list(standing.watchers),
        writer=standing.writer,
        kept=standing.kept,
        message=standing.message,
        next_step=standing.next_step,
    )


def _search(context: Context) -> HTTPRouteHandler:
    @get(
        "/consoles/search",
        operation_id="searchConsoles",
        summary="Find lines in what consoles said",
        tags=["consoles"],
        responses=of_type(FoundLines, "Lines that hold all words.", 400, 401, 403, 404, 501),
    )
    async def search(
        request: Request[Any, Any, Any],
        text: Annotated[str, QueryParameter(min_length=1, max_length=200)],
        node: Annotated[str | None, QueryParameter(max_length=512)] = None,
        since: Moment = None,
        until: Moment = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_HITS)] = 200,
    ) -> Response[FoundLines]:
        principal, now, room = (
            principal_of(request, Deed.WATCH),
            context.clock.now(),
            _room(context),
        )
        words = text.split()
        if not words:
            raise OperatorMust("no word is given", operation="search", subject="consoles")
        between = _between(since, until, now=now)
        await room.note(principal.name, f"search {text}", node or "*")
        names = await _names(context, principal, node)
        told = await room.find(
            msgspec.structs.replace(between, uids=tuple(names), words=tuple(words), most=limit)
        )
        found = [
            (hit.at or 0.0, _found(names[uid], hit))
            for uid, hits in told.hits.items()
            for hit in hits
            if uid in names
        ]
        found.sort(key=lambda each: each[0])
        items = [line for _, line in found[-limit:]]
        whole = len(found) <= limit
        return Response(FoundLines(items=items, whole=whole, unheard=list(told.unheard)))

    return search


def _between(since: str | None, until: str | None, *, now: float) -> Sought:
    """Raises `OperatorMust` for what is no time."""
    return Sought(
        uids=(),
        since=read_moment(since, now=now) if since else None,
        until=read_moment(until, now=now) if until else None,
    )


async def _names(context: Context, principal: Principal, name: str | None) -> dict[str, str]:
    """By uid: of this node, or of all that may be seen."""
    if name is not None:
        item = await _node(context, principal, name)
        return {item.uid: item.name}
    items = context.fleet.items(NODE, scope=principal.scope)
    return {item.uid: item.name async for item in items}


def _found(name: str, hit: Hit) -> FoundLine:
    return FoundLine(node=name, at=when(hit.at), offset=hit.offset, text=hit.text)


def _recording(context: Context) -> HTTPRouteHandler:
    @get(
        "/consoles/{name:str}/recording",
        operation_id="getRecording",
        summary="What a console said, as bytes",
        tags=["consoles"],
        media_type=OCTETS,
        responses=problems(400, 401, 403, 404, 501),
    )
    async def recording(
        request: Request[Any, Any, Any], name: Name, since: Moment = None, until: Moment = None
    ) -> Stream:
        principal, now, room = (
            principal_of(request, Deed.WATCH),
            context.clock.now(),
            _room(context),
        )
        item = await _node(context, principal, name)
        between = _between(since, until, now=now)
        said = await room.replay(msgspec.structs.replace(between, uids=(item.uid,)))
        if said is None:
            raise not_found("recording", name)
        await room.note(principal.name, "replay", item.name)
        return Stream(said, media_type=OCTETS, headers=_NO_STORE)

    return recording


_NO_STORE: Final = {"Cache-Control": "no-store"}


def _keep(context: Context) -> HTTPRouteHandler:
    @post(
        "/consoles/{name:str}/keep",
        status_code=200,
        operation_id="keepConsole",
        summary="Record a console day and night, or only while somebody watches",
        tags=["consoles"],
        responses=of_type(ConsoleView, "How it stands.", 400, 401, 403, 404, 413, 415, 501),
    )
    async def keep(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[KeepOrder]
    ) -> Response[ConsoleView]:
        principal = principal_of(request, Deed.TYPE)
        item = await _node(context, principal, name)
        after = await _room(context).keep(item.uid, kept=data.kept, by=principal.name)
        return Response(_view(after))

    return keep


def _forget_key(context: Context) -> HTTPRouteHandler:
    @delete(
        "/consoles/{name:str}/key",
        status_code=204,
        operation_id="forgetConsoleKey",
        summary="Forget the SSH host key that was pinned",
        tags=["consoles"],
        responses=problems(400, 401, 403, 404, 501),
    )
    async def forget_key(request: Request[Any, Any, Any], name: Name) -> None:
        principal = principal_of(request, Deed.TYPE)
        item = await _node(context, principal, name)
        if not await _room(context).forget_key(item.uid, by=principal.name):
            raise not_found("host key", name)

    return forget_key


def _share(context: Context) -> HTTPRouteHandler:
    @post(
        "/consoles/{name:str}/share",
        status_code=201,
        operation_id="shareConsole",
        summary="Make a link that lets watch a console for a time",
        tags=["consoles"],
        responses={
            **of_type(ShareView, "", 400, 401, 403, 404, 413, 415, 501),
            201: of_type(ShareView, "The link; it is told this once.")[200],
        },
    )
    async def share(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[ShareOrder]
    ) -> Response[ShareView]:
        principal = principal_of(request, Deed.TYPE)
        item = await _node(context, principal, name)
        for_s = parse_duration(data.lasts)
        if not 0 < for_s <= MOST_SHARED_S:
            raise OperatorMust(
                "a link lasts from a second to seven days",
                operation="share",
                subject=name,
                code="BadDuration",
                next_step="write such as 1h.",
            )
        text, made = await _room(context).share(item.uid, by=principal.name, for_s=for_s)
        base = str(request.base_url).rstrip("/")
        view = _share_view(made, link=f"{base}/shared/console#{text}")
        return Response(view, headers=_NO_STORE)

    return share


def _share_view(share: ConsoleShare, *, link: str | None = None) -> ShareView:
    return ShareView(
        id=share.id,
        node=share.node,
        made_by=share.made_by,
        expires_at=when(share.expires_at),
        link=link,
    )


def _shares(context: Context) -> HTTPRouteHandler:
    @get(
        "/consoles/shares",
        operation_id="listConsoleShares",
        summary="List links that let watch a console",
        tags=["consoles"],
        responses=of_type(ShareViews, "The links, without their texts.", 401, 403, 501),
    )
    async def shares(request: Request[Any, Any, Any]) -> Response[ShareViews]:
        principal = principal_of(request, Deed.TYPE)
        return Response(ShareViews(items=[_share_view(s) async for s in _own(context, principal)]))

    return shares


async def _own(context: Context, principal: Principal) -> AsyncIterator[ConsoleShare]:
    for each in _room(context).shares():
        if await context.fleet.find(NODE, each.node, scope=principal.scope) is not None:
            yield each


def _unshare(context: Context) -> HTTPRouteHandler:
    @delete(
        "/consoles/shares/{name:str}",
        status_code=204,
        operation_id="endConsoleShare",
        summary="End a link before its time; who watches by it is cut off",
        tags=["consoles"],
        responses=problems(400, 401, 403, 404, 501),
    )
    async def unshare(request: Request[Any, Any, Any], name: Name) -> None:
        principal = principal_of(request, Deed.TYPE)
        if name not in [each.id async for each in _own(context, principal)]:
            raise not_found("link", name)
        await _room(context).unshare(name, by=principal.name)

    return unshare


def _socket(context: Context) -> ControllerRouterHandler:
    @websocket("/consoles/{name:str}/socket")
    async def socket(socket: WebSocket[Any, Any, Any], name: Name) -> None:
        if not same_origin(socket):
            await socket.close(code=4403, reason="another site's page may not listen")
            return
        query = socket.query_params
        principal: Principal = socket.scope["state"]["principal"]
        try:
            principal.must(Deed.WATCH)
            item = await _node(context, principal, name)
            may_write = Deed.TYPE in ALLOWED[principal.role] and query.get("read_only") != "1"
            seat = await _room(context).join(
                item.uid,
                Guest(name=principal.name, may_write=may_write),
                way=_way(query.get("way")),
                trust_first=query.get("trust") == "first" and Deed.TYPE in ALLOWED[principal.role],
            )
        except IolausError as error:
            await _turned_away(socket, error)
            return
        await socket.accept()
        since = str(query.get("since", ""))
        offset = seat.recording.end - TAIL
        if since:
            offset = seat.recording.offset_at(read_moment(since, now=context.clock.now()))
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await Visit(socket, seat, offset=offset).serve()

    return socket


def _way(text: Any) -> Way | None:
    """Raises `OperatorMust` for what is none."""
    if not text:
        return None
    try:
        return Way(str(text))
    except ValueError:
        raise OperatorMust(
            "no such way",
            operation="open console",
            subject=str(text)[:40],
            code="NoSuchWay",
            next_step=f"give one of {', '.join(Way)}.",
        ) from None


async def _turned_away(socket: WebSocket[Any, Any, Any], error: IolausError) -> None:
    """Told in a message: a reason for closing is cut at 123 bytes."""
    await socket.accept()
    told = {"code": error.code, "message": error.message, "next_step": error.next_step}
    await socket.send_text(msgspec.json.encode({"type": "error", **told}).decode())
    await socket.close(code=4403, reason=error.code[:100])


def shared_console(context: Context) -> ControllerRouterHandler:
    """Watching by a link: its text comes as a subprotocol, which no log keeps, and is all that
    counts here."""

    @websocket("/shared/console/socket")
    async def shared(socket: WebSocket[Any, Any, Any]) -> None:
        offered = [
            each.strip() for each in socket.headers.get("sec-websocket-protocol", "").split(",")
        ]
        room = context.consoles
        text = next((each for each in offered if each != SHARED), "")
        share = room.shared(text) if room is not None and same_origin(socket) else None
        if room is None or share is None:
            await socket.close(code=4403, reason="LinkUnknown")
            return
        try:
            seat = await room.join(share.uid, Guest(name=f"link of {share.made_by}"))
        except IolausError as error:
            await _turned_away(socket, error)
            return
        await socket.accept(subprotocols=SHARED)
        visit = Visit(socket, seat, offset=seat.recording.end - TAIL)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await _while_shared(room, text, visit)

    return shared


async def _while_shared(room: ConsoleRoom, text: str, visit: Visit) -> None:
    """Until the reader goes, or the link ends."""
    serving = asyncio.ensure_future(visit.serve())
    try:
        while room.shared(text) is not None:
            done, _ = await asyncio.wait({serving}, timeout=5.0)
            if done:
                return
    finally:
        await end(serving)
