"""People's answers to alarms: acknowledged, reset, shelved for a time, taken out of service."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.alarm import AlarmStep, Said
from iolaus.north.alarms import missing
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME

ALARM: Final = BY_NAME["alarm"]
LONGEST_S: Final = 30 * 86_400.0
REFUSALS: Final = (400, 401, 403, 404, 413, 415, 501)


Duration = Annotated[
    float, Meta(gt=0, le=LONGEST_S, description="With shelve: for how long, in seconds.")
]


class Answer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is done to an alarm, and why."""

    step: Literal["acknowledge", "reset", "shelve", "unshelve", "remove", "restore"]
    note: Annotated[str, Meta(max_length=1024, description="What the next shift should know.")] = ""
    for_s: Duration | None = None


def alarm_routes(context: Context) -> list[HTTPRouteHandler]:
    @post(
        "/alarms/{name:str}/answer",
        status_code=200,
        operation_id="answerAlarm",
        summary="Acknowledge, reset or shelve an alarm, or take it out of service",
        tags=["alarms"],
        responses=of_type(TYPES["alarm"][0], "The alarm after it.", *REFUSALS),
    )
    async def answer(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Answer]
    ) -> Response[Any]:
        principal = principal_of(request, Deed.ANSWER)
        item = await context.fleet.find(ALARM, name, scope=principal.scope)
        if context.alarms is None:
            raise _not_watching()
        if item is None:
            raise missing(name)
        until = None if data.for_s is None else context.clock.now() + data.for_s
        if until is not None and data.step != "shelve":
            raise OperatorMust(
                f"{data.step} has no duration",
                operation=data.step,
                subject=name,
                code="NoDuration",
                next_step="give for_s with shelve only.",
            )
        said = Said(step=AlarmStep(data.step), by=principal.name, note=data.note, until=until)
        after = await context.alarms.say(name, said)
        return Response(one_object(context, ALARM, context.alarm_shelf.item(after)))

    return [answer]


def _not_watching() -> WeErred:
    return WeErred(
        "this server keeps no alarms",
        operation="answer",
        subject="alarms",
        code="NotOffered",
        next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
    )
