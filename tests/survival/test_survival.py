"""Every scenario is survived, and docs/survival.md tells of these and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.survival.every import SCENARIOS
from tests.survival.scenario import Scenario
from tests.survival.table import BEHAVIOURS, TARGET, WAITING, Row, listed, render

pytestmark = pytest.mark.slow

BY_NAME = {f"{each.behaviour} {each.name}": each for each in SCENARIOS}


@pytest.mark.parametrize("name", BY_NAME)
async def test_survived(name: str, tmp_path: Path) -> None:
    assert await BY_NAME[name].play(tmp_path)


def test_the_committed_table_lists_these_scenarios() -> None:
    committed = TARGET.read_text(encoding="utf-8")
    rendered = render(Row(each, "shown", survived=True) for each in SCENARIOS)
    assert listed(committed) == listed(rendered), "run `python -m tests.survival`"
    assert committed.partition("## Not yet played")[2] == rendered.partition("## Not yet played")[2]
    assert "not survived" not in committed


def test_every_behaviour_is_played_or_waits_with_a_reason() -> None:
    assert {each.behaviour for each in SCENARIOS} | WAITING.keys() == BEHAVIOURS.keys()
    assert len(BY_NAME) == len(SCENARIOS)


def test_a_scenario_that_fails_is_told_in_the_table() -> None:
    async def play(_: Path) -> str:
        return ""

    row = Row(Scenario(6, "it hangs", "a | b", play), "Timeout: no", survived=False)
    (line,) = [text for text in render([row]).splitlines() if "it hangs" in text]
    assert line.endswith("| **not survived** |")
    assert "a / b" in line
