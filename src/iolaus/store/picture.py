"""The picture as the database has it: read whole once, and then only what was written since.

Whoever may have to lead keeps one beside the core that does, so that it begins where that one
ended and not with an empty memory. Every batch that is written leaves a mark of its own on its
rows, drawn at random; a row whose mark is known has not changed since it was read, whoever wrote
it and whatever was put back in between. So nothing is believed that the database does not say, and
to begin from nothing is the same as to begin from an old picture.

Parts that are equal byte by byte are read once: the settings of one type of node are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Table, func, or_, select

from iolaus.model.asset import (
    Capability,
    Certificate,
    Component,
    Deviation,
    Firmware,
    HotUpdate,
    ManagerSetting,
    PowerLimit,
    Reading,
    Report,
    Setting,
)
from iolaus.model.endpoint import EndpointStatus, Event, Target
from iolaus.model.evidence import Attester
from iolaus.store import schema
from iolaus.store.changes import Carry
from iolaus.store.held import Held, lay_hot, lay_report
from iolaus.store.identity import KnownAsset
from iolaus.store.packing import read_row
from iolaus.store.sharing import Sharing

PART_TYPES: Final[Mapping[str, type]] = {
    "components": Component,
    "readings": Reading,
    "firmware": Firmware,
    "power_limits": PowerLimit,
    "capabilities": Capability,
    "settings": Setting,
    "manager_settings": ManagerSetting,
    "certificates": Certificate,
    "attesters": Attester,
    "deviations": Deviation,
}
HEAD: Final = "head"
HOT: Final = "hot"
MOST_MARKS: Final = 500
"""Beyond so many new ones the whole table is read instead."""
_NOBODYS: Final = Target(address="")
_PARTS: Final[Mapping[str, msgspec.msgpack.Decoder[Any]]] = {
    name: msgspec.msgpack.Decoder(tuple[kind, ...])  # type: ignore[valid-type]
    for name, kind in PART_TYPES.items()
} | {HEAD: msgspec.msgpack.Decoder(Report), HOT: msgspec.msgpack.Decoder(HotUpdate)}
_TARGET: Final = msgspec.msgpack.Decoder(Target)
_STATUS: Final = msgspec.msgpack.Decoder(EndpointStatus)
_ASSET: Final = msgspec.msgpack.Decoder(KnownAsset)
_CARRY: Final = msgspec.msgpack.Decoder(Carry)
_EVENT: Final = msgspec.msgpack.Decoder(Event)


class Marked:
    """Which rows of a table are known, and by which batches they were written."""

    def __init__(self, table: Table) -> None:
        self._table, self._keys = table, tuple(table.primary_key)
        self._known: set[tuple[Any, ...]] = set()
        self._marks: set[int] = set()

    def news(self, connection: Connection) -> Iterator[Row[Any]]:
        """The rows that were written since they were last asked for. One without a mark is of a
        version that knew none, and is news each time."""
        mark = self._table.c.mark
        marks = set(connection.scalars(select(mark).distinct()))
        fresh, query = marks - self._marks, select(self._table)
        if self._marks and len(fresh) <= MOST_MARKS:
            query = query.where(or_(mark.in_(fresh - {None}), mark.is_(None)))
        if fresh:
            for row in connection.execute(query):
                self._known.add(tuple(row[: len(self._keys)]))
                yield row
        self._marks = marks - {None}

    def gone(self, connection: Connection) -> set[tuple[Any, ...]]:
        """The keys of rows that are no more; to be asked after the news."""
        count = connection.scalar(select(func.count()).select_from(self._table))
        if count is not None and count >= len(self._known):
            return set()
        gone = self._known.difference(tuple(row) for row in connection.execute(select(*self._keys)))
        self._known -= gone
        return gone


class Picture:
    """At most `events` events, the newest. Blocking, for one thread at a time. After a `refresh`
    that failed it is what it was or further, and the next one goes on from there."""

    def __init__(self, *, events: int) -> None:
        self._most_events = events
        self._marked = {
            table.name: Marked(table)
            for table in (
                schema.targets,
                schema.statuses,
                schema.parts,
                schema.assets,
                schema.events,
            )
        }
        self._parts: dict[str, dict[str, Any]] = {}
        self._laid: dict[str, Held] = {}
        self._unlaid: set[str] = set()
        self._asked: set[str] = set()
        self._statuses: dict[str, EndpointStatus] = {}
        self._events: dict[int, Event] = {}
        self.sharing = Sharing()
        self.targets: dict[str, Target] = {}
        self.assets: dict[str, tuple[KnownAsset, Carry]] = {}
        self.newest_logs: dict[str, str] = {}
        self.positions: dict[str, int] = {}
        self.last_change = self.last_log = 0
        self.read = 0
        """How many rows were read in all."""

    def refresh(self, connection: Connection) -> None:
        """As the database has it now. Raises what the database raises."""
        self._read_targets(connection)
        self._read_statuses(connection)
        self._read_parts(connection)
        self._read_assets(connection)
        self._read_events(connection)
        self._read_logs(connection)
        rows = connection.execute(select(schema.positions))
        self.positions = {row.name: row.number for row in rows}
        self.last_change = connection.scalar(select(func.max(schema.history.c.number))) or 0

    def held(self) -> Iterator[Held]:
        """Of every target, without the uids of its assets; given away, so once only."""
        for address, target in self.targets.items():
            held = self._laid.pop(address, None) or Held(target)
            held.target, held.status = target, self._statuses.get(address)
            yield held

    def events(self) -> Iterator[tuple[int, Event]]:
        """By number, oldest first."""
        numbers = sorted(self._events)[-self._most_events :]
        return ((number, self._events[number]) for number in numbers)

    # Table by table

    def _news(self, connection: Connection, table: Table) -> Iterator[Row[Any]]:
        for row in self._marked[table.name].news(connection):
            self.read += 1
            yield row

    def _read_targets(self, connection: Connection) -> None:
        for row in self._news(connection, schema.targets):
            self._asked.add(row.address)
            _put(self.targets, row.address, read_row("targets", row.address, row.doc, _TARGET))
        for (address,) in self._marked["targets"].gone(connection):
            self._asked.add(address)
            self.targets.pop(address, None)

    def _read_statuses(self, connection: Connection) -> None:
        for row in self._news(connection, schema.statuses):
            _put(self._statuses, row.address, read_row("statuses", row.address, row.doc, _STATUS))
        for (address,) in self._marked["statuses"].gone(connection):
            self._statuses.pop(address, None)

    def _read_parts(self, connection: Connection) -> None:
        alike: dict[tuple[str, bytes], Any] = {}
        for row in self._news(connection, schema.parts):
            address, name, doc = row.address, row.part, row.doc
            if name not in _PARTS:
                continue
            key = (name, bytes(doc)) if name in PART_TYPES else None
            if key is None or (part := alike.get(key)) is None:
                part = read_row("parts", f"{address} {name}", doc, _PARTS[name])
                if part is not None:
                    part = self.sharing.share_part(part)
                if key is not None:
                    alike[key] = part
            _put(self._parts.setdefault(address, {}), name, part)
            self._unlaid.add(address)
        for address, name in self._marked["parts"].gone(connection):
            self._parts.get(address, {}).pop(name, None)
            self._unlaid.add(address)
        for address in self._unlaid:
            self._lay(address)
        self._unlaid.clear()

    def _lay(self, address: str) -> None:
        self._laid.pop(address, None)
        parts = dict(self._parts.get(address, {}))
        head, hot = parts.pop(HEAD, None), parts.pop(HOT, None)
        if head is None and hot is None:
            return
        held = self._laid[address] = Held(_NOBODYS)
        if head is not None:
            lay_report(held, msgspec.structs.replace(head, **parts))
        if hot is not None:
            lay_hot(held, hot)
        held.readings = {self.sharing.key(key): each for key, each in held.readings.items()}

    def _read_assets(self, connection: Connection) -> None:
        for row in self._news(connection, schema.assets):
            asset = read_row("assets", row.uid, row.doc, _ASSET)
            carry = read_row("assets", row.uid, row.carry, _CARRY) or Carry()
            _put(self.assets, row.uid, (asset, carry) if asset is not None else None)
        for (uid,) in self._marked["assets"].gone(connection):
            self.assets.pop(uid, None)

    def _read_events(self, connection: Connection) -> None:
        for row in self._news(connection, schema.events):
            event = read_row("events", str(row.number), row.doc, _EVENT)
            if event is not None and event.asset != row.asset:
                event = msgspec.structs.replace(event, asset=row.asset)
            _put(self._events, row.number, event)
        for (number,) in self._marked["events"].gone(connection):
            self._events.pop(number, None)

    def _read_logs(self, connection: Connection) -> None:
        """The newest of each endpoint. One that was forgotten and asked for again has none of
        before."""
        table, asked = schema.logs, self._asked
        for address in asked:
            self.newest_logs.pop(address, None)
        newest = select(func.max(table.c.number)).group_by(table.c.endpoint)
        if self.last_log and len(asked) <= MOST_MARKS:
            newest = newest.where(or_(table.c.number > self.last_log, table.c.endpoint.in_(asked)))
        rows = connection.execute(
            select(table.c.endpoint, table.c.uri).where(table.c.number.in_(newest))
        )
        self.newest_logs |= {row.endpoint: row.uri for row in rows if row.endpoint in self.targets}
        self.last_log = connection.scalar(select(func.max(table.c.number))) or 0
        asked.clear()


def _put(into: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        into.pop(key, None)
    else:
        into[key] = value
