"""One tick of the centre with 640 edges: `python -m bench.energy tick [--edges N] [--ticks N]`.

A tick is: share out 10,240 nodes, send 640 budgets, each over a connection of its own on the
loopback, and read and count 640 reports that acknowledge them. The edges are in another process,
which reads every budget with the product's own parser and answers with a whole report of 16 nodes;
what an edge does with its budget is its own machine's time and not counted. Demands change from
tick to tick, so that there is something to share out. The goal is a p99 of 250 ms.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Final

import msgspec
import numpy as np

from iolaus.energy.centre import Centre
from iolaus.energy.frames import Budget, Report, encode, parse_budget, parse_report
from iolaus.energy.policy import Mode, PowerPolicy, Redundancy
from iolaus.model.plant import Domain, DomainKind, Load, Plant

NODES_PER_RACK: Final = 16
RACKS_PER_ROW: Final = 20
MOST_W, FLOOR_W = 10_000.0, 3_500.0
GOAL_MS: Final = 250.0
WARM: Final = 5


def plant(racks: int) -> Plant:
    whole = 0.7 * MOST_W * NODES_PER_RACK * racks
    domains = [Domain("site", DomainKind.SITE, None, whole)]
    domains += [Domain(f"feed-{n}", DomainKind.FEED, "site", 0.8 * whole) for n in (0, 1)]
    rows = -(-racks // RACKS_PER_ROW)
    for row in range(rows):
        row_w = 0.75 * MOST_W * NODES_PER_RACK * RACKS_PER_ROW
        domains.append(Domain(f"row-{row}", DomainKind.BUSWAY, "feed-0", row_w, ("feed-1",)))
    loads = []
    for rack in range(racks):
        row_name, rack_w = f"row-{rack // RACKS_PER_ROW}", 0.85 * MOST_W * NODES_PER_RACK
        domains.append(Domain(rack_name(rack), DomainKind.RACK, row_name, rack_w))
        loads += [
            Load(f"n{rack}-{n}", rack_name(rack), FLOOR_W, MOST_W, priority=(rack + n) % 4)
            for n in range(NODES_PER_RACK)
        ]
    return Plant(domains=tuple(domains), loads=tuple(loads))


def rack_name(rack: int) -> str:
    return f"rack-{rack}"


class FakeEdge:
    """It does what its budget says at once, and wants something else every time."""

    def __init__(self, rack: int) -> None:
        self.rack, self.rng = rack, np.random.default_rng(rack)
        self.names = [f"n{rack}-{n}" for n in range(NODES_PER_RACK)]
        self.mono_s = 0.0

    def answer(self, budget: Budget | None) -> bytes:
        wants = self.rng.uniform(FLOOR_W, MOST_W, NODES_PER_RACK).tolist()
        granted = budget.budget_w if budget else FLOOR_W * NODES_PER_RACK
        self.mono_s += 1.0
        report = Report(
            epoch=budget.epoch if budget else 0,
            seq=budget.seq if budget else 0,
            rack=rack_name(self.rack),
            applied_w=granted,
            granted_w=granted,
            demand_w=dict(zip(self.names, wants, strict=True)),
            measured_w=0.9 * granted,
            mono_s=self.mono_s,
            boot="1",
        )
        return encode(report) + b"\n"


async def one_edge(rack: int, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    edge = FakeEdge(rack)
    writer.write(edge.answer(None))
    while line := await reader.readline():
        writer.write(edge.answer(parse_budget(line)))
    writer.close()


async def edges(count: int, port: int) -> None:
    await asyncio.gather(*(one_edge(rack, port) for rack in range(count)))


class Hub:
    """The centre's end: a connection per rack, and who has answered."""

    def __init__(self, racks: int) -> None:
        policy = PowerPolicy(name="bench", mode=Mode.CONTROL, redundancy=Redundancy.SHARED)
        self.centre = Centre(plant(racks), policy, 1)
        self.racks, self.waiting, self.now_s = racks, racks, 0.0
        self.writers: dict[str, asyncio.StreamWriter] = {}
        self.tasks: list[asyncio.Task[object]] = []
        self.ended: list[asyncio.StreamWriter] = []
        self.answered = asyncio.Event()
        self.ingest_s = 0.0

    async def gone(self) -> None:
        """Every connection has ended."""
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(w.wait_closed() for w in self.ended), return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self.tasks.append(task)
        self.ended.append(writer)
        try:
            await self._read(reader, writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            began = time.perf_counter()
            report = parse_report(line)
            self.writers[report.rack] = writer
            self.centre.take(report, self.now_s)
            self.ingest_s += time.perf_counter() - began
            self.waiting -= 1
            if self.waiting == 0:
                self.answered.set()

    async def tick(self) -> tuple[float, float, float, float]:
        """Seconds: all of it, sharing out, reading reports; and of this process's own time."""
        self.now_s += 1.0
        self.ingest_s, self.waiting = 0.0, self.racks
        self.answered.clear()
        began, used = time.perf_counter(), time.process_time()
        frames = self.centre.tick(self.now_s)
        shared = time.perf_counter() - began
        self.waiting = len(frames)
        for frame in frames:
            self.writers[frame.rack].write(encode(frame) + b"\n")
        await asyncio.wait_for(self.answered.wait(), 30.0)
        own = time.process_time() - used
        return time.perf_counter() - began, shared, self.ingest_s, own


async def measure(racks: int, ticks: int) -> np.ndarray:
    hub = Hub(racks)
    server = await asyncio.start_server(hub.serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    command = [sys.executable, "-m", "bench.energy.tick", str(racks), str(port)]
    child = subprocess.Popen(command)
    try:
        await asyncio.wait_for(hub.answered.wait(), 60.0)
        rows = [await hub.tick() for _ in range(WARM + ticks)]
    finally:
        child.terminate()
        child.wait()
        server.close()
        await hub.gone()
    return np.array(rows[WARM:]) * 1e3


def tick(racks: int = 640, ticks: int = 100) -> int:
    rows = asyncio.run(measure(racks, ticks))
    names = ("whole tick", "sharing out", "reading reports", "cpu of a tick")
    for name, column in zip(names, rows.T, strict=True):
        p50, p99 = np.percentile(column, 50), np.percentile(column, 99)
        print(f"{name:16} p50 {p50:7.1f}  p99 {p99:7.1f}  worst {column.max():7.1f} ms")
    p99 = float(np.percentile(rows[:, 0], 99))
    size = len(encode(msgspec.convert(_sample(), Budget)))
    print(f"{racks} edges, {racks * NODES_PER_RACK:,d} nodes, a budget of {size} bytes")
    met = p99 <= GOAL_MS
    word = "met" if met else "MISSED"
    print(f"goal 2  tick, p99: {p99:.0f} ms (<= {GOAL_MS:.0f}) {word} by {GOAL_MS - p99:+.0f}")
    return 0 if met else 1


def _sample() -> dict[str, object]:
    shares = {f"n0-{n}": 7000.0 for n in range(NODES_PER_RACK)}
    return {
        "epoch": 1, "seq": 1, "rack": "rack-0", "budget_w": 112_000.0, "floor_w": 56_000.0,
        "expires_in_ms": 3000, "shares": shares,
    }  # fmt: skip


if __name__ == "__main__":
    asyncio.run(edges(int(sys.argv[1]), int(sys.argv[2])))
