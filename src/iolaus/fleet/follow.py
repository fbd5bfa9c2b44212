"""Deciding often about the same roll-out: what was found is kept, and each change brings it up to
date.

`rollout.decide` looks at every node of the plan each time; a roll-out over ten thousand is decided
about some ten thousand times. A `Decider` gives the same decisions by the same rules from a view
that is carried on: nodes by their state, those that wait in a line for each wave, who is away in
each domain, what was seen. That both say the same, whatever happens, is a property of the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Final

from iolaus.fleet.limits import Room
from iolaus.fleet.line import Line
from iolaus.fleet.rollout import decide, decide_on
from iolaus.fleet.view import BUSY, Seen, Sheet, View, sheet_of
from iolaus.fleet.world import World
from iolaus.model.plan import Plan
from iolaus.model.rollout import Decision, NodeProgress, NodeState, Progress, Turned

MOST: Final = 8
"""So many roll-outs are followed at once; those beyond are looked at afresh."""


class Decider:
    """Decides as `rollout.decide` does, from what it kept of the last decision where the progress
    is one to be followed (its nodes are `Turned`)."""

    def __init__(self) -> None:
        self._followed: dict[str, Following] = {}

    def __call__(self, plan: Plan, progress: Progress, world: World, now: float) -> Decision:
        nodes = progress.nodes
        if not isinstance(nodes, Turned) or len(nodes) != len(plan.nodes):
            return decide(plan, progress, world, now)
        following = self._followed.get(progress.plan)
        if following is None or following.nodes is not nodes or following.sheet.plan is not plan:
            self._followed.pop(progress.plan, None)
            while len(self._followed) >= MOST:
                del self._followed[next(iter(self._followed))]
            following = self._followed[progress.plan] = Following(sheet_of(plan), nodes)
        following.catch_up()
        return decide_on(FollowedView(plan, progress, world, now, following=following))


class Following:
    """What is carried on of one roll-out."""

    def __init__(self, sheet: Sheet, nodes: Turned) -> None:
        self.sheet, self.nodes = sheet, nodes
        self._at = len(nodes.turns)
        self._states = {uid: node.state for uid, node in nodes.items()}
        self.by_state: dict[NodeState, dict[str, NodeProgress]] = {s: {} for s in NodeState}
        for uid, node in nodes.items():
            self.by_state[node.state][uid] = node
        self.busy = {uid for state in BUSY for uid in self.by_state[state]}
        self.waiting = set(self.by_state[NodeState.WAITING])
        self.counts = Counter(self._states[uid] for uid in sheet.going)
        self.room = Room(sheet.plan.limits, sheet.hall)
        self._seen: Seen | None = None
        self._lines: dict[int, Line] = {}

    def catch_up(self) -> None:
        """With everything that was journalled since."""
        turns = self.nodes.turns
        for uid in turns[self._at :]:
            self._turn(uid, self.nodes[uid])
        self._at = len(turns)

    def _turn(self, uid: str, node: NodeProgress) -> None:
        before, after = self._states[uid], node.state
        if before is not after:
            self._states[uid] = after
            del self.by_state[before][uid]
            (self.busy.add if after in BUSY else self.busy.discard)(uid)
            (self.waiting.add if after is NodeState.WAITING else self.waiting.discard)(uid)
            if uid in self.sheet.going:
                self.counts[before] -= 1
                self.counts[after] += 1
            if after is NodeState.WAITING:
                self._lines.clear()
        self.by_state[after][uid] = node

    def seen(self, world: World) -> Seen:
        """Sorted out again only when somebody looked again."""
        known = self._seen
        if known is None or known.nodes is not world.nodes or known.power is not world.power:
            known = self._seen = Seen(self.sheet, world)
        return known

    def line(self, number: int) -> Line | None:
        if not self.sheet.whole:
            return None
        if number not in self._lines:
            self._lines[number] = Line(self.sheet, number, self.waiting)
        return self._lines[number]


class _InOrder(Mapping[NodeState, Sequence[NodeProgress]]):
    """Nodes by their state, in the order of the plan: sorted where somebody asks."""

    def __init__(self, following: Following) -> None:
        self._found, self._order = following.by_state, following.sheet.order

    def __getitem__(self, state: NodeState) -> Sequence[NodeProgress]:
        return sorted(self._found[state].values(), key=lambda node: self._order[node.uid])

    def __iter__(self) -> Iterator[NodeState]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class FollowedView(View):
    """Sees what a `View` sees."""

    def __init__(
        self, plan: Plan, progress: Progress, world: World, now: float, *, following: Following
    ) -> None:
        super().__init__(plan, progress, world, now)
        self._following = following

    @property
    def by_state(self) -> Mapping[NodeState, Sequence[NodeProgress]]:
        return _InOrder(self._following)

    @property
    def busy(self) -> Set[str]:
        return self._following.busy

    @property
    def waiting(self) -> Set[str]:
        return self._following.waiting

    @property
    def seen(self) -> Seen:
        return self._following.seen(self.world)

    def room(self, away: Set[str]) -> Room:
        room = self._following.room
        room.only(away, power=self.world.power)
        return room

    def counts(self) -> Counter[NodeState]:
        return self._following.counts

    def line(self, number: int) -> Line | None:
        return self._following.line(number)
