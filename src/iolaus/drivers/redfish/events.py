"""Events of a device, by whatever channel: a stream, a push, or a log read afterwards.

An Event payload (DSP0266 12, Event schema) may lack its MemberId or type, carry a severity under
its old name, a time from 1970 or from tomorrow, come twice, or come again after every reconnect.
Nothing of that is an error here. Each event gets a `dedup` made of what it says and when it says
it happened, not of the channel's numbering, so the same event by stream and by push is one. An
event without a time is told apart by its id; without both, by the moment of its arrival.

Events carry no state: they wake the loop, and the state is read afresh. Subscriptions are built
and judged by the pure functions at the end; whoever acts on them is elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from iolaus.drivers.ports import DeviceEvent, Reads
from iolaus.drivers.redfish._text import clean, items, mapping, maybe, texts
from iolaus.drivers.redfish.harvest import ROOT, links_in, normal
from iolaus.drivers.redfish.logs import message_of, moment_of, origin_of, severity_of
from iolaus.kernel.errors import DeviceRefused

MAX_EVENTS: Final = 256
MAX_METRICS: Final = 2_048
MAX_VALUE: Final = 64
MAX_URI: Final = 1_024
MAX_DEDUP: Final = 200
STRUCTURE_FRESH_S: Final = 3_600.0
YEAR_2010: Final = 1_262_304_000.0
"""A device's clock before this is not set."""


@runtime_checkable
class Streams(Protocol):
    """A device whose lane can carry an event stream; each item has `data` and `id`."""

    def events(self, uri: str, last_event_id: str | None = None) -> AsyncGenerator[Any, None]: ...


def _identity(event: Mapping[str, Any], *, created: str | None, fallback: str) -> str:
    """What makes two reports of one event the same, by any channel."""
    stamp = moment_of(created)
    usable = stamp is not None and stamp >= YEAR_2010
    when = f"t{stamp:.3f}" if usable else clean(event.get("EventId"), 128) or fallback
    said = (
        when,
        clean(event.get("MessageId"), 256),
        origin_of(event) or "",
        message_of(event),
        "|".join(texts(event.get("MessageArgs"))),
    )
    return hashlib.sha256("\x1f".join(said).encode("utf-8", "replace")).hexdigest()[:32]


def _event(event: Mapping[str, Any], *, fallback: str) -> DeviceEvent:
    created = maybe(event.get("EventTimestamp"), 64) or maybe(event.get("Created"), 64)
    return DeviceEvent(
        dedup=_identity(event, created=created, fallback=fallback),
        message=message_of(event) or "event without a message",
        severity=severity_of(event.get("MessageSeverity"), event.get("Severity")),
        message_id=maybe(event.get("MessageId"), 128),
        origin=origin_of(event),
        created=created,
        event_id=maybe(event.get("EventId"), 128),
    )


def _metric_report(payload: Mapping[str, Any], *, fallback: str) -> DeviceEvent:
    """A metric report comes by the same stream, and is no event for anybody's list."""
    values = tuple(
        (clean(uri, MAX_URI), clean(each.get("MetricValue"), MAX_VALUE))
        for each in items(payload.get("MetricValues"), MAX_METRICS)
        if isinstance(uri := each.get("MetricProperty"), str)
    )
    name = clean(payload.get("Id"), 128)
    return DeviceEvent(
        dedup=f"metrics/{name}/{clean(payload.get('ReportSequence'), 64)}/{fallback}"[:MAX_DEDUP],
        message=f"metric report {name}",
        severity="OK",
        created=maybe(payload.get("Timestamp"), 64),
        metrics=values,
    )


def _records(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The event records of a payload; a bare record where the envelope is missing."""
    if "Events" in payload:
        yield from items(payload["Events"], MAX_EVENTS)
    elif not payload.keys().isdisjoint(("MessageId", "Message", "EventType", "EventId")):
        yield payload


def parse_events(payload: object, *, received_at: float, stream_id: str = "") -> list[DeviceEvent]:
    """The events of one payload (already JSON-decoded), each once. Never raises."""
    found: dict[str, DeviceEvent] = {}
    at, told = stream_id or f"{received_at:.3f}", mapping(payload)
    if "MetricValues" in told:
        report = _metric_report(told, fallback=at)
        return [report] if report.metrics else []
    for index, record in enumerate(_records(told)):
        member = clean(record.get("MemberId"), 64) or str(index)
        event = _event(record, fallback=f"{at}/{member}")
        found.setdefault(event.dedup, event)
    return list(found.values())


def parse_text(data: str | bytes, *, received_at: float, stream_id: str = "") -> list[DeviceEvent]:
    """The events of a pushed body or of one stream event's data; none where it is no JSON."""
    try:
        payload = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    return parse_events(payload, received_at=received_at, stream_id=stream_id)


async def stream_uri(device: Reads) -> str:
    """Where the device offers its event stream. Raises `DeviceRefused` where it offers none."""
    root = (await device.get(ROOT, fresh_s=STRUCTURE_FRESH_S)).body
    for service in links_in(root.get("EventService")):
        body = (await device.get(service, fresh_s=STRUCTURE_FRESH_S)).body
        uri = body.get("ServerSentEventUri")
        if isinstance(uri, str) and normal(uri).startswith("/"):
            return uri
    raise DeviceRefused(
        "no event stream is offered",
        operation="stream events",
        subject=device.address,
        code="NoEventStream",
        next_step="follow it by polling its logs, or subscribe for pushed events",
    )


async def events(device: Reads, *, last_event_id: str | None) -> AsyncGenerator[DeviceEvent, None]:
    """Events by the device's stream, a repeated one once; ends when the stream does."""
    uri = await stream_uri(device)
    if not isinstance(device, Streams):
        raise DeviceRefused(
            "its lane carries no streams",
            operation="stream events",
            subject=device.address,
            code="NoEventStream",
            next_step="follow it by polling its logs",
        )
    recent: dict[str, None] = {}
    arrival, count = secrets.token_hex(8), 0
    async with contextlib.aclosing(device.events(uri, last_event_id)) as stream:
        async for item in stream:
            count += 1
            told = getattr(item, "id", None)
            for event in parse_text(
                item.data, received_at=0.0, stream_id=told or f"{arrival}/{count}"
            ):
                if _is_new(event.dedup, recent):
                    yield msgspec.structs.replace(event, stream_id=told)


def _is_new(dedup: str, recent: dict[str, None]) -> bool:
    """Remembers the last thousand."""
    if dedup in recent:
        return False
    recent[dedup] = None
    if len(recent) > 1_000:
        del recent[next(iter(recent))]
    return True


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """An `EventDestination`. `context` is what we wrote into it to know it again."""

    uri: str
    destination: str
    context: str = ""
    protocol: str = ""
    state: str = ""
    health: str | None = None


def parse_subscription(uri: str, payload: Mapping[str, Any]) -> Subscription:
    status = mapping(payload.get("Status"))
    return Subscription(
        uri=normal(uri),
        destination=clean(payload.get("Destination"), 1_024),
        context=clean(payload.get("Context"), 512),
        protocol=clean(payload.get("Protocol"), 64),
        state=clean(status.get("State"), 64),
        health=maybe(status.get("Health"), 32),
    )


def subscription_body(
    *, destination: str, context: str, service: Mapping[str, Any]
) -> dict[str, object]:
    """What to POST to subscribe for all events, in the words that this `EventService` knows:
    format and registries where it lists them, the deprecated `EventTypes` where it has only
    those."""
    body: dict[str, object] = {
        "Destination": destination,
        "Context": context,
        "Protocol": "Redfish",
    }
    formats = texts(service.get("EventFormatTypes"))
    if formats:
        body["EventFormatType"] = "Event" if "Event" in formats else formats[0]
    kinds = texts(service.get("EventTypesForSubscription"))
    if kinds and not formats and not texts(service.get("RegistryPrefixes")):
        body["EventTypes"] = list(kinds)
    if "DeliveryRetryPolicy" in service:
        body["DeliveryRetryPolicy"] = "RetryForever"
    return body


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the subscriptions says: which one is ours and well, which are leftovers of
    ours to delete, and whether one must be made."""

    ours: str | None
    leftovers: tuple[str, ...]
    missing: bool


def audit(held: Iterable[Subscription], *, destination: str, context: str) -> Audit:
    """Judge the subscriptions that a device holds. Pure. Those of others are not touched: only
    what carries our `context` is ours."""
    mine: Sequence[Subscription] = [each for each in held if each.context == context]
    well = [
        each
        for each in mine
        if each.destination == destination
        and each.state in ("", "Enabled")
        and each.health in (None, "OK")
    ]
    ours = well[0].uri if well else None
    leftovers = tuple(each.uri for each in mine if each.uri != ours)
    return Audit(ours=ours, leftovers=leftovers, missing=ours is None)
