"""Journalled steps a second: `python -m bench.act [--seconds S] [--nodes 1,64,1024]`.

A step is three entries that are each on disk before the node goes on (started, sent, done), under
a lease that every transaction checks. So many nodes journal at once, on SQLite and on a PostgreSQL
server of the bench's own (left out where it is not installed), both flushing to the same disk in
one run. Then a whole roll-out of a thousand nodes with four steps each, in virtual time: what the
engine itself costs when devices cost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.act.hall import Hall, plan_of
from tests.act.house import Process
from tests.store.postgres import binaries, serving

from iolaus.act.entries import Began, Ended, Said, Sent, entry
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.model.rollout import EntryKind
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import Lease, StoredLeases

STEP: tuple[tuple[EntryKind, Said], ...] = (
    (EntryKind.STARTED, Began(attempt=1, effect="p/s/1", verb="update-firmware", seen={"v": "1"})),
    (EntryKind.SENT, Sent(attempt=1, outcome="receipt", receipt={"task": "/redfish/v1/Tasks/7"})),
    (EntryKind.DONE, Ended(seen={"firmware/BMC": "25.08-9"})),
)


class Rate:
    """So many nodes journal steps until the time is up."""

    def __init__(self, journal: StoredJournal, lease: Lease) -> None:
        self._journal, self._lease, self.steps = journal, lease, 0

    async def measure(self, nodes: int, seconds: float) -> float:
        begun, self.steps = time.perf_counter(), 0
        until = begun + seconds
        await asyncio.gather(*(self._node(f"n{number}", until) for number in range(nodes)))
        return self.steps / (time.perf_counter() - begun)

    async def _node(self, node: str, until: float) -> None:
        while time.perf_counter() < until:
            for kind, said in STEP:
                line = entry("bench", kind, said, at=1.0, node=node, step=node)
                await self._journal.append([line], lease=self._lease)
            self.steps += 1


async def journal(where: Path | str, counts: list[int], seconds: float) -> dict[int, float]:
    """Steps a second by the number of nodes that journal at once."""
    database, clock = Database(where), WallClock()
    database.open()
    lease = await StoredLeases(database).acquire("act", "bench", 3600.0, clock.now())
    assert lease
    rate = Rate(StoredJournal(database, clock=clock), lease)
    found = {count: await rate.measure(count, seconds) for count in counts}
    database.close()
    return found


async def rollout(where: Path | str, nodes: int) -> tuple[float, float]:
    """Steps a second of a whole roll-out, and its virtual duration over its wall time."""
    clock = JumpClock()
    hall, plan = Hall(clock), plan_of(nodes, at_once=nodes // 10)
    for node in plan.nodes:
        hall.add(node.uid)
    process, begun = Process(where, hall), time.perf_counter()
    progress = await process.run(plan)
    took = time.perf_counter() - begun
    steps = sum(node.steps_done for node in progress.nodes.values())
    assert steps == 4 * nodes
    return steps / took, clock.monotonic() / took


@contextmanager
def places() -> Iterator[dict[str, list[Path | str]]]:
    """Two empty databases of each kind."""
    with tempfile.TemporaryDirectory() as name:
        kinds: dict[str, list[Path | str]] = {
            "SQLite": [Path(name) / "one.db", Path(name) / "two.db"]
        }
        if binaries() is None:
            print("PostgreSQL: left out, its programs are not installed")
            yield kinds
            return
        with serving(durable=True) as server:
            yield {**kinds, "PostgreSQL": [server.database(), server.database()]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--nodes", default="1,64,1024")
    parser.add_argument("--rollout", type=int, default=1000)
    given = parser.parse_args()
    counts = [int(word) for word in given.nodes.split(",")]
    print("journalled steps a second".ljust(28), *(f"{count:>6} nodes" for count in counts))
    with places() as kinds:
        for kind, (first, second) in kinds.items():
            found = asyncio.run(journal(first, counts, given.seconds))
            print(kind.ljust(28), *(f"{found[count]:>12,.0f}" for count in counts), flush=True)
            rate, speed = asyncio.run(rollout(second, given.rollout))
            print(
                f"  a roll-out of {given.rollout} nodes: {rate:,.0f} steps a second, "
                f"{speed:,.0f} times as fast as real time",
                flush=True,
            )


if __name__ == "__main__":
    main()
