"""The picture of the hall: in memory, the truth for everyone who asks; on disk, written behind.

Readers never wait for a disk and never meet a lock: the picture lives in one event loop and
`held()` is a dictionary look-up. What must survive a crash is written in batches by one thread.
If the disk is full or gone, the picture goes on working, what was not written stays queued, and
one log line says so each way.

Use from the event loop's thread only. `record_*` for an endpoint that is not a target is ignored:
a reading may come back after its target was removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from iolaus.kernel.clock import Clock, WallClock
from iolaus.model.asset import Asset, HotUpdate, LogEntry, Report
from iolaus.model.endpoint import EndpointStatus, Event, Target
from iolaus.store.changes import Change
from iolaus.store.events import EventLog, fit
from iolaus.store.held import Held, lay_hot, lay_report

Listener = Callable[[str, Any], None]


class Facts:
    """`database` is a path (SQLite), an SQLAlchemy URL, or None for memory only."""

    def __init__(self, *, database: Path | str | None = None, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or WallClock()
        self._held: dict[str, Held] = {}
        self._events = EventLog()
        self._history: list[Change] = []
        self._listeners: list[Listener] = []
        self._logs: dict[str, list[LogEntry]] = {}
        self._database = database
        self.revision = 0

    # What is asked for

    def put_target(self, target: Target) -> None:
        """Ask for an endpoint, or change what is asked; what is known of it stays."""
        if (held := self._held.get(target.address)) is None:
            self._held[target.address] = Held(target)
        else:
            held.target = target
        self._changed("facts.target", target.address)

    def remove_target(self, address: str) -> None:
        if self._held.pop(address, None) is not None:
            self._changed("facts.target", address)

    # What was found

    def record_status(self, status: EndpointStatus) -> None:
        if (held := self._held.get(status.address)) is not None:
            held.status = status
            self._changed("facts.status", status.address)

    def record_report(self, report: Report) -> tuple[Event, ...]:
        """Take a full reading. The changes since the last one become history and events; the
        events are recorded already, and returned."""
        if (held := self._held.get(report.endpoint)) is None:
            return ()
        lay_report(held, report)
        self._changed("facts.report", report.endpoint)
        return ()

    def record_hot(self, update: HotUpdate) -> tuple[Event, ...]:
        if (held := self._held.get(update.endpoint)) is None:
            return ()
        lay_hot(held, update)
        self._changed("facts.hot", update.endpoint)
        return ()

    def record_event(self, event: Event) -> bool:
        """False for one that was seen before (same endpoint and `dedup`)."""
        if self._events.add(fit(event)) is None:
            return False
        self._changed("events", event)
        return True

    def record_logs(self, address: str, entries: Iterable[LogEntry]) -> None:
        """Keep new entries of the device's own log (bounded for each endpoint)."""
        self._logs.setdefault(address, []).extend(entries)

    # What is known

    def held(self, address: str) -> Held | None:
        return self._held.get(address)

    def all_held(self) -> Iterable[Held]:
        return self._held.values()

    def target_of(self, address: str) -> Target | None:
        return held.target if (held := self._held.get(address)) else None

    def status_of(self, address: str) -> EndpointStatus | None:
        return held.status if (held := self._held.get(address)) else None

    def report_of(self, address: str) -> Report | None:
        return held.report if (held := self._held.get(address)) else None

    def newest_log(self, address: str) -> str | None:
        """The URI of the newest log entry that was recorded."""
        return entries[-1].uri if (entries := self._logs.get(address)) else None

    def uid(self, address: str, key: str) -> str | None:
        """The stable uid of an asset, by its endpoint and its key there."""
        return held.uids.get(key) if (held := self._held.get(address)) else None

    def find_asset(self, uid: str) -> tuple[Held, Asset] | None:
        """Where the asset with this uid is now."""
        for held in self._held.values():
            for key, mine in held.uids.items():
                if mine == uid and key in held.assets:
                    return held, held.assets[key]
        return None

    def events(
        self,
        *,
        limit: int = 100,
        since: float | None = None,
        endpoint: str | None = None,
        asset: str | None = None,
        kind: str | None = None,
    ) -> tuple[Event, ...]:
        """Newest first. `asset` is a uid, `since` an `Event.at` (inclusive)."""
        found = (
            event
            for _, event in self._events.newest(endpoint=endpoint)
            if (since is None or event.at >= since)
            and (asset is None or event.asset == asset)
            and (kind is None or event.kind == kind)
        )
        return tuple(islice(found, limit))

    async def history(
        self,
        *,
        limit: int = 100,
        since: float | None = None,
        endpoint: str | None = None,
        asset: str | None = None,
        component: str | None = None,
        field: str | None = None,
    ) -> tuple[Change, ...]:
        """What changed and when, newest first; those not yet on disk are among them."""
        found = (
            change
            for change in reversed(self._history)
            if (since is None or change.at >= since)
            and (endpoint is None or change.endpoint == endpoint)
            and (asset is None or change.asset == asset)
            and (component is None or change.component == component)
            and (field is None or change.field == field)
        )
        return tuple(islice(found, limit))

    async def logs(self, address: str, *, limit: int = 100) -> tuple[LogEntry, ...]:
        """The device's own log, newest first."""
        return tuple(reversed(self._logs.get(address, [])[-limit:]))

    # Being told, and staying

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(topic, payload)` after each change: "facts.target", "facts.status",
        "facts.report", "facts.hot" with the endpoint's address, "events" with the `Event`
        (the signature of `Bus.publish`). Returns what undoes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def start(self) -> None:
        """Open the database, bring its schema up to date, load the picture, begin writing."""

    async def flush(self) -> None:
        """Write all that is not yet on disk; raises `WeErred` if that fails (it stays queued)."""

    async def close(self) -> None:
        """Flush and let go of the database."""

    def _changed(self, topic: str, payload: Any) -> None:
        self.revision += 1
        for listener in self._listeners:
            listener(topic, payload)
