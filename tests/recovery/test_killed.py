"""A recovery that is killed anywhere goes on: no rung is sent twice, and what was taken away for a
while (outlets, a boot override, an image) is given back whatever life it was taken in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from iolaus.act.ports import Sight
from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Action, Asked, Expect, NodePlan, Plan, Step, Verb
from iolaus.model.reach import Around, Controller, HostSight, NodeSight, OutletSight, Share
from iolaus.model.recovery import RescueWant, RungName
from iolaus.model.rollout import NodeState, Progress, RolloutState
from iolaus.recovery import ladder
from iolaus.recovery.deciding import Scene, decide
from iolaus.recovery.hands import archive_of, holds
from iolaus.recovery.ladder import Patient, plan_recovery
from iolaus.recovery.policy import Rules
from iolaus.recovery.reach import judge
from iolaus.recovery.reflash import PUSHED, RUNS, Push
from iolaus.recovery.rungs import RUNGS
from tests.act.house import Cut, Process

Point = Callable[[str], Awaitable[None]]
IMAGE = "https://images.example/rescue.iso"
RULES = Rules(
    rescue=RescueWant(image=IMAGE),
    rungs={name: rung._replace(timeout_s=20.0) for name, rung in RUNGS.items()},
)


class Ward:
    """One patient whom `cure` alone brings back; `sent` is what took effect, by step."""

    def __init__(self, clock: JumpClock, cure: str) -> None:
        self.clock, self.cure = clock, cure
        self.sent: Counter[str] = Counter()
        self.order: list[str] = []
        self.saved: set[str] = set()
        self.is_: dict[str, Any] = {
            ladder.BACK: False,
            ladder.ANSWERS: True,
            ladder.OUTLETS: "On",
            ladder.POWER: "On",
            ladder.OVERRIDE: "Disabled",
            ladder.MEDIA: "",
            ladder.ALONE: False,
            ladder.ALONE: True,
            PUSHED: False,
            RUNS: False,
        }

    def hands(self, point: Point) -> Hands:
        return Hands(self, point)

    def take_effect(self, step: Step, action: Action) -> None:
        self.sent[step.id] += 1
        self.order.append(action.subject)
        if action.verb is Verb.GATHER:
            self.saved.add(archive_of(step))
        effects: dict[str, dict[str, Any]] = {
            "outlet-off": {ladder.OUTLETS: "Off"},
            "outlet-on": {ladder.OUTLETS: "On"},
            "insert-media": {ladder.MEDIA: IMAGE},
            "eject-media": {ladder.MEDIA: ""},
            "boot-once": {ladder.OVERRIDE: "Cd/Once"},
            "boot-clear": {ladder.OVERRIDE: "Disabled"},
            "reflash": {PUSHED: True},
            "reflash-activate": {RUNS: self.is_[PUSHED]},
        }
        self.is_ |= effects.get(action.subject, {})
        if action.subject == self.cure:
            self.is_[ladder.BACK] = True


class Hands:
    """One process's, with a point before and after each effect."""

    def __init__(self, ward: Ward, point: Point) -> None:
        self._ward, self._point = ward, point

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        del node, baseline
        await self._ward.clock.sleep(0.2)
        seen = {each.subject: self._value(each.subject, step) for each in expects}
        unmet = [each.subject for each in expects if not holds(each, seen[each.subject])]
        return Sight(verdict="unmet" if unmet else "met", seen=seen, detail=", ".join(unmet))

    def _value(self, subject: str, step: Step) -> Any:
        if subject == ladder.SAVED:
            return archive_of(step) in self._ward.saved
        return True if subject.startswith(ladder.MAY) else self._ward.is_[subject]

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        del node, effect
        await self._point("before the effect")
        self._ward.take_effect(step, action)
        await self._point("after the effect")
        return {}


def the_plan(at: float) -> Plan:
    """The whole ladder of a host that hangs, to the rescue image."""
    seen = NodeSight(
        uid="n1", name="n1", rack="r1", controller=Controller.ANSWERS, on=True,
        host=HostSight(alive=False, source="agent", at=1.0),
        outlets=(OutletSight(name="p/1", on=True, watts=500.0),),
    )  # fmt: skip
    one = Patient(
        sight=seen,
        judgement=judge(seen, Around(rack=Share(silent=0, answering=18))),
        endpoint="https://n1",
        managed=True,
        offers=frozenset(RungName),
    )
    asked = Asked(kind="recover", arguments={"rescue": True})
    return plan_recovery(asked, [one], {}, {}, RULES, now=at)


def the_push(at: float) -> Plan:
    """Firmware that is broken, and its image."""
    seen = NodeSight(uid="n1", name="n1", controller=Controller.ANSWERS, on=True, broken=("BMC",))
    push = Push(component="BMC", uri="/fw/BMC", kind="bmc", file="a", sha256="b", version="1")
    one = Patient(sight=seen, judgement=judge(seen, Around()), endpoint="https://n1", managed=True,
                  offers=frozenset(RungName), pushes=(push,))  # fmt: skip
    asked = Asked(kind="recover", arguments={"only": "reflash"})
    return plan_recovery(asked, [one], {}, {}, RULES, now=at)


async def lived(
    where: Path | str, cure: str, at: int, planned: Callable[[float], Plan] = the_plan
) -> tuple[Ward, Progress, str]:
    """Cut at its `at`-th place, and gone on with; where that was ("": it ended before)."""
    clock = JumpClock(start=1_700_000_000.0 + at * 1e6)
    ward, plan, cut = Ward(clock, cure), planned(clock.now()), Cut(at)
    go: Any = lambda plan, progress, _, now: decide(plan, progress, Scene(), now)  # noqa: E731
    hall: Any = ward
    progress = await Process(where, hall, cut=cut, decide=go).run(plan)
    if cut.hit.is_set():
        second = Process(where, hall, decide=go)
        second.start()
        progress = await second.until(plan)
        await second.stop()
    return ward, progress, cut.where


HARMLESS = ("evidence", "outlet-on", "boot-clear", "eject-media")
"""Reading, and giving back: that may be done again."""
CURES = ("never", "outlet-off", "rescue-start")


@pytest.mark.parametrize("apart", [19, pytest.param(1, marks=pytest.mark.soak)])
async def test_killed_at_every_write_and_every_effect(tmp_path: Path, apart: int) -> None:
    """All places of the ladder, or those that are so far apart; each with a cure in its turn, and
    the last with none, whose ladder is the longest."""
    at, turn, where, seen = 1, 0, "begin", set[str]()
    while where:
        cure = CURES[turn % 3] if apart > 1 else "never"
        ward, progress, where = await lived(tmp_path / "state.db", cure, at)
        assert_right(ward, progress, (at, where, progress))
        seen |= {each.strip() for each in where.split(",")}
        at, turn = at + apart, turn + 1
    assert len(seen) > 3


async def test_an_image_is_not_pushed_twice_wherever_it_is_killed(tmp_path: Path) -> None:
    at, where, helped = 1, "begin", 0
    while where:
        ward, progress, where = await lived(tmp_path / "state.db", "reflash-activate", at, the_push)
        assert_right(ward, progress, (at, where, progress))
        assert not ward.is_[RUNS] or ward.is_[PUSHED], "nothing is restarted for no image"
        helped, at = helped + ward.is_[ladder.BACK], at + 2
    assert helped > at / 4, "but where it is not known whether it was sent, it goes on"


def assert_right(ward: Ward, progress: Progress, told: object) -> None:
    twice = [step for step, count in ward.sent.items() if count > 1]
    assert all(step.endswith(HARMLESS) for step in twice), told
    given_back = (ladder.OUTLETS, ladder.OVERRIDE, ladder.MEDIA)
    assert [ward.is_[each] for each in given_back] == ["On", "Disabled", ""], told
    assert progress.state is RolloutState.DONE, told
    (node,) = progress.nodes.values()
    assert node.state is (NodeState.DONE if ward.is_[ladder.BACK] else NodeState.FAILED), told
    assert ward.order[0] == "evidence", told
