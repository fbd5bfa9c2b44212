"""docs/survival.md: what was played, what was shown, and what is not played yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.survival.scenario import DEATH, Scenario

TARGET = Path(__file__).parents[2] / "docs" / "survival.md"
HEAD = """\
# What Iolaus survives

Every row is played: simulated devices on the network with the fault, the whole house beside them,
and what it shows read by REST, metrics, the hall map's socket or the command line. Written by
`python -m tests.survival`; the same scenarios are tests (`tests/survival`).

| behaviour | scenario | what was played | what Iolaus showed | verdict |
| --- | --- | --- | --- | --- |
"""
BEHAVIOURS = {
    DEATH: "a device that dies",
    1: "accepted, and nothing happens",
    2: "tasks vanish",
    3: "tasks lie",
    4: "new versions appear late, ids are renamed",
    5: "sessions run out",
    6: "slow, hung, crashed",
    7: "passing refusals",
    8: "stale reads, ETag dialects",
    9: "staged against applied settings",
    10: "events get lost",
    11: "accounts are reset, retries lock them",
    12: "identities change",
    13: "the schema is broken",
    14: "the clock is wrong",
    15: "half-dead hardware, other actors",
}
WAITING = {
    12: "a rename of the address while a roll-out runs",
}


class Row(NamedTuple):
    scenario: Scenario
    shown: str
    survived: bool


def render(rows: Iterable[Row]) -> str:
    ordered = sorted(rows, key=lambda row: row.scenario.behaviour)
    lines = [line(row) for row in ordered]
    waiting = [f"| {number} {BEHAVIOURS[number]} | {why} |" for number, why in WAITING.items()]
    return (
        HEAD
        + "\n".join(lines)
        + "\n\n## Not yet played\n\n| behaviour | why |\n| --- | --- |\n"
        + "\n".join(waiting)
        + "\n"
    )


def line(row: Row) -> str:
    title = title_of(row.scenario)
    verdict = "survived" if row.survived else "**not survived**"
    cells = [title, row.scenario.name, row.scenario.played, row.shown, verdict]
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "/") for cell in cells) + " |"


def title_of(scenario: Scenario) -> str:
    number = scenario.behaviour
    return f"{number} {BEHAVIOURS[number]}" if number else BEHAVIOURS[DEATH]


def listed(text: str) -> list[tuple[str, str, str]]:
    """(behaviour, scenario, what was played) of a committed table."""
    found = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE
    )
    return [row for row in found if row[0] not in ("behaviour", "---")]
