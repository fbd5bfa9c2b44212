"""Plans and roll-outs without devices: a port that behaves, one small move at a time.

It plans the nodes of the test hall by their numbers, asks for approvals, refuses a moved world, and
moves a roll-out on when it is told to, or (`drives`) whenever somebody lists the plans.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.fleet.asked import kind_of, say_asked
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.desired import Share
from iolaus.model.naming import asset_uid
from iolaus.model.plan import (
    Action,
    Approval,
    Asked,
    Domain,
    Fate,
    Limits,
    NodePlan,
    Plan,
    Step,
    Verb,
    Wave,
)
from iolaus.model.rollout import (
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    WaveProgress,
)
from iolaus.model.select import Lookup, Selector, lookup_in
from iolaus.north.context import Context, Standing
from iolaus.store.facts import Facts
from tests.north import hall

STEPS: Final = (
    (Verb.UPDATE, "Update the firmware of BMC from 25.08-9 to 25.09-1"),
    (Verb.RESET_MANAGER, "Restart the controller"),
    (Verb.WAIT_HEALTHY, "Wait until it is healthy"),
)
CHANGE: Final = {"from": "25.08-9", "version": "25.09-1", "components": ["BMC"]}
LEFT: Final = {1: (Fate.NO_OP, ""), 2: (Fate.BLOCKED, "its endpoint does not answer")}
"""Nodes by number that a plan leaves alone, and why."""
HELD: Final = "2 of rack h1-r01 may be away together"


def steps(name: str) -> tuple[Step, ...]:
    return tuple(
        Step(
            id=f"{name}/{number:02}-{verb}",
            action=Action(verb=verb, arguments=CHANGE if verb is Verb.UPDATE else {}),
            text=text,
        )
        for number, (verb, text) in enumerate(STEPS, 1)
    )


def node_plan(number: int, uid: str) -> NodePlan:
    _, rack, name = hall.place(number)
    fate, reason = LEFT.get(number, (Fate.UPDATE, ""))
    goes = fate is Fate.UPDATE
    return NodePlan(
        uid=uid,
        name=name,
        endpoint=hall.address(number),
        fate=fate,
        facts="0" * 16,
        reason=reason,
        steps=steps(name) if goes else (),
        domains=(
            Domain(kind="rack", name=rack),
            Domain(kind="feed", name=f"h1-{'ab'[number % 2]}"),
        ),
        estimate_s=900.0 if goes else None,
    )


def uid_of(facts: Facts, number: int) -> str:
    held = facts.held(hall.address(number))
    known = held.uids.get(hall.SYSTEM) if held else None
    return known or asset_uid(hall.address(number), hall.SYSTEM)


def reviewed(plan: Plan) -> str:
    going = [node for node in plan.nodes if node.fate is Fate.UPDATE]
    what = f"baseline {plan.baseline}, generation {plan.generation}"
    lines = [f"Plan {plan.id} for {say_asked(plan.asked) if plan.asked else what}", ""]
    lines += [f"  wave {w.name}: {len(w.nodes)} nodes" for w in plan.waves]
    lines += [f"  {n.name}: {'; '.join(s.text for s in n.steps)}" for n in going]
    lines += [f"  {n.name}: {n.fate}, {n.reason or 'as it should be'}" for n in plan.nodes
              if n.fate is not Fate.UPDATE]  # fmt: skip
    return "\n".join(lines) + "\n"


class Rolling:
    """`Rolls` by hand. `fails` and `loses` are names of nodes that will; `moved` is how the world
    moved since planning; `approvals` are what plans ask for."""

    def __init__(
        self,
        context: Context,
        *,
        nodes: int = 4,
        approvals: tuple[Approval, ...] = (),
        fails: Collection[str] = (),
        loses: Collection[str] = (),
        drives: bool = False,
    ) -> None:
        self.context = context
        self._facts, self._clock, self._bus = context.facts, context.clock, context.bus
        self._nodes, self._asks = nodes, approvals
        self.fails, self.loses, self.drives = fails, loses, drives
        self.moved = ""
        self.kept: dict[str, Standing] = {}
        self.said: list[tuple[str, str, str]] = []

    async def make_plan(self, baseline: str, *, selector: Selector, by: str, keep: bool) -> Plan:
        found = [node_plan(n, uid_of(self._facts, n)) for n in range(self._nodes)]
        found = [n for n in found if not selector or selector.matches(n.name, _lookup(n))]
        going = [node.uid for node in found if node.fate is Fate.UPDATE]
        waves = (
            Wave(name="canary", nodes=tuple(going[:1]), soak_s=1800.0),
            Wave(name="rest", nodes=tuple(going[1:]), batch=2),
        )
        plan = Plan(
            baseline=baseline,
            generation=3,
            nodes=tuple(found),
            waves=tuple(wave for wave in waves if wave.nodes),
            limits=Limits(max_unavailable=2, per_domain={"rack": 2}, atomic=("nvlink",)),
            approvals=self._asks,
            parent=next(reversed(self.kept), None),
            made_at=self._clock.now() + len(self.kept),
            made_by=by,
        )
        if keep:
            self.kept[plan.id] = Standing(plan=plan, text=reviewed(plan))
        return plan

    async def plan_asked(
        self, asked: Asked, *, selector: Selector, batch: Share | None, by: str, keep: bool
    ) -> Plan:
        """As of a baseline without a name; nobody is asked for less than everything at once."""
        kind_of(asked).check(asked)
        found = await self.make_plan("", selector=selector, by=by, keep=False)
        going = tuple(node.uid for node in found.nodes if node.fate is Fate.UPDATE)
        size = batch if isinstance(batch, int) else None
        asked = msgspec.structs.replace(asked, at=self._clock.now())
        waves = (Wave(name="all", nodes=going, batch=size),)
        plan = msgspec.structs.replace(found, asked=asked, waves=waves, parent=None)
        if keep:
            self.kept[plan.id] = Standing(plan=plan, text=reviewed(plan))
        return plan

    async def all(self) -> Sequence[Standing]:
        if self.drives:
            for name, each in self.kept.items():
                if each.progress is not None:
                    self.move(name)
        return list(reversed(self.kept.values()))

    async def standing(self, plan: str) -> Standing:
        return self._of(plan)

    async def approve(self, plan: str, *, by: str, groups: Sequence[str]) -> None:
        standing = self._of(plan)
        if by == standing.plan.made_by:
            raise _no(plan, "OwnPlan", "you made it", "somebody else has to approve it.")
        given = (*standing.approvals, (by, tuple(groups), self._clock.now()))
        self._keep(plan, approvals=given)

    async def apply(self, plan: str, *, by: str) -> None:
        standing = self._of(plan)
        if self.moved:
            raise _no(plan, "WorldMoved", self.moved, "make a new plan and review it.")
        told = {(who, group) for who, groups, _ in standing.approvals for group in groups}
        for each in standing.plan.approvals:
            left = each.count - sum(group == each.group for _, group in told)
            if left > 0:
                words = f"approvals: {left} more of {each.group}"
                then = f"somebody of {each.group}: iolaus approve plan/{plan}"
                raise _no(plan, "NeedsApproval", words, then)
        self.said.append((plan, "apply", by))
        if standing.progress is None:
            states = {n.uid: _waiting(n) for n in standing.plan.nodes}
            waves = tuple(WaveProgress(name=w.name) for w in standing.plan.waves)
            self._say(
                plan, Progress(plan=plan, state=RolloutState.RUNNING, nodes=states, waves=waves)
            )

    async def ask(self, plan: str, what: str, *, by: str) -> None:
        progress = self._of(plan).progress
        may = {
            "pause": (RolloutState.RUNNING,),
            "resume": (RolloutState.PAUSED,),
            "abort": (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.WAITING),
            "undo": (RolloutState.DONE, RolloutState.ABORTED),
        }
        if progress is None or progress.state not in may[what]:
            state = progress.state if progress else "not applied"
            raise _no(plan, "NotNow", f"it is {state}", f"iolaus rollout status {plan}")
        self.said.append((plan, what, by))
        into = {
            "pause": RolloutState.PAUSED,
            "resume": RolloutState.RUNNING,
            "abort": RolloutState.ABORTING,
            "undo": RolloutState.UNDOING,
        }[what]
        self._say(plan, progress, state=into, reason=f"asked by {by}")

    def move(self, name: str) -> None:
        """One small move on; nothing if it is over or waits for a person."""
        standing = self._of(name)
        progress = standing.progress
        if progress is None or progress.state is RolloutState.WAITING:
            return
        running = [n for n in progress.nodes.values() if n.state is NodeState.RUNNING]
        if progress.state is RolloutState.RUNNING:
            self._roll(name, standing.plan, progress)
        elif progress.state is RolloutState.PAUSED and running:
            self._work(name, standing.plan, progress, running)
        elif progress.state in (RolloutState.ABORTING, RolloutState.UNDOING):
            self._unwind(name, progress)

    def finish(self, name: str, *, most: int = 100) -> None:
        for _ in range(most):
            self.move(name)

    def _roll(self, name: str, plan: Plan, progress: Progress) -> None:
        now = next((w for w in progress.waves if w.state != "passed"), None)
        if now is None:
            self._say(name, progress, state=RolloutState.DONE, reason="")
            return
        wave = next(w for w in plan.waves if w.name == now.name)
        nodes = [progress.nodes[uid] for uid in wave.nodes]
        running = [node for node in nodes if node.state is NodeState.RUNNING]
        waiting = [node for node in nodes if node.state is NodeState.WAITING]
        if now.state == "waiting":
            self._wave(name, progress, now, "began")
        elif running:
            self._work(name, plan, progress, running)
        elif waiting:
            begun = [_begun(node, self._clock.now()) for node in waiting[: wave.batch or 99]]
            held = {node.uid: HELD for node in waiting[len(begun) :]}
            self._keep(name, holds=held)
            self._say(name, progress, nodes=begun)
        else:
            self._wave(name, progress, now, "passed" if now.state == "soaking" else "soaking")

    def _work(
        self, name: str, plan: Plan, progress: Progress, running: Sequence[NodeProgress]
    ) -> None:
        moved = [self._worked(plan.node(node.uid), node) for node in running]
        lost = sum(node.state is NodeState.LOST for node in moved)
        budgets = {"bricks": lost} if lost else dict(progress.budgets)
        bad = [node for node in moved if node.state.bad]
        if bad:
            why = f"{plan.node(bad[0].uid).name} {bad[0].state}: {bad[0].reason}"
            self._say(
                name, progress, nodes=moved, state=RolloutState.PAUSED, reason=why, budgets=budgets
            )
        else:
            self._say(name, progress, nodes=moved)

    def _worked(self, planned: NodePlan, node: NodeProgress) -> NodeProgress:
        now, count = self._clock.now(), node.steps_done + 1
        replace = msgspec.structs.replace
        if count == 2 and planned.name in self.fails:
            why = "its firmware is still 25.08-9 after two attempts"
            return replace(node, state=NodeState.ROLLED_BACK, ended_at=now, reason=why)
        if count == 2 and planned.name in self.loses:
            why = "no answer since its controller was restarted; look at it on site"
            return replace(node, state=NodeState.LOST, ended_at=now, reason=why)
        if count == len(planned.steps):
            return replace(node, state=NodeState.DONE, steps_done=count, ended_at=now)
        return replace(node, steps_done=count, step=planned.steps[count].id)

    def _unwind(self, name: str, progress: Progress) -> None:
        undoing = progress.state is RolloutState.UNDOING
        states = (NodeState.RUNNING, *((NodeState.DONE,) if undoing else ()))
        back = [n for n in progress.nodes.values() if n.state in states][:2]
        if back:
            moved = [
                msgspec.structs.replace(n, state=NodeState.ROLLED_BACK, steps_done=0) for n in back
            ]
            self._say(name, progress, nodes=moved)
        else:
            over = RolloutState.UNDONE if undoing else RolloutState.ABORTED
            self._say(name, progress, state=over)

    def _wave(self, name: str, progress: Progress, wave: WaveProgress, state: str) -> None:
        new = WaveProgress(name=wave.name, state=state, since=self._clock.now())
        waves = tuple(new if each.name == wave.name else each for each in progress.waves)
        self._say(name, progress, waves=waves)

    def _say(
        self,
        name: str,
        progress: Progress,
        *,
        nodes: Sequence[NodeProgress] = (),
        state: RolloutState | None = None,
        reason: str | None = None,
        waves: tuple[WaveProgress, ...] | None = None,
        budgets: Mapping[str, int] | None = None,
    ) -> None:
        changed = state is not None or not progress.last
        after = msgspec.structs.replace(
            progress,
            state=state or progress.state,
            reason=progress.reason if reason is None else reason,
            nodes={**progress.nodes, **{node.uid: node for node in nodes}},
            waves=progress.waves if waves is None else waves,
            budgets=progress.budgets if budgets is None else budgets,
            since=self._clock.now() + progress.last / 1000 if changed else progress.since,
            last=progress.last + 1,
        )
        self._keep(name, progress=after)
        self._bus.publish("rollouts", name)

    def _keep(self, name: str, **changes: object) -> None:
        self.kept[name] = msgspec.structs.replace(self.kept[name], **changes)

    def _of(self, plan: str) -> Standing:
        if plan not in self.kept:
            raise OperatorMust(
                "there is no such plan",
                operation="look",
                subject=f"plan/{plan}",
                code="NotFound",
                next_step="iolaus get plans",
            )
        return self.kept[plan]


def _waiting(node: NodePlan) -> NodeProgress:
    if node.fate is Fate.UPDATE:
        return NodeProgress(uid=node.uid)
    return NodeProgress(uid=node.uid, state=NodeState.SKIPPED, reason=node.reason or node.fate)


def _begun(node: NodeProgress, now: float) -> NodeProgress:
    return msgspec.structs.replace(node, state=NodeState.RUNNING, started_at=now)


def _lookup(node: NodePlan) -> Lookup:
    labels = {domain.kind: domain.name for domain in node.domains}
    return lookup_in(labels=labels, fields={"name": node.name})


def _no(plan: str, code: str, message: str, then: str) -> PolicyRefused:
    return PolicyRefused(
        message, operation="roll out", subject=f"plan/{plan}", code=code, next_step=then
    )
