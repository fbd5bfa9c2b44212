"""Follows the events of every device that offers a stream, and falls back both ways.

An event only wakes: it is written down once, and the state is read afresh. While a stream is up,
the hot set goes on being polled, so a stream that lies costs a period and no truth. When a stream
ends, what happened meanwhile is in the device's log, so the log is read at once and the stream is
opened again, later each time. The wire ends a stream that was silent too long, which is the audit.

Each stream holds a connection, and a process has memory for so many. Devices for which there is no
room are polled, and push where a receiver is configured.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Protocol

import msgspec
import structlog

from iolaus.drivers.ports import DeviceEvent
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.model.asset import Report
from iolaus.model.endpoint import Event, Target
from iolaus.observe.collect import Job, Key

log = structlog.get_logger(__name__)
SSE = "events.sse"


class StreamRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `lively_s` is how long a stream must have lasted for its end to be a first one;
    `refused_s` when a device that offers a stream refuses it; `settle_s` from event to reading.
    `most` streams are held at once, a TLS connection each; `crowded_s` until one that found no
    room is tried again."""

    most: int = 1024
    crowded_s: float = 300.0
    retry_s: float = 2.0
    retry_max_s: float = 120.0
    lively_s: float = 30.0
    refused_s: float = 900.0
    settle_s: float = 0.5


class Device(Protocol):
    def events(self, last_event_id: str | None) -> AsyncGenerator[DeviceEvent, None]: ...


class Picture(Protocol):
    def target_of(self, address: str) -> Target | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def record_event(self, event: Event) -> bool: ...


def offers(report: Report | None, capability: str) -> bool:
    return report is not None and any(c.name == capability for c in report.capabilities)


def event_of(address: str, told: DeviceEvent, *, report: Report | None, now: float) -> Event:
    """The device's event as ours: by our receive time, on the asset that it comes from."""
    return Event(
        at=now,
        kind="DeviceEvent",
        severity=told.severity,
        endpoint=address,
        message=told.message,
        asset=_asset_of(told.origin, report),
        origin=told.origin,
        dedup=told.dedup,
    )


def _asset_of(origin: str | None, report: Report | None) -> str | None:
    """The key of the asset whose resource is the longest prefix of the origin."""
    if origin is None or report is None:
        return None
    owned = [(uri, asset.key) for asset in report.assets for uri in asset.resources]
    mine = [(len(uri), key) for uri, key in owned if f"{origin}/".startswith(f"{uri}/")]
    return max(mine)[1] if mine else None


class Intake:
    """Where events of every channel arrive: written once, and the device's hot set is woken.
    `heed` is told of each before anything else, and of metric reports, which are no events."""

    def __init__(
        self,
        *,
        picture: Picture,
        clock: Clock,
        wake: Callable[[Key, float], None],
        settle_s: float = StreamRules().settle_s,
        heed: Callable[[str, DeviceEvent], None] = lambda *_: None,
    ) -> None:
        self._picture, self._clock, self._wake = picture, clock, wake
        self._settle_s, self._heed = settle_s, heed

    def take(self, address: str, told: DeviceEvent) -> bool:
        """False for an event that came before by whatever channel."""
        self._heed(address, told)
        if told.metrics:
            return True
        report = self._picture.report_of(address)
        event = event_of(address, told, report=report, now=self._clock.now())
        if not self._picture.record_event(event):
            return False
        self._wake(Key(address, Job.HOT), self._settle_s)
        return True


class Follower:
    """Serves the key `Job.EVENTS`: a run lasts as long as the device's stream does."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_device: Callable[[Target], Device],
        intake: Intake,
        clock: Clock,
        wake: Callable[[Key, float], None],
        rules: StreamRules | None = None,
    ) -> None:
        self._picture, self._open_device, self._intake = picture, open_device, intake
        self._clock, self._wake, self._rules = clock, wake, rules or StreamRules()
        self._last: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._following: set[str] = set()
        self.live: set[str] = set()

    async def reconcile(self, key: Hashable) -> float | None:
        """Follow until the stream ends; seconds to the next try, None where none is offered."""
        assert isinstance(key, Key)
        address = key.address
        target = self._picture.target_of(address)
        if target is None or not offers(self._picture.report_of(address), SSE):
            self._last.pop(address, None)
            self._failures.pop(address, None)
            return None
        if len(self._following) >= self._rules.most:
            return self._rules.crowded_s
        began = self._clock.monotonic()
        self._following.add(address)
        try:
            await self._follow(address, self._open_device(target))
        except DeviceRefused as error:
            log.info("event_stream_refused", endpoint=address, error=str(error))
            self._last.pop(address, None)
            return self._rules.refused_s
        except IolausError as error:
            log.debug("event_stream_lost", endpoint=address, error=str(error))
        finally:
            self._following.discard(address)
            self.live.discard(address)
        self._wake(Key(address, Job.LOGS), 0.0)
        self._wake(Key(address, Job.HOT), 0.0)
        return self._pause_s(address, lasted_s=self._clock.monotonic() - began)

    async def _follow(self, address: str, device: Device) -> None:
        async with contextlib.aclosing(device.events(self._last.get(address))) as stream:
            async for told in stream:
                self.live.add(address)
                if told.stream_id:
                    self._last[address] = told.stream_id
                self._intake.take(address, told)

    def _pause_s(self, address: str, *, lasted_s: float) -> float:
        failures = 1 if lasted_s >= self._rules.lively_s else self._failures.get(address, 0) + 1
        self._failures[address] = failures
        return min(self._rules.retry_s * 2.0 ** min(failures - 1, 10), self._rules.retry_max_s)
