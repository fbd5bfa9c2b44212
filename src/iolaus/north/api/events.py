"""Events: what happened, newest first; and as they happen."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from iolaus.model.endpoint import Event
from iolaus.north.api.lists import (
    Continue,
    FieldSelector,
    LabelSelector,
    Limit,
    Query,
    objects,
    principal_of,
    read_query,
    write_token,
)
from iolaus.north.api.moments import read_moment
from iolaus.north.api.objects import TYPES, wrap, wrap_list
from iolaus.north.api.resources import Name, Watch, of_type, stream
from iolaus.north.api.watch import HEARTBEAT, frame, wakes
from iolaus.north.context import Context
from iolaus.north.dto.make import when
from iolaus.north.dto.views import EventView
from iolaus.north.fleet import Item, picture_items
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

EVENT: Final = BY_NAME["event"]
ENDPOINT: Final = BY_NAME["endpoint"]
KEPT: Final = 10_000
Since = Annotated[
    str | None,
    QueryParameter(max_length=64, description="15m, 2h, or a time: not older than this."),
]


def event_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/events",
        operation_id="listEvents",
        summary="List events, newest first",
        tags=["events"],
        responses=of_type(TYPES["event"][1], "A page of events.", 400, 401, 403),
    )
    async def list_events(
        request: Request[Any, Any, Any],
        label_selector: LabelSelector = None,
        field_selector: FieldSelector = None,
        limit: Limit = None,
        continue_token: Continue = None,
        since: Since = None,
        watch_changes: Watch = False,
    ) -> Response[Any]:
        query = read_query(
            context,
            EVENT,
            request,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            after=continue_token,
        )
        at = read_moment(since, now=context.clock.now()) if since else None
        if watch_changes:
            return stream(_watch(context, query, since=at))
        return Response(_page(context, query, since=at))

    @get(
        "/events/{name:str}",
        operation_id="getEvent",
        summary="Get one event",
        tags=["events"],
        responses=of_type(TYPES["event"][0], "The event.", 400, 401, 403, 404),
    )
    async def get_event(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        query = Query(principal=principal_of(request))
        item = next((each for each in items(context, query) if each.name == name), None)
        if item is None:
            raise not_found("event", name)
        return Response(wrap(EVENT, item))

    return [list_events, get_event]


def items(context: Context, query: Query, *, since: float | None = None) -> Iterator[Item]:
    """Events that this caller may see and asked for, newest first."""
    hidden: dict[str, bool] = {}
    found = context.facts.events(limit=KEPT, since=since)
    for event in sorted(found, key=_key, reverse=True):
        if query.principal.scope:
            if event.endpoint not in hidden:
                hidden[event.endpoint] = not _may_see(context, query, event.endpoint)
            if hidden[event.endpoint]:
                continue
        item = _item(context, event)
        if query.wants(item):
            yield item


def _may_see(context: Context, query: Query, address: str) -> bool:
    picture = context.fleet.picture(address)
    return picture is not None and any(picture_items(ENDPOINT, picture, query.principal.scope))


def _page(context: Context, query: Query, *, since: float | None) -> Any:
    page: list[Item] = []
    more = False
    for item in items(context, query, since=since):
        if query.after and item.key >= query.after:
            continue
        if len(page) == query.limit:
            more = True
            break
        page.append(item)
    return wrap_list(
        EVENT,
        objects(context, EVENT, page),
        after=write_token(page[-1].key) if more else "",
        remaining=None if more else 0,
        revision=context.facts.revision,
    )


async def _watch(context: Context, query: Query, *, since: float | None) -> AsyncIterator[bytes]:
    """First what was since (nothing if not asked), then each new one; oldest first."""
    begin = context.clock.now() if since is None else since
    sent: set[str] = set()
    if since is None:
        sent = {item.uid for item in items(context, query, since=begin)}
    async for _ in wakes(context.bus, "events"):
        new = [item for item in items(context, query, since=begin) if item.uid not in sent]
        for item in reversed(new):
            yield frame("ADDED", item, render=lambda it: wrap(EVENT, it))
        sent |= {item.uid for item in new}
        if not new:
            yield HEARTBEAT


def _key(event: Event) -> tuple[str, str]:
    """By time, then by what it says; the second part names the event."""
    at = f"{event.at:020.6f}"
    parts = (at, event.kind, event.endpoint, event.message, event.dedup or "")
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
    return at, digest[:16]


def _item(context: Context, event: Event) -> Item:
    key = _key(event)
    ident = key[1]
    view = EventView(
        name=ident,
        kind="event",
        labels=dict(target.labels) if (target := context.facts.target_of(event.endpoint)) else {},
        at=when(event.at) or when(0.0),  # type: ignore[arg-type]
        age_s=round(max(0.0, context.clock.now() - event.at), 3),
        type=event.kind,
        severity=event.severity,
        message=event.message,
        endpoint=event.endpoint,
        node=_asset_name(context, event),
        component=event.component,
        origin=event.origin,
        before=event.before,
        after=event.after,
    )
    return Item(name=ident, origin=ident, key=key, revision=0, view=view)


def _asset_name(context: Context, event: Event) -> str | None:
    """The name of the asset that the event names by uid, or of the endpoint's only asset."""
    held = context.facts.held(event.endpoint)
    names = context.fleet.names_of(event.endpoint)
    if held is None or not names:
        return None
    if event.asset is None:
        return next(iter(names.values())) if len(names) == 1 else None
    keys = {uid: key for key, uid in held.uids.items()}
    return names.get(keys.get(event.asset, event.asset))
