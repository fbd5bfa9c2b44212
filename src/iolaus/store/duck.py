"""The DuckDB file behind `series`: opened, written, asked, pruned; and its failures in words.

Blocking, and each method is called by one thread at a time (the writer's; `buckets` by the
reader's, on a cursor of its own).
"""

from __future__ import annotations

import contextlib
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import structlog

from iolaus.kernel.errors import IolausError, OperatorMust, WeErred
from iolaus.store.database import explain

log = structlog.get_logger(__name__)
_TABLES = (
    """create table if not exists names (number uinteger not null, asset varchar not null,
       name varchar not null, role varchar not null, unit varchar not null)""",
    """create table if not exists samples (number uinteger not null, t double not null,
       v double not null)""",
)
_BUCKETS = """
select n.number, any_value(n.asset), any_value(n.name), any_value(n.role), any_value(n.unit),
       cast(floor((s.t - $start) / $width) as bigint) as bucket, min(s.v), avg(s.v), max(s.v),
       count(*)
from samples s join (select * from names where {where}) n on s.number = n.number
where s.t >= $start and s.t < $end
group by n.number, bucket order by n.number, bucket
"""
_ASIDE_STEP = (
    "telemetry history begins anew; nothing else is lost. Delete the old file when nobody needs it."
)
_CONFIG = {"threads": "1", "memory_limit": "128MB"}


class Duck:
    """`on_lost` is called when a damaged file was moved aside, and all that it knew with it."""

    def __init__(self, path: Path | None, *, on_lost: Callable[[], None]) -> None:
        self._path, self._on_lost = path, on_lost
        self._connection: Any = None

    def open(self) -> list[tuple[int, str, str]]:
        """The known series: (number, asset, name). A damaged file is moved aside."""
        try:
            return self._open()
        except duckdb.Error as error:
            if (told := self._explain(error)) is not None:
                raise told from error
            aside = self._move_aside(error)
        self._on_lost()
        try:
            found = self._open()
        except duckdb.Error as error:
            raise self._explain(error) or self._broken(error) from error
        log.warning("series_moved_aside", moved_to=str(aside), next_step=_ASIDE_STEP)
        return found

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
            self._connection = None

    def write(
        self,
        new: list[tuple[int, str, str, str, str]],
        numbers: array[int],
        times: array[float],
        values: array[float],
    ) -> None:
        if not len(numbers) and not new:
            return
        batch = {
            "number": np.frombuffer(numbers, np.uint32),
            "t": np.frombuffer(times, np.float64),
            "v": np.frombuffer(values, np.float64),
        }
        with self._transaction() as connection:
            if new:
                columns = zip(*new, strict=True)
                names = dict(zip(("number", "asset", "name", "role", "unit"), columns, strict=True))
                arrays = {key: np.array(column, object) for key, column in names.items()}
                arrays["number"] = np.array(names["number"], np.uint32)
                connection.register("fresh", arrays)
                connection.execute(
                    "insert into names select number, asset, name, role, unit from fresh"
                )
                connection.unregister("fresh")
            if len(numbers):
                connection.register("batch", batch)
                connection.execute("insert into samples select number, t, v from batch")
                connection.unregister("batch")

    def buckets(
        self, start: float, end: float, width: float, where: Mapping[str, str]
    ) -> list[tuple[Any, ...]]:
        """Rows (number, asset, name, role, unit, bucket, low, mean, high, count), in order."""
        condition = " and ".join(f"{column} = ${column}" for column in where) or "true"
        given = {"start": start, "end": end, "width": width, **where}
        try:
            with self._connection.cursor() as cursor:
                query = _BUCKETS.replace("{where}", condition)
                return list(cursor.execute(query, given).fetchall())
        except duckdb.Error as error:
            raise self._explain(error) or self._broken(error) from error

    def prune(self, before: float, most_bytes: int) -> None:
        with self._transaction() as connection:
            connection.execute("delete from samples where t < ?", [before])
        size = self._path.stat().st_size if self._path is not None else 0
        if size > most_bytes:
            with self._transaction() as connection:
                connection.execute(
                    "delete from samples where t < (select min(t) + (max(t) - min(t)) / 10 "
                    "from samples)"
                )
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("checkpoint")

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        """All or nothing. After a failure the file is opened anew: DuckDB refuses a database that
        met a fatal error until then."""
        try:
            if self._connection is None:
                self.open()
            self._connection.execute("begin")
            yield self._connection
            self._connection.execute("commit")
        except (duckdb.Error, RuntimeError) as error:
            self.close()
            raise self._explain(error) or self._broken(error) from error

    def _open(self) -> list[tuple[int, str, str]]:
        where = str(self._path) if self._path is not None else ":memory:"
        self._connection = duckdb.connect(where, config=_CONFIG)
        try:
            for table in _TABLES:
                self._connection.execute(table)
            self._connection.execute("select max(t) from samples").fetchall()
            known = self._connection.execute("select number, asset, name from names").fetchall()
        except duckdb.Error:
            self.close()
            raise
        return list(known)

    def _move_aside(self, error: Exception) -> Path:
        if self._path is None:
            raise self._broken(error) from error
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        try:
            for suffix in ("", ".wal"):
                old = self._path.with_name(self._path.name + suffix)
                if old.exists():
                    old.rename(aside.with_name(aside.name + suffix))
        except OSError as refused:
            raise explain(
                refused, operation="move damaged telemetry history aside", subject=str(self._path)
            ) from error
        return aside

    def _explain(self, error: Exception) -> IolausError | None:
        """None for an error that only a damaged file explains."""
        text, name = _first_line(error), str(self._path)
        if "set lock on file" in text or "Conflicting lock" in text:
            return OperatorMust(
                "another program holds it",
                operation="open telemetry history",
                subject=name,
                code="StateLocked",
                next_step="stop the other program (a second Iolaus, a database browser).",
            )
        if any(words in text for words in ("Permission denied", "Read-only", "read-only")):
            return OperatorMust(
                "it cannot be written",
                operation="open telemetry history",
                subject=name,
                code="StateNotWritable",
                next_step="make the directory writable for this user, or choose another "
                "with --state.",
            )
        if any(words in text for words in ("No space left", "disk space", "Disk quota")):
            return WeErred(
                "the disk is full",
                operation="write telemetry history",
                subject=name,
                code="DiskFull",
                next_step="free some space; what waits is written then.",
            )
        return None

    def _broken(self, error: Exception) -> IolausError:
        return WeErred(
            f"the database failed: {_first_line(error)}",
            operation="use telemetry history",
            subject=str(self._path),
            code="StateUnusable",
            next_step="it is opened anew at the next write; look at the log if this goes on.",
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
