"""The picture of the hall: in memory, the truth for everyone who asks; on disk, written behind.

Readers never wait for a disk and never meet a lock: the picture lives in one event loop and
`held()` is a dictionary look-up. What must survive a crash is written in batches by one thread
(`behind`). If the disk is full or gone, the picture goes on working, what was not written stays
queued, and one log line says so each way. After a restart everything is as old as it is: times
are kept, nothing becomes fresh.

Use from the event loop's thread only. `record_*` for an endpoint that is not a target is ignored:
a reading may come back after its target was removed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import Asset, HotUpdate, LogEntry, Reading, Report
from iolaus.model.endpoint import EndpointStatus, Event, Target
from iolaus.store.behind import Behind, Limits
from iolaus.store.changes import Change
from iolaus.store.database import Connect, Database, Guard
from iolaus.store.events import EventLog, fit, fit_text
from iolaus.store.held import Held
from iolaus.store.identity import IdentityConflict
from iolaus.store.intake import Intake, Taken
from iolaus.store.picture import HEAD, HOT, PART_TYPES, Picture
from iolaus.store.records import Logs, Recorded
from iolaus.store.registry import Registry
from iolaus.store.samples import Telemetry, samples_of
from iolaus.store.saving import head_of, load_history, load_logs

AT_ONCE: Final = 256
Listener = Callable[[str, Any], None]
Recorder = Callable[[Recorded], None]


class Facts:
    """`database` is a path (SQLite), an SQLAlchemy URL, or None for memory only. Every value
    that is read goes to `series` too. `picture` is what is known of the database already; it is
    given away."""

    def __init__(
        self,
        *,
        database: Path | str | None = None,
        clock: Clock | None = None,
        series: Telemetry | None = None,
        limits: Limits | None = None,
        new_uid: Callable[[], str] = lambda: str(uuid.uuid4()),
        connect: Connect | None = None,
        guard: Guard | None = None,
        picture: Picture | None = None,
    ) -> None:
        self._clock: Clock = clock or WallClock()
        self._limits, self._series = limits or Limits(), series
        self._held: dict[str, Held] = {}
        self._events = EventLog(
            most=self._limits.events,
            most_each=self._limits.events_each,
            window=self._limits.dedup_window,
        )
        self._registry = Registry(new_uid=new_uid)
        self._picture = picture or Picture(events=self._limits.events)
        self._intake = Intake(
            held=self._held, registry=self._registry, sharing=self._picture.sharing
        )
        self._newest_logs: dict[str, str] = {}
        self._listeners: list[Listener] = []
        self._recorders: list[Recorder] = []
        self.positions: dict[str, int] = {}
        self._changes_made = self._logs_made = 0
        self._behind = Behind(
            database=None if database is None else Database(database, connect=connect, guard=guard),
            clock=self._clock,
            limits=self._limits,
        )
        self.revision = 0

    # What is asked for

    def put_target(self, target: Target) -> None:
        """Ask for an endpoint, or change what is asked; what is known of it stays."""
        if (held := self._held.get(target.address)) is None:
            self._held[target.address] = Held(target)
        elif held.target == target:
            return
        else:
            held.target = target
        self._behind.put(("targets", target.address), target)
        self._changed("facts.target", target.address)

    def remove_target(self, address: str) -> None:
        """Forget the endpoint; its assets' identities, history and events stay known."""
        if self._held.pop(address, None) is None:
            return
        self._registry.leave(address)
        self._newest_logs.pop(address, None)
        self._behind.forget(address)
        self._save_assets()
        self._changed("facts.target", address)

    # What was found

    def record_status(self, status: EndpointStatus) -> None:
        """Take what trying to reach it says. A change of reach is history; it makes no event
        (whoever tried knows more and says so by `record_event`)."""
        if (held := self._held.get(status.address)) is None:
            return
        self._carry(status)
        before, held.status = held.status, status
        key = ("statuses", status.address)
        if before is None or before.reach is not status.reach:
            self._behind.put(key, status)
            self._note_reach(before, status)
        else:
            self._behind.put_lazily(key, lambda: held.status)
        self._changed("facts.status", status.address)

    def record_report(self, report: Report) -> tuple[Event, ...]:
        """Take a full reading. The changes since the last one become history and events; the
        events are recorded already, and returned. First sight makes one event for each asset."""
        if (held := self._held.get(report.endpoint)) is None:
            return ()
        self._carry(report)
        return self._take_report(held, report)

    def adopt_report(self, report: Report, newest_log: str | None) -> None:
        """Take a full reading that another process made, recorded and has told already, and what
        it knew of the device's own log; recorders are not told."""
        if (held := self._held.get(report.endpoint)) is not None:
            self._take_report(held, report)
            if newest_log is not None:
                self._newest_logs[report.endpoint] = newest_log

    def _take_report(self, held: Held, report: Report) -> tuple[Event, ...]:
        last, readings = held.report, held.readings
        taken = self._intake.take_report(held, report)
        self._save_report(held, last)
        for address in taken.touched:
            self._save_report(self._held[address], None)
            self._changed("facts.report", address)
        for old, new in taken.merged.items():
            self._events.rename_asset(old, new)
            self._behind.merge(old, new)
        self._save_assets({*held.uids.values()})
        self._feed(held, (r for k, r in held.readings.items() if _is_newer(readings.get(k), r)))
        self._changed("facts.report", report.endpoint)
        return self._keep(taken)

    def record_hot(self, update: HotUpdate) -> tuple[Event, ...]:
        """Take one pass over the hot set; like `record_report` where something changed."""
        if (held := self._held.get(update.endpoint)) is None:
            return ()
        self._carry(update)
        taken = self._intake.take_hot(held, update)
        self._behind.put_lazily(("parts", update.endpoint, HOT), lambda: _hot_of(held))
        if taken.changes:
            self._save_assets({*held.uids.values()})
        self._feed(held, update.readings)
        self._changed("facts.hot", update.endpoint)
        return self._keep(taken)

    def record_event(self, event: Event) -> bool:
        """False for one that was seen before (same endpoint and `dedup`). An asset's key in
        `Event.asset` becomes its uid."""
        is_new = self._take_event(event)
        if is_new:
            self._carry(event)
        return is_new

    def _take_event(self, event: Event) -> bool:
        held = self._held.get(event.endpoint)
        if held is not None and event.asset in held.uids:
            event = msgspec.structs.replace(event, asset=held.uids[event.asset])
        event = fit(event)
        if (number := self._events.add(event)) is None:
            return False
        self._behind.events.append((number, event))
        self._behind.evict(self._events.take_evicted())
        self._changed("events", event)
        return True

    def record_logs(self, address: str, entries: Iterable[LogEntry]) -> None:
        """Keep new entries, oldest first, of the device's own log (bounded for each endpoint)."""
        if address not in self._held:
            return
        self._carry(Logs(endpoint=address, entries=(told := tuple(entries))))
        for entry in told:
            self._logs_made += 1
            fitted = {"uri": fit_text(entry.uri), "message": fit_text(entry.message)}
            self._newest_logs[address] = fitted["uri"]
            kept = msgspec.structs.replace(entry, **fitted)
            self._behind.logs.append((self._logs_made, address, kept))

    def record(self, told: Recorded) -> None:
        """What was recorded elsewhere, as it was."""
        if isinstance(told, EndpointStatus):
            self.record_status(told)
        elif isinstance(told, Report):
            self.record_report(told)
        elif isinstance(told, HotUpdate):
            self.record_hot(told)
        elif isinstance(told, Event):
            self.record_event(told)
        else:
            self.record_logs(told.endpoint, told.entries)

    def follow(self, name: str, number: int) -> None:
        """What is told under this name is in the picture up to this number; written in one
        transaction with that."""
        self.positions[name] = number
        self._behind.put(("positions", name), number)

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
        return self._newest_logs.get(address)

    def uid(self, address: str, key: str) -> str | None:
        """The stable uid of an asset, by its endpoint and its key there."""
        return held.uids.get(key) if (held := self._held.get(address)) else None

    def find_asset(self, uid: str) -> tuple[Held, Asset] | None:
        """Where the asset with this uid is now."""
        known = self._registry.get(uid)
        held = self._held.get(known.endpoint) if known is not None else None
        if known is None or held is None or held.uids.get(known.key) != uid:
            return None
        return held, held.assets[known.key]

    def conflicts(self) -> tuple[IdentityConflict, ...]:
        """Identities that are claimed at several endpoints: for a person to settle."""
        return self._registry.conflicts()

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
        given = {"endpoint": endpoint, "asset": asset, "component": component, "field": field}
        where = {name: value for name, value in given.items() if value is not None}
        found = {
            number: change
            for number, change in self._behind.waiting_changes()
            if (since is None or change.at >= since)
            and all(getattr(change, name) == value for name, value in where.items())
        }
        old = await self._behind.read(
            lambda connection: load_history(connection, limit=limit, since=since, where=where)
        )
        found = dict(old or ()) | found
        return tuple(found[number] for number in sorted(found, reverse=True)[:limit])

    async def logs(self, address: str, *, limit: int = 100) -> tuple[LogEntry, ...]:
        """The device's own log, newest first; an entry that was read twice stands once."""
        waiting = self._behind.waiting_logs()
        found = {number: entry for number, of, entry in waiting if of == address}
        old = await self._behind.read(lambda connection: load_logs(connection, address, limit))
        found = dict(old or ()) | found
        newest = (found[number] for number in sorted(found, reverse=True))
        once = {(entry.uri, entry.created, entry.message): entry for entry in newest}
        return tuple(islice(once.values(), limit))

    # Being told, and staying

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(topic, payload)` after each change: "facts.target", "facts.status",
        "facts.report", "facts.hot" with the endpoint's address, "events" with the `Event`
        (the signature of `Bus.publish`). Returns what undoes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def on_record(self, recorder: Recorder) -> None:
        """Call `recorder` with each thing that is recorded here, before it is looked into; not
        with what only follows from it."""
        self._recorders.append(recorder)

    @property
    def trouble(self) -> IolausError | None:
        """Why the state cannot be written at present; None when all is well."""
        return self._behind.trouble

    @property
    def waiting(self) -> int:
        """Rows that are not on disk yet."""
        return self._behind.waiting

    async def start(self) -> None:
        """Open the database, bring its schema up to date, load the picture, begin writing.
        To be called before anything is recorded.

        Raises `OperatorMust` or `WeErred`; the picture then works in memory only."""
        await self._behind.open()
        picture, self._picture = self._picture, Picture(events=0)
        await self._behind.read(picture.refresh)
        await self._adopt(picture)
        self._behind.begin()

    async def flush(self) -> None:
        """Write all that is not yet on disk; raises `WeErred` if that fails (it stays queued)."""
        await self._behind.flush()

    async def keep(self) -> None:
        """What was asked until now is on disk; what could wait still waits. Raises `WeErred`."""
        await self._behind.flush(everything=False)

    async def close(self) -> None:
        """Write what waits and let go of the database."""
        await self._behind.close()

    def _feed(self, held: Held, readings: Iterable[Reading]) -> None:
        if self._series is not None:
            self._series.append(samples_of(readings, held.uids))

    def _keep(self, taken: Taken) -> tuple[Event, ...]:
        for change in taken.changes:
            self._keep_change(change)
        kept = []
        for event in taken.events:
            mark = f"facts:{self._events.next_number}"
            kept.append(msgspec.structs.replace(event, dedup=mark))
            self._take_event(kept[-1])
        return tuple(kept)

    def _keep_change(self, change: Change) -> None:
        self._changes_made += 1
        texts = {
            name: fit_text(text, 1024)
            for name in ("component", "field", "before", "after", "source")
            if (text := getattr(change, name)) is not None
        }
        self._behind.changes.append((self._changes_made, msgspec.structs.replace(change, **texts)))

    def _note_reach(self, before: EndpointStatus | None, after: EndpointStatus) -> None:
        if before is not None:
            self._keep_change(
                Change(
                    at=after.at,
                    endpoint=after.address,
                    asset=None,
                    component=None,
                    field="reach",
                    before=before.reach.value,
                    after=after.reach.value,
                )
            )

    def _save_report(self, held: Held, last: Report | None) -> None:
        address, report = held.target.address, held.report
        assert report is not None
        self._behind.put(("parts", address, HEAD), head_of(report))
        for name in PART_TYPES:
            part = getattr(report, name)
            if last is None or part is not getattr(last, name):
                self._behind.put(("parts", address, name), part)
        if held.hot_at is not None:
            self._behind.put_lazily(("parts", address, HOT), lambda: _hot_of(held))

    def _save_assets(self, also: Iterable[str] = ()) -> None:
        changed, self._registry.changed = self._registry.changed.union(also), set()
        for uid in changed:
            if (asset := self._registry.get(uid)) is not None:
                self._behind.put(("assets", uid), (asset, self._intake.packed_carry(uid)))

    async def _adopt(self, picture: Picture) -> None:
        """In pieces: whoever shares the loop goes on."""
        for asset, carry in picture.assets.values():
            self._registry.load(asset)
            self._intake.carries[asset.uid] = carry
        for number, held in enumerate(picture.held()):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            address = held.target.address
            self._held[address] = held
            held.uids = self._registry.present_at(address)
        for number, event in picture.events():
            self._events.add(event, number=number)
        self._newest_logs.update(picture.newest_logs)
        self.positions |= picture.positions
        self._changes_made += picture.last_change
        self._logs_made += picture.last_log

    def _carry(self, told: Recorded) -> None:
        for recorder in self._recorders:
            recorder(told)

    def _changed(self, topic: str, payload: Any) -> None:
        self.revision += 1
        for listener in self._listeners:
            listener(topic, payload)


def _is_newer(before: Reading | None, after: Reading) -> bool:
    return before is None or before.at < after.at


def _hot_of(held: Held) -> HotUpdate:
    """What was read since the last full reading."""
    report = held.report
    known = {id(reading) for reading in report.readings} if report is not None else set()
    told = {asset.key: asset for asset in report.assets} if report is not None else {}
    newer = {k: a for k, a in held.assets.items() if a is not told.get(k)}
    return HotUpdate(
        endpoint=held.target.address,
        at=held.hot_at or 0.0,
        power_states={key: asset.power_state for key, asset in newer.items()},
        healths={key: asset.health for key, asset in newer.items()},
        readings=tuple(r for r in held.readings.values() if id(r) not in known),
    )
