"""A batch of the picture as rows, and rows as the picture.

Everything is written so that it may be written twice: rows by key, appended ones by a number of
our own. A report is kept in parts, because its inventory hardly ever changes while its readings
always do. A document that cannot be written or read (a device sent half a character; a disk lost
a bit) costs itself and nothing else.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from iolaus.model.asset import LogEntry, Report
from iolaus.model.endpoint import Event
from iolaus.store import schema
from iolaus.store.changes import Change
from iolaus.store.identity import KnownAsset
from iolaus.store.packing import pack, read_row
from iolaus.store.picture import PART_TYPES

log = structlog.get_logger(__name__)

LOGS_EACH = 200
_LOG = msgspec.msgpack.Decoder(LogEntry)
_MARKED = (schema.targets, schema.statuses, schema.parts, schema.assets, schema.events)

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
    mark = new_mark()
    for table in _MARKED:
        for row in by_table.get(table.name, ()):
            row["mark"] = mark
    return by_table


def new_mark() -> int:
    """One that no batch has left on its rows yet (`store.picture`)."""
    return secrets.randbits(63)


def mark_all(connection: Connection) -> None:
    """What a version that knew no marks has written is marked."""
    mark = new_mark()
    for table in _MARKED:
        connection.execute(update(table).where(table.c.mark.is_(None)).values(mark=mark))


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
        past, events = schema.history, schema.events
        connection.execute(update(past).where(past.c.asset == old).values(asset=new))
        known = update(events).where(events.c.asset == old)
        connection.execute(known.values(asset=new, mark=new_mark()))
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


def has_targets(connection: Connection) -> bool:
    """Whether this is the state of a hall that somebody began to hold."""
    return connection.execute(select(schema.targets).limit(1)).first() is not None


def load_logs(connection: Connection, address: str, limit: int) -> list[tuple[int, LogEntry]]:
    table = schema.logs
    query = select(table.c.number, table.c.doc).where(table.c.endpoint == address)
    rows = connection.execute(query.order_by(table.c.number.desc()).limit(limit))
    entries = ((number, read_row("logs", address, doc, _LOG)) for number, doc in rows)
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
