"""docs/faults.md: every fault of the catalogue, by room, with the row that it plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.entry import Entry
from iolaus.sim.catalogue.show import fits

TARGET = Path(__file__).parents[3] / "docs" / "faults.md"
HEAD = """\
# Faults of the simulated hall

Each is struck and mended at run time, on whom a selector means: `iolaus demo break FAULT -l ...`,
a script of timed faults, or the oracle (see [the simulator](simulator.md)). `iolaus sim explain
FAULT` says more: arguments, and what the oracle tells. A number is a row of the catalogue of field
behaviours, "energy" the table of failures that power control must survive; no row: an adversary
or an accident of our own. Written by `python -m tests.sim.catalogue`.
"""
COLUMNS = """\
| fault | plays | what happens | fits | seen by a client |
| --- | --- | --- | --- | --- |
"""
ROOMS = {
    "answers": "Answers: slow, refused, stale, broken, untrue",
    "access": "Access: sessions, events, accounts",
    "standing": "Standing: identities, clocks, other actors, silence",
    "updates": "Updates and settings",
    "firmware": "Firmware",
    "manners": "Manners of controllers",
    "plant": "The plant: power, cooling, leaks",
    "building": "The building side",
    "trust": "Roots of trust",
}


def render() -> str:
    return HEAD + "".join(section(room) for room in ROOMS)


def section(room: str) -> str:
    rows = [line(entry) for entry in catalogue().values() if entry.room == room]
    return f"\n## {ROOMS[room]}\n\n{COLUMNS}" + "\n".join(rows) + "\n" if rows else ""


def line(entry: Entry) -> str:
    plays = "; ".join(entry.sources).replace("`", "") or "-"
    cells = (f"`{entry.name}`", plays, entry.title, fits(entry), entry.seen)
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "/") for cell in cells) + " |"


def named(text: str) -> Iterator[str]:
    """The faults that a written table has."""
    yield from re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)
