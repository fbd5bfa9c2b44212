"""What edges learn, on its way to the picture: kept, in order, once, and told apart by epochs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.store.made import T0, ask_for, asset, hot, report, status

from iolaus.app.cluster import carrying
from iolaus.app.cluster.carrying import FACTS, LOG, Carrier, Taker, parse_sent
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.asset import LogEntry
from iolaus.model.endpoint import Event, Reach
from iolaus.store.facts import Facts
from iolaus.store.parcels import Parcels

A, B = "https://a", "https://b"
HOUR_S = 3600.0


def event(number: int, at: float, address: str = A) -> Event:
    return Event(
        at=at, kind="Test", severity="OK", endpoint=address, message=f"{number}", dedup=f"d{number}"
    )


class Edge:
    """What learns: a picture of its own, an outbox, a trunk that can be cut."""

    def __init__(self, memory: Memory, clock: JumpClock, path: Path, name: str = "e") -> None:
        self.clock, self.trunk = clock, LocalTrunk(memory, clock)
        self.facts, self.epoch = Facts(clock=clock), 1
        ask_for(self.facts, A, B)
        self.outbox = Parcels(path)
        self.outbox.open()
        self.carrier = Carrier(
            outbox=self.outbox,
            to=self.trunk.log(FACTS),
            name=name,
            clock=clock,
            owner_of=lambda _: ("main.01", self.epoch),
            here=True,
        )
        self.facts.on_record(self.carrier.take)

    @contextmanager
    def running(self) -> Iterator[None]:
        task = asyncio.create_task(self.carrier.run())
        try:
            yield
        finally:
            task.cancel()


class Core:
    """What keeps the picture, in a database of its own."""

    def __init__(self, memory: Memory, clock: JumpClock, where: Path | str | None = None) -> None:
        self.facts, self.trunk = Facts(database=where, clock=clock), LocalTrunk(memory, clock)
        self.taker = Taker(facts=self.facts, log=self.trunk.log(FACTS), clock=clock)

    @contextmanager
    def running(self) -> Iterator[None]:
        task = asyncio.create_task(self.taker.run())
        try:
            yield
        finally:
            task.cancel()

    def events(self) -> list[str]:
        return [each.message for each in reversed(self.facts.events(limit=100_000, kind="Test"))]


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


async def test_what_is_too_large_for_the_bus_holds_nothing_up(
    tmp_path: Path, clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "MOST_BYTES", 1000)
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock)
    ask_for(core.facts, A, B)
    large = "".join(sha256(bytes([number])).hexdigest() for number in range(60))
    with edge.running(), core.running():
        edge.facts.record_event(replace(event(1, T0), message=large))
        edge.facts.record_event(replace(event(2, T0), message="a" * len(large)))
        edge.facts.record_event(event(3, T0))
        await clock.sleep(2)
        assert [each[:1] for each in core.events()] == ["a", "3"]
    edge.outbox.close()


async def test_an_edge_cut_off_for_an_hour_comes_back_with_all_in_order(
    tmp_path: Path, clock: JumpClock
) -> None:
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock)
    ask_for(core.facts, A, B)
    with edge.running(), core.running():
        edge.facts.record_report(report(A, [asset(serial="S1")], at=clock.now()))
        edge.facts.record_status(status(A, at=clock.now()))
        await clock.sleep(2)
        assert core.facts.report_of(A)
        edge.trunk.reached = False
        cut_at = clock.now()
        for number in range(360):
            await clock.sleep(10)
            edge.facts.record_event(event(number, clock.now()))
            edge.facts.record_hot(hot(A, at=clock.now()))
            edge.facts.record_status(status(A, at=clock.now()))
        assert clock.now() - cut_at >= HOUR_S
        assert core.events() == []
        held = core.facts.status_of(A)
        assert held
        assert held.at <= cut_at, "the gap is seen: what is known is as old as it is"
        assert edge.carrier.waiting > 300
        edge.trunk.reached = True
        while edge.carrier.waiting:
            await clock.sleep(1)
        await clock.sleep(5)
        assert core.events() == [str(number) for number in range(360)]
        now = core.facts.status_of(A)
        assert now
        assert now.at > cut_at + HOUR_S - 20
        assert edge.carrier.waiting == 0


async def test_what_a_killed_edge_had_learned_is_sent_by_its_next_life(
    tmp_path: Path, clock: JumpClock
) -> None:
    memory = Memory()
    core = Core(memory, clock)
    ask_for(core.facts, A, B)
    first = Edge(memory, clock, tmp_path / "outbox.db")
    first.trunk.reached = False
    for number in range(5):
        first.facts.record_event(event(number, clock.now()))
        await first.carrier.keep()
    first.outbox.close()
    second = Edge(memory, clock, tmp_path / "outbox.db")
    with second.running(), core.running():
        second.facts.record_event(event(5, clock.now()))
        await clock.sleep(3)
        assert core.events() == [str(number) for number in range(6)]


async def test_a_parcel_whose_acknowledgement_was_lost_is_taken_once(
    tmp_path: Path, clock: JumpClock
) -> None:
    """Also long after the bus has forgotten its name."""
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock)
    ask_for(core.facts, A, B)
    entry = LogEntry(uri="/1", entry_id="1", at=T0, severity="OK", message="once")
    edge.facts.record_logs(A, [entry])
    await edge.carrier.keep()
    (parcel,) = edge.outbox.first()
    await edge.carrier._send_one(parcel)
    memory.ids.clear()
    with edge.running(), core.running():
        await clock.sleep(2)
        assert memory.order("log.facts").last == 2
        assert len(await core.facts.logs(A)) == 1


async def test_a_former_owner_tells_what_happened_and_not_how_it_is(
    tmp_path: Path, clock: JumpClock
) -> None:
    memory = Memory()
    former = Edge(memory, clock, tmp_path / "1.db", "former")
    owner = Edge(memory, clock, tmp_path / "2.db", "owner")
    owner.epoch = 7
    core = Core(memory, clock)
    ask_for(core.facts, A, B)
    former.trunk.reached = False
    with former.running(), owner.running(), core.running():
        former.facts.record_status(status(A, Reach.UNREACHABLE, at=clock.now()))
        former.facts.record_event(event(1, clock.now()))
        await clock.sleep(1)
        owner.facts.record_status(status(A, at=clock.now()))
        await clock.sleep(1)
        former.trunk.reached = True
        await clock.sleep(2)
        held = core.facts.status_of(A)
        assert held
        assert held.reach is Reach.REACHABLE
        assert core.events() == ["1"]


async def test_a_core_goes_on_where_the_database_ends(
    tmp_path: Path, clock: JumpClock, anywhere: Path | str
) -> None:
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock, anywhere)
    await core.facts.start()
    ask_for(core.facts, A, B)
    with edge.running():
        with core.running():
            edge.facts.record_event(event(1, clock.now()))
            await clock.sleep(1)
            await core.facts.flush()
            position = core.facts.positions[LOG]
            edge.facts.record_event(event(2, clock.now()))
            await clock.sleep(1)
        assert core.events() == ["1", "2"]
        again = Core(memory, clock, anywhere)
        await again.facts.start()
        assert again.facts.positions[LOG] in (position, core.facts.positions[LOG])
        with again.running():
            edge.facts.record_event(event(3, clock.now()))
            await clock.sleep(1)
            assert again.events() == ["1", "2", "3"]
    await core.facts.close()
    await again.facts.close()


async def test_a_picture_that_is_older_than_a_new_bus_follows_it_from_its_beginning(
    tmp_path: Path, clock: JumpClock, anywhere: Path | str
) -> None:
    """As after a restore where the bus was lost, too."""
    first = Core(Memory(), clock, anywhere)
    await first.facts.start()
    ask_for(first.facts, A, B)
    first.facts.follow(LOG, 5000)
    first.facts.follow("epoch.main.01", 900)
    await first.facts.close()
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock, anywhere)
    await core.facts.start()
    core.trunk.reached = False
    with edge.running(), core.running():
        edge.facts.record_status(status(A, at=clock.now()))
        edge.facts.record_event(event(1, clock.now()))
        await clock.sleep(5)
        assert core.events() == []
        core.trunk.reached = True
        await clock.sleep(5)
        assert core.events() == ["1"]
        assert core.facts.status_of(A)
    await core.facts.close()


async def test_a_full_outbox_gives_up_old_states_and_no_event(
    tmp_path: Path, clock: JumpClock
) -> None:
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock)
    edge.outbox._most = 40_000
    ask_for(core.facts, A, B)
    edge.trunk.reached = False
    with edge.running(), core.running():
        for number in range(150):
            edge.facts.record_status(status(A, at=clock.now()))
            edge.facts.record_event(event(number, clock.now()))
            await clock.sleep(1)
        assert edge.outbox.bytes <= 40_000
        edge.trunk.reached = True
        await clock.sleep(10)
        assert core.events() == [str(number) for number in range(150)]
        assert sum(shed.count for shed in core.taker.shed) > 0


async def test_a_disk_that_takes_nothing_is_told_once_and_tried_again(
    tmp_path: Path, clock: JumpClock
) -> None:
    memory = Memory()
    edge = Edge(memory, clock, tmp_path / "outbox.db")
    good = edge.outbox.add

    def full(parcels: object) -> None:
        raise WeErred("the disk is full", operation="write", subject="outbox", code="DiskFull")

    edge.outbox.add = full  # type: ignore[method-assign]
    edge.facts.record_event(event(1, clock.now()))
    await edge.carrier.keep()
    assert edge.carrier.trouble
    assert edge.carrier.waiting == 1
    edge.outbox.add = good  # type: ignore[method-assign]
    await edge.carrier.keep()
    assert edge.carrier.trouble is None
    assert edge.outbox.waiting == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_parcel_or_the_one_error(body: bytes) -> None:
    try:
        parse_sent(body)
    except WeErred as error:
        assert error.code == "ParcelUnreadable"


async def test_what_is_no_parcel_costs_only_itself(clock: JumpClock, tmp_path: Path) -> None:
    memory = Memory()
    edge, core = Edge(memory, clock, tmp_path / "outbox.db"), Core(memory, clock)
    ask_for(core.facts, A, B)
    await edge.trunk.log(FACTS).append("x", b"nonsense", id_="x")
    with edge.running(), core.running():
        edge.facts.record_event(event(1, clock.now()))
        await clock.sleep(1)
        assert core.events() == ["1"]
        assert core.taker.unread == 1


async def test_it_is_said_when_what_was_learned_is_in_the_log(tmp_path: Path) -> None:
    memory, clock = Memory(), JumpClock()
    edge = Edge(memory, clock, tmp_path / "outbox.db")
    await edge.carrier.until_sent()
    edge.facts.record_report(report(A))
    edge.trunk.reached = False
    with edge.running():
        waiting = asyncio.create_task(edge.carrier.until_sent())
        await clock.sleep(30.0)
        assert not waiting.done()
        edge.trunk.reached = True
        await waiting
    assert await edge.trunk.log(FACTS).last() == 1
