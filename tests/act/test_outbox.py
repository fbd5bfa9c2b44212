"""What is written is on disk, what is noted comes before it, and nobody is told of more than that.

The journal here is one that takes its time or fails; the crash test cuts a process at its journal
and compares what it had told with what the disk holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest

from iolaus.act.entries import Began, Ended, entry, said_in
from iolaus.act.fold import fold
from iolaus.act.outbox import LINGER_S, Interrupted, Outbox
from iolaus.act.standing import Standing
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.plan import Plan
from iolaus.model.rollout import Entry, EntryKind, NodeState, Progress, RolloutState
from iolaus.store.lease import Lease
from tests.act.hall import Hall, Mood, plan_of
from tests.act.house import Cut, CutJournal, Process

LEASE = Lease(name="act", holder="one", epoch=1, expires_at=1e12)


class Slow:
    """A journal that takes `takes_s` for each commit, and fails at those numbered in `fails`."""

    def __init__(
        self, clock: JumpClock, *, takes_s: float = 1.0, fails: Sequence[int] = ()
    ) -> None:
        self._clock, self._takes_s, self._fails = clock, takes_s, fails
        self.commits: list[list[str]] = []

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        assert lease == LEASE
        await self._clock.sleep(self._takes_s)
        self.commits.append([each.step or "" for each in entries])
        if len(self.commits) in self._fails:
            raise WeErred("the disk is gone", operation="write", subject="state")
        return tuple(entries)


class Room:
    """An outbox, and what is heard of it."""

    def __init__(self, clock: JumpClock, journal: Slow) -> None:
        standing = Standing(LEASE, clock=clock, asked_at=0.0, ttl_s=1e9, margin_s=0.0)
        self.told: list[tuple[str, bool]] = []
        self.broken: list[Interrupted] = []
        self.box = Outbox(
            journal,  # type: ignore[arg-type]
            standing,
            clock,
            on_kept=lambda kept: self.told.extend((e.step or "", noted) for e, noted in kept),
            on_broken=self.broken.append,
        )


def seen(name: str) -> list[Entry]:
    return [entry("p", EntryKind.DONE, Ended(), at=1.0, node="n", step=name)]


async def test_a_note_goes_before_what_is_written_after_it(clock: JumpClock) -> None:
    journal = Slow(clock)
    room = Room(clock, journal)
    room.box.note(seen("a"))
    room.box.note(seen("b"))
    await room.box.write(seen("c"))
    assert journal.commits == [["a", "b", "c"]]
    assert room.told == [("a", True), ("b", True), ("c", False)]
    assert room.box.empty


async def test_a_note_does_not_wait_for_long(clock: JumpClock) -> None:
    journal = Slow(clock, takes_s=0.0)
    room = Room(clock, journal)
    room.box.note(seen("a"))
    assert not room.box.empty
    await clock.sleep(LINGER_S / 2)
    assert journal.commits == []
    await clock.sleep(LINGER_S)
    assert journal.commits == [["a"]]


async def test_one_commit_is_under_way_at_a_time_and_those_who_come_share_the_next(
    clock: JumpClock,
) -> None:
    journal = Slow(clock)
    room = Room(clock, journal)
    writing = [asyncio.create_task(room.box.write(seen("first")))]
    await clock.sleep(0.5)
    room.box.note(seen("note"))
    writing += [asyncio.create_task(room.box.write(seen(name))) for name in ("x", "y")]
    await asyncio.gather(*writing)
    assert journal.commits == [["first"], ["note", "x", "y"]]


async def test_after_a_failure_nothing_more_is_taken(clock: JumpClock) -> None:
    """Neither what waited meanwhile nor what comes later: it would stand there without what came
    before."""
    journal = Slow(clock, fails=[1])
    room = Room(clock, journal)
    first = asyncio.create_task(room.box.write(seen("first")))
    await clock.sleep(0.5)
    second = asyncio.create_task(room.box.write(seen("second")))
    for each in (first, second):
        with pytest.raises(Interrupted):
            await each
    with pytest.raises(Interrupted):
        await room.box.write(seen("third"))
    await room.box.close()
    assert journal.commits == [["first"]]
    assert len(room.broken) == 1
    assert room.told == []


async def test_notes_that_are_not_taken_are_heard_of(clock: JumpClock) -> None:
    room = Room(clock, Slow(clock, fails=[1]))
    room.box.note(seen("a"))
    await clock.sleep(5.0)
    assert [str(each.cause.message) for each in room.broken] == ["the disk is gone"]


async def test_an_error_that_nobody_foresaw_ends_it_as_well(clock: JumpClock) -> None:
    class Erring(Slow):
        async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
            raise ZeroDivisionError

    room = Room(clock, Erring(clock))
    with pytest.raises(Interrupted, match="ZeroDivisionError"):
        await room.box.write(seen("a"))
    assert len(room.broken) == 1


async def test_closing_keeps_what_was_noted(clock: JumpClock) -> None:
    journal = Slow(clock)
    room = Room(clock, journal)
    room.box.note(seen("a"))
    await room.box.close()
    assert journal.commits == [["a"]]


# What was told


class Listener:
    """Asks how it fares all the time, and remembers everything that it was told."""

    def __init__(self, process: Process, plan: Plan, clock: JumpClock) -> None:
        self._process, self._plan, self._clock = process, plan, clock
        self.answers: list[Progress] = []

    async def listen(self) -> None:
        while True:
            told = await self._process.conductor.progress(self._plan.id)
            if told is not None and not self._process.cut.hit.is_set():
                self.answers.append(told)
            await self._clock.sleep(0.37)


def brisk(clock: JumpClock) -> tuple[Hall, Plan]:
    hall, plan = Hall(clock, seed=3), plan_of(4, at_once=2)
    for number, node in enumerate(plan.nodes):
        hall.add(node.uid, Mood(latency_s=0.05 + number * 0.021, lag_s=0.3 * (number % 3)))
    return hall, plan


async def cut_while_asked(where: str, at: int) -> int:
    """How much was answered before the process was cut at this place; none of it is lost."""
    clock = JumpClock(start=1_700_000_000.0 + at * 1e6, idle_turns=6)
    hall, plan = brisk(clock)
    plan = msgspec.structs.replace(plan, generation=at)
    process = Process(where, hall, cut=Cut(at))
    listener = Listener(process, plan, clock)
    listening = asyncio.create_task(listener.listen())
    await process.run(plan)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    kept = await CutJournal(process.database, Cut(), clock=clock).entries(plan.id)
    assert set(map(key, process.entries)) <= set(map(key, kept))
    held = fold(plan, kept)
    for answer in listener.answers:
        assert answer.last <= held.last
        for uid, node in answer.nodes.items():
            if node.state is NodeState.DONE:
                assert held.nodes[uid] == node, (at, answer)
            assert held.nodes[uid].steps_done >= node.steps_done, (at, answer)
    began = {said.effect for each in kept if isinstance(said := said_in(each), Began)}
    assert {effect for _, effect in hall.effects} <= began
    process.database.close()
    if process.cut.hit.is_set():
        await play_to_its_end(where, hall, plan)
        return len(listener.answers)
    return 0


async def play_to_its_end(where: str, hall: Hall, plan: Plan) -> None:
    """The next life does what is left, and sees every step done; nothing was doubled."""
    other = Process(where, hall)
    other.start()
    progress = await other.until(plan)
    await other.stop()
    assert progress.state is RolloutState.DONE
    assert {node.steps_done for node in progress.nodes.values()} == {4}
    assert {device.effects["reset"] for device in hall.devices.values()} == {1}
    assert hall.doubled() == []


def key(each: Entry) -> tuple[int, EntryKind, str | None, str | None]:
    return each.number, each.kind, each.node, each.step


async def test_nothing_that_was_answered_is_lost(anywhere: str) -> None:
    answers = [await cut_while_asked(anywhere, at) for at in range(3, 130, 13)]
    assert sum(map(bool, answers)) > 5
