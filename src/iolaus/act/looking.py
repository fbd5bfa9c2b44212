"""Looking until it is known: fresh reads at growing pauses, and several that agree.

Controllers serve stale state after a write, show a new version minutes late and then under another
name, and fall silent in between; so one read proves nothing. Unknown is neither yes nor no: it is
looked at again until the time is up. Where a new password waits for a login that is held back, so
that no account is locked, that time is given on top, up to a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from iolaus.act.faults import held_s
from iolaus.act.ports import Hands, Sight
from iolaus.act.waiting import within
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, IolausError
from iolaus.model.plan import Expect, Json, NodePlan, Op, Step

SILENT_LOOKS: Final = 2
"""So many unanswered looks in a row are silence."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between looks (growing from `look_s` to `slowest_s`), between two that should
    agree, that one look may take, and that a step is watched at least where its sending or a
    restart of ours used its time up (never longer than that time); pauses after a passing
    refusal grow from `refused_s` to `refused_slowest_s`. `longest_held_s` is for how long at
    most a login that is held back is waited for."""

    look_s: float = 2.0
    slowest_s: float = 30.0
    growth: float = 1.5
    agree_s: float = 3.0
    longest_look_s: float = 300.0
    grace_s: float = 60.0
    refused_s: float = 5.0
    refused_slowest_s: float = 60.0
    longest_held_s: float = 7200.0


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The last look; `settled`: enough looks in a row agreed; `silent`: nobody answered at the
    end."""

    sight: Sight
    settled: bool
    silent: bool


class Until:
    """The end of `for_s`, put off while a login is held back: what waits for one has its time
    when it may be tried. Somebody who would not wait at all (0) does not wait for that either."""

    def __init__(self, clock: Clock, for_s: float, pace: Pace) -> None:
        self._clock, self._for_s = clock, for_s
        self._at = clock.monotonic() + for_s
        self._last = self._at + (pace.longest_held_s if for_s else 0.0)

    def left_s(self, sight: Sight) -> float:
        now = self._clock.monotonic()
        if sight.held_s:
            self._at = max(self._at, min(now + sight.held_s + self._for_s, self._last))
        return self._at - now


class Looking:
    """The looks of one node."""

    def __init__(self, node: NodePlan, *, hands: Hands, clock: Clock, pace: Pace) -> None:
        self._node, self._hands, self._clock, self.pace = node, hands, clock, pace

    async def look(
        self, step: Step, expects: tuple[Expect, ...], baseline: Mapping[str, Json]
    ) -> Sight:
        """One look; an error is a sight that is unknown, and so is one that takes too long."""
        if not expects:
            return Sight(verdict="met")
        try:
            async with within(self._clock, self.pace.longest_look_s):
                return await self._hands.look(self._node, step, expects, baseline=baseline)
        except (DeviceSilent, TimeoutError) as error:
            return Sight(verdict="unknown", detail=str(error), answered=False)
        except IolausError as error:
            return Sight(verdict="unknown", detail=error.message, held_s=held_s(error, step))

    async def settle(
        self,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Json],
        for_s: float,
        verdict: str = "met",
    ) -> Watched:
        """Look until `step.reads` looks in a row agree on `verdict`, for `for_s` at most (and
        as long as the last ones agreed)."""
        until, pause = Until(self._clock, for_s, self.pace), self.pace.look_s
        agreed, silence, last = 0, 0, None
        while True:
            sight = await self.look(step, expects, baseline)
            silence = 0 if sight.answered else silence + 1
            agreed = _agreed(agreed, last, sight, expects, verdict)
            if agreed >= max(1, step.reads) or not expects:
                return Watched(sight=sight, settled=True, silent=False)
            left_s = until.left_s(sight)
            if left_s <= 0 and not agreed and not 0 < silence < SILENT_LOOKS:
                return Watched(sight=sight, settled=False, silent=silence > 0)
            last = sight
            if agreed or left_s <= 0:
                await self._clock.sleep(self.pace.agree_s)
            else:
                await self._clock.sleep(min(pause, max(left_s, 0.0)))
                pause = min(pause * self.pace.growth, self.pace.slowest_s)


def _agreed(
    before: int, last: Sight | None, sight: Sight, expects: tuple[Expect, ...], verdict: str
) -> int:
    if sight.verdict != verdict:
        return 0
    if verdict == "met" and before and last and not _same(last, sight, expects):
        return 1
    return before + 1


def _same(one: Sight, other: Sight, expects: tuple[Expect, ...]) -> bool:
    """Whether they saw the same; what only has to be another value may go on changing."""
    return all(
        one.seen.get(each.subject) == other.seen.get(each.subject)
        for each in expects
        if each.op is not Op.CHANGED
    )
