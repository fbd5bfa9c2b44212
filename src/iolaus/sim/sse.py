"""Events of one device: subscriptions, and server-sent events that resume (DSP0266, 13.5).

Every event gets the next number. The last few stay, so that a stream opened with Last-Event-ID
starts where the former one broke off, as far back as the device remembers. Subscribers are pushed
to (`push.py`); subscriptions are limited and lost like a real controller's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.sim.effects import attentive
from iolaus.sim.filters import BadFilter, Wants, filters, narrowed, parse_filter, wanted
from iolaus.sim.filters import wrong as wrong_filters
from iolaus.sim.http import Connection, Reply
from iolaus.sim.outcome import Outcome
from iolaus.sim.push import Pusher
from iolaus.sim.replies import refusal, refused
from iolaus.sim.tasks import stamp
from iolaus.sim.tree import ROOT, Resource, canonical, links, target_of

if TYPE_CHECKING:
    from iolaus.sim.device import Device

REMEMBERED = 256
HEARTBEAT_S = 15.0
SYSLOG = frozenset({"SyslogTLS", "SyslogTCP", "SyslogUDP", "SyslogRELP"})


class Events:
    """Two faults: `forgets_after` so many events, subscriptions and streams are gone; `lies` are
    what is wrong with events on their way (`duplicate`, `malformed`, `time_travel`)."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._number = self._subscriptions = 0
        self._past: deque[tuple[int, bytes]] = deque(maxlen=REMEMBERED)
        self._streams: dict[Connection, Wants | None] = {}
        self._mine: dict[str, None] = {}
        self.pusher = Pusher(self._undelivered, device.clock)
        self._places: tuple[str, str] | None = None
        self.forgets_after: int | None = None
        self.lies: frozenset[str] = frozenset()

    @property
    def collection(self) -> str:
        return self._found()[0]

    @property
    def stream_path(self) -> str:
        """Where events stream, as EventService.ServerSentEventUri says; "" if nowhere."""
        return self._found()[1]

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self._mine or self._streams)

    def service(self) -> Resource:
        """The EventService as the device shows it; {} if there is none."""
        place = target_of(self._device.kept(ROOT) or {}, "EventService")
        return (self._device.kept(canonical(place)) if place else None) or {}

    @property
    def streams(self) -> int:
        return len(self._streams)

    def emit(self, *records: Resource) -> None:
        """Send one event with these records; what a record lacks is filled in."""
        self._number += 1
        skew = -86400.0 if "time_travel" in self.lies else 0.0
        number, now = self._number, stamp(self._device.now() + skew)
        filled = [
            {"EventId": f"{number}.{i}", "EventTimestamp": now, "MemberId": str(i)}
            | {"MessageId": "ResourceEvent.1.4.ResourceChanged", "Severity": "OK"}
            | record
            for i, record in enumerate(records)
        ]
        event = {
            "@odata.type": "#Event.v1_9_0.Event",
            "Id": str(number),
            "Name": "Event",
            "Events": filled,
        }
        self._send(number, msgspec.json.encode(event), "Event")

    def report(self, report: Resource) -> None:
        """Send a metric report to streams, and to subscriptions that take such."""
        self._number += 1
        self._send(self._number, msgspec.json.encode(report), "MetricReport")

    def _send(self, number: int, body: bytes, kind: str) -> None:
        self._past.append((number, body))
        self._push(body, kind)
        before = b'id: %d\ndata: {"Events": [{\n\n' % number if "malformed" in self.lies else b""
        for connection, wants in list(self._streams.items()):
            if data := self._frame(number, body, wants):
                data = before + data
                connection.write_chunk(data * 2 if "duplicate" in self.lies else data)
        if self.forgets_after is not None:
            self.forgets_after -= 1
            if self.forgets_after <= 0:
                self.forgets_after = None
                self.drop_all()

    def _frame(self, number: int, body: bytes, wants: Wants | None) -> bytes:
        """What a stream is told of it; b"" if it does not want it."""
        if wants is not None:
            body = narrowed(body, lambda record: wants(self._device, record))
        return b"id: %d\ndata: %s\n\n" % (number, body) if body else b""

    def _push(self, body: bytes, kind: str) -> None:
        for path in list(self._mine):
            held = self._device.kept(path) or {}
            if held.get("Protocol") in SYSLOG:
                continue  # lines of text to whoever may listen: nothing is posted, nothing fails
            if held.get("EventFormatType", "Event") == kind:
                for each in self._told(body, held):
                    self.pusher.send(path, str(held.get("Destination")), each)

    def _told(self, body: bytes, held: Resource) -> list[bytes]:
        """What is sent to a subscription of it."""
        if filters(held):
            body = narrowed(body, lambda record: wanted(self._device, held, record))
        if not body:
            return []
        before = [b'{"Events": [{'] if "malformed" in self.lies else []
        return before + [body] * (2 if "duplicate" in self.lies else 1)

    def _undelivered(self, path: str) -> None:
        held = self._device.kept(path) or {}
        if held.get("DeliveryRetryPolicy") != "RetryForever":
            self.unsubscribe(path)

    def stream(self, last_event_id: str | None, query: str = "") -> Reply:
        """The stream after this event, of what `query`'s $filter wants."""
        try:
            wants = parse_filter(query)
        except BadFilter as wrong:
            return refusal(400, "QueryParameterValueTypeError", str(wrong), "$filter")
        if wants is not None and "SSEFilterPropertiesSupported" not in self.service():
            return refusal(501, "QueryNotSupported", "$filter")
        reply = Reply(200, b"", {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        missed = [self._frame(number, body, wants) for number, body in self._after(last_event_id)]
        reply.stream = lambda connection: self._attach(connection, missed, wants)
        return reply

    def subscribe(self, body: Resource) -> Outcome:
        if not isinstance(body.get("Destination"), str):
            return refused(400, "PropertyMissing", "Destination")
        if (protocol := body.get("Protocol", "Redfish")) not in self._protocols():
            said = ("PropertyValueNotInList", str(protocol), "Protocol")
            return refused(400, *said)
        if (wrong := wrong_filters(self._device, body)) is not None:
            return wrong
        limit = self._device.options.subscription_limit
        if limit and len(self._mine) >= limit:
            return refused(503, "EventSubscriptionLimitExceeded")
        self._subscriptions += 1
        path = f"{self.collection}/iolaus-{self._subscriptions}"
        resource: Resource = {
            "@odata.id": path,
            "@odata.type": "#EventDestination.v1_14_1.EventDestination",
            "Id": path.rpartition("/")[2],
            "Name": "Subscription",
            "Protocol": "Redfish",
            "SubscriptionType": "RedfishEvent",
            "Status": {"State": "Enabled", "Health": "OK"},
            **body,
        }
        self._mine[path] = None
        self._device.put(path, resource)
        self._device.enlist(self.collection, path)
        attentive(self._device.effects).listened(self._device)
        return Outcome(status=201, body=resource, headers={"Location": path})

    def _protocols(self) -> frozenset[str]:
        """A service that sends syslog to somebody can send it to another."""
        members = links(self._device.kept(self.collection) or {}, "Members")
        held = ((self._device.kept(canonical(uri)) or {}).get("Protocol") for uri in members)
        return frozenset({"Redfish", *(SYSLOG if SYSLOG.intersection(filter(None, held)) else ())})

    def unsubscribe(self, path: str) -> None:
        self._mine.pop(path, None)
        self.pusher.drop(path)
        self._device.remove(path)
        self._device.delist(self.collection, path)

    def drop_all(self) -> None:
        """Lose every subscription and stream, as a rebooting controller does."""
        for path in list(self._mine):
            self.unsubscribe(path)
        for connection in list(self._streams):
            connection.write(b"0\r\n\r\n")
            connection.close()

    def test(self, body: Resource) -> Outcome:
        names = ("MessageId", "Message", "MessageArgs", "Severity", "OriginOfCondition", "EventId")
        record = {name: body[name] for name in names if name in body}
        origin = record.get("OriginOfCondition")
        if isinstance(origin, str):
            record["OriginOfCondition"] = {"@odata.id": origin}
        self.emit({"EventType": "Alert", "Message": "A test event.", **record})
        return Outcome()

    def _attach(
        self, connection: Connection, missed: list[bytes], wants: Wants | None
    ) -> Callable[[], None]:
        self._streams[connection] = wants
        attentive(self._device.effects).listened(self._device)
        connection.write_chunk(b": stream open\n\n" + b"".join(missed))
        beat = asyncio.get_running_loop().create_task(_heartbeat(connection, self._device.clock))

        def ended() -> None:
            beat.cancel()
            self._streams.pop(connection, None)

        return ended

    def _after(self, last_event_id: str | None) -> list[tuple[int, bytes]]:
        if last_event_id is None or not last_event_id.strip().isdigit():
            return []
        last = int(last_event_id)
        return [each for each in self._past if each[0] > last]

    def _found(self) -> tuple[str, str]:
        if self._places is None:
            service = self.service()
            subscriptions = (
                target_of(service, "Subscriptions") or f"{ROOT}/EventService/Subscriptions"
            )
            uri = service.get("ServerSentEventUri")
            stream = urlsplit(uri).path if isinstance(uri, str) else ""
            self._places = canonical(subscriptions), canonical(stream) if stream else ""
        return self._places


async def _heartbeat(connection: Connection, clock: Clock) -> None:
    while True:
        await clock.sleep(HEARTBEAT_S)
        connection.write_chunk(b": alive\n\n")
