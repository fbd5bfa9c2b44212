"""A sensor's past: `GET /api/v1/sensors/<id>/history`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.north.api.lists import principal_of
from iolaus.north.api.moments import read_moment, read_span
from iolaus.north.api.objects import API_VERSION
from iolaus.north.api.resources import Name, of_type
from iolaus.north.context import Context
from iolaus.north.dto.make import when
from iolaus.north.dto.views import SensorView
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found
from iolaus.store.held import Held

SENSOR: Final = BY_NAME["sensor"]
MAX_POINTS: Final = 20_000
Moment = Annotated[
    str | None, QueryParameter(max_length=64, description="15m, 2h, or a time with its zone.")
]


class Point(msgspec.Struct, kw_only=True, gc=False):
    at: datetime
    value: float


class HistoryStatus(msgspec.Struct, kw_only=True):
    """Oldest first; `step_s` 0 means every sample that was kept."""

    sensor: str
    node: str
    quantity: str
    unit: str
    step_s: float
    points: Annotated[list[Point], Meta(description="At most 20,000.")]


class SensorHistory(msgspec.Struct, kw_only=True, rename="camel"):
    """Past values of one sensor."""

    api_version: str
    kind: str
    status: HistoryStatus


def history_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/sensors/{name:str}/history",
        operation_id="getSensorHistory",
        summary="Past values of one sensor",
        tags=["sensors"],
        responses=of_type(SensorHistory, "The values.", 400, 401, 403, 404, 501),
    )
    async def get_history(
        request: Request[Any, Any, Any],
        name: Name,
        since: Moment = None,
        until: Moment = None,
        step: Annotated[
            str | None, QueryParameter(max_length=32, description="10s, 5m ...")
        ] = None,
    ) -> Response[Any]:
        principal = principal_of(request)
        item = await context.fleet.find(SENSOR, name, scope=principal.scope)
        if item is None:
            raise not_found("sensor", name)
        now = context.clock.now()
        begin = read_moment(since, now=now) if since else now - 3_600.0
        end = read_moment(until, now=now) if until else now
        step_s = read_span(step) if step else 0.0
        return Response(await _history(context, item, begin=begin, end=end, step_s=step_s))

    return [get_history]


async def _history(
    context: Context, item: Item, *, begin: float, end: float, step_s: float
) -> SensorHistory:
    if context.series is None:
        raise WeErred(
            "this server keeps no past values",
            operation="get history of",
            subject=item.name,
            code="NotOffered",
            next_step="start it with a state directory.",
        )
    if end < begin:
        raise OperatorMust(
            "`until` is before `since`",
            operation="get history of",
            subject=item.name,
            code="BadTime",
            next_step="swap them.",
        )
    view = item.view
    assert isinstance(view, SensorView)
    address = context.fleet.index()[view.node][0]
    samples = await context.series.history(
        endpoint=address,
        reading=_reading_key(context.facts.held(address), view),
        since=begin,
        until=end,
        step_s=step_s,
        limit=MAX_POINTS,
    )
    points = [Point(at=at, value=s.value) for s in samples if (at := when(s.at)) is not None]
    status = HistoryStatus(
        sensor=view.id,
        node=view.node,
        quantity=view.quantity,
        unit=view.unit,
        step_s=step_s,
        points=points,
    )
    return SensorHistory(api_version=API_VERSION, kind="SensorHistory", status=status)


def _reading_key(held: Held | None, view: SensorView) -> str:
    """The store's key of the reading behind a view."""
    for key, reading in held.readings.items() if held else ():
        if reading.uri == view.uri and reading.name == view.name:
            return key
    return f"{view.uri}#{view.name}"
