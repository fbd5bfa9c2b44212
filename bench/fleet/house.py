"""The house of a bench, in a process of its own: reads a fleet whole, then holds it.

`python -m bench.fleet.house`: its task is one JSON line on standard input; it answers with one
line for each phase and waits for a line before the next, so that the devices' counters can be
read in between. The state directory is a temporary one and written to as in service.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import msgspec
import uvloop

from iolaus.app.house import House, HouseOptions, open_house
from iolaus.observe.collect import Job, Key, Periods
from iolaus.observe.targets import load_hosts

NEVER_S = 1e9
TICK_S = 0.05


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`hold_s`: how long to hold the fleet afterwards with all that the house does in service."""

    hosts: str
    password: str
    hold_s: float = 0.0
    patience_s: float = 1800.0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase took. Memory in MB (10^6): `rss` at its end, `peak` since the start."""

    nodes: int
    missing: int
    wall_s: float
    cpu_s: float
    rss_mb: float
    peak_mb: float
    lag_p99_ms: float
    lag_max_ms: float
    loop_lag_s: float = 0.0
    hot_passes: int = 0
    parts: int = 0
    readings: int = 0
    reasons: tuple[str, ...] = ()


class Meter:
    """Wall, CPU, memory and how late the event loop is, from now on."""

    def __init__(self) -> None:
        self._began, self._cpu_s = time.perf_counter(), cpu_s()
        self._late_ms: list[float] = []
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self._late_ms.append((time.perf_counter() - begun - TICK_S) * 1000)

    def cost(self, house: House, *, hot_passes: int = 0) -> Cost:
        wall_s, cpu = time.perf_counter() - self._began, cpu_s() - self._cpu_s
        self._ticking.cancel()
        held = list(house.state.facts.all_held())
        reports = [each.report for each in held if each.report is not None]
        late = sorted([*self._late_ms, 0.0, 0.0])
        return Cost(
            nodes=len(reports),
            missing=len(held) - len(reports),
            wall_s=wall_s,
            cpu_s=cpu,
            rss_mb=memory_mb("VmRSS"),
            peak_mb=memory_mb("VmHWM"),
            lag_p99_ms=quantiles(late, n=100)[98],
            lag_max_ms=late[-1],
            loop_lag_s=max(loop.lag_s() for loop in house.loops.values()),
            hot_passes=hot_passes,
            parts=sum(len(report.components) + len(report.firmware) for report in reports),
            readings=sum(len(report.readings) for report in reports),
            reasons=_reasons(house),
        )


def _reasons(house: House) -> tuple[str, ...]:
    """Why endpoints are missing or partly read, each reason once."""
    found: dict[str, None] = {}
    for held in house.state.facts.all_held():
        if held.report is None:
            found[held.status.last_error or "" if held.status else "not tried"] = None
        else:
            found |= dict.fromkeys(held.report.partial.values())
    return tuple(found)[:5]


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory_mb(name: str) -> float:
    """A line of this process' status: VmRSS or VmHWM (the peak, counted from exec)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


async def run(task: Task) -> None:
    periods = Periods(hot_s=NEVER_S, inventory_s=NEVER_S, logs_s=NEVER_S)
    with tempfile.TemporaryDirectory(prefix="iolaus-bench-") as folder:
        options = HouseOptions(state_dir=Path(folder) / "state", periods=periods)
        async with open_house(options) as house:
            await _phases(house, task)


async def _phases(house: House, task: Task) -> None:
    house.state.secrets.put("bench", user="root", password=task.password)
    for target in load_hosts(Path(task.hosts)):
        house.state.facts.put_target(msgspec.structs.replace(target, credential="bench"))
    meter = Meter()
    await _read_all(house, task.patience_s)
    await _tell(meter.cost(house))
    if task.hold_s:
        await _tell(await _held(house, task.hold_s))


async def _read_all(house: House, patience_s: float) -> None:
    """Begin, and wait until every endpoint has a report."""
    waiting = {held.target.address for held in house.state.facts.all_held()}
    done = asyncio.Event()

    def listen(topic: str, payload: object) -> None:
        if topic == "facts.report":
            waiting.discard(str(payload))
            if not waiting:
                done.set()

    leave = house.state.facts.on_change(listen)
    house.begin_all(spread=False)
    try:
        async with asyncio.timeout(patience_s):
            await done.wait()
    except TimeoutError:
        pass
    finally:
        leave()


async def _held(house: House, seconds: float) -> Cost:
    passes = 0

    def listen(topic: str, _: object) -> None:
        nonlocal passes
        passes += topic == "facts.hot"

    leave, meter = house.state.facts.on_change(listen), Meter()
    house.collector.periods = Periods(inventory_s=NEVER_S)
    for held in house.state.facts.all_held():
        for job in (Job.HOT, Job.LOGS):
            house.wake(Key(held.target.address, job), 0.0)
    await asyncio.sleep(seconds)
    leave()
    return meter.cost(house, hot_passes=passes)


async def _tell(cost: Cost) -> None:
    """Say what it cost, and go on when told to."""
    sys.stdout.write(msgspec.json.encode(cost).decode() + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    uvloop.run(run(msgspec.json.decode(sys.stdin.readline(), type=Task)))
