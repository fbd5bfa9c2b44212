"""Sentences about a plan's rules: limits, gates, the window, who drains and who approves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from msgspec import UNSET

from iolaus.model.plan import Limits, Plan

KIND_WORDS: Final = {
    "row": ("row", "rows"),
    "rack": ("rack", "racks"),
    "feed": ("power feed", "power feeds"),
    "power": ("power group", "power groups"),
    "cdu": ("CDU", "CDUs"),
    "nvlink": ("NVLink domain", "NVLink domains"),
    "leaf": ("leaf switch", "leaf switches"),
}
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_NODE: Final = {
    "rollback": "a node that fails goes back to what it was",
    "leave": "a node that fails is left as it is",
}
_PROOF: Final = {
    "pause": "where the proof of a node fails, the roll-out pauses for a person",
    "quarantine": "a node whose proof fails stays drained as it is, and the roll-out pauses",
}
_WAVE: Final = {
    "pause": "the roll-out pauses for a person",
    "continue": "the others go on",
    "abort": "the roll-out is aborted",
}


def count(number: int, word: str) -> str:
    """1 node, 2 nodes."""
    return f"1 {word}" if number == 1 else f"{number:,} {word}s"


def say_kind(kind: str, number: int = 1) -> str:
    """What a kind of failure domain is called."""
    one, many = KIND_WORDS.get(kind, (kind, f"{kind}s"))
    return one if number == 1 else many


def say_duration(seconds: float) -> str:
    """In the two largest units: "1 h 30 min"; rounded up to a minute above ten minutes."""
    left = int(-(-seconds // 60) * 60) if seconds > 600 else int(seconds)
    told: list[str] = []
    for size, word in _UNITS:
        if left >= size and len(told) < 2:
            told.append(f"{left // size} {word}")
            left %= size
    return " ".join(told) or "no time"


def say_at(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def say_rules(plan: Plan) -> Iterator[tuple[str, str]]:
    """(what, sentence) for everything that holds all the while."""
    for sentence in say_limits(plan.limits):
        yield "limit", sentence
    if plan.window is not None:
        window = plan.window
        yield "window", f'"{window.cron}" ({window.tz}), open for {say_duration(window.duration_s)}'
    if plan.drain is not None:
        late = {"skip": "is left for another plan", "fail": "fails"}[plan.drain.on_timeout]
        limit = say_duration(plan.drain.timeout_s)
        yield "drain", f"{plan.drain.adapter}; a node not drained within {limit} {late}"
    for gate in plan.gates:
        asked = gate.expr or " ".join(gate.command)
        yield "gate", f"{gate.name}: {asked}"
    failure = plan.on_failure
    yield "failure", f"{_NODE[failure.node]}, and {_WAVE[failure.wave]}"
    if failure.proof is not UNSET:
        yield "failure", _PROOF[failure.proof]


def say_limits(limits: Limits) -> Iterator[str]:
    if limits.max_unavailable is not None:
        yield f"at most {count(limits.max_unavailable, 'node')} away at once, for whatever reason"
    for kind, most in sorted(limits.per_domain.items()):
        yield f"at most {count(most, 'node')} of one {say_kind(kind)} away at once"
    for kind in limits.atomic:
        yield f"each {say_kind(kind)} goes whole or not at all"
    if limits.max_dark_racks is not None:
        dark = limits.max_dark_racks
        yield f"at most {count(dark, 'rack')} dark" if dark else "no rack goes dark"
    if limits.keep_power_redundancy is not None:
        yield f"power stays {limits.keep_power_redundancy}"
    bricks = limits.bricks
    which = f"lost node number {bricks + 1}" if bricks else "the first lost node"
    yield f"it stops at {which} (no answer after a change)"
