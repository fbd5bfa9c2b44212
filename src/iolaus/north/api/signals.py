"""What no controller can see, said through the API: a site's meter, its water, a job's work."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.energy.signals import Signal
from iolaus.north.api.lists import principal_of
from iolaus.north.api.resources import problems
from iolaus.north.auth import Deed
from iolaus.north.context import Context

REFUSALS: Final = (400, 401, 403, 413, 415, 501)


class SignalOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One number of one signal."""

    name: Annotated[
        str,
        Meta(max_length=200, description="facility.power, facility.water or job/NAME."),
    ]
    value: Annotated[
        float,
        Meta(ge=0, le=1e18, description="Watts now; litres or units of work, counted on."),
    ]
    at: (
        Annotated[float, Meta(ge=0, le=1e11, description="Seconds since 1970; null: now.")] | None
    ) = None
    unit: Annotated[str, Meta(max_length=64, description="Of a job's work.")] = ""


def signal_routes(context: Context) -> list[HTTPRouteHandler]:
    @post(
        "/signals",
        status_code=202,
        operation_id="saySignal",
        summary="Say what no controller can see: the site's meter, its water, a job's work",
        tags=["power"],
        responses=problems(*REFUSALS),
    )
    async def say(request: Request[Any, Any, Any], data: JSONBody[SignalOrder]) -> Response[None]:
        principal_of(request, Deed.POWER)
        at = context.clock.now() if data.at is None else data.at
        context.site_shelf.seen.say(Signal(name=data.name, value=data.value, at=at, unit=data.unit))
        return Response(None, status_code=202)

    return [say]
