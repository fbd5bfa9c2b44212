"""Every row of the catalogue of behaviours, and every failure that power control must survive, is
a fault with a name; what is not yet is listed here, and the list may only shrink."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from iolaus.sim.building.faults import CATALOGUE as BUILDING
from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.rooms.building import ROWS as NAMED
from iolaus.sim.catalogue.rooms_of_devices import ROOMS
from iolaus.sim.catalogue.show import entries, rows_of, view
from iolaus.sim.physics.faults import FAULTS as PHYSICS
from iolaus.sim.presets import PRESETS
from iolaus.sim.roots.lies import LIES
from tests.sim.catalogue.table import TARGET, named, render

SHARED = Path(os.environ.get("IOLAUS_SHARED", Path(__file__).parents[4] / "shared")) / "design"
MISSING: Mapping[str, tuple[str, ...]] = {}
"""Row -> the words that no fault plays yet. May only shrink."""
IDLE = frozenset(
    {"a", "an", "and", "are", "as", "at", "by", "for", "get", "gets", "in", "is", "it", "its", "of"}
    | {"on", "one", "or", "our", "so", "the", "to", "with", "while", "event", "events", "after"}
)
WORD = re.compile(r"[a-z0-9$%-]+")


def told(name: str) -> str:
    file = SHARED / name
    if not file.exists():
        pytest.skip(f"needs {name} of the shared reference material")
    return file.read_text(encoding="utf-8")


def behaviours() -> dict[str, str]:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", told("behaviours.md"), re.MULTILINE)
    return dict(rows)


def failures() -> list[str]:
    table = told("energy.md").partition("## Rules when things fail")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)
    return [row for row in rows if row not in ("event", "---")]


def played(row: str) -> list[str]:
    """The words of this row that faults say they play; a room of the devices' own may say them in
    its own words."""
    ours = [entry for entry in catalogue().values() if entry.room not in ROOMS]
    sources = [source for entry in ours for source in entry.sources]
    return [words for head, _, words in (s.partition(": ") for s in sources) if head == row]


def uncovered(text: str, fragments: list[str]) -> set[str]:
    """Words of a row that no fragment has."""
    covered = {word for each in fragments for word in WORD.findall(each.lower())}
    return set(WORD.findall(text.lower())) - covered - IDLE


def test_every_behaviour_is_played() -> None:
    rows = behaviours()
    assert len(rows) >= 15
    for number, text in rows.items():
        fragments = [*played(number), *MISSING.get(number, ())]
        assert not uncovered(text, fragments), (number, uncovered(text, fragments))
        for each in played(number):
            assert each.lower() in text.lower(), f"row {number} does not say {each!r}"


def test_what_is_missing_is_missing() -> None:
    for number, fragments in MISSING.items():
        said = " ".join(played(number)).lower()
        for each in fragments:
            assert each.lower() not in said, f"{number}: {each} is played: take it off the list"


def test_every_failure_is_played() -> None:
    said = {each.lower() for each in played("energy")}
    rows = failures()
    assert len(rows) >= 11
    for row in rows:
        parts = [part.strip() for part in row.lower().split(",")]
        bare = [part for part in parts if not any(each in part for each in said)]
        assert not bare, f"nothing plays {bare} of {row!r}"
    for each in said:
        assert any(each in row.lower() for row in rows), f"energy.md does not say {each!r}"


def test_every_room_is_in_the_catalogue() -> None:
    names = set(catalogue())
    assert set(PHYSICS) <= names
    assert set(PRESETS) <= names
    assert {lie.replace("_", "-") for lie in LIES} <= names
    assert set(NAMED) == set(BUILDING)


def test_every_entry_says_enough() -> None:
    for entry in catalogue().values():
        found = view(entry)
        assert re.fullmatch(r"[a-z0-9-]+", entry.name), entry.name
        assert entry.what.endswith((".", ".)")), entry.name
        assert not entry.what[0].islower(), entry.name
        assert 5 <= len(entry.title) <= 60, entry.name
        for word in ("seen", "oracle", "fits", "room"):
            assert found[word], (entry.name, word)
        assert all(each.what for each in entry.arguments), entry.name
        assert entry.complete({}).keys() == {each.name for each in entry.arguments}
        assert rows_of(entry)


def test_words_find_entries() -> None:
    assert {e.name for e in entries(["session", "leak"])} >= {"sessions-leak"}
    assert entries(["no such word"]) == []
    assert len(entries()) == len(catalogue())


def test_the_written_table_has_them() -> None:
    """Rooms of the devices' own may be ahead of the table, never behind it."""
    written = set(named(TARGET.read_text(encoding="utf-8")))
    ours = {entry.name for entry in catalogue().values() if entry.room not in ROOMS}
    assert ours <= written, "run `python -m tests.sim.catalogue`"
    assert set(named(render())) == set(catalogue())
