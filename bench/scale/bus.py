"""Events a second through everything that carries them: outboxes, three bus servers, the taker, the
database. As many senders as edges, each a process that learns as fast as its outbox takes it.

`python -m bench.scale.bus SEND|TAKE ...` are the processes; passwords come by the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.scale.stand import Usage, usage
from iolaus.app.cluster.carrying import FACTS, Carrier, Taker
from iolaus.app.cluster.onemachine import Cluster
from iolaus.bus.nats import Servers, connected, parse_servers
from iolaus.kernel.clock import WallClock
from iolaus.model.endpoint import Event, Target
from iolaus.store.parcels import Parcels
from iolaus.store.state import open_state

PASSWORD = "IOLAUS_BUS_PASSWORD"
DATABASE = "BENCH_DATABASE"
AT_ONCE = 500
MOST_WAITING = 20_000
ADDRESSES = 200


def bus(*, senders: tuple[int, ...], events: int) -> int:
    """`events` from each sender."""
    rows = []
    for count in senders:
        with tempfile.TemporaryDirectory(prefix="iolaus-bus-", ignore_cleanup_errors=True) as name:
            cluster = Cluster(Path(name), nodes=1)
            try:
                cluster.start_bus()
                cluster.start_database()
                rows.append(_carried(cluster, count, events))
            finally:
                cluster.stop()
        row = rows[-1]
        costs = ", ".join(f"{what} {row[what]}" for what in ("sender", "nats", "taker", "postgres"))
        print(f"{count} senders, {row['events']} events: {row['per_s']} a second by the clock, "
              f"{row['kb']} kB each; CPU us an event: {costs}", flush=True)  # fmt: skip
    print(json.dumps(rows))
    return 0


def _carried(cluster: Cluster, count: int, events: int) -> dict[str, Any]:
    total = count * events
    before = _used(cluster)
    with _child(cluster, "TAKE", "core", total) as taker:
        _line(taker)
        with _children(cluster, count, events) as sending:
            spent = [_line(each)["cpu_s"] for each in sending]
            took = _line(taker)
    after = _used(cluster)
    used = {kind: after[kind].cpu_s - before[kind].cpu_s for kind in after}
    return {
        "senders": count,
        "events": total,
        "per_s": round(total / took["wall_s"]),
        "kb": round(took["bytes"] / total / 1000, 2),
        "sender": round(1e6 * sum(spent) / total, 1),
        "nats": round(1e6 * used["nats"] / total, 1),
        "taker": round(1e6 * took["cpu_s"] / total, 1),
        "postgres": round(1e6 * used["postgres"] / total, 1),
    }


def _used(cluster: Cluster) -> dict[str, Usage]:
    found: dict[str, Usage] = {}
    for kind in ("nats", "postgres"):
        parts = [each for name, each in cluster.parts.items() if name.startswith(kind)]
        each = [usage(part.process.pid) for part in parts if part.process is not None]
        found[kind] = Usage(cpu_s=sum(one.cpu_s for one in each), mb=sum(one.mb for one in each))
    return found


@contextmanager
def _children(cluster: Cluster, count: int, events: int) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(_child(cluster, "SEND", f"e{number}", events))
            for number in range(count)
        ]


@contextmanager
def _child(cluster: Cluster, do: str, name: str, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.scale.bus", do, name, str(count)]
    env = {**os.environ, PASSWORD: cluster.password, DATABASE: cluster.database(name)}
    env["BENCH_BUS"], env["BENCH_FOLDER"] = cluster.bus(name), str(cluster.folder / name)
    env["IOLAUS_STATE_KEY_FILE"] = str(cluster.key)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.terminate()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "a process of the bench ended early"
    return dict(json.loads(line))


# --- the processes -----------------------------------------------------------------------------


async def _send(name: str, count: int) -> None:
    """Learn so many events, and go on until the last is durable at the bus."""
    clock, folder = WallClock(), Path(os.environ["BENCH_FOLDER"])
    folder.mkdir()
    outbox = Parcels(folder / "outbox.db")
    outbox.open()
    async with connected(_servers(name, "edge")) as trunk:
        carrier = Carrier(
            outbox=outbox,
            to=trunk.log(FACTS),
            name=name,
            clock=clock,
            owner_of=lambda _: (f"main.{name}", 1),
        )
        task, began = asyncio.create_task(carrier.run()), _cpu_s()
        for number in range(count):
            carrier.take(_event(name, number, clock.now()))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
                while carrier.waiting > MOST_WAITING:
                    await asyncio.sleep(0.02)
        while carrier.waiting:
            await asyncio.sleep(0.02)
        _tell(cpu_s=_cpu_s() - began)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    outbox.close()


async def _take(name: str, count: int) -> None:
    """Everything into a picture and PostgreSQL, until the last is written there."""
    clock, folder = WallClock(), Path(os.environ["BENCH_FOLDER"])
    state = open_state(folder, clock=clock, database=os.environ[DATABASE])
    await state.start()
    for number in range(ADDRESSES):
        state.facts.put_target(Target(address=f"https://n{number}"))
    heard, first_s = 0, 0.0

    def hear(topic: str, _: Any) -> None:
        nonlocal heard, first_s
        if topic == "events":
            heard, first_s = heard + 1, first_s or clock.monotonic()

    async with connected(_servers(name, "core")) as trunk:
        log = _Weighed(trunk.log(FACTS))
        taker = Taker(facts=state.facts, log=log, clock=clock)
        state.facts.on_change(hear)
        task, began = asyncio.create_task(taker.run()), _cpu_s()
        _tell(ready=True)
        while heard < count:
            await asyncio.sleep(0.02)
        await state.facts.flush()
        wall_s = clock.monotonic() - first_s
        _tell(cpu_s=_cpu_s() - began, bytes=log.bytes, wall_s=wall_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await state.close()


class _Weighed:
    """A log whose entries are weighed as they are read."""

    def __init__(self, log: Any) -> None:
        self._log, self.bytes = log, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(self, *, after: int) -> Any:
        async for entry in self._log.read(after=after):
            self.bytes += len(entry.body)
            yield entry


def _servers(name: str, user: str) -> Servers:
    urls = parse_servers(os.environ["BENCH_BUS"])
    return Servers(urls=urls, user=user, password=os.environ[PASSWORD], name=name)


def _event(name: str, number: int, at: float) -> Event:
    return Event(
        at=at,
        kind="ResourceEvent.1.3.ResourceStatusChangedWarning",
        severity="Warning",
        endpoint=f"https://n{number % ADDRESSES}",
        message=f"The health of resource {name}-{number * 7919:x} has changed to Warning.",
        origin=f"/redfish/v1/Chassis/1/ThermalSubsystem/Fans/{number % 12}",
        dedup=f"{name}-{number}",
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _tell(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    do, called, number = sys.argv[1:]
    uvloop.run((_send if do == "SEND" else _take)(called, int(number)))
