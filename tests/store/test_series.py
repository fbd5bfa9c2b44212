from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.store import series as series_module
from iolaus.store.facts import Facts
from iolaus.store.past import Past
from iolaus.store.samples import Sample
from iolaus.store.series import Keep, Series
from tests.store.made import T0, ask_for, asset, hot, reading, report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "series.duckdb"


def ramp(asset: str, name: str, count: int, *, start: float = T0) -> list[Sample]:
    return [Sample(asset, name, start + n, float(n), "inlet", "Cel") for n in range(count)]


async def test_samples_come_back_as_least_mean_and_most(clock: JumpClock, path: Path) -> None:
    series = Series(path, clock=clock)
    await series.start()
    series.append(ramp("a1", "t", 100))
    series.append(ramp("a2", "t", 10))
    (trace,) = await series.query(start=T0, end=T0 + 100, points=10, asset="a1")
    assert (trace.asset, trace.name, trace.role, trace.unit) == ("a1", "t", "inlet", "Cel")
    assert trace.width_s == 10.0
    assert [b.at for b in trace.buckets] == [T0 + n * 10 for n in range(10)]
    assert trace.buckets[3] == (T0 + 30, 30.0, 34.5, 39.0, 10)
    assert len(await series.query(start=T0, end=T0 + 100, role="inlet")) == 2
    assert await series.query(start=T0, end=T0 + 100, name="nothing") == ()
    await series.close()
    again = Series(path, clock=clock)
    await again.start()
    again.append(ramp("a1", "t", 1, start=T0 + 500))
    again.append(ramp("a3", "t", 1))
    traces = await again.query(start=T0, end=T0 + 1000, points=1)
    assert [(t.asset, t.buckets[0].samples) for t in traces] == [("a1", 101), ("a2", 10), ("a3", 1)]
    await again.close()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 99.9), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
    st.integers(1, 20),
)
async def test_buckets_hold_every_sample_once(
    points: list[tuple[float, float]], buckets: int
) -> None:
    series = Series(None, clock=JumpClock())
    await series.start()
    series.append(Sample("a", "t", T0 + at, value) for at, value in points)
    (trace,) = await series.query(start=T0, end=T0 + 100, points=buckets)
    assert sum(b.samples for b in trace.buckets) == len(points)
    assert len(trace.buckets) <= buckets
    assert min(b.low for b in trace.buckets) == min(value for _, value in points)
    assert max(b.high for b in trace.buckets) == max(value for _, value in points)
    assert all(b.low <= b.mean + 1e-6 and b.mean <= b.high + 1e-6 for b in trace.buckets)
    await series.close()


async def test_the_oldest_that_wait_are_shed_and_counted(clock: JumpClock) -> None:
    series = Series(None, clock=clock, keep=Keep(waiting=100))
    await series.start()
    series.append(ramp("a", "t", 250))
    assert series.waiting + series.shed == 250
    assert series.waiting <= 100
    (trace,) = await series.query(start=T0, end=T0 + 1000, points=1)
    assert trace.buckets[0].high == 249.0
    assert series.written == 250 - series.shed
    await series.close()


async def test_arrays_by_the_million(clock: JumpClock, path: Path) -> None:
    series = Series(path, clock=clock)
    await series.start()
    numbers = [series.number(f"a{n}", "power", role="node_power", unit="W") for n in range(100)]
    ids = np.tile(np.array(numbers, np.uint32), 1000)
    times = np.repeat(T0 + np.arange(1000.0), 100)
    series.append_arrays(ids, times, np.ones(100_000))
    traces = await series.query(start=T0, end=T0 + 1000, points=2, role="node_power")
    assert len(traces) == 100
    assert {b.samples for t in traces for b in t.buckets} == {500}
    await series.close()


async def test_old_samples_are_pruned_and_a_large_file_loses_its_oldest(
    clock: JumpClock, path: Path
) -> None:
    series = Series(path, clock=clock, keep=Keep(file_bytes=1))
    await series.start()
    series.append(ramp("a", "t", 1001))
    await series.flush()
    series.prune(T0 + 500)
    (trace,) = await series.query(start=T0, end=T0 + 2000, points=1)
    assert (trace.buckets[0].low, trace.buckets[0].high) == (550.0, 1000.0)
    await series.close()


async def test_a_device_that_renames_its_sensors_is_bounded(
    clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "MOST_SERIES_EACH", 3)
    series = Series(None, clock=clock)
    series.append(Sample("a", f"t{n}", T0, 1.0) for n in range(10))
    assert (series.waiting, series.shed) == (3, 7)


@pytest.mark.parametrize("damage", ["header", "middle", "wal"])
async def test_a_damaged_file_is_moved_aside(clock: JumpClock, path: Path, damage: str) -> None:
    series = Series(path, clock=clock)
    await series.start()
    series.append(ramp("a", "t", 50_000))
    await series.close()
    wal = path.with_name(path.name + ".wal")
    if damage == "header":
        path.write_bytes(b"not a database" * 1000)
    elif damage == "middle":
        content = bytearray(path.read_bytes())
        content[4096:24_576] = bytes(20_480)
        path.write_bytes(content)
    else:
        wal.write_bytes(b"\xff" * 5000)
    again = Series(path, clock=clock)
    with capture_logs() as logs:
        await again.start()
    again.append(ramp("a", "t", 5))
    (trace,) = await again.query(start=T0, end=T0 + 10, points=1)
    if [line["event"] for line in logs] == ["series_moved_aside"]:
        assert logs[0]["next_step"]
        assert list(path.parent.glob("*.damaged-*"))
        assert trace.buckets[0].samples == 5
    else:
        assert damage == "wal"
        assert trace.buckets[0].samples == 15
    await again.close()


async def test_a_failing_disk_sheds_nothing_until_the_queue_is_full(
    clock: JumpClock, path: Path
) -> None:
    series = Series(path, clock=clock)
    await series.start()
    good = series._duck._open

    def bad() -> list[tuple[int, str, str]]:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    series._duck.close()
    series._duck._open = bad  # type: ignore[method-assign]
    with capture_logs() as logs:
        for turn in range(3):
            series.append(ramp("a", "t", 10, start=T0 + 10 * turn))
            await series.flush()
        assert series.trouble is not None
        assert series.trouble.code == "DiskFull"
        series._duck._open = good  # type: ignore[method-assign]
        await series.flush()
    assert series.trouble is None
    assert [line["event"] for line in logs] == ["series_not_written", "series_written_again"]
    (trace,) = await series.query(start=T0, end=T0 + 100, points=1)
    assert trace.buckets[0].samples == 30
    await series.close()


async def test_a_file_that_another_process_holds_is_named(clock: JumpClock, path: Path) -> None:
    hold = f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(OperatorMust) as caught:
            await Series(path, clock=clock).start()
        process.communicate(b"\n")
    assert caught.value.code == "StateLocked"
    assert not list(path.parent.glob("*.damaged-*"))


async def test_every_value_that_is_read_has_a_past(clock: JumpClock) -> None:
    series = Series(None, clock=clock)
    await series.start()
    facts = Facts(clock=clock, series=series)
    ask_for(facts, "https://a")
    me = asset(serial="S1")
    readings = (reading("t", 20.0), reading("u", None), reading("n", float("nan")))
    facts.record_report(report("https://a", [me], readings=readings))
    facts.record_hot(hot("https://a", at=T0 + 10, readings=(reading("t", 25.0, at=T0 + 10),)))
    facts.record_report(report("https://a", [me], readings=(reading("t", 21.0, at=T0 + 5),)))
    (trace,) = await series.query(start=T0, end=T0 + 100, asset=facts.uid("https://a", me.key))
    assert sum(b.samples for b in trace.buckets) == 2
    past = Past(facts=facts, series=series)
    key = "/redfish/v1/Chassis/1/Sensors/t#t"
    span = {"endpoint": "https://a", "since": T0, "until": T0 + 60}
    points = await past.history(reading=key, step_s=60.0, **span)  # type: ignore[arg-type]
    assert points == [(T0, 22.5)]
    assert len(await past.history(reading=key, **span)) == 2  # type: ignore[arg-type]
    assert await past.history(reading="no such", **span) == ()  # type: ignore[arg-type]
    await series.close()
