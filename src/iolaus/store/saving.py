"""A batch of the picture as rows, and rows as the picture.

Everything is written so that it may be written twice: rows by key, appended ones by a number of
our own. A report is kept in parts, because its inventory hardly ever changes while its readings
always do. A document that cannot be written or read (a device sent half a character; a disk lost
a bit) costs itself and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from iolaus.model.asset import (
    Capability,
    Certificate,
    Component,
    Deviation,
    Firmware,
    HotUpdate,
    LogEntry,
    ManagerSetting,
    PowerLimit,
    Reading,
    Report,
    Setting,
)
from iolaus.model.endpoint import EndpointStatus, Event, Target
from iolaus.model.evidence import Attester
from iolaus.store import schema
from iolaus.store.changes import Carry, Change
from iolaus.store.identity import KnownAsset
from iolaus.store.packing import pack, unpack

log = structlog.get_logger(__name__)

PART_TYPES: dict[str, type] = {
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
HEAD, HOT = "head", "hot"
LOGS_EACH = 200
_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(tuple[kind, ...])  # type: ignore[valid-type]
    for name, kind in PART_TYPES.items()
} | {HEAD: msgspec.msgpack.Decoder(Report), HOT: msgspec.msgpack.Decoder(HotUpdate)}
_TARGET = msgspec.msgpack.Decoder(Target)
_STATUS = msgspec.msgpack.Decoder(EndpointStatus)
_ASSET = msgspec.msgpack.Decoder(KnownAsset)
_CARRY = msgspec.msgpack.Decoder(Carry)
_EVENT = msgspec.msgpack.Decoder(Event)
_LOG = msgspec.msgpack.Decoder(LogEntry)

RowKey = tuple[str, ...]
"""A table's name and the row's key: ("parts", address, part)."""


class Batch(msgspec.Struct, kw_only=True):
    """What is to be written in one transaction. A row of None is deleted; `forgotten` endpoints
    lose all their rows before any other is written; `merged` renames an asset in what is past."""

    rows: dict[RowKey, Any] = {}
    changes: list[tuple[int, Change]] = []
    events: list[tuple[int, Event]] = []
    logs: list[tuple[int, str, LogEntry]] = []
    forgotten: set[str] = set()
    merged: dict[str, str] = {}
    evicted: list[int] = []

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


class Loaded(msgspec.Struct, kw_only=True):
    """The picture as it was written, with the times of then."""

    targets: dict[str, Target] = {}
    statuses: dict[str, EndpointStatus] = {}
    reports: dict[str, Report] = {}
    hot: dict[str, HotUpdate] = {}
    assets: list[tuple[KnownAsset, Carry]] = []
    events: list[tuple[int, Event]] = []
    newest_logs: dict[str, str] = {}
    positions: dict[str, int] = {}
    last_change: int = 0
    last_log: int = 0


def head_of(report: Report) -> Report:
    return msgspec.structs.replace(report, **dict.fromkeys(PART_TYPES, ()))


def laid_out(batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table: before the transaction, because packing those of a large hall takes
    seconds for which nothing need be locked."""
    by_table: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, document in batch.rows.items():
        if document is not None and (row := _row(key, document)) is not None:
            by_table[key[0]].append(row)
    by_table[schema.history.name] += [_history_row(n, c) for n, c in batch.changes]
    by_table[schema.events.name] += _packed(_event_row, batch.events)
    by_table[schema.logs.name] += _packed(_log_row, batch.logs)
    return by_table


def save(
    connection: Connection, batch: Batch, by_table: Mapping[str, list[dict[str, Any]]]
) -> None:
    """`by_table` is the batch, laid out."""
    for address in batch.forgotten:
        _forget(connection, address)
    for key, document in batch.rows.items():
        if document is None:
            _delete(connection, key)
    for name, rows in by_table.items():
        _upsert(connection, schema.metadata.tables[name], rows)
    for old, new in batch.merged.items():
        for table in (schema.history, schema.events):
            connection.execute(update(table).where(table.c.asset == old).values(asset=new))
    if batch.evicted:
        gone = schema.events.c.number.in_(batch.evicted)
        connection.execute(delete(schema.events).where(gone))
    for address in {address for _, address, _ in batch.logs}:
        _prune_logs(connection, address)


def prune(connection: Connection, *, before: float, most: int) -> None:
    """Keep history younger than `before` (seconds since 1970) and at most `most` rows of it;
    assets that stand nowhere are forgotten with it."""
    table, assets = schema.history, schema.assets
    connection.execute(delete(table).where(table.c.at < before))
    last = connection.scalar(select(func.max(table.c.number))) or 0
    connection.execute(delete(table).where(table.c.number <= last - most))
    gone = assets.c.present.is_(False) & (assets.c.seen_at < before)
    connection.execute(delete(assets).where(gone))


def load(connection: Connection, *, most_events: int) -> Loaded:
    loaded = Loaded(
        targets=dict(_docs(connection, schema.targets, _TARGET)),
        statuses=dict(_docs(connection, schema.statuses, _STATUS)),
        assets=list(_load_assets(connection)),
        events=_load_events(connection, most_events),
        positions={row.name: row.number for row in connection.execute(select(schema.positions))},
        last_change=connection.scalar(select(func.max(schema.history.c.number))) or 0,
        last_log=connection.scalar(select(func.max(schema.logs.c.number))) or 0,
    )
    heads, parts = _load_parts(connection, loaded.hot)
    loaded.reports = {
        address: msgspec.structs.replace(head, **parts[address]) for address, head in heads.items()
    }
    newest = select(func.max(schema.logs.c.number)).group_by(schema.logs.c.endpoint)
    query = select(schema.logs.c.endpoint, schema.logs.c.uri)
    rows = connection.execute(query.where(schema.logs.c.number.in_(newest)))
    loaded.newest_logs = {row.endpoint: row.uri for row in rows}
    return loaded


def load_logs(connection: Connection, address: str, limit: int) -> list[tuple[int, LogEntry]]:
    table = schema.logs
    query = select(table.c.number, table.c.doc).where(table.c.endpoint == address)
    rows = connection.execute(query.order_by(table.c.number.desc()).limit(limit))
    entries = ((number, _read("logs", address, doc, _LOG)) for number, doc in rows)
    return [(number, entry) for number, entry in entries if entry is not None]


def load_history(
    connection: Connection, *, limit: int, since: float | None, where: Mapping[str, str]
) -> list[tuple[int, Change]]:
    """Newest first; `where` maps a column to the value it must have."""
    table = schema.history
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    for column, value in where.items():
        query = query.where(table.c[column] == value)
    if since is not None:
        query = query.where(table.c.at >= since)
    rows = connection.execute(query).mappings()
    return [
        (row["number"], Change(**{f: row[f] for f in Change.__struct_fields__})) for row in rows
    ]


def _load_assets(connection: Connection) -> Iterator[tuple[KnownAsset, Carry]]:
    for row in connection.execute(select(schema.assets)):
        asset = _read("assets", row.uid, row.doc, _ASSET)
        if asset is not None:
            yield asset, _read("assets", row.uid, row.carry, _CARRY) or Carry()


def _load_events(connection: Connection, most: int) -> list[tuple[int, Event]]:
    table, found = schema.events, []
    query = select(table).order_by(table.c.number.desc()).limit(most)
    for row in connection.execute(query):
        if (event := _read("events", str(row.number), row.doc, _EVENT)) is not None:
            same = event.asset == row.asset
            found.append(
                (row.number, event if same else msgspec.structs.replace(event, asset=row.asset))
            )
    return found[::-1]


def _load_parts(
    connection: Connection, hot: dict[str, HotUpdate]
) -> tuple[dict[str, Report], dict[str, dict[str, Any]]]:
    heads: dict[str, Report] = {}
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    for address, name, doc in connection.execute(select(schema.parts)):
        if name not in _DECODERS:
            continue
        document = _read("parts", f"{address} {name}", doc, _DECODERS[name])
        if document is None:
            continue
        if name == HEAD:
            heads[address] = document
        elif name == HOT:
            hot[address] = document
        else:
            parts[address][name] = document
    return heads, parts


def _docs(
    connection: Connection, table: Table, decoder: msgspec.msgpack.Decoder[Any]
) -> Iterator[tuple[str, Any]]:
    for address, doc in connection.execute(select(table.c.address, table.c.doc)):
        if (document := _read(table.name, address, doc, decoder)) is not None:
            yield address, document


def _read(table: str, key: str, doc: bytes, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
    try:
        return unpack(doc, decoder)
    except ValueError as error:
        log.warning("state_row_unreadable", table=table, key=key, error=str(error))
        return None


def _row(key: RowKey, document: Any) -> dict[str, Any] | None:
    table, *rest = key
    if table == "positions":
        return {"name": rest[0], "number": document}
    try:
        if table == "assets":
            return _asset_row(*document)
        names = ("address", "part")[: len(rest)]
        return {**dict(zip(names, rest, strict=True)), "doc": pack(document)}
    except ValueError as error:
        log.warning("state_row_unwritable", table=table, key=rest, error=str(error))
        return None


def _asset_row(asset: KnownAsset, carry: bytes) -> dict[str, Any]:
    return {
        "uid": asset.uid,
        "endpoint": asset.endpoint,
        "present": asset.present,
        "seen_at": asset.seen_at,
        "doc": pack(asset),
        "carry": carry,
    }


def _history_row(number: int, change: Change) -> dict[str, Any]:
    return {"number": number, **msgspec.structs.asdict(change)}


def _event_row(number: int, event: Event) -> dict[str, Any]:
    return {"number": number, "asset": event.asset, "doc": pack(event)}


def _log_row(number: int, address: str, entry: LogEntry) -> dict[str, Any]:
    return {"number": number, "endpoint": address, "uri": entry.uri, "doc": pack(entry)}


def _packed(make: Any, items: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for item in items:
        try:
            yield make(*item)
        except ValueError as error:
            log.warning("state_row_unwritable", number=item[0], error=str(error))


def _upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    keys = {column.name for column in table.primary_key}
    new = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=sorted(keys), set_=new), rows)


def _delete(connection: Connection, key: RowKey) -> None:
    table = schema.metadata.tables[key[0]]
    columns = list(table.primary_key)
    query = delete(table)
    for column, value in zip(columns, key[1:], strict=True):
        query = query.where(column == value)
    connection.execute(query)


def _forget(connection: Connection, address: str) -> None:
    for table in (schema.targets, schema.statuses, schema.parts):
        connection.execute(delete(table).where(table.c.address == address))
    connection.execute(delete(schema.logs).where(schema.logs.c.endpoint == address))


def _prune_logs(connection: Connection, address: str) -> None:
    table = schema.logs
    mine = select(table.c.number).where(table.c.endpoint == address)
    oldest = mine.order_by(table.c.number.desc()).offset(LOGS_EACH).limit(1)
    number = connection.scalar(oldest)
    if number is not None:
        gone = (table.c.endpoint == address) & (table.c.number <= number)
        connection.execute(delete(table).where(gone))
