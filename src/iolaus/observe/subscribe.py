"""Pushed events: subscriptions that are audited, because devices lose them without a word.

A subscription vanishes at a reboot, after failed deliveries, or when the table of twenty is full.
So it is level and not edge: every few minutes the device is asked what it holds, what is missing is
made, what is left over of ours is deleted, and a test event must arrive here. Whatever goes wrong,
polling goes on, and the log is read for the gap. Making one is a write, so it happens on managed
endpoints only; nobody else's subscription is ever touched.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from iolaus.drivers.ports import Priority, Reads
from iolaus.drivers.redfish.events import (
    Audit,
    audit,
    parse_subscription,
    parse_text,
    subscription_body,
)
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.model.asset import Report
from iolaus.model.endpoint import Event, Mode, Target
from iolaus.observe.collect import Job, Key
from iolaus.observe.events import SSE, Intake, offers
from iolaus.wire.redfish.port import Answer

log = structlog.get_logger(__name__)
SUBSCRIBE: Final = "events.subscribe"
CONTEXT: Final = "iolaus"
MAX_BODY: Final = 256 * 1024


class SubscriptionRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between audits, to wait after a refusal, and for a test event to arrive. A
    subscription that lost `strikes` test events in a row is made anew."""

    audit_s: float = 300.0
    refused_s: float = 1800.0
    test_s: float = 30.0
    strikes: int = 2


class Device(Protocol):
    def at(self, priority: Priority) -> Reads: ...

    async def write(self, method: str, uri: str, body: Mapping[str, Any] | None) -> Answer: ...


class Picture(Protocol):
    def target_of(self, address: str) -> Target | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def record_event(self, event: Event) -> bool: ...


class Receiver:
    """An ASGI application that devices push to. Each device has a path of its own that nobody
    can guess; what arrives on it is that device's, and nothing else is read or answered."""

    def __init__(self, *, url: str, secret: bytes, clock: Clock) -> None:
        self._url, self._secret, self._clock = url.rstrip("/"), secret, clock
        self._addresses: dict[str, str] = {}
        self.heard_at: dict[str, float] = {}
        self.intake: Intake | None = None

    def destination(self, address: str) -> str:
        token = hmac.new(self._secret, address.encode(), hashlib.sha256).hexdigest()[:40]
        self._addresses[token] = address
        return f"{self._url}/{token}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            address = self._addresses.get(scope["path"].rpartition("/")[2])
            known = address is not None and scope["method"] == "POST"
            body = await _body(receive) if known else None
            if address is not None and body is not None:
                self._take(address, body)
            status = 404 if not known else 413 if body is None else 204
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _take(self, address: str, body: bytes) -> None:
        now = self._clock.now()
        self.heard_at[address] = now
        for told in parse_text(body, received_at=now):
            if self.intake is not None:
                self.intake.take(address, told)


async def _body(receive: Any) -> bytes | None:
    """The whole body; None where it is over the bound or cut off."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] != "http.request" or len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


class Subscriber:
    """Serves the key `Job.SUBSCRIPTION`: one run is one audit."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_device: Callable[[Target], Device],
        receiver: Receiver,
        clock: Clock,
        wake: Callable[[Key, float], None],
        rules: SubscriptionRules | None = None,
    ) -> None:
        self._picture, self._open, self._receiver = picture, open_device, receiver
        self._clock, self._wake, self._rules = clock, wake, rules or SubscriptionRules()
        self._strikes: dict[str, int] = {}

    async def reconcile(self, key: Hashable) -> float | None:
        """One audit; seconds to the next, None where nothing is to be subscribed."""
        assert isinstance(key, Key)
        target = self._picture.target_of(key.address)
        report = self._picture.report_of(key.address)
        if target is None or target.mode is not Mode.MANAGED:
            return None
        if offers(report, SSE) or not offers(report, SUBSCRIBE):
            return None
        try:
            return await self._audit(target.address, self._open(target))
        except DeviceRefused as error:
            self._tell(target.address, "SubscriptionRefused", error.message)
            return self._rules.refused_s
        except IolausError as error:
            log.debug("subscription_unaudited", endpoint=target.address, error=str(error))
            return self._rules.audit_s

    async def _audit(self, address: str, device: Device) -> float:
        service_uri, service = await _service(device)
        found = await self._look(address, device, service)
        for leftover in found.leftovers:
            await device.write("DELETE", leftover, None)
        if found.missing:
            await self._make(address, device, service)
        if await self._test(address, device, service_uri, service):
            self._strikes.pop(address, None)
            return self._rules.audit_s
        self._strikes[address] = self._strikes.get(address, 0) + 1
        if self._strikes[address] >= self._rules.strikes and found.ours:
            await device.write("DELETE", found.ours, None)
            self._tell(address, "SubscriptionSilent", "no test event arrives; made anew")
        return self._rules.test_s

    async def _look(self, address: str, device: Device, service: Mapping[str, Any]) -> Audit:
        gaps: list[str] = []
        members = await device.at(Priority.LIFECYCLE).members(
            _link(service, "Subscriptions"), on_gap=lambda uri, why: gaps.append(f"{uri}: {why}")
        )
        return audit(
            [parse_subscription(uri, payload) for uri, payload in members],
            destination=self._receiver.destination(address),
            context=CONTEXT,
        )

    async def _make(self, address: str, device: Device, service: Mapping[str, Any]) -> None:
        """Subscribe; what happened while there was none is in the log."""
        body = subscription_body(
            destination=self._receiver.destination(address), context=CONTEXT, service=service
        )
        await device.write("POST", _link(service, "Subscriptions"), body)
        self._wake(Key(address, Job.LOGS), 0.0)

    async def _test(
        self, address: str, device: Device, service_uri: str, service: Mapping[str, Any]
    ) -> bool:
        """Whether a test event arrives here; True where the device offers none to send."""
        action = (service.get("Actions") or {}).get("#EventService.SubmitTestEvent") or {}
        if not isinstance(target := action.get("target"), str):
            return True
        asked = self._clock.now()
        await device.write("POST", target, _test_event(service_uri))
        deadline = self._clock.monotonic() + self._rules.test_s
        while self._clock.monotonic() < deadline:
            if self._receiver.heard_at.get(address, 0.0) >= asked:
                return True
            await self._clock.sleep(0.25)
        return False

    def _tell(self, address: str, kind: str, message: str) -> None:
        self._picture.record_event(
            Event(
                at=self._clock.now(),
                kind=kind,
                severity="Warning",
                endpoint=address,
                message=f"{message}; polling goes on",
            )
        )


async def _service(device: Device) -> tuple[str, dict[str, Any]]:
    reads = device.at(Priority.LIFECYCLE)
    root = await reads.get("/redfish/v1", fresh_s=3600.0)
    uri = _link(root.body, "EventService")
    return uri, (await reads.get(uri)).body


def _link(resource: Mapping[str, Any], name: str) -> str:
    link = resource.get(name)
    uri = link.get("@odata.id") if isinstance(link, dict) else None
    if not isinstance(uri, str):
        raise DeviceRefused(
            f"its event service shows no {name}",
            operation="subscribe",
            subject=str(resource.get("@odata.id", "event service")),
            code="NoSubscriptions",
            next_step="nothing: it is polled.",
        )
    return uri


def _test_event(service_uri: str) -> dict[str, Any]:
    return {
        "MessageId": "ResourceEvent.1.3.TestMessage",
        "Message": "Iolaus asks whether its subscription still works.",
        "Severity": "OK",
        "OriginOfCondition": service_uri,
    }
