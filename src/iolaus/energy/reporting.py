"""What the grid is told of its load targets: how each feed stands, and when one is overrun. Pure.

The words are those of the contract (DSX Flex 1.7.0): a snapshot of all feeds at every turn of
events and once a minute, and of a breach its beginning, its growth and its end under one id, with
what was done about it. What may be in force counts as load, so `compliant` is never said too soon;
a breach is what was measured, so one whose racks are not all measured neither begins nor ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.energy.flex import ALL, Schedule
from iolaus.wire.dsx.flex import LoadTarget, stamp

STATE, ALERT, ENFORCED = (
    "grid.powerstate.status.v1",
    "grid.powerbreach.alert.v1",
    "grid.powerbreach.enforcement.v1",
)
MOST_HINTS: Final = 50


class ReportRules(msgspec.Struct, frozen=True, kw_only=True):
    """A breach is `over` its target for `dwell_s`, critical from `critical` on; it grows to
    escalated after `escalate_s`. What was done about it is told `enforce_s` after its beginning."""

    every_s: float = 60.0
    over: float = 0.02
    critical: float = 0.2
    dwell_s: float = 10.0
    escalate_s: float = 60.0
    enforce_s: float = 5.0
    settled: float = 0.02


class CapSeen(NamedTuple):
    """A node and the highest cap that may be in force on it."""

    node: str
    priority: int
    floor_w: float
    cap_w: float
    reached: bool


class FeedSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A feed by the grid's name (`ALL`: the site). `charged_w` may be in force below it,
    `planned_w` is aimed at, `measured_w` is None where a rack is not measured."""

    tag: str
    least_w: float
    most_w: float
    charged_w: float
    planned_w: float
    measured_w: float | None
    caps: tuple[CapSeen, ...] = ()


class Word(NamedTuple):
    """One event to be said; `correlation` is that of the target it is about."""

    kind: str
    data: Mapping[str, Any]
    correlation: str


class _Turn(msgspec.Struct):
    """How a feed stood when it was last told of."""

    targets: tuple[LoadTarget, ...] = ()
    goal_w: float | None = None
    since: float = 0.0
    ramp: str = ""


class _Breach(msgspec.Struct, kw_only=True):
    name: str
    at: float
    target: LoadTarget
    status: str = "active"
    severity: str = "warning"
    over_since: float | None = None
    well_since: float | None = None
    enforced: bool = False
    hints: tuple[CapSeen, ...] = ()


class Reporter:
    """Of all feeds of a site. `look` once a second or so; every time is seconds since 1970."""

    def __init__(self, rules: ReportRules | None = None) -> None:
        self.rules = rules or ReportRules()
        self.breaches: dict[str, _Breach] = {}
        self._turns: dict[str, _Turn] = {}
        self._over: dict[str, float] = {}
        self._told = float("-inf")

    def look(
        self, feeds: Sequence[FeedSeen], schedule: Schedule, at: float, *, why_not: str = ""
    ) -> list[Word]:
        """What is to be said at `at`; `why_not` says why nothing is written to devices now. The
        site among the feeds is judged with the others and not told of."""
        told = [each for each in feeds if each.tag != ALL]
        site = next((each for each in feeds if each.tag == ALL), None)
        words: list[Word] = []
        states, turned = {}, ""
        for feed in told:
            event, correlation = self._turned(feed, site, schedule, at)
            turned = turned or correlation
            states[feed.tag] = self._state(feed, site, schedule, event, at)
            words += self._breached(feed, site, schedule, at, why_not)
        news = any(state["event"] != "periodic" for state in states.values())
        if states and (news or at - self._told >= self.rules.every_s):
            self._told = at
            words.insert(0, Word(STATE, {"snapshot_time": stamp(at), "feeds": states}, turned))
        return words

    # --- how it stands -----------------------------------------------------------------------

    def _turned(
        self, feed: FeedSeen, site: FeedSeen | None, schedule: Schedule, at: float
    ) -> tuple[str, str]:
        """The event of this look, and the correlation of the target behind it."""
        turn = self._turns.setdefault(feed.tag, _Turn(since=at))
        targets, active = _targets(schedule, feed.tag), _active(schedule, feed.tag, at)
        goal_w = active.limit_w if active else None
        correlation = correlation_of(active) if active else ""
        if goal_w != turn.goal_w:
            falls = goal_w is not None and (turn.goal_w is None or goal_w < turn.goal_w)
            turn.goal_w, turn.since, turn.targets = goal_w, at, targets
            turn.ramp = "down" if falls else "up"
            return f"start_ramp_{turn.ramp}", correlation
        if turn.ramp and self._is_there(feed, site, active, turn.ramp):
            ramp, turn.ramp = turn.ramp, ""
            return f"end_ramp_{ramp}", correlation
        if targets != turn.targets:
            turn.targets = targets
            return "target_set", correlation_of(targets[-1]) if targets else ""
        return "periodic", ""

    def _is_there(
        self, feed: FeedSeen, site: FeedSeen | None, active: LoadTarget | None, ramp: str
    ) -> bool:
        if ramp == "down":
            return _complies(feed, site, active)
        return abs(feed.planned_w - feed.charged_w) <= self.rules.settled * max(1.0, feed.most_w)

    def _state(
        self, feed: FeedSeen, site: FeedSeen | None, schedule: Schedule, event: str, at: float
    ) -> dict[str, Any]:
        turn, active = self._turns[feed.tag], _active(schedule, feed.tag, at)
        found = {
            "metadata": {
                "power_minimum": watts(feed.least_w),
                "power_maximum": watts(feed.most_w),
                "default_constraint": watts(feed.most_w),
            },
            "targets": [_told(each, at) for each in _targets(schedule, feed.tag)],
            "calculated_load": watts(feed.charged_w),
            "in_flight": bool(turn.ramp),
            "event": event,
            "compliant": _complies(feed, site, active),
        }
        if turn.goal_w is not None:
            found["power_event_start_time"] = stamp(turn.since)
        return found

    # --- when it is overrun ------------------------------------------------------------------

    def _breached(
        self, feed: FeedSeen, site: FeedSeen | None, schedule: Schedule, at: float, why_not: str
    ) -> Iterator[Word]:
        breach, active = self.breaches.get(feed.tag), _active(schedule, feed.tag, at)
        seen = _judged_by(feed, site, active)
        if active is None or active.limit_w is None:
            self._over.pop(feed.tag, None)
            if breach is not None:
                yield from self._resolved(feed, breach, seen.measured_w, at, why_not)
            return
        if seen.measured_w is None:
            return
        excess = seen.measured_w / active.limit_w - 1.0 if active.limit_w > 0 else 1.0
        if breach is None:
            yield from self._begun(feed, active, seen.measured_w, excess, at)
            return
        well = breach.well_since if excess <= 0.0 else None
        breach.well_since = at if excess <= 0.0 and well is None else well
        if breach.well_since is not None and at - breach.well_since >= self.rules.dwell_s / 2:
            yield from self._resolved(feed, breach, seen.measured_w, at, why_not)
            return
        yield from self._grown(feed, breach, seen.measured_w, excess, at, why_not)

    def _begun(
        self, feed: FeedSeen, active: LoadTarget, drawn_w: float, excess: float, at: float
    ) -> Iterator[Word]:
        if excess <= self.rules.over:
            self._over.pop(feed.tag, None)
            return
        since = self._over.setdefault(feed.tag, at)
        if at - since < self.rules.dwell_s:
            return
        breach = self.breaches[feed.tag] = _Breach(
            name=str(uuid.uuid4()), at=since, target=active, severity=self._severity(excess)
        )
        breach.hints = tuple(sorted(feed.caps, key=lambda each: (each.priority, -each.cap_w)))
        yield _alert(feed, breach, drawn_w, at)

    def _grown(
        self, feed: FeedSeen, breach: _Breach, drawn_w: float, excess: float, at: float, why: str
    ) -> Iterator[Word]:
        severity = self._severity(excess)
        worse = severity == "critical" and breach.severity == "warning"
        if breach.status == "active" and (worse or at - breach.at >= self.rules.escalate_s):
            breach.status, breach.severity = "escalated", severity
            yield _alert(feed, breach, drawn_w, at)
        if not breach.enforced and at - breach.at >= self.rules.dwell_s + self.rules.enforce_s:
            breach.enforced = True
            yield _enforced(feed, breach, "applied", at, why)

    def _resolved(
        self, feed: FeedSeen, breach: _Breach, drawn_w: float | None, at: float, why: str
    ) -> Iterator[Word]:
        del self.breaches[feed.tag]
        self._over.pop(feed.tag, None)
        breach.status = "resolved"
        load_w = feed.charged_w if drawn_w is None else drawn_w
        yield _alert(feed, breach, load_w, at)
        if breach.enforced:
            yield _enforced(feed, breach, "reverted", at, why)

    def _severity(self, excess: float) -> str:
        return "critical" if excess > self.rules.critical else "warning"


def watts(value: float) -> dict[str, Any]:
    return {"value": round(max(0.0, value), 1), "unit": "watt"}


def correlation_of(target: LoadTarget) -> str:
    """That of its event; where that has none, one that is always the same for it."""
    try:
        return str(uuid.UUID(target.correlation))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{target.source} {target.event_id}"))


def _targets(schedule: Schedule, tag: str) -> tuple[LoadTarget, ...]:
    """Those with a limit that are about this feed, alone or among all."""
    return tuple(
        each
        for each in schedule.targets
        if each.limit_w is not None and (not each.feeds or tag in each.feeds)
    )


def _active(schedule: Schedule, tag: str, at: float) -> LoadTarget | None:
    """The one that binds: its own before that of the site, and the lowest of several."""
    mine = [each for each in schedule.active(at) if each in _targets(schedule, tag)]
    return min(mine, key=lambda each: (not each.feeds, each.limit_w or 0.0), default=None)


def _judged_by(feed: FeedSeen, site: FeedSeen | None, target: LoadTarget | None) -> FeedSeen:
    """A target of all feeds is of their sum."""
    return site if site is not None and target is not None and not target.feeds else feed


def _complies(feed: FeedSeen, site: FeedSeen | None, target: LoadTarget | None) -> bool:
    if target is None or target.limit_w is None:
        return True
    return _judged_by(feed, site, target).charged_w <= target.limit_w + 1.0


def _told(target: LoadTarget, at: float) -> dict[str, Any]:
    interval = {"start_time": stamp(target.start_s)}
    if target.end_s is not None:
        interval["end_time"] = stamp(target.end_s)
    return {
        "active": target.start_s <= at and (target.end_s is None or at < target.end_s),
        "load_constraint": watts(target.limit_w or 0.0),
        "interval": interval,
        "strategy": {"best_effort": target.best_effort},
        "correlation_id": correlation_of(target),
    }


def _alert(feed: FeedSeen, breach: _Breach, drawn_w: float, at: float) -> Word:
    over, correlation = breach.status != "resolved", correlation_of(breach.target)
    details = {"breach_id": breach.name, "detected_at": stamp(breach.at)}
    actions: list[str] = []
    if breach.status == "escalated":
        actions = ["SHUTDOWN_NODES", *["SHUTDOWN_RACKS"] * (breach.severity == "critical")]
    data: dict[str, Any] = {
        "feed_tag": feed.tag,
        "status": breach.status,
        "severity": breach.severity,
        "breach": details if over else details | {"resolved_at": stamp(at)},
        "target": {
            "correlation_id": correlation,
            "load_constraint": watts(breach.target.limit_w or 0.0),
        },
        "measured_load": watts(drawn_w),
        "infrastructure_actions": actions,
    }
    if over:
        data["shed_hints"] = [_hint(n, each) for n, each in enumerate(_shed(breach.hints), 1)]
    return Word(ALERT, data, correlation)


def _shed(caps: Iterable[CapSeen]) -> Sequence[CapSeen]:
    return [each for each in caps if each.cap_w > each.floor_w][:MOST_HINTS]


def _hint(number: int, cap: CapSeen) -> dict[str, Any]:
    return {
        "resource_id": cap.node,
        "resource_type": "node",
        "action": "power_cap",
        "priority": number,
        "target_power": watts(cap.floor_w),
    }


def _enforced(feed: FeedSeen, breach: _Breach, action: str, at: float, why_not: str) -> Word:
    """What became of the hints, by the caps that may be in force now."""
    now = {each.node: each for each in feed.caps}
    results = [_result(was, now.get(was.node), action, why_not) for was in _shed(breach.hints)]
    codes = {each["code"] for each in results}
    code = "success" if codes <= {"applied"} else ("partial" if "applied" in codes else "error")
    data = {
        "breach_id": breach.name,
        "feed_tag": feed.tag,
        "action": action,
        "code": code,
        "results": results,
        "timestamp": stamp(at),
    }
    if why_not:
        data["diag_msg"] = why_not
    return Word(ENFORCED, data, correlation_of(breach.target))


def _result(was: CapSeen, now: CapSeen | None, action: str, why_not: str) -> dict[str, Any]:
    found = {"resource_id": was.node, "resource_type": "node", "requested_action": "power_cap"}
    if now is None or not now.reached:
        return found | {"code": "failed", "message": "its controller does not answer"}
    if why_not:
        return found | {"code": "skipped", "message": why_not}
    done = now.cap_w < was.cap_w if action == "applied" else True
    told = found | {"code": "applied" if done else "skipped", "applied_power": watts(now.cap_w)}
    return told if done else told | {"message": "others were lowered"}
