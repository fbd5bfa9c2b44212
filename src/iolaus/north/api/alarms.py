"""People's answers to alarms: acknowledged, reset, shelved for a time, taken out of service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, get, post
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
from iolaus.north.dto.make import when
from iolaus.north.kinds import BY_NAME
from iolaus.north.routes import ReceiverStanding, SendsAlarms

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

    return [answer, *_routes(context)]


class ReceiverView(msgspec.Struct, kw_only=True):
    """Who is told of alarms, and how that goes."""

    name: str
    kind: str
    url: str
    waiting: int
    sent_at: datetime | None
    error: str
    next_step: str


class ReceiverViews(msgspec.Struct, kw_only=True):
    """Receivers, in the order of the file."""

    items: list[ReceiverView]


class RouteTest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which receiver is sent a test."""

    receiver: Annotated[str, Meta(min_length=1, max_length=100)]


def _routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/alarm-receivers",
        operation_id="listAlarmReceivers",
        summary="List who is told of alarms",
        tags=["alarms"],
        responses=of_type(ReceiverViews, "The receivers.", 400, 401, 403, 501),
    )
    async def receivers(request: Request[Any, Any, Any]) -> Response[ReceiverViews]:
        principal_of(request, Deed.ANSWER)
        rows = [_receiver(each) for each in _notifier(context).receivers()]
        return Response(ReceiverViews(items=rows))

    @post(
        "/alarm-receivers/test",
        status_code=200,
        operation_id="testAlarmReceiver",
        summary="Send a receiver an alarm that is over at once",
        tags=["alarms"],
        responses=of_type(
            ReceiverView, "How it went.", 400, 401, 403, 404, 413, 415, 501, 502, 504
        ),
    )
    async def test(
        request: Request[Any, Any, Any], data: JSONBody[RouteTest]
    ) -> Response[ReceiverView]:
        principal_of(request, Deed.ANSWER)
        notifier = _notifier(context)
        await notifier.test(data.receiver)
        (after,) = [each for each in notifier.receivers() if each.name == data.receiver]
        return Response(_receiver(after))

    return [receivers, test]


def _receiver(standing: ReceiverStanding) -> ReceiverView:
    return ReceiverView(
        name=standing.name,
        kind=standing.kind,
        url=standing.url,
        waiting=standing.waiting,
        sent_at=when(standing.sent_at),
        error=standing.error,
        next_step=standing.next_step,
    )


def _notifier(context: Context) -> SendsAlarms:
    if context.notifier is None:
        raise _not_watching()
    return context.notifier


def _not_watching() -> WeErred:
    return WeErred(
        "this server keeps no alarms",
        operation="answer",
        subject="alarms",
        code="NotOffered",
        next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
    )
