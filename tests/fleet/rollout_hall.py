"""A hall in which a roll-out is driven step by step: nodes that take their time, fail, vanish and
turn bad, others' outages, gates that cannot be told, an operator. It shares no rule with what it
checks: after every decision it counts for itself. Every decision is made twice, from scratch and by
whoever followed the roll-out, and both are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import msgspec

from iolaus.fleet.follow import Decider
from iolaus.fleet.rollout import decide
from iolaus.fleet.topology import PowerGroup
from iolaus.fleet.world import Standing, World
from iolaus.model.plan import Domain, Fate, Plan, Verb
from iolaus.model.rollout import (
    Decision,
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    Turned,
    WaveProgress,
)

DAY_S: Final = 86_400.0
BUSY: Final = (NodeState.RUNNING, NodeState.ROLLING_BACK)
CALM: Final = 1.5 * DAY_S
"""From here on nothing fails any more and whoever is asked says go on."""


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """How often what goes wrong, per node or per day."""

    fail: float = 0.0
    lose: float = 0.0
    turn_bad: float = 0.0
    outages: float = 0.0
    unclear: float = 0.0


class Hall:
    """Drives `decide` from `start`; `run` ends when the roll-out does or waits in vain."""

    def __init__(
        self,
        plan: Plan,
        *,
        random: Random,
        start: float,
        chances: Chances,
        power: dict[str, PowerGroup] | None = None,
        approve_after_s: float = 0.0,
        aborts: bool = False,
    ) -> None:
        self.plan, self.random, self.chances = plan, random, chances
        self.start = self.now = start
        self.power = power or {}
        self.aborts, self.approve_at = aborts, start + approve_after_s
        self.nodes: dict[str, NodeProgress] = Turned({})
        self.decider = Decider()
        for node in plan.nodes:
            waits = node.fate is Fate.UPDATE
            state = NodeState.WAITING if waits else NodeState.SKIPPED
            self.nodes[node.uid] = NodeProgress(uid=node.uid, state=state)
        self.waves = {w.name: WaveProgress(name=w.name) for w in plan.waves}
        self.state, self.reason, self.since = RolloutState.WAITING, "", start
        self.due: dict[str, tuple[float, NodeState]] = {}
        self.gone: dict[str, float] = {}
        self.sick: dict[str, float] = {}
        self.unclear_gate = False
        self.gate_bad_at = -1.0
        self.resume_at: float | None = None
        self.last = Decision()
        self.decisions = 0
        self.domains = {node.uid: node.domains for node in plan.nodes}
        self.by_uid = {node.uid: node for node in plan.nodes}
        self.sizes = Counter(d for found in self.domains.values() for d in found)

    # --- what is seen -------------------------------------------------------------------------

    @property
    def calm(self) -> bool:
        return self.now - self.start >= CALM

    def progress(self, *, following: bool = False) -> Progress:
        approved = {"dan": ("ops",)} if self.now >= self.approve_at else {}
        return Progress(
            plan="p",
            state=self.state,
            reason=self.reason,
            nodes=self.nodes if following else dict(self.nodes),
            waves=tuple(self.waves.values()),
            approved=approved,
            since=self.since,
        )

    def world(self) -> World:
        return World(
            nodes={uid: self.standing(uid) for uid in self.nodes if not self._unheard(uid)},
            power=self.power,
            values={"critical_alarms": None if self.unclear_gate else 0.0},
        )

    def _unheard(self, uid: str) -> bool:
        return self.unclear_gate and uid == min(self.nodes)

    def standing(self, uid: str) -> Standing:
        gone, sick = self.gone.get(uid), self.sick.get(uid)
        return Standing(
            at=self.now,
            here=gone is None,
            since=gone,
            well=sick is None,
            unwell_since=sick,
            drained=self._keeps_drained(uid),
            why="no answer" if gone is not None else "too hot" if sick is not None else "",
        )

    def _keeps_drained(self, uid: str) -> bool:
        """It failed, was not put back, and nobody has given it back by hand yet."""
        left = self.nodes[uid].state in (NodeState.FAILED, NodeState.LOST)
        return left and self.plan.drain is not None and not self.calm

    def away(self) -> set[str]:
        """As the limits mean it: whoever is not known to be in service, and whoever is worked
        on."""
        unheard = {uid for uid in self.nodes if self._unheard(uid)}
        busy = {uid for uid, node in self.nodes.items() if node.state in BUSY}
        drained = {uid for uid in self.nodes if self._keeps_drained(uid)}
        return {*self.gone, *unheard, *busy, *drained}

    # --- a turn -------------------------------------------------------------------------------

    def run(self, most: int = 1500) -> None:
        for _ in range(most):
            if self.state.over:
                return
            self.turn()
        raise AssertionError(f"it does not end: {self.state} {self.reason} {self.last}")

    def turn(self) -> None:
        progress, world = self.progress(), self.world()
        decision = decide(self.plan, progress, world, self.now)
        self.decisions += 1
        assert decision == self.decider(self.plan, self.progress(following=True), world, self.now)
        self.last = decision
        self.check(decision)
        acted = self.apply(decision)
        self.advance(0.0 if acted else decision.wake_s)

    def apply(self, decision: Decision) -> bool:
        """As the journal takes it: marks, skips, what goes back, what starts, and the state."""
        for wave in decision.waves:
            self.waves[wave.name] = msgspec.structs.replace(wave, since=self.now)
        for uid, reason in decision.skip.items():
            self._become(uid, NodeState.SKIPPED, reason)
        for uid in decision.roll_back:
            self._become(uid, NodeState.ROLLING_BACK)
            self.due[uid] = (self.now + 600.0, self._end(NodeState.ROLLED_BACK))
        for uid in decision.start:
            self._become(uid, NodeState.RUNNING)
            takes = (self.by_uid[uid].estimate_s or 0.0) * self.random.uniform(0.3, 1.0)
            self.due[uid] = (self.now + takes, self._end(NodeState.DONE))
        if decision.state is not None and decision.state is not self.state:
            self.state, self.reason, self.since = decision.state, decision.reason, self.now
            if self.state is RolloutState.PAUSED:
                self.resume_at = self.now + self.random.uniform(60.0, 7200.0)
        return (
            bool(decision.waves or decision.skip or decision.roll_back or decision.start)
            or decision.state is not None
        )

    def _end(self, well: NodeState) -> NodeState:
        if self.calm:
            return well
        roll = self.random.random()
        if roll < self.chances.lose:
            return NodeState.LOST
        return NodeState.FAILED if roll < self.chances.lose + self.chances.fail else well

    def _become(self, uid: str, state: NodeState, reason: str = "") -> None:
        node = self.nodes[uid]
        self.nodes[uid] = NodeProgress(
            uid=uid,
            state=state,
            started_at=node.started_at or self.now,
            ended_at=self.now if state.over else None,
            reason=reason,
            unwound=node.unwound or state is NodeState.ROLLING_BACK,
        )

    def advance(self, wake_s: float) -> None:
        events = [at for at, _ in self.due.values()]
        events += [self.resume_at] if self.resume_at is not None else []
        events += [self.approve_at] if self.now < self.approve_at else []
        step_s = self.random.uniform(300.0, 3600.0)
        pause_s = 1.0 if wake_s <= 0 else max(wake_s, step_s)
        self.now = max(min([*events, self.now + pause_s]), self.now + 1.0)
        for uid, (at, state) in sorted(self.due.items()):
            if at <= self.now:
                del self.due[uid]
                self._become(uid, state, "it did not come true")
                if state is NodeState.LOST:
                    self.gone[uid] = self.now
        self._operate()
        self._happen()

    def _operate(self) -> None:
        if self.state is RolloutState.PAUSED and self.resume_at is not None:
            if self.now >= self.resume_at:
                abort = self.aborts and not self.calm and self.random.random() < 0.3
                self.state = RolloutState.ABORTING if abort else RolloutState.RUNNING
                self.since, self.resume_at = self.now, None
        elif self.state is RolloutState.RUNNING and not self.calm and self.random.random() < 0.01:
            self.state, self.since, self.reason = RolloutState.PAUSED, self.now, "by hand"
            self.resume_at = self.now + 1800.0

    def _happen(self) -> None:
        """What is not our doing."""
        if self.calm:
            self.gone.clear()
            self.sick.clear()
            self.unclear_gate = False
            return
        random, chances = self.random, self.chances
        for uid, node in self.nodes.items():
            if uid in self.gone and node.state is not NodeState.LOST and random.random() < 0.2:
                del self.gone[uid]
            elif random.random() < chances.outages and node.state not in BUSY:
                self.gone.setdefault(uid, self.now)
            if node.state is NodeState.DONE and random.random() < chances.turn_bad:
                self.sick.setdefault(uid, self.now)
            elif node.state is NodeState.ROLLED_BACK:
                self.sick.pop(uid, None)
        if random.random() < chances.unclear:
            self.unclear_gate = not self.unclear_gate

    # --- what must always be so ---------------------------------------------------------------

    def check(self, decision: Decision) -> None:
        touched = {*decision.start, *self._back_in_service(decision)}
        self._check_may(decision)
        self._check_limits(touched)
        self._check_power(decision)
        self._check_whole(decision)
        self._check_waves(decision)
        idle = not (touched or decision.roll_back or decision.waves or decision.skip)
        if idle and decision.state is None and self.state is not RolloutState.ABORTING:
            assert any(decision.holds.values())

    def _back_in_service(self, decision: Decision) -> Iterator[str]:
        return (u for u in decision.roll_back if self.nodes[u].state is NodeState.DONE)

    def _check_may(self, decision: Decision) -> None:
        for uid in decision.start:
            node = self.by_uid[uid]
            assert self.state is RolloutState.RUNNING
            assert self.nodes[uid].state is NodeState.WAITING
            assert uid not in self.gone
            assert self.now >= self.approve_at
            assert node.drains == (self.plan.drain is not None)
            if node.drains:
                assert node.steps[0].action.verb is Verb.DRAIN
            assert node.estimate_s is not None
            assert self._within(node.estimate_s)
        for uid in self._back_in_service(decision):
            assert self._within(0.0)
            assert uid not in self.gone

    def _within(self, takes_s: float) -> bool:
        """The window of these tests is from 02:00 UTC for four hours."""
        if self.plan.window is None:
            return True
        hour_s = self.now % DAY_S
        return hour_s >= 7200.0 and hour_s + takes_s <= 7200.0 + 4 * 3600.0

    def _check_limits(self, touched: set[str]) -> None:
        limits, before = self.plan.limits, self.away()
        after = before | touched
        if after == before:
            return
        if limits.max_unavailable is not None:
            assert len(after) <= limits.max_unavailable, (
                before,
                self.last,
                told(self),
                limits,
                touched,
            )
        gone_before, gone = self._counts(before), self._counts(after)
        for domain, count in gone.items():
            if domain.kind in limits.per_domain and count > gone_before[domain]:
                assert count <= limits.per_domain[domain.kind]
        dark = {d for d, n in gone.items() if d.kind == "rack" and n == self.sizes[d]}
        old = {d for d, n in gone_before.items() if d.kind == "rack" and n == self.sizes[d]}
        if limits.max_dark_racks is not None and dark > old:
            assert len(dark) <= limits.max_dark_racks

    def _counts(self, uids: set[str]) -> Counter[Domain]:
        return Counter(d for uid in uids for d in self.domains[uid])

    def _check_power(self, decision: Decision) -> None:
        keep = self.plan.limits.keep_power_redundancy
        away = {*self.away(), *decision.start, *decision.roll_back}
        for group in self.power.values() if keep else ():
            left = len(set(group.supplies) - away)
            fed = {u for u in decision.start for d in self.domains[u] if d.name == group.name}
            if fed or not set(group.supplies).isdisjoint(decision.start):
                assert group.needed is not None
                assert left >= group.needed + (keep == "N+1")

    def _check_whole(self, decision: Decision) -> None:
        for kind in self.plan.limits.atomic:
            for domain in {d for found in self.domains.values() for d in found if d.kind == kind}:
                mine = {
                    u
                    for u, n in self.by_uid.items()
                    if domain in n.domains and n.fate is Fate.UPDATE
                }
                if starts := mine & set(decision.start):
                    assert starts == mine

    def _check_waves(self, decision: Decision) -> None:
        names = [wave.name for wave in self.plan.waves]
        passed = [self.waves[name].state == "passed" for name in names]
        for uid in decision.start:
            number = next(i for i, w in enumerate(self.plan.waves) if uid in w.nodes)
            assert all(passed[:number])
        if self.unclear_gate:
            self.gate_bad_at = self.now
        for mark in decision.waves:
            if mark.state == "passed":
                self._check_passed(names.index(mark.name))

    def _check_passed(self, number: int) -> None:
        wave = self.plan.waves[number]
        assert all(self.nodes[uid].state.over for uid in wave.nodes)
        if self.plan.gates:
            assert self.gate_bad_at < self.now
        if wave.soak_s:
            since = self.waves[wave.name].since
            assert since is not None
            good_since = max(since, self.since)
            assert self.now - good_since >= wave.soak_s
            assert not self.plan.gates or self.gate_bad_at <= good_since


def told(hall: Hall) -> dict[str, Any]:
    return dict(Counter(node.state.value for node in hall.nodes.values()))
