"""What the pages say of drift: causes as rows, and one node value by value.

A cause is the same thing on every page and has an address of its own, so that a node can point at
what it shares with others. Names of nodes come as host ranges, which the command line reads: each
cause carries the command that gives the same.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge import component_matches, subjects
from iolaus.model.drift import Item, NodeDrift
from iolaus.model.hosts import fold
from iolaus.model.select import Selector
from iolaus.north.context import Context
from iolaus.north.dto.desired import CauseView

LISTED: Final = 60
MOST_LISTED: Final = 2000
MOST_COMMAND: Final = 2000
MOST_RANGES: Final = 120
WORST: Final = ("conflict", "drifted", "unknown", "staged", "excused", "absent")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]+")


class Departure(Protocol):
    """What makes a cause: an item of one node, or the cause of many."""

    @property
    def baseline(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def desired(self) -> str: ...
    @property
    def applied(self) -> str | None: ...
    @property
    def reason(self) -> str: ...


class Row(NamedTuple):
    """A cause on a page. `which` are its nodes as ranges, `listed` the first of them by name and
    `more` how many others there are; `command` gives the same on the command line."""

    id: str
    cause: CauseView
    which: str
    listed: Sequence[str]
    more: int
    command: str


class Want(NamedTuple):
    """What the baselines say of one firmware entry, and how it compares."""

    version: str
    outcome: str


class Line(NamedTuple):
    """One departure of a node; `cause` is the id of its cause, empty for what is none."""

    item: Item
    cause: str


class Departures(NamedTuple):
    """How one node stands to its baselines. `wants` is by `firmware_key`; `links` says whether
    whoever looks may see the baselines themselves."""

    drift: NodeDrift
    lines: Sequence[Line]
    wants: Mapping[str, Want]
    links: bool


def cause_id(what: Departure) -> str:
    """The same for every node that has the cause, and for as long as it is the same cause."""
    told = what.outcome in ("unknown", "conflict") and what.subject != "*"
    parts = (what.baseline, what.subject, str(what.outcome), what.desired, str(what.applied))
    said = "\0".join((*parts, what.reason if told else ""))
    return "c-" + hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:12]


def cause_row(cause: CauseView, *, most: int = LISTED) -> Row:
    """`most` is how many nodes are listed one by one."""
    return Row(
        id=cause_id(cause),
        cause=cause,
        which=_ranges(cause.nodes)[0],
        listed=cause.nodes[:most],
        more=max(0, cause.count - most),
        command=command_for(baseline=cause.baseline, selector=_ranges(cause.nodes)[1]),
    )


def command_for(*, baseline: str = "", selector: str = "") -> str:
    """`iolaus diff` as typed into a shell."""
    chosen = f" --baseline {shlex.quote(baseline)}" if baseline else ""
    return f"iolaus diff{chosen}" + (f" -l {shlex.quote(selector)}" if selector else "")


def node_departures(context: Context, name: str, *, scope: Selector) -> Departures | None:
    """None where no baseline selects it. As of the last settling."""
    place = context.fleet.index().get(name)
    ledger = context.desired.ledger
    verdict = ledger.verdict_of(*place) if place else None
    if place is None or verdict is None:
        return None
    facts = next((each for each in ledger.node_facts(place[0]) if each.key == place[1]), None)
    items = sorted(verdict.drift.items, key=lambda item: WORST.index(item.outcome))
    return Departures(
        drift=verdict.drift,
        lines=[Line(i, "" if i.outcome == "absent" else cause_id(i)) for i in items],
        wants=_wants(context, facts, verdict.drift) if facts else {},
        links=not scope,
    )


def firmware_key(component: str, uri: str) -> str:
    return uri or component


def _wants(context: Context, facts: NodeFacts, drift: NodeDrift) -> dict[str, Want]:
    """Every firmware entry that a baseline of this node speaks of."""
    found: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name in drift.baselines:
        kept = context.baselines.get(name)
        for subject in subjects(kept.baseline.spec) if kept else ():
            for entry in facts.firmware:
                if component_matches(subject.want, entry, facts):
                    key = firmware_key(entry.component, entry.uri)
                    found.setdefault(key, []).append(subject.want.version)
                    names[key] = entry.component
    return {
        key: Want(" and ".join(dict.fromkeys(wanted)), _outcome(key, names[key], drift.items))
        for key, wanted in found.items()
    }


def _outcome(key: str, component: str, items: Iterable[Item]) -> str:
    """The worst that was found of one firmware entry."""
    found = {
        item.outcome.value
        for item in items
        if item.subject == "*" or _speaks_of(item, key, component)
    }
    return next((word for word in WORST if word in found), "in-sync")


def _speaks_of(item: Item, key: str, component: str) -> bool:
    if item.outcome == "conflict":
        return item.subject == f"firmware/{component}"
    is_firmware = item.subject.startswith("firmware/") and bool(item.part)
    return is_firmware and firmware_key(item.part, item.uri) == key


@lru_cache(maxsize=128)
def _ranges(names: tuple[str, ...]) -> tuple[str, str]:
    """As a person reads them, and as a selector; no selector where it cannot be written or would
    be too long to copy."""
    told = fold(names)
    sayable = len(told) <= MOST_COMMAND and all(_PLAIN.fullmatch(name) for name in names)
    shown = told if len(told) <= MOST_RANGES else told[: MOST_RANGES - 1].rstrip(",-[") + "\u2026"
    return shown, told if sayable else ""
