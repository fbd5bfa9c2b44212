"""By how much what is drawn passes the caps: measured at the edge, kept free at the centre.

A cap bounds what a machine draws, give or take: its own error, a host that wakes before its cap
has slewed. Alone that is little, but the machines of a job wake in the same moment, and the fewer
watts a rack has left the more of them it is. So what counts is watts, not a part of the caps, and
the instant, not the mean: the highest of the last moments against the highest that the caps may
have been in them. A meter of the whole rack sees it (its shelves, several times a second). Where
there is none, the machines' own readings must do, each against its own cap.

A rack that draws less than its caps has less than none, and that counts too: what passes a limit
is the sum of the racks below it at one time, and jobs do not all wake at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from iolaus.energy.network import Floats, Network

WINDOW_S: Final = 1.5
"""How long a crest is told; longer than it takes until the centre has heard it."""
SETTLES_S: Final = 1.0
"""How long a cap that was lowered takes to be obeyed."""
FRESH_S: Final = 1.0
NEAR: Final = 0.02
HALVES_S: Final = 300.0
MOST_METERS: Final = 64


class Crest:
    """The edge's part: times are its own clock's, powers watts."""

    def __init__(self, nodes: int) -> None:
        self._last: Floats = np.full(nodes, np.nan)
        self._caps: Floats = np.full(nodes, np.nan)
        self._ceilings: deque[tuple[float, float]] = deque()
        self._seen: deque[tuple[float, float]] = deque()
        self._meters: dict[str, tuple[float, float]] = {}
        self._metered_s = -np.inf

    def may(self, sum_w: float, now_s: float) -> None:
        """The caps may come to this now."""
        while self._ceilings and self._ceilings[-1][1] <= sum_w:
            self._ceilings.pop()
        self._ceilings.append((now_s, sum_w))

    def reading(self, index: int, watts: float, ceiling_w: float, now_s: float) -> None:
        """What a node drew a moment ago, and what its cap may be now."""
        before = self._caps[index]
        self._caps[index] = ceiling_w
        self._last[index] = watts - max(ceiling_w, ceiling_w if np.isnan(before) else before)
        whole = float(self._last.sum())
        if now_s - self._metered_s > FRESH_S and not np.isnan(whole):
            self._note(whole, now_s)

    def unread(self, index: int) -> None:
        self._last[index] = np.nan

    def meter(self, name: str, watts: float, now_s: float) -> None:
        """What flows through one of the rack's shelves."""
        if name not in self._meters and len(self._meters) >= MOST_METERS:
            return
        self._meters[name] = watts, now_s
        if not self._ceilings or any(now_s - at > FRESH_S for _, at in self._meters.values()):
            return
        self._metered_s = now_s
        while len(self._ceilings) > 1 and self._ceilings[1][0] < now_s - SETTLES_S:
            self._ceilings.popleft()
        self._note(sum(each for each, _ in self._meters.values()) - self._ceilings[0][1], now_s)

    def _note(self, excess_w: float, now_s: float) -> None:
        while self._seen and self._seen[-1][1] <= excess_w:
            self._seen.pop()
        self._seen.append((now_s, excess_w))

    def excess_w(self, now_s: float) -> float | None:
        """The most of the last moments, below zero where the caps were not reached; None where
        nothing measured it."""
        while self._seen and now_s - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        return self._seen[0][1] if self._seen else None


class Excess:
    """The centre's part: what was seen at every limit, halved in five minutes."""

    def __init__(self) -> None:
        self._of: dict[str, float] = {}
        self._most: dict[str, tuple[float, float]] = {}
        self._tried: set[str] = set()

    def take(self, rack: str, excess_w: float | None, caps_w: float) -> None:
        """A rack's last word, and the sum of its caps. One that cannot say stands where it was, or
        at its caps."""
        if excess_w is not None:
            self._of[rack] = excess_w
            if excess_w > -NEAR * caps_w:
                self._tried.add(rack)
        elif rack in self._of:
            self._of[rack] = max(self._of[rack], 0.0)

    def measured(self, rack: str) -> bool:
        """Whether it was ever seen at its caps."""
        return rack in self._tried

    def look(self, network: Network, now_s: float) -> None:
        """Learn from what the racks said last."""
        for limit in network.limits:
            now_w = sum(part * self._of.get(rack, 0.0) for rack, part in limit.factors.items())
            if now_w > self._now(limit.name, now_s):
                self._most[limit.name] = now_w, now_s

    def kept_w(self, network: Network, now_s: float, *, least: float) -> Floats:
        """What is to be kept free at each limit of the network, in its own watts. A rack's own
        machines may all wake at once and have not yet: there it is no less than the part `least`
        of their nameplates."""
        kept = [self._now(limit.name, now_s) for limit in network.limits]
        for number, limit in enumerate(network.limits):
            if len(limit.factors) == 1:
                (rack,) = limit.factors
                plates_w = sum(load.nameplate_w for load in network.loads[network.slices[rack]])
                kept[number] = max(kept[number], least * plates_w)
        return np.array(kept)

    def _now(self, name: str, now_s: float) -> float:
        watts, at_s = self._most.get(name, (0.0, now_s))
        return watts * float(0.5 ** (max(0.0, now_s - at_s) / HALVES_S))
