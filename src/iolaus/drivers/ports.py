"""Capabilities as small protocols: a driver has one or it does not.

What an endpoint can do is data, proved by reading (`Report.capabilities`), not assumed from its
vendor. Drivers see a device only through `Reads`, which a lane provides: no driver opens a
connection, keeps a session, retries or waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from iolaus.model.asset import HotUpdate, LogEntry, Report
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload


class Priority(IntEnum):
    """Lower goes first. A safety request waits for at most one request in flight."""

    SAFETY = 0
    CONTROL = 1
    LIFECYCLE = 2
    TELEMETRY = 3
    INVENTORY = 4


Payload = dict[str, Any]
Repair = Callable[[str, Payload], Payload]
"""A quirk: (uri, payload) -> repaired payload. Pure; the same object if nothing is wrong."""


class Reads(Protocol):
    """Reading one device through its lane. URIs are as the device gives them ("/redfish/v1/...").

    `get` raises `DeviceSilent`, `DeviceRefused` or `DeviceLied`. With `fresh_s` > 0 an answer not
    older than that may come from the lane's cache. `members` reads a collection whole: it follows
    `Members@odata.nextLink`, uses `$expand` only where it was proved lossless, and yields each
    member's payload; a member that cannot be read is passed to `on_gap(uri, reason)` and skipped.
    """

    @property
    def address(self) -> str: ...

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer: ...

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]: ...


class Writes(Reads, Protocol):
    """Reading and writing one device through its lane, at one priority.

    A write is sent once and never repeated; what it may have changed is read afresh afterwards.
    Raises as `get` does; after `DeviceSilent` nobody knows whether it took effect, so the caller
    reads. `push` POSTs an image as it is read from disk, whatever its size.
    """

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer: ...

    async def push(
        self, uri: str, upload: Upload, *, deadline_s: float | None = None
    ) -> Answer: ...


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a device, whatever the channel. `event_id` may repeat; `dedup` does not.
    `stream_id` is where a broken stream can be resumed from."""

    dedup: str
    message: str
    severity: str
    message_id: str | None = None
    origin: str | None = None
    created: str | None = None
    event_id: str | None = None
    stream_id: str | None = None


@runtime_checkable
class Identifies(Protocol):
    """Finds out what answers at an address. Reads the service root and little more."""

    async def identify(self, device: Reads) -> Mapping[str, str]: ...


@runtime_checkable
class ReadsInventory(Protocol):
    async def inventory(self, device: Reads) -> Report:
        """Everything slow: assets, components, readings, firmware, limits, capabilities.

        Never raises for a part that fails: the part's URI and reason stand in `Report.partial`.
        Raises only when the service root itself cannot be read.
        """
        ...


@runtime_checkable
class ReadsHot(Protocol):
    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        """Power state, health, power, temperatures and leaks of the last report's assets."""
        ...


@runtime_checkable
class ReadsLogs(Protocol):
    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        """Entries newer than the entry whose URI is `since` (None: the newest `limit`)."""
        ...


@runtime_checkable
class StreamsEvents(Protocol):
    def events(self, device: Reads, *, last_event_id: str | None) -> AsyncIterator[DeviceEvent]:
        """Events by SSE; ends when the stream does. `DeviceRefused` where none is offered."""
        ...
