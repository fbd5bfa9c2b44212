"""The slow loop of the site: how much it may draw over time, when somebody outside says so.

Load targets come ahead of their time and overlap; the lowest counts. What they come to is walked
and never jumped, because a grid minds a step as much as an overrun: down early enough to be there
when a target begins, up again when it has ended, no faster either way than the site or the target
allows. A target that was told too late for that is reached late, and is named as late meanwhile.

Nothing here reaches a device: what comes out is the limit for `Centre.target`, which shrinks
before it grows as for any other limit. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from iolaus.kernel.errors import OperatorMust

MOST_TARGETS: Final = 1000
WALK_S: Final = 1.0
"""Between two steps of a ramp, where nobody asks oftener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTarget:
    """The site draws at most `limit_w` from `start_s` to `until_s` (None: until it is withdrawn).
    `ramp_w_s` is how fast its power may change on the way there and back (None: as the site has
    it). Seconds are of one monotonic clock."""

    name: str
    limit_w: float
    start_s: float
    until_s: float | None = None
    ramp_w_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRules:
    """How fast the site's limit may go up and down; None is at once. A target is reached `lead_s`
    before it begins: the loop's own period, and what racks take to follow."""

    ramp_up_w_s: float | None = None
    ramp_down_w_s: float | None = None
    lead_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """How the loop stands, for whoever looks. `why` says why it does nothing (empty: it works);
    `limit_w` is what it asks of the centre now, `charged_w` what may be drawn. `targets` are (name,
    watts, beginning, end or None) in seconds since 1970, `late` those that are not reached;
    `people` says of those that a person set who did and why. What is done about them is said by
    `mode`."""

    site: str
    why: str
    limit_w: float | None
    ceiling_w: float | None
    charged_w: float | None
    ramp_up_w_s: float | None
    ramp_down_w_s: float | None
    late: tuple[str, ...] = ()
    targets: tuple[tuple[str, float, float, float | None], ...] = ()
    mode: str = "observe"
    people: Mapping[str, str] = field(default_factory=dict)


class SiteLoop:
    """`ceiling_w` is what the site may draw when nobody asks for less. `late` are the targets that
    have begun and are not reached; it is as of the last `tick`."""

    def __init__(self, ceiling_w: float, rules: SiteRules | None = None) -> None:
        self.ceiling_w, self.rules = ceiling_w, rules or SiteRules()
        self.targets: dict[str, LoadTarget] = {}
        self.limit_w: float | None = None
        self.late: tuple[str, ...] = ()
        self._last_s: float | None = None

    def ask(self, target: LoadTarget) -> None:
        """Take a target, or another version of one. Raises `OperatorMust` for one that is none."""
        still = target.ramp_w_s is not None and not target.ramp_w_s > 0.0
        if still or not 0.0 <= target.limit_w < float("inf"):
            raise _refused(target.name, "its limit or its ramp is no power", "TargetUnreadable")
        if target.until_s is not None and target.until_s <= target.start_s:
            raise _refused(target.name, "it ends before it begins", "TargetUnreadable")
        if target.name not in self.targets and len(self.targets) >= MOST_TARGETS:
            raise _refused(target.name, f"{MOST_TARGETS} targets stand already", "TooManyTargets")
        self.targets[target.name] = target

    def withdraw(self, name: str) -> bool:
        """False: there was none of that name."""
        return self.targets.pop(name, None) is not None

    def tick(self, now_s: float, drawn_w: float) -> float | None:
        """The limit now, in watts; None where there is none but the site's own. `drawn_w` is the
        most that the site may be drawing, from where a way down begins. A clock that steps back
        moves nothing."""
        elapsed_s = 0.0 if self._last_s is None else max(0.0, now_s - self._last_s)
        self._last_s = now_s
        goal, down, up = self.ceiling_w, self.rules.ramp_down_w_s, self.rules.ramp_up_w_s
        for target in self._lasting(now_s):
            rate = _slower(self.rules.ramp_down_w_s, target.ramp_w_s)
            ahead_s = max(0.0, target.start_s - self.rules.lead_s - now_s)
            reach = target.limit_w + ahead_s * rate if rate is not None else target.limit_w
            if rate is None and ahead_s > 0.0:
                continue
            if reach < goal:
                goal, down, up = reach, rate, _slower(self.rules.ramp_up_w_s, target.ramp_w_s)
        self.limit_w = self._walked(goal, drawn_w, elapsed_s, down, up)
        self.late = tuple(self._behind(now_s))
        return self.limit_w

    def rested(self, now_s: float) -> None:
        """It stood until a moment ago: what was not walked in that time is not made up for."""
        self._last_s = max(self._last_s or now_s, now_s - WALK_S)

    def next_s(self, now_s: float) -> float:
        """When it must look again at the latest: the next time at which a target begins, a way to
        one begins, or one ends; and in a moment while it walks."""
        if self.limit_w is not None and self.walks():
            return now_s + WALK_S
        begins = (self._begin_s(each) for each in self.targets.values())
        ends = (each.until_s for each in self.targets.values() if each.until_s is not None)
        starts = (each.start_s for each in self.targets.values())
        return min((at for at in (*begins, *starts, *ends) if at > now_s), default=float("inf"))

    def _begin_s(self, target: LoadTarget) -> float:
        """When its way down must begin."""
        rate = _slower(self.rules.ramp_down_w_s, target.ramp_w_s)
        if rate is None:
            return target.start_s - self.rules.lead_s
        from_w = self.ceiling_w if self.limit_w is None else self.limit_w
        return target.start_s - self.rules.lead_s - max(0.0, from_w - target.limit_w) / rate

    def walks(self) -> bool:
        """Whether it is on its way: at none of the limits that are asked."""
        return self.limit_w not in {each.limit_w for each in self.targets.values()}

    def _lasting(self, now_s: float) -> list[LoadTarget]:
        """Those that have not ended; the rest is forgotten."""
        ended = [
            name
            for name, each in self.targets.items()
            if each.until_s is not None and now_s >= each.until_s
        ]
        for name in ended:
            del self.targets[name]
        return sorted(self.targets.values(), key=lambda each: (each.limit_w, each.name))

    def _walked(
        self, goal: float, drawn_w: float, elapsed_s: float, down: float | None, up: float | None
    ) -> float | None:
        last = self.limit_w
        if last is None:
            if goal >= self.ceiling_w:
                return None
            last = min(self.ceiling_w, max(goal, drawn_w))
        if goal < last:
            return goal if down is None else max(goal, last - down * elapsed_s)
        limit = goal if up is None else min(goal, last + up * elapsed_s)
        return None if limit >= self.ceiling_w else limit

    def _behind(self, now_s: float) -> Iterator[str]:
        limit = self.ceiling_w if self.limit_w is None else self.limit_w
        for target in self.targets.values():
            if target.start_s <= now_s and limit > target.limit_w + 1e-6:
                yield target.name


def _slower(first: float | None, second: float | None) -> float | None:
    """The slower of two rates, where None is no bound."""
    rates = [rate for rate in (first, second) if rate is not None]
    return min(rates) if rates else None


def _refused(name: str, because: str, code: str) -> OperatorMust:
    return OperatorMust(
        f"the load target cannot be taken: {because}",
        operation="take load target",
        subject=name,
        code=code,
        next_step="send it with a limit, a beginning and, if any, a later end.",
    )
