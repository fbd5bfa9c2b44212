"""A plan, its progress and the world, seen together at one time: what a decision asks about.

What a plan says is worked out once (it never changes); what has changed is worked out anew for each
decision, in one pass over the nodes. Whoever decides often about the same roll-out follows it
instead (`follow`), and finds the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from iolaus.fleet.limits import Hall, Room, units_of
from iolaus.fleet.window import closes_at, next_open
from iolaus.fleet.world import World
from iolaus.model.plan import Domain, Fate, NodePlan, Plan, Verb
from iolaus.model.rollout import NodeProgress, NodeState, Progress, WaveProgress

if TYPE_CHECKING:
    from iolaus.fleet.line import Line

BUSY: Final = frozenset({NodeState.RUNNING, NodeState.ROLLING_BACK})
LEFT: Final = frozenset({NodeState.FAILED, NodeState.LOST})


class Sheet:
    """What never changes of a plan, ready to be looked up."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes: Mapping[str, NodePlan] = {node.uid: node for node in plan.nodes}
        self.hall = Hall({node.uid: node.domains for node in plan.nodes})
        going = [node for node in plan.nodes if node.fate is Fate.UPDATE]
        self.going = frozenset(node.uid for node in going)
        units = [tuple(n.uid for n in unit) for unit in units_of(going, plan.limits.atomic)]
        self.whole = not plan.limits.atomic
        """Every node is a unit of its own."""
        self.wave_of = {uid: n for n, wave in enumerate(plan.waves) for uid in wave.nodes}
        self.members = tuple(frozenset(wave.nodes) for wave in plan.waves)
        self.order = {node.uid: number for number, node in enumerate(plan.nodes)}
        places: dict[tuple[Domain, ...], int] = {}
        self.place_of = {n.uid: places.setdefault(n.domains, len(places)) for n in plan.nodes}
        self.unit_of = {uid: unit for unit in units for uid in unit}

    def units(self, uids: Iterable[str]) -> Iterable[tuple[str, ...]]:
        """The units of these nodes in their order; all of a unit, wherever its nodes stand."""
        if self.whole:
            return [self.unit_of[uid] for uid in uids if uid in self.unit_of]
        return dict.fromkeys(self.unit_of[uid] for uid in uids if uid in self.unit_of)

    def undrained(self, uid: str) -> bool:
        """It is to be drained and its steps do not begin with that."""
        node = self.nodes[uid]
        return node.drains and (not node.steps or node.steps[0].action.verb is not Verb.DRAIN)


class _Same:
    """A plan by identity: to hash one by its content takes longer than to decide."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.plan is self.plan


def sheet_of(plan: Plan) -> Sheet:
    return _sheet(_Same(plan))


@lru_cache(maxsize=8)
def _sheet(same: _Same) -> Sheet:
    return Sheet(same.plan)


class Seen:
    """What is seen of the hall, sorted out: `ill` are those that do not answer or are not well, in
    the order in which they were seen."""

    def __init__(self, sheet: Sheet, world: World) -> None:
        self.nodes, self.power = world.nodes, world.power
        self.supplies = {uid for group in world.power.values() for uid in group.supplies}
        every = chain(sheet.nodes, self.supplies)
        self.absent = {uid for uid in every if uid not in world.nodes}
        self.ill: list[str] = []
        for uid, each in world.nodes.items():
            if each.here is not True or each.out or each.drained is True:
                self.absent.add(uid)
            if not (each.here and each.well):
                self.ill.append(uid)


class View:
    """Everything that one decision looks at."""

    def __init__(self, plan: Plan, progress: Progress, world: World, now: float) -> None:
        self.plan, self.progress, self.world, self.now = plan, progress, world, now
        self.sheet = sheet_of(plan)
        self.leaving: frozenset[str] = frozenset()
        """Who goes back by this very decision."""

    @cached_property
    def by_state(self) -> Mapping[NodeState, Sequence[NodeProgress]]:
        """In the order of the plan."""
        found: dict[NodeState, list[NodeProgress]] = {state: [] for state in NodeState}
        for node in self.progress.nodes.values():
            found[node.state].append(node)
        return found

    @cached_property
    def busy(self) -> Set[str]:
        return {node.uid for state in BUSY for node in self.by_state[state]}

    @cached_property
    def waiting(self) -> Set[str]:
        waiting = {node.uid for node in self.by_state[NodeState.WAITING]}
        if len(self.progress.nodes) < len(self.plan.nodes):
            waiting |= self.sheet.nodes.keys() - self.progress.nodes.keys()
        return waiting

    def room(self, away: Set[str]) -> Room:
        """What may still go beside these, to be taken from."""
        return Room(self.plan.limits, self.sheet.hall, away=away, power=self.world.power)

    def counts(self) -> Counter[NodeState]:
        """How many of the nodes that the plan updates are how far."""
        return Counter(self.state(uid) for uid in self.sheet.going)

    def node(self, uid: str) -> NodeProgress:
        return self.progress.nodes.get(uid) or NodeProgress(uid=uid)

    def state(self, uid: str) -> NodeState:
        return self.node(uid).state

    def name(self, uid: str) -> str:
        return self.sheet.nodes[uid].name

    def names(self, uids: Sequence[str], most: int = 3) -> str:
        told = ", ".join(self.name(uid) for uid in uids[:most])
        return f"{told} and {len(uids) - most} more" if len(uids) > most else told

    @cached_property
    def seen(self) -> Seen:
        return Seen(self.sheet, self.world)

    @property
    def supplies(self) -> Set[str]:
        return self.seen.supplies

    @property
    def absent(self) -> Set[str]:
        """Nodes and supplies that are not in service by what is seen of them, or not seen."""
        return self.seen.absent

    @cached_property
    def away(self) -> Set[str]:
        """Everybody who is not in service for whatever reason, and every supply that is not."""
        left = (n for state in LEFT for n in self.by_state[state])
        return self.absent | self.busy | {n.uid for n in left if not self._is_back(n)}

    def line(self, wave: int) -> Line | None:  # noqa: ARG002
        """Those of a wave that wait, where they are kept as a line."""
        return None

    def waiting_in(self, wave: int) -> list[str]:
        """Those of a wave that wait, in its order."""
        waiting = self.waiting
        return [uid for uid in self.plan.waves[wave].nodes if uid in waiting]

    def _is_back(self, node: NodeProgress) -> bool:
        """A node that failed or was lost was seen in service since. One that we drained and did
        not give back is not, unless the drains themselves say so."""
        standing, planned = self.world.of(node.uid), self.sheet.nodes.get(node.uid)
        given_back = standing.drained is False or not (planned and planned.drains)
        return standing.in_service and standing.at > (node.ended_at or 0.0) and given_back

    def wave(self, number: int) -> WaveProgress:
        name = self.plan.waves[number].name
        found = (each for each in self.progress.waves if each.name == name)
        return next(found, WaveProgress(name=name))

    @cached_property
    def soaking(self) -> frozenset[int]:
        """The waves that have begun and not passed."""
        numbers = range(len(self.plan.waves))
        return frozenset(n for n in numbers if self.wave(n).state in ("began", "soaking"))

    @cached_property
    def present(self) -> int | None:
        """The first wave that has not passed; None: all have."""
        numbers = range(len(self.plan.waves))
        return next((n for n in numbers if self.wave(n).state != "passed"), None)

    @cached_property
    def closes_at(self) -> float | None:
        """When what is open now closes: never (infinity) without a window, None: it is shut."""
        window = self.plan.window
        return float("inf") if window is None else closes_at(window, self.now)

    @cached_property
    def opens_at(self) -> float | None:
        return None if self.plan.window is None else next_open(self.plan.window, self.now)
