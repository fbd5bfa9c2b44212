"""From the caps that should be to the writes that are made: first down, read back, then up.

The sum of the ceilings decides, never the wishes. What must fall at once (a latch, a loss, a lease
that ran out) falls everywhere at once. A budget that shrinks takes from the nodes furthest over
their share, and from as few as it needs. Nodes grow into what is free, in order of priority; only
if there is not enough are others lowered for them, and only by what is asked. A step is worth a
write when it is large, or when what is aimed at has stood still for a while: an aim that climbs, or
comes and goes, does not use up a minute's writes.
Between writes that nothing forces lie a dead band and a pause, and a minute holds only so many;
what a loss forces is not counted, nor what is written while one has just come or gone, or the way
back would wait for the minute to end.

A node that does not answer, or that keeps a higher cap than was written, is charged with what it
may have; the others make room for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from iolaus.energy.cap import Cap
from iolaus.energy.ports import CapRead, CapWrite, Command
from iolaus.energy.rack import RackView
from iolaus.energy.rules import EdgeRules
from iolaus.energy.share import share

EPS_W: Final = 0.5
"""Half a watt: what rounding at a device may lose."""
EPS_S: Final = 1e-3
"""What a clock's own rounding may make of a pause."""
MOST_DOUBLINGS: Final = 6
SLIVER: Final = 0.005
"""A budget that shrinks again and again takes this part of the nameplate more than it must, as many
times as the minute has writes already, so that the next watts by which it shrinks need no write."""
SMALLER: Final = 0.5
"""Of the dead band: by so little may a node be raised that wants more and whose aim stands still,
or lowered for one."""
SELDOM: Final = 2.0
"""What is neither large nor steady comes so many times more seldom than the rest."""
STEADY_S: Final = 3.0
"""An aim that has not moved for so long stands still."""
SPARE: Final = 3
"""Of a minute's writes, so many are left where a small step is made."""
LEISURE: Final = 1
"""More writes than these in the last minute are too many to be raised beyond what is wanted."""
BACK_S: Final = 1.0
"""How soon a node that was lowered may be raised again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`caps_w` by node, of which `latched_w` is what reflexes leave (infinite: all) and `held_w`
    what people do; `budget_w` is what the sum may be. `hard`: down at once, everywhere. `grow`:
    whether anything may. `counted`: whether writes are spared as in the steady state. `needs_w`
    is what each node may want of it (empty: all)."""

    caps_w: Sequence[float]
    budget_w: float
    latched_w: Sequence[float]
    hard: bool
    grow: bool
    held_w: Sequence[float] = ()
    because: str = ""
    counted: bool = True
    needs_w: Sequence[float] = ()


class Capping:
    """Decides the writes of one rack. `caps` are by position of the rack's nodes."""

    def __init__(self, rack: RackView, rules: EdgeRules) -> None:
        self.caps = [Cap(node) for node in rack.nodes]
        self._rack, self._rules = rack, rules
        self._steps = [rules.worth * n.nameplate_w for n in rack.nodes]
        self._by_name = {cap.node.name: cap for cap in self.caps}
        self._bands = [max(EPS_W, rules.dead_band * n.nameplate_w) for n in rack.nodes]
        self._tickets = 0
        self._forced = range(0)
        self._counted = True
        self._held: list[bool] = [False] * len(self.caps)
        self._aims = [(math.inf, -math.inf)] * len(self.caps)
        self._fell = [False] * len(self.caps)
        self._content = [False] * len(self.caps)

    def commands(self, wish: Wish, now_s: float) -> list[Command]:
        wanted, self._counted = self._with_room(wish), wish.counted
        self._watch(wanted, now_s)
        ceilings = [cap.ceiling for cap in self.caps]
        needs = wish.needs_w or [math.inf] * len(wanted)
        self._held = [bool(wish.needs_w) and n > w for n, w in zip(needs, wanted, strict=True)]
        self._content = [n <= c for n, c in zip(needs, ceilings, strict=True)]
        cuts = self._cuts(wish, wanted, now_s)
        moves = dict(cuts)
        if wish.grow:
            free = wish.budget_w - sum(ceilings)
            for i, watts in self._moves(wanted, ceilings, free, now_s):
                moves.setdefault(i, watts)
        found: list[Command] = []
        first = self._tickets + 1
        self._forced = range(first, first + len(cuts)) if wish.hard else range(0)
        for i, watts in moves.items():
            safety, self._fell[i] = i in cuts, watts < self.caps[i].ceiling
            reflex = wanted[i] >= wish.latched_w[i] - EPS_W
            why = "a reflex holds it" if reflex else wish.because
            found.append(self._write(i, watts, safety, reflex=reflex, because=why))
        return [*found, *self._reads(moves, now_s)] if self._rules.reads else found

    def _watch(self, wanted: Sequence[float], now_s: float) -> None:
        """Since when each aim has been about where it is."""
        for i, watts in enumerate(wanted):
            if abs(self._aims[i][0] - watts) > SMALLER * self._bands[i]:
                self._aims[i] = watts, now_s

    def sent(self, command: Command, now_s: float) -> None:
        """A command goes out now."""
        if isinstance(command, CapRead | CapWrite):
            watts = command.watts if isinstance(command, CapWrite) else None
            cap = self._by_name[command.node]
            paced = command.ticket not in self._forced
            cap.sent(command.ticket, watts, now_s, paced=paced, counted=paced and self._counted)

    # --- down --------------------------------------------------------------------------------

    def _with_room(self, wish: Wish) -> list[float]:
        """The wishes, after those who cannot be moved were charged with what they may have."""
        stuck = [i for i, cap in enumerate(self.caps) if cap.stuck]
        if not stuck or math.isinf(wish.budget_w):
            return list(wish.caps_w)
        taken = sum(max(self.caps[i].level, wish.caps_w[i]) for i in stuck)
        others = [i for i, cap in enumerate(self.caps) if not cap.stuck]
        left = wish.budget_w - taken
        if sum(wish.caps_w[i] for i in others) <= left:
            return list(wish.caps_w)
        nodes = [self.caps[i].node for i in others]
        wanted = list(wish.caps_w)
        for i, watts in zip(others, share(nodes, [wanted[i] for i in others], left), strict=True):
            wanted[i] = min(wanted[i], watts)
        return wanted

    def _cuts(self, wish: Wish, wanted: Sequence[float], now_s: float) -> dict[int, float]:
        """What has to fall now. What is on its way down already counts as fallen."""
        over = {i: cap.level - wanted[i] for i, cap in enumerate(self.caps)}
        over = {i: by for i, by in over.items() if by > EPS_W}
        excess = sum(cap.level for cap in self.caps) - wish.budget_w
        must = {i for i in over if wish.hard or wanted[i] >= wish.latched_w[i] - EPS_W}
        must |= {i for i in over if wish.held_w and wanted[i] >= wish.held_w[i] - EPS_W}
        must |= {i for i in over if self.caps[i].stuck}
        excess -= sum(over[i] for i in must if not self.caps[i].stuck)
        for i in sorted(over.keys() - must, key=lambda each: -over[each]):
            if excess <= EPS_W:
                break
            must.add(i)
            excess -= over[i]
        return {
            i: wanted[i] if wish.hard else self._deeper(i, wish, wanted[i], now_s)
            for i, cap in enumerate(self.caps)
            if i in must and self._may_cut(cap, now_s) and not self._is_blind(i, wish, wanted[i])
        }

    def _is_blind(self, i: int, wish: Wish, watts: float) -> bool:
        """Whether it was never read, so that what should lower it may raise it: then it is read
        first. Its floor is never more than it may have, and a reflex waits for nobody."""
        cap = self.caps[i]
        if cap.known_w is not None or cap.failures or not self._rules.reads:
            return False
        return cap.node.floor_w + EPS_W < watts < wish.latched_w[i] - EPS_W

    def _deeper(self, i: int, wish: Wish, watts: float, now_s: float) -> float:
        """Where it was written a moment ago already: a little less, or all that it has no use for,
        above the floor; and what is all but the floor is the floor."""
        node = self.caps[i].node
        if not self._late(self.caps[i], now_s):
            return watts
        least = min(watts, node.floor_w)
        if watts - least < self._bands[i]:
            return least
        use = wish.needs_w[i] if wish.needs_w else math.inf
        sliver_w = SLIVER * node.nameplate_w * max(1, self.caps[i].writes(now_s))
        return max(min(watts - sliver_w, use), least)

    def _late(self, cap: Cap, now_s: float) -> bool:
        """Whether it was written lately."""
        return now_s - cap.paced_s < SELDOM * self._rules.spacing_s - EPS_S

    def _may_cut(self, cap: Cap, now_s: float) -> bool:
        """At once; where that failed before, after a pause."""
        tries = max(cap.failures, cap.refusals)
        pause_s = min(
            self._rules.again_s * 2 ** min(tries - 1, MOST_DOUBLINGS), self._rules.backoff_s
        )
        return tries == 0 or now_s - cap.tried_s >= pause_s

    # --- up ----------------------------------------------------------------------------------

    def _moves(
        self, wanted: Sequence[float], ceilings: Sequence[float], free: float, now_s: float
    ) -> Iterator[tuple[int, float]]:
        """Growth into what is free; then what is lowered, so that the next may grow."""
        short = 0.0
        rising = [
            i
            for i in self._calm(now_s)
            if wanted[i] - ceilings[i] >= self._least(i, now_s) and self._may_rise(i, now_s)
        ]
        order = sorted(rising, key=lambda i: (-self.caps[i].node.priority, ceilings[i]))
        for i in order:
            gap = wanted[i] - ceilings[i]
            given = min(gap, max(0.0, free))
            if given >= self._worth(i, now_s):
                free -= given
                yield i, ceilings[i] + given
            short += gap - given if given < gap else 0.0
        coming = sum(cap.ceiling - cap.level for cap in self.caps)
        yield from self._lowered(wanted, short - coming - max(0.0, free), now_s)

    def _worth(self, i: int, now_s: float) -> float:
        """The least by which a node is raised: the more, the sooner it was written before."""
        since_s = now_s - self.caps[i].paced_s + EPS_S
        if since_s < self._rules.spacing_s:
            return max(self._bands[i], self._steps[i])
        if self._late(self.caps[i], now_s):
            return max(self._bands[i], 0.0 if self._lasting(i, now_s) else self._steps[i])
        return self._least(i, now_s)

    def _may_rise(self, i: int, now_s: float) -> bool:
        """What is left over is for who has writes to give it back, and to rise when it wakes."""
        return not self._content[i] or self.caps[i].writes(now_s) <= LEISURE

    def _least(self, i: int, now_s: float) -> float:
        small = self._held[i] and self._lasting(i, now_s)
        return self._bands[i] * (SMALLER if small else 1.0)

    def _lasting(self, i: int, now_s: float) -> bool:
        """Whether the aim stands still, and there are writes enough to follow when it moves."""
        return self._spare(i, now_s) and now_s - self._aims[i][1] >= STEADY_S

    def _spare(self, i: int, now_s: float) -> bool:
        return self._rules.writes_per_minute - self.caps[i].writes(now_s) >= SPARE

    def _lowered(
        self, wanted: Sequence[float], short: float, now_s: float
    ) -> Iterator[tuple[int, float]]:
        over = {i: self.caps[i].level - wanted[i] for i in self._calm(now_s)}
        for i in sorted(over, key=lambda each: (self.caps[each].node.priority, -over[each])):
            if short <= EPS_W:
                return
            if over[i] >= self._bands[i] * SMALLER:
                short -= over[i]
                yield i, wanted[i]

    def _calm(self, now_s: float) -> list[int]:
        """The nodes to which something may be written that nothing forces."""
        rules = self._rules
        most = rules.writes_per_minute - 1 if self._counted else math.inf
        return [
            i
            for i, cap in enumerate(self.caps)
            if not cap.waiting
            and not cap.stuck
            and cap.writes(now_s) < most
            and now_s - cap.paced_s >= self._pause_s(i, now_s)
        ]

    def _pause_s(self, i: int, now_s: float) -> float:
        """What was lowered a moment ago need not wait to come back, as long as there are writes."""
        pause_s = self._rules.spacing_s - EPS_S
        return min(BACK_S, pause_s) if self._fell[i] and self._spare(i, now_s) else pause_s

    # --- commands ----------------------------------------------------------------------------

    def _write(self, i: int, watts: float, safety: bool, *, reflex: bool, because: str) -> CapWrite:
        """Whole watts, rounded down: every dialect takes them, and reads back the same."""
        node = self.caps[i].node
        whole = float(math.floor(watts + 1e-6))
        return CapWrite(
            node=node.name,
            watts=whole,
            ticket=self._ticket(),
            safety=safety,
            reflex=reflex,
            because=because,
        )

    def _reads(self, moves: dict[int, float], now_s: float) -> Iterator[CapRead]:
        """What was never read, or failed, or was last read long ago."""
        for i, cap in enumerate(self.caps):
            if i in moves or cap.waiting:
                continue
            doubted = cap.in_doubt(now_s, late_s=self._rules.late_s)
            unknown = cap.known_w is None or cap.failures > 0 or doubted
            due = self._may_cut(cap, now_s) if unknown else self._is_old(cap, now_s)
            if due:
                yield CapRead(node=cap.node.name, ticket=self._ticket())

    def _is_old(self, cap: Cap, now_s: float) -> bool:
        return now_s - cap.tried_s >= self._rules.audit_s

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets
