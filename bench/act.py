"""Journalled steps a second: `python -m bench.act [--seconds S] [--nodes 1,64,1024]`.

A step is three entries as the engine puts them: that it begins is on disk before the node goes on,
that it was sent and that it was seen to be so are noted, and on disk before its next step begins;
all under a lease that every transaction checks. So many nodes journal at once, on SQLite and on a
PostgreSQL server of the bench's own (left out where it is not installed), both flushing to the same
disk in one run; on which file system is printed, and one in memory says nothing of a disk. Then a
whole roll-out of a thousand nodes with four steps each, in virtual time: what the engine itself
costs when devices cost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.act.hall import Hall, plan_of
from tests.act.house import Process
from tests.store.postgres import binaries, serving

from iolaus.act.entries import Began, Ended, Said, Sent, entry
from iolaus.act.outbox import Interrupted, Outbox
from iolaus.act.standing import Standing
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.model.rollout import Entry, EntryKind
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

    def __init__(self, journal: StoredJournal, lease: Lease, clock: WallClock) -> None:
        standing = Standing(lease, clock=clock, asked_at=0.0, ttl_s=1e12, margin_s=0.0)
        self._box = Outbox(journal, standing, clock, on_kept=self._count, on_broken=_broken)
        self.steps = self.commits = 0

    async def measure(self, nodes: int, seconds: float) -> float:
        """Steps a second that are on disk with all their entries when the time is up."""
        begun, self.steps = time.perf_counter(), 0
        until = begun + seconds
        await asyncio.gather(*(self._node(f"n{number}", until) for number in range(nodes)))
        await self._box.close()
        return self.steps / (time.perf_counter() - begun)

    async def _node(self, node: str, until: float) -> None:
        while time.perf_counter() < until:
            began, *seen = (
                entry("bench", kind, said, at=1.0, node=node, step=node) for kind, said in STEP
            )
            await self._box.write([began])
            self._box.note(seen)

    def _count(self, kept: Sequence[tuple[Entry, bool]]) -> None:
        self.commits += 1
        self.steps += sum(each.kind is EntryKind.DONE for each, _ in kept)


def _broken(interrupted: Interrupted) -> None:
    raise interrupted


async def journal(where: Path | str, counts: list[int], seconds: float) -> dict[int, float]:
    """Steps a second by the number of nodes that journal at once."""
    database, clock = Database(where), WallClock()
    database.open()
    lease = await StoredLeases(database).acquire("act", "bench", 3600.0, clock.now())
    assert lease
    rate = Rate(StoredJournal(database, clock=clock), lease, clock)
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
        print(f"files on {file_system(Path(name))}", flush=True)
        kinds: dict[str, list[Path | str]] = {
            "SQLite": [Path(name) / "one.db", Path(name) / "two.db"]
        }
        if binaries() is None:
            print("PostgreSQL: left out, its programs are not installed")
            yield kinds
            return
        with serving(durable=True) as server:
            yield {**kinds, "PostgreSQL": [server.database(), server.database()]}


def file_system(folder: Path) -> str:
    """Its type, by the mount point that is nearest above the folder."""
    found = ("", "an unknown file system")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    in_memory = found[1] in ("tmpfs", "ramfs")
    return f"{found[1]}, in memory: no figure of a disk" if in_memory else found[1]


def rates(kinds: Mapping[str, Path | str], counts: list[int], seconds: float) -> None:
    """Prints steps a second of each database, side by side."""
    print("journalled steps a second".ljust(28), *(f"{count:>6} nodes" for count in counts))
    for kind, where in kinds.items():
        found = asyncio.run(journal(where, counts, seconds))
        print(kind.ljust(28), *(f"{found[count]:>12,.0f}" for count in counts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--nodes", default="1,64,1024")
    parser.add_argument("--rollout", type=int, default=1000)
    given = parser.parse_args()
    counts = [int(word) for word in given.nodes.split(",")]
    with places() as kinds:
        rates({kind: one for kind, (one, _) in kinds.items()}, counts, given.seconds)
        for kind, (_, other) in kinds.items():
            rate, speed = asyncio.run(rollout(other, given.rollout))
            print(
                f"{kind}, a roll-out of {given.rollout} nodes: {rate:,.0f} steps a second, "
                f"{speed:,.0f} times as fast as real time",
                flush=True,
            )


if __name__ == "__main__":
    main()
