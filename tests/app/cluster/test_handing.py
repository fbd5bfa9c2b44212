"""What one edge leaves of a device and the next one takes, over a bus in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.store.made import ask_for, reading, report

from iolaus.app.cluster.handing import LABEL, REPORTS, WITHIN_S, Handed, Handing
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import Report
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.store.facts import Facts
from iolaus.store.packing import pack
from iolaus.store.secrets import Secrets

A, B = "https://a", "https://b"
SHARD = shard_of(Target(address=A))
KEY = f"{SHARD}.{A}"


class Edge:
    """Owns `SHARD` under `epoch`; what it recorded is in the log of all while `is_sent` is set."""

    def __init__(self, folder: Path, memory: Memory, clock: JumpClock, epoch: int | None) -> None:
        self.epoch, self.trunk, self.facts = epoch, LocalTrunk(memory, clock), Facts(clock=clock)
        ask_for(self.facts, A)
        self.is_sent, self.seals = asyncio.Event(), Secrets(folder / "secrets")
        self.is_sent.set()
        self.handing = Handing(
            table=self.trunk.table(REPORTS),
            seals=lambda: self.seals,
            clock=clock,
            known=self.facts,
            epoch_of=lambda shard: self.epoch if shard == SHARD else None,
            until_sent=self._until_sent,
        )

    async def _until_sent(self) -> None:
        await self.is_sent.wait()

    async def rows(self) -> set[str]:
        return set(await self.trunk.table(REPORTS).rows())

    async def put(self, handed: Handed, key: str = KEY) -> None:
        sealed = self.seals.seal(pack(handed), label=LABEL)
        await self.trunk.table(REPORTS).put(key, sealed)


@pytest.fixture
def edges(tmp_path: Path) -> Callable[[int | None], Edge]:
    memory, clock = Memory(), JumpClock()
    return lambda epoch: Edge(tmp_path, memory, clock, epoch)


def read_at(at: float, address: str = A) -> Report:
    return report(address, at=at)


async def test_the_next_owner_has_the_last_report_with_its_true_age(
    edges: Callable[[int | None], Edge],
) -> None:
    first, second = edges(3), edges(4)
    first.facts.record_report(read_at(1000.0))
    await first.handing.give()
    (handed,) = (await second.handing.take(SHARD, 4)).values()
    assert handed.report == first.facts.report_of(A)
    assert (handed.report.observed_at, handed.epoch) == (1000.0, 3)
    told = list[object]()
    second.facts.on_record(told.append)
    second.facts.adopt_report(handed.report, "/log/7")
    assert second.facts.report_of(A) == handed.report
    assert second.facts.newest_log(A) == "/log/7"
    assert told == [], "who read it has told it"


async def test_nothing_is_left_before_it_is_in_the_log_of_all(
    edges: Callable[[int | None], Edge],
) -> None:
    edge = edges(3)
    edge.is_sent.clear()
    edge.facts.record_report(read_at(1000.0))
    giving = asyncio.create_task(edge.handing.give())
    for _ in range(20):
        await asyncio.sleep(0)
    assert await edge.rows() == set()
    edge.is_sent.set()
    await giving
    assert await edge.rows() == {KEY}


async def test_a_bus_that_is_away_meanwhile_costs_nothing(
    edges: Callable[[int | None], Edge],
) -> None:
    edge = edges(3)
    edge.facts.record_report(read_at(1000.0))
    edge.trunk.reached = False
    giving = asyncio.create_task(edge.handing.run())
    clock = edge.handing._clock
    began_s = clock.monotonic()
    assert await edge.handing.take(SHARD, 4) == {}
    assert clock.monotonic() - began_s >= WITHIN_S
    edge.trunk.reached = True
    async with asyncio.timeout(20):
        while await edge.rows() != {KEY}:
            await clock.sleep(1.0)
    giving.cancel()
    await asyncio.gather(giving, return_exceptions=True)


async def test_only_what_is_ours_is_left_and_what_is_wanted_no_more_is_removed(
    edges: Callable[[int | None], Edge],
) -> None:
    edge = edges(None)
    edge.facts.record_report(read_at(1000.0))
    await edge.handing.give()
    assert await edge.rows() == set()
    edge.epoch = 5
    edge.facts.record_report(read_at(2000.0))
    edge.facts.record_report(read_at(2000.0, B))  # nobody wants it
    await edge.handing.give()
    assert await edge.rows() == {KEY}
    edge.handing.ended(SHARD, A)
    await edge.handing.give()
    assert await edge.rows() == set()


NOW = JumpClock().now()
GOOD = Handed(SHARD, 3, report(A, at=1000.0), None)
LATE = report(A, at=1000.0, readings=(reading("Inlet", 20.0, at=NOW + 1e6),))


@pytest.mark.parametrize(
    ("handed", "because"),
    [
        (Handed("main.99", 3, GOOD.report), "it is that of"),
        (Handed(SHARD, 3, report(B, at=1000.0)), "it is that of"),
        (Handed(SHARD, 4, GOOD.report), "of epoch 4, and ours is 4"),
        (Handed(SHARD, 3, report(A, at=NOW + 1e6)), "of the future"),
        (Handed(SHARD, 3, report(A, at=math.nan)), "of the future"),
        (Handed(SHARD, 3, LATE), "of the future"),
        (("words", 1), "cannot be decoded"),
    ],
)
async def test_what_does_not_belong_there_is_refused_with_a_line(
    edges: Callable[[int | None], Edge], handed: Handed, because: str
) -> None:
    edge = edges(4)
    await edge.put(handed)
    with capture_logs() as said:
        assert await edge.handing.take(SHARD, 4) == {}
    (line,) = (each for each in said if each["event"] == "report_refused")
    assert because in line["because"]


async def test_what_nobody_with_the_key_wrote_is_refused_and_the_others_are_taken(
    edges: Callable[[int | None], Edge], tmp_path: Path
) -> None:
    edge = edges(4)
    await edge.put(GOOD)
    (tmp_path / "other").mkdir()
    strange = Secrets(tmp_path / "other" / "secrets")
    table = edge.trunk.table(REPORTS)
    await table.put(f"{SHARD}.{B}", strange.seal(pack(GOOD), label=LABEL))
    await table.put(f"{SHARD}.https://c", b"nothing of ours")
    await table.put(f"{SHARD}9.https://d", b"another shard's")
    with capture_logs() as said:
        assert set(await edge.handing.take(SHARD, 4)) == {A}
    assert [each["endpoint"] for each in said] == [B, "https://c"]
