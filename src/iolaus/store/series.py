"""Telemetry history: every sample of every series, in a DuckDB file of its own.

Half a million samples a second miss a row store and fit a column store, so samples never touch
the state database. Appending only extends three arrays and never waits; one thread moves them
into the file about once a second. When it cannot keep up, the oldest waiting samples are shed and
counted: a gap in a curve is better than a collector that waits for a disk. The file holds nothing
that a hall needs in order to be run, so a damaged one is moved aside and a new one begun.
"""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.store.duck import Duck
from iolaus.store.samples import Sample

log = structlog.get_logger(__name__)
MOST_SERIES_EACH = 5_000
"""Series of one asset: a device that renames its sensors at every reading must not fill us."""


class Bucket(NamedTuple):
    """What a series did in the `width_s` of its trace that begin at `at`."""

    at: float
    low: float
    mean: float
    high: float
    samples: int


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One series, decimated. Times in which nothing was read have no bucket."""

    asset: str
    name: str
    role: str
    unit: str
    width_s: float
    buckets: tuple[Bucket, ...]


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: waiting in memory, in time and in size; the older limit wins."""

    waiting: int = 4_000_000
    seconds: float = 14 * 86400.0
    file_bytes: int = 20 * 1024**3


class Series:
    """`path` None keeps them in memory (tests, demonstrations)."""

    def __init__(
        self, path: Path | None, *, clock: Clock | None = None, keep: Keep | None = None
    ) -> None:
        self._clock: Clock = clock or WallClock()
        self._keep = keep or Keep()
        self._duck = Duck(path, on_lost=self._forget_names)
        self._lock = threading.Lock()
        self._ids, self._times, self._values = array("I"), array("d"), array("d")
        self._known: dict[str, dict[str, int]] = {}
        self._new: list[tuple[int, str, str, str, str]] = []
        self._next = 0
        self._writer = ThreadPoolExecutor(1, "series-writer")
        self._reader = ThreadPoolExecutor(1, "series-reader")
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = self._clock.monotonic()
        self.shed = self.written = 0
        self.trouble: IolausError | None = None

    @property
    def waiting(self) -> int:
        """Samples that are not in the file yet."""
        return len(self._ids)

    def append(self, samples: Iterable[Sample]) -> None:
        """Take samples; never blocks and never fails."""
        with self._lock:
            for sample in samples:
                number = self._number(sample.asset, sample.name, sample.role, sample.unit)
                if number is None:
                    self.shed += 1
                    continue
                self._ids.append(number)
                self._times.append(sample.at)
                self._values.append(sample.value)
            self._shed()

    def number(self, asset: str, name: str, *, role: str = "", unit: str = "") -> int | None:
        """The series' number for `append_arrays`; None when the asset has too many already."""
        with self._lock:
            return self._number(asset, name, role, unit)

    def append_arrays(
        self,
        numbers: npt.NDArray[np.uint32],
        times: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
    ) -> None:
        """Take samples by the million: three arrays of one length."""
        with self._lock:
            self._ids.frombytes(np.ascontiguousarray(numbers, np.uint32).tobytes())
            self._times.frombytes(np.ascontiguousarray(times, np.float64).tobytes())
            self._values.frombytes(np.ascontiguousarray(values, np.float64).tobytes())
            self._shed()

    async def query(
        self,
        *,
        start: float,
        end: float,
        points: int = 300,
        asset: str | None = None,
        name: str | None = None,
        role: str | None = None,
    ) -> tuple[Trace, ...]:
        """Traces of at most `points` buckets over [start, end), those that wait included."""
        await self.flush()
        where = {"asset": asset, "name": name, "role": role}
        given = {column: value for column, value in where.items() if value is not None}
        width = max(end - start, 1e-3) / max(points, 1)
        rows = await self._run(self._reader, self._duck.buckets, start, end, width, given)
        return _traces(rows, start, width)

    async def start(self) -> None:
        """Open the file (a damaged one is moved aside) and begin writing.

        Raises `OperatorMust` when another process holds it or it cannot be written."""
        known = await self._run(self._writer, self._duck.open)
        self._next = max((number for number, _, _ in known), default=-1) + 1
        for number, asset, name in known:
            self._known.setdefault(asset, {})[name] = number
        self._task = asyncio.create_task(self._write_on(), name="series-writer")

    async def flush(self) -> None:
        """Move what waits into the file; on failure it goes on waiting and `trouble` says why."""
        if self._task is not None:
            await self._run(self._writer, self._write)

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)
            await self.flush()
            self._task = None
        self._writer.shutdown(wait=True)
        self._reader.shutdown(wait=True)
        self._duck.close()

    async def _write_on(self) -> None:
        while True:
            await self._clock.sleep(1.0)
            try:
                await self.flush()
                await self._prune()
            except Exception:  # supervised: the one writer must outlive a bug in a batch
                log.exception("series_writer_erred")

    async def _prune(self) -> None:
        if self._clock.monotonic() - self._pruned_at < 3600.0:
            return
        self._pruned_at = self._clock.monotonic()
        before = self._clock.now() - self._keep.seconds
        await self._run(self._writer, self.prune, before)

    def prune(self, before: float) -> None:
        """Drop samples older than `before`, and the oldest tenth while the file is too large."""
        try:
            self._duck.prune(before, self._keep.file_bytes)
        except IolausError as error:
            self._note(error)

    def _forget_names(self) -> None:
        """The file that knew them was moved aside: name every series again."""
        with self._lock:
            self._known.clear()

    def _number(self, asset: str, name: str, role: str, unit: str) -> int | None:
        mine = self._known.setdefault(asset, {})
        number = mine.get(name)
        if number is None and len(mine) < MOST_SERIES_EACH:
            number = mine[name] = self._next
            self._new.append((number, asset, name, role, unit))
            self._next += 1
        return number

    def _shed(self) -> None:
        """Drop the oldest, a tenth at a time (shifting an array costs its length)."""
        if (over := len(self._ids) - self._keep.waiting) > 0:
            drop = min(len(self._ids), over + self._keep.waiting // 10)
            for waiting in (self._ids, self._times, self._values):
                del waiting[:drop]
            self.shed += drop

    def _write(self) -> None:
        with self._lock:
            batch = self._ids, self._times, self._values
            new, self._new = self._new, []
            self._ids, self._times, self._values = array("I"), array("d"), array("d")
        try:
            self._duck.write(new, *batch)
        except IolausError as error:
            self._give_back(new, batch)
            self._note(error)
        else:
            self.written += len(batch[0])
            self._note(None)

    def _give_back(
        self, new: list[Any], batch: tuple[array[int], array[float], array[float]]
    ) -> None:
        with self._lock:
            self._new = new + self._new
            self._ids = batch[0] + self._ids
            self._times = batch[1] + self._times
            self._values = batch[2] + self._values
            self._shed()

    def _note(self, error: IolausError | None) -> None:
        """One line when writing stops, one when it goes on."""
        if error is not None and self.trouble is None:
            log.warning("series_not_written", error=str(error), waiting=self.waiting)
        elif error is None and self.trouble is not None:
            log.info("series_written_again", shed=self.shed)
        self.trouble = error

    async def _run(self, pool: ThreadPoolExecutor, work: Any, *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *given)


def _traces(rows: Iterable[tuple[Any, ...]], start: float, width: float) -> tuple[Trace, ...]:
    """Rows are (number, asset, name, role, unit, bucket, low, mean, high, count), in order."""
    found: dict[int, tuple[tuple[str, ...], list[Bucket]]] = {}
    for number, asset, name, role, unit, bucket, *numbers in rows:
        _, buckets = found.setdefault(number, ((asset, name, role, unit), []))
        buckets.append(Bucket(start + bucket * width, *numbers))
    return tuple(
        Trace(asset=a, name=n, role=r, unit=u, width_s=width, buckets=tuple(buckets))
        for (a, n, r, u), buckets in found.values()
    )
