"""One node's run through everything that devices do to us."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import (
    Action,
    DrainRule,
    NodePlan,
    OnFailure,
    Step,
    Verb,
)
from iolaus.model.rollout import EntryKind, NodeState, Progress, RolloutState
from tests.act.hall import (
    BMC,
    BOOTS,
    DRAINED,
    Device,
    Hall,
    Mood,
    drain,
    is_,
    node_of,
    plan_of,
    setting,
    steps,
    undrain,
)
from tests.act.house import Process

RESET_BMC = Action(verb=Verb.RESET_MANAGER, budget="reset-manager")


class Ran:
    """A roll-out of one node, and what was left of it."""

    def __init__(self, device: Device, progress: Progress, process: Process) -> None:
        self.device, self.progress = device, progress
        self.node = progress.nodes[device.uid]
        self.kinds = [entry.kind for entry in process.entries]
        self.entries, self.hands = process.entries, process.hands
        device.settle(1e12)


async def ran(
    database: Path,
    hall: Hall,
    node: NodePlan | tuple[Step, ...],
    mood: Mood | None = None,
    *,
    facts: dict[str, Any] | None = None,
    budgets: dict[str, int] | None = None,
    **plan_options: Any,
) -> Ran:
    node = node if isinstance(node, NodePlan) else node_of("n1", node)
    device = hall.add(node.uid, mood)
    device.facts.update(facts or {})
    process = Process(database, hall, budgets=budgets)
    plan = plan_of([node], waves=1, **plan_options)
    progress = await process.run(plan, "done", "paused", "aborted")
    return Ran(device, progress, process)


def one(**fields: Any) -> tuple[Step, ...]:
    """A flash alone."""
    flash = steps("n1")[1]
    return (msgspec.structs.replace(flash, before=(is_(BMC, "1"),), **fields),)


LEAVE = OnFailure(node="leave")


async def test_a_good_node_goes_through_its_steps_once(database: Path, hall: Hall) -> None:
    it = await ran(database, hall, steps("n1"))
    assert it.node.state is NodeState.DONE
    assert (it.node.steps_done, it.device.facts[BMC], it.device.facts[BOOTS]) == (4, "2", 8)
    assert it.device.facts[DRAINED] is False
    per_step = [EntryKind.STARTED, EntryKind.SENT, EntryKind.DONE]
    assert [k for k in it.kinds if k in per_step] == per_step * 4
    effects = [e.doc["effect"] for e in it.entries if e.kind is EntryKind.STARTED]
    assert it.device.sent == effects
    assert len(set(effects)) == 4


async def test_what_is_so_already_is_not_touched(database: Path, hall: Hall) -> None:
    it = await ran(database, hall, one(), facts={BMC: "2"})
    assert it.node.state is NodeState.DONE
    assert it.hands.dos == 0
    assert [e.doc["already"] for e in it.entries if e.kind is EntryKind.DONE] == [True]


async def test_a_world_that_moved_is_not_touched_and_says_what_is_different(
    database: Path, hall: Hall
) -> None:
    it = await ran(database, hall, one(), facts={BMC: "1.5"}, on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert "firmware/BMC is 1: 1.5" in it.node.reason
    assert it.hands.dos == 0


async def test_a_node_that_is_in_a_job_is_never_reset(database: Path, hall: Hall) -> None:
    """It was drained, and someone took it back between two of our steps."""
    flash, boot = steps("n1")[1:3]
    hostile = msgspec.structs.replace(
        flash, action=setting(Verb.UPDATE, firmware_BMC="2", drained=False)
    )
    it = await ran(database, hall, (hostile, boot), facts={DRAINED: True}, on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert it.device.effects == {"update-firmware": 1}


@pytest.mark.parametrize("how", ["silent_after", "garbled_after"])
async def test_what_took_effect_without_an_answer_is_not_sent_again(
    database: Path, hall: Hall, how: str
) -> None:
    mood = Mood(lag_s=200.0)
    setattr(mood, how, 1.0)
    it = await ran(database, hall, steps("n1"), mood)
    assert it.node.state is NodeState.DONE
    assert it.device.effects["reset"] == it.device.effects["update-firmware"] == 1
    assert hall.doubled() == []


async def test_what_took_no_effect_is_sent_again_when_the_device_says_so(
    database: Path, hall: Hall
) -> None:
    for number, mood in enumerate((Mood(silent_before=1.0, sulks=1), Mood(lies=1.0, sulks=1))):
        node = node_of(f"m{number}", one())
        it = await ran(database, hall, node, mood)
        assert it.node.state is NodeState.DONE
        assert len(it.device.sent) == 2
        assert it.device.effects["update-firmware"] == 1
        database = database.with_name(f"{number}.db")


async def test_what_comes_true_while_a_second_sending_is_refused_is_not_sent_again(
    database: Path, hall: Hall
) -> None:
    """No answer; not so after all its time, so it is sent again; busy, because it is at work."""
    boot = msgspec.structs.replace(steps("n1")[2], before=())
    device = hall.add("n1", Mood(silent_after=1.0, sulks=1, lag_s=680.0))
    process, plan = Process(database, hall), plan_of([node_of("n1", (boot,))], waves=1)
    await process.apply(plan)
    process.start()
    while not device.sent:
        await hall.clock.sleep(1.0)
    await hall.clock.sleep(100.0)
    device.mood = Mood(refuses=1.0, refusal=409)
    await hall.clock.sleep(600.0)
    assert len(device.sent) > 2
    device.mood = Mood()
    progress = await process.until(plan)
    await process.stop()
    assert progress.nodes["n1"].state is NodeState.DONE
    assert device.effects == {"reset": 1}


async def test_passing_refusals_are_waited_out_and_do_not_count(database: Path, hall: Hall) -> None:
    it = await ran(database, hall, one(attempts=1), Mood(refuses=1.0, sulks=6))
    assert it.node.state is NodeState.DONE
    assert len(it.device.sent) == 7
    it = await ran(database.with_name("2"), hall, node_of("n2", one()), Mood(refuses=1.0))
    assert it.node.state in (NodeState.FAILED, NodeState.ROLLED_BACK)
    assert 8 < len(it.device.sent) < 16
    assert it.device.effects == {}


@pytest.mark.parametrize(("status", "sends"), [(400, 2), (401, 1), (403, 1), (500, 2), (405, 1)])
async def test_other_refusals_count_or_are_final(
    database: Path, hall: Hall, status: int, sends: int
) -> None:
    mood = Mood(refuses=1.0, refusal=status)
    it = await ran(database, hall, one(), mood, on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert len(it.device.sent) == sends
    assert "not now" in it.node.reason or status == 500


async def test_a_lying_device_climbs_the_ladder_and_then_fails(database: Path, hall: Hall) -> None:
    ladder = (RESET_BMC, Action(verb=Verb.RESET, subject="outlet", budget="ac-cycle"))
    it = await ran(
        database,
        hall,
        one(escalate=ladder),
        Mood(lies=1.0),
        budgets={"reset-manager": 3, "ac-cycle": 1},
        on_failure=LEAVE,
    )
    assert it.node.state is NodeState.FAILED
    assert it.kinds.count(EntryKind.STARTED) == 2
    assert it.kinds.count(EntryKind.ESCALATED) == 2
    assert it.progress.budgets == {"reset-manager": 1, "ac-cycle": 1}


async def test_the_ladder_heals_and_the_action_is_sent_again(database: Path, hall: Hall) -> None:
    """Silent until its BMC is reset; then it answers that nothing had happened."""
    node = node_of("n1", one(escalate=(RESET_BMC,)))
    device = hall.add("n1", Mood(silent_before=1.0, silent_look=0.0))
    process = Process(database, hall, budgets={"reset-manager": 1})
    plan = plan_of([node], waves=1)
    await process.apply(plan)
    process.start()
    while not device.sent:
        await hall.clock.sleep(1.0)
    device.mood = Mood(silent_look=1.0)
    await hall.clock.sleep(610.0)
    device.mood = Mood()
    progress = await process.until(plan)
    await process.stop()
    assert progress.nodes["n1"].state is NodeState.DONE
    assert device.effects == {"reset-manager": 1, "update-firmware": 1}


async def test_a_budget_is_the_fleets(database: Path, hall: Hall) -> None:
    nodes = [node_of(f"n{n}", _ladder(f"n{n}")) for n in range(6)]
    for node in nodes:
        hall.add(node.uid, Mood(lies=1.0))
    process = Process(database, hall, budgets={"reset-manager": 2})
    plan = plan_of(nodes, at_once=6, waves=1, on_failure=LEAVE)
    progress = await process.run(plan)
    assert progress.budgets == {"reset-manager": 2}
    reasons = Counter("used up" in n.reason for n in progress.nodes.values())
    assert reasons == {True: 4, False: 2}
    assert sum(entry.kind is EntryKind.ESCALATED for entry in process.entries) == 2


def _ladder(uid: str) -> tuple[Step, ...]:
    flash = steps(uid)[1]
    return (msgspec.structs.replace(flash, before=(), escalate=(RESET_BMC,)),)


async def test_a_brick_is_lost_and_stops_the_rollout(database: Path, hall: Hall) -> None:
    nodes = [node_of(f"n{n}", steps(f"n{n}")) for n in range(20)]
    for number, node in enumerate(nodes):
        hall.add(node.uid, Mood(bricks_on="update-firmware" if number == 3 else ""))
    process = Process(database, hall)
    plan = plan_of(nodes, at_once=2, waves=1)
    progress = await process.run(plan, "paused")
    assert progress.state is RolloutState.PAUSED
    states = Counter(node.state for node in progress.nodes.values())
    assert progress.nodes["n3"].state is NodeState.LOST
    assert progress.budgets["bricks"] == 1
    assert states[NodeState.WAITING]
    touched = [d for d in hall.devices.values() if d.sent]
    assert len(touched) == 20 - states[NodeState.WAITING]


async def test_silence_before_any_change_is_a_failure_and_no_lost_node(
    database: Path, hall: Hall
) -> None:
    it = await ran(database, hall, one(), Mood(silent_look=1.0), on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert it.hands.dos == 0
    assert "bricks" not in it.progress.budgets


async def test_without_a_baseline_nothing_is_reset(database: Path, hall: Hall) -> None:
    boot = msgspec.structs.replace(steps("n1")[2], before=())
    it = await ran(database, hall, (boot,), Mood(unknown_look=1.0), on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert "boots cannot be read" in it.node.reason or "not listed" in it.node.reason
    assert it.hands.dos == 0


async def test_a_hanging_action_is_cut_by_its_time_and_its_effect_is_found(
    database: Path, hall: Hall
) -> None:
    it = await ran(database, hall, one(), Mood(hang_s=1e9))
    assert it.node.state is NodeState.DONE
    assert len(it.device.sent) == 1


async def test_stale_and_unknown_reads_do_not_mislead(database: Path, hall: Hall) -> None:
    mood = Mood(stale_look=0.5, unknown_look=0.3, silent_look=0.2, lag_s=120.0)
    it = await ran(database, hall, steps("n1"), mood)
    assert it.node.state is NodeState.DONE
    assert (it.device.facts[BMC], it.device.effects["reset"]) == ("2", 1)


async def test_a_failed_node_goes_back_the_way_it_came(database: Path, hall: Hall) -> None:
    bad = Step(
        id="n1-bios",
        action=Action(verb=Verb.SET_BIOS),
        text="set the BIOS",
        after=(is_("power", "blue"),),
        timeout_s=60.0,
    )
    whole = (*steps("n1")[:3], bad, undrain("n1"))
    it = await ran(database, hall, whole)
    assert it.node.state is NodeState.ROLLED_BACK
    assert it.node.unwound
    assert "stays: set the BIOS, reset" in it.node.reason
    assert (it.device.facts[BMC], it.device.facts[DRAINED]) == ("1", False)
    undone = [e.step for e in it.entries if e.kind is EntryKind.UNDO_DONE]
    assert undone == ["n1-flash", "n1-drain"]
    assert it.node.steps_done == 1


async def test_a_half_done_step_is_undone_only_if_it_took_effect(
    database: Path, hall: Hall
) -> None:
    it = await ran(database, hall, one(timeout_s=50.0), Mood(lies=1.0))
    assert it.node.state is NodeState.ROLLED_BACK
    assert [e.doc.get("already") for e in it.entries if e.kind is EntryKind.UNDO_DONE] == [True]
    assert it.device.effects == {}


async def test_what_was_drained_by_others_stays_drained(database: Path, hall: Hall) -> None:
    flash = one(timeout_s=50.0, undo=None)[0]
    bad = msgspec.structs.replace(flash, before=(), after=(is_("power", "blue"),))
    it = await ran(database, hall, (drain("n1"), bad), facts={DRAINED: True})
    assert it.node.state is NodeState.ROLLED_BACK
    assert it.device.facts[DRAINED] is True


async def test_an_undo_that_fails_is_not_begun_again(database: Path, hall: Hall) -> None:
    flash = one()[0]
    bad = msgspec.structs.replace(
        flash, undo=setting(Verb.UPDATE, firmware_BMC="1"), undo_after=(is_("power", "blue"),)
    )
    never = msgspec.structs.replace(undrain("n1"), before=(is_("power", "blue"),))
    it = await ran(database, hall, (bad, never), facts={DRAINED: True})
    assert it.node.state is NodeState.FAILED
    assert it.node.reason.startswith("not undone, flash the BMC")
    assert it.progress.state is RolloutState.DONE
    assert it.kinds.count(EntryKind.UNDO_FAILED) == 1


@pytest.mark.parametrize("rule", ["skip", "fail"])
async def test_a_node_that_does_not_drain_is_left_or_fails(
    database: Path, hall: Hall, rule: str
) -> None:
    stuck = msgspec.structs.replace(
        drain("n1"), after=(is_(DRAINED, "never"),), timeout_s=100.0, attempts=1
    )
    whole = (stuck, *steps("n1")[1:])
    it = await ran(
        database,
        hall,
        whole,
        drain=DrainRule(adapter="manual", on_timeout=rule),
        on_failure=LEAVE,
    )
    expected = NodeState.SKIPPED if rule == "skip" else NodeState.FAILED
    assert it.node.state is expected
    assert "drain" in it.node.reason
    assert it.device.facts[DRAINED] is (rule == "fail")
    assert it.device.effects["update-firmware"] == 0


async def test_a_step_without_anything_to_read_back_is_done_by_its_receipt(
    database: Path, hall: Hall
) -> None:
    it = await ran(database, hall, one(after=()))
    assert it.node.state is NodeState.DONE
    mood = Mood(silent_before=1.0)
    node = node_of("n2", one(after=()))
    it = await ran(database.with_name("2"), hall, node, mood, on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert "not known" in it.node.reason
    assert len(it.device.sent) == 1


async def test_agreeing_reads_are_counted_and_a_flap_begins_anew(
    database: Path, clock: JumpClock
) -> None:
    hall = Hall(clock, seed=7)
    it = await ran(database, hall, one(reads=5), Mood(silent_look=0.5, lag_s=0.0))
    assert it.node.state is NodeState.DONE
    assert it.hands.looks >= 10


async def test_an_error_nobody_foresaw_fails_that_node_alone(database: Path, hall: Hall) -> None:
    nodes = [node_of(f"n{n}", steps(f"n{n}")) for n in range(4)]
    for node in nodes[1:]:
        hall.add(node.uid)
    process = Process(database, hall)
    progress = await process.run(plan_of(nodes, waves=1, on_failure=LEAVE))
    assert progress.nodes["n0"].state is NodeState.FAILED
    assert "KeyError" in progress.nodes["n0"].reason
    assert Counter(n.state for n in progress.nodes.values())[NodeState.DONE] == 3


def password() -> tuple[Step, ...]:
    given = setting(Verb.ROTATE_CREDENTIAL, firmware_BMC="2")
    return one(action=given, timeout_s=120.0, after=(is_(BMC, "2"),))


async def test_a_new_password_waits_out_the_window_of_failures(database: Path, hall: Hall) -> None:
    """The budget is spent: that is longer than its step may take, and nobody failed."""
    began = hall.clock.monotonic()
    mood = Mood(held_until_s=began + 1500.0)
    it = await ran(database, hall, password(), mood)
    assert it.node.state is NodeState.DONE
    assert 1500.0 <= hall.clock.monotonic() - began < 1900.0
    assert it.hands.dos <= 7, "held back, it is not asked time and again"


async def test_a_new_password_waits_for_no_window_that_never_ends(
    database: Path, hall: Hall
) -> None:
    mood = Mood(held_until_s=hall.clock.monotonic() + 1e6)
    it = await ran(database, hall, password(), mood, on_failure=LEAVE)
    assert it.node.state is NodeState.FAILED
    assert "held" in it.node.reason
    assert hall.clock.monotonic() < 7200.0 + 1000.0


async def test_after_the_wait_it_has_all_its_time(database: Path, hall: Hall) -> None:
    mood = Mood(held_until_s=hall.clock.monotonic() + 1500.0, refuses=1.0, sulks=3)
    it = await ran(database, hall, password(), mood)
    assert it.node.state is NodeState.DONE


async def test_what_is_found_to_be_so_when_its_time_is_up_ended_once(
    database: Path, hall: Hall
) -> None:
    """A look that takes longer than the step may: what it finds is done and not failed, too."""
    step = Step(
        id="n1/1",
        action=Action(verb=Verb.RECOVER, subject="restart"),
        text="Restart it",
        before=(is_(DRAINED, False),),
        after=(is_(DRAINED, True),),
        timeout_s=5.0,
        attempts=1,
        rung="restart",
    )
    found = await ran(database, hall, (step,), Mood(latency_s=30.0), facts={DRAINED: True})
    ends = [kind for kind in found.kinds if kind in (EntryKind.DONE, EntryKind.FAILED)]
    assert ends == [EntryKind.DONE]
    assert found.device.sent == []
