"""The fold: a table of phases, and the same account however the entries come."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iolaus.act.entries import TYPES, Began, Ended, NodeSaid, PlanSaid, Sent, entry, said_in
from iolaus.act.fold import NEXT, Account, Event, Pass, Phase, Way, fold
from iolaus.act.looking import Pace
from iolaus.act.term import Rules
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.plan import Fate, OnFailure, Plan
from iolaus.model.rollout import Decision, Entry, EntryKind, NodeState, Progress, RolloutState
from tests.act.deciding import decide
from tests.act.hall import BMC, BOOTS, DRAINED, Hall, Mood, plan_of
from tests.act.house import Cut, Process
from tests.examples import examples

PLAN = plan_of(2)
STEP = PLAN.nodes[0].steps[0].id
NODE = PLAN.nodes[0].uid


def said(kind: EntryKind, doc: object, *, node: str = NODE, step: str = STEP) -> Entry:
    assert isinstance(doc, Began | Ended | NodeSaid | PlanSaid | Sent)
    return entry(PLAN.id, kind, doc, at=5.0, node=node, step=step)


BEGAN = Began(attempt=1, effect="e", verb="reset", seen={"boots": 7})
STEP_ENTRIES = {
    Event.BEGUN: said(EntryKind.STARTED, BEGAN),
    Event.RECEIPT: said(EntryKind.SENT, Sent(attempt=1, outcome="receipt")),
    Event.REFUSED: said(EntryKind.SENT, Sent(attempt=1, outcome="refused")),
    Event.SILENT: said(EntryKind.SENT, Sent(attempt=1, outcome="silent")),
    Event.DONE: said(EntryKind.DONE, Ended()),
    Event.FAILED: said(EntryKind.FAILED, Ended(reason="no")),
}
TO: dict[Phase, list[Event]] = {
    Phase.FRESH: [],
    Phase.OPEN: [Event.BEGUN],
    Phase.SENT: [Event.BEGUN, Event.RECEIPT],
    Phase.REFUSED: [Event.BEGUN, Event.REFUSED],
    Phase.DONE: [Event.BEGUN, Event.DONE],
    Phase.FAILED: [Event.FAILED],
}


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("event", list(Event))
def test_every_event_in_every_phase(phase: Phase, event: Event) -> None:
    account = Account(PLAN, [STEP_ENTRIES[each] for each in TO[phase]])
    assert account.passed(STEP, Way.FORTH).phase is phase
    account.add(STEP_ENTRIES[event])
    assert account.passed(STEP, Way.FORTH).phase is NEXT[phase].get(event, phase)
    assert account.passed(STEP, Way.BACK) == Pass()


def test_what_is_done_stays_done_and_nothing_is_sent_unannounced() -> None:
    assert NEXT[Phase.DONE] == NEXT[Phase.FAILED] == {}
    assert {Event.RECEIPT, Event.REFUSED, Event.SILENT}.isdisjoint(NEXT[Phase.FRESH])


def test_every_kind_has_its_document() -> None:
    assert set(TYPES) == set(EntryKind)
    for kind, type_ in TYPES.items():
        damaged = Entry(
            plan="p",
            number=7,
            kind=kind,
            at=0.0,
            epoch=1,
            doc={"attempt": "x", "state": 5, "name": 3, "silent": "x"},
        )
        with pytest.raises(WeErred) as caught:
            said_in(damaged)
        assert caught.value.code == "JournalDamaged", type_


@given(
    kind=st.sampled_from(list(EntryKind)),
    doc=st.dictionaries(
        st.sampled_from(["state", "attempt", "outcome", "seen", "name", "budget", "reason"]),
        st.none()
        | st.integers(-2, 2)
        | st.text(max_size=4)
        | st.dictionaries(st.text(), st.none()),
    ),
)
def test_a_damaged_document_is_an_error_of_ours_and_changes_nothing(
    kind: EntryKind, doc: dict[str, Any]
) -> None:
    account = Account(PLAN, [STEP_ENTRIES[Event.BEGUN]])
    before = account.progress(), account.passed(STEP, Way.FORTH)
    damaged = Entry(
        plan=PLAN.id, number=1, kind=kind, at=0.0, epoch=1, node=NODE, step=STEP, doc=doc
    )
    try:
        account.add(damaged)
    except WeErred as error:
        assert error.code == "JournalDamaged"
        assert (account.progress(), account.passed(STEP, Way.FORTH)) == before


def test_the_baseline_is_what_was_seen_first() -> None:
    later = msgspec.structs.replace(BEGAN, attempt=2, seen={"boots": 9})
    account = Account(PLAN, [STEP_ENTRIES[Event.BEGUN], said(EntryKind.STARTED, later)])
    passed = account.passed(STEP, Way.FORTH)
    assert (passed.baseline, passed.attempt, passed.sends) == ({"boots": 7}, 2, 2)


def test_a_passing_refusal_does_not_count_and_a_rung_is_no_sending() -> None:
    refused = Sent(attempt=1, outcome="refused", passing=True, wait_s=9.0)
    account = Account(PLAN, [STEP_ENTRIES[Event.BEGUN], said(EntryKind.SENT, refused)])
    passed = account.passed(STEP, Way.FORTH)
    assert (passed.sends, passed.refusals, passed.wait_s) == (0, 1, 9.0)
    account.add(said(EntryKind.ESCALATED, msgspec.structs.replace(BEGAN, attempt=2)))
    account.add(said(EntryKind.SENT, msgspec.structs.replace(refused, attempt=2)))
    passed = account.passed(STEP, Way.FORTH)
    assert (passed.sends, passed.escalated, passed.on_rung) == (0, 1, True)


def test_a_lost_node_costs_one_brick_and_a_budget_is_counted() -> None:
    lost = said(EntryKind.NODE_STATE, NodeSaid(state=NodeState.LOST))
    drawn = said(EntryKind.STARTED, msgspec.structs.replace(BEGAN, budget="reset-manager"))
    progress = fold(PLAN, [drawn, lost, lost])
    assert progress.budgets == {"bricks": 1, "reset-manager": 1}


def test_nodes_that_have_nothing_to_do_are_skipped_from_the_start() -> None:
    idle = msgspec.structs.replace(PLAN.nodes[0], fate=Fate.BLOCKED, reason="no image")
    plan = msgspec.structs.replace(PLAN, nodes=(idle, PLAN.nodes[1]))
    progress = fold(plan, [])
    assert progress.nodes[idle.uid].state is NodeState.SKIPPED
    assert progress.nodes[idle.uid].reason == "no image"
    assert (progress.state, progress.last) == (RolloutState.WAITING, 0)


def test_strangers_change_nothing() -> None:
    before = fold(PLAN, [])
    strange = [
        said(EntryKind.NODE_STATE, NodeSaid(state=NodeState.DONE), node="nobody"),
        said(EntryKind.STARTED, BEGAN, node="nobody", step="nothing"),
        said(EntryKind.PLAN_STATE, PlanSaid(ignored="no", intent=4, state=RolloutState.DONE)),
    ]
    account = Account(PLAN, strange)
    assert account.progress() == before
    assert account.heard == 4


def test_a_progress_does_not_change_afterwards() -> None:
    account = Account(PLAN)
    before = account.progress()
    account.add(said(EntryKind.NODE_STATE, NodeSaid(state=NodeState.RUNNING)))
    assert before.nodes[NODE].state is NodeState.WAITING
    assert account.progress().nodes[NODE].state is NodeState.RUNNING


# Against the executor, under random failures and deaths

CHANCE = st.sampled_from([0.0, 0.0, 0.1, 0.4])
MOODS = st.builds(
    Mood,
    silent_before=CHANCE,
    silent_after=CHANCE,
    garbled_after=CHANCE,
    refuses=CHANCE,
    refusal=st.sampled_from([400, 401, 409, 500, 503]),
    lies=CHANCE,
    unknown_look=CHANCE,
    silent_look=CHANCE,
    stale_look=CHANCE,
    latency_s=st.floats(0.0, 20.0),
    lag_s=st.floats(0.0, 300.0),
    hang_s=st.sampled_from([0.0, 0.0, 50.0, 1e9]),
    bricks_on=st.sampled_from(["", "", "", "reset", "update-firmware"]),
    sulks=st.integers(0, 12),
)


def decide_seldom(plan: Plan, progress: Progress, world: object, now: float) -> Decision:
    return msgspec.structs.replace(decide(plan, progress, world, now), wake_s=120.0)


SELDOM = Rules(ttl_s=600.0, poll_s=120.0, retry_s=60.0, pace=Pace(grace_s=30.0))


async def live(
    plan: Plan, moods: list[Mood], deaths: list[int], seed: int, where: Path
) -> tuple[Hall, Progress, tuple[Entry, ...], list[Entry]]:
    """A roll-out whose processes die one after the other, and the last one that does not."""
    hall = Hall(JumpClock(), seed=seed)
    for node, mood in zip(plan.nodes, moods, strict=True):
        hall.add(node.uid, mood)
    heard: list[Entry] = []
    for turn, at in enumerate([*deaths, 0]):
        process = Process(where, hall, cut=Cut(at), rules=SELDOM, decide=decide_seldom)
        if turn == 0:
            await process.apply(plan)
        process.start()
        progress = await process.until(plan, every_s=60.0)
        seen = await process.conductor.progress(plan.id) if not process.cut.hit.is_set() else None
        entries = await process.journal.entries(plan.id)
        if seen is not None and seen.last == progress.last:
            assert msgspec.structs.replace(seen, approved={}) == progress
        await process.stop()
        heard += process.entries
    return hall, progress, entries, heard


@pytest.mark.slow
@settings(max_examples=examples(12, 25), suppress_health_check=list(HealthCheck))
@given(
    moods=st.lists(MOODS, min_size=4, max_size=4),
    deaths=st.lists(st.integers(1, 40), max_size=4),
    seed=st.integers(0, 10_000),
    rule=st.sampled_from(["rollback", "leave"]),
)
def test_whatever_happens_the_journal_tells_the_truth(
    moods: list[Mood], deaths: list[int], seed: int, rule: str
) -> None:
    plan = plan_of(4, at_once=3, bricks=9, on_failure=OnFailure(node=rule))
    with tempfile.TemporaryDirectory() as name:
        run = live(plan, moods, deaths, seed, Path(name) / "state.db")
        hall, progress, entries, _ = asyncio.run(run)
    assert progress.state is RolloutState.DONE
    assert [each.number for each in entries] == list(range(1, len(entries) + 1))
    assert [each.epoch for each in entries] == sorted(each.epoch for each in entries)
    assert fold(plan, entries) == progress
    assert hall.doubled() == []
    assert_announced(hall, entries)
    for node in plan.nodes:
        device = hall.devices[node.uid]
        device.settle(1e12)
        assert device.effects["reset"] <= 1 or device.mood.stale_look
        state = progress.nodes[node.uid].state
        assert state.over
        if state is NodeState.DONE:
            assert (device.facts[BMC], device.facts[DRAINED]) == ("2", False)
            assert device.facts[BOOTS] == 7 + device.effects["reset"] >= 8
            assert progress.nodes[node.uid].steps_done == len(node.steps)
        if state is NodeState.ROLLED_BACK:
            assert (device.facts[BMC], device.facts[DRAINED]) == ("1", False)
    lost = Counter(node.state for node in progress.nodes.values())[NodeState.LOST]
    assert progress.budgets.get("bricks", 0) == lost


WORDS = st.lists(
    st.tuples(st.floats(0.0, 400.0), st.sampled_from(["pause", "resume", "abort", "undo"])),
    max_size=5,
)


async def steered(
    plan: Plan, moods: list[Mood], words: list[tuple[float, str]], seed: int, where: Path
) -> tuple[Hall, Progress, tuple[Entry, ...]]:
    """What people say in between, and at last one says to end it, and to take all of it back."""
    hall = Hall(JumpClock(), seed=seed)
    for node, mood in zip(plan.nodes, moods, strict=True):
        hall.add(node.uid, mood)
    process = Process(where, hall, rules=SELDOM, decide=decide_seldom)
    await process.apply(plan)
    process.start()
    for after_s, word in words:
        await hall.clock.sleep(after_s)
        await process.ask(plan, word)
    await hall.clock.sleep(300.0)
    await process.ask(plan, "abort")
    await process.until(plan, "done", "aborted", "undone", every_s=60.0)
    await process.ask(plan, "undo")
    await hall.clock.sleep(7200.0)
    progress = await process.until(plan, "aborted", "undone", every_s=60.0)
    await process.stop()
    return hall, progress, await process.journal.entries(plan.id)


@pytest.mark.slow
@settings(max_examples=examples(10, 20), suppress_health_check=list(HealthCheck))
@given(moods=st.lists(MOODS, min_size=4, max_size=4), words=WORDS, seed=st.integers(0, 10_000))
def test_whatever_people_say_everything_that_began_comes_to_an_end(
    moods: list[Mood], words: list[tuple[float, str]], seed: int
) -> None:
    plan = plan_of(4, at_once=4, bricks=9)
    with tempfile.TemporaryDirectory() as name:
        run = steered(plan, moods, words, seed, Path(name) / "state.db")
        hall, progress, entries = asyncio.run(run)
    assert progress.state in (RolloutState.ABORTED, RolloutState.UNDONE)
    assert hall.doubled() == []
    assert_announced(hall, entries)
    for uid, node in progress.nodes.items():
        device = hall.devices[uid]
        device.settle(1e12)
        assert node.state is NodeState.WAITING or node.state.over
        assert node.state is not NodeState.DONE or progress.state is RolloutState.ABORTED
        if node.state in (NodeState.ROLLED_BACK, NodeState.WAITING):
            assert (device.facts[BMC], device.facts[DRAINED]) == ("1", False)


def assert_announced(hall: Hall, entries: tuple[Entry, ...]) -> None:
    """Nothing was sent that the journal did not announce, and attempts are bounded."""
    announced = {e.doc["effect"] for e in entries if "effect" in e.doc}
    for device in hall.devices.values():
        assert set(device.sent) <= announced
        assert len(device.sent) == len(set(device.sent))
