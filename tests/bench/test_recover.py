"""The bench of recoveries holds: a few of its scripts, of a kind each."""

from __future__ import annotations

import pytest
from bench.recover.__main__ import play
from bench.recover.scripts import CLASSES, FEW, SCRIPTS

LEAST_S = 120


@pytest.mark.soak
async def test_a_few_of_each_kind_end_as_they_must() -> None:
    chosen = [script for script in SCRIPTS if script.name in FEW]
    assert len(chosen) == len(FEW)
    outcomes = await play(chosen, least_s=LEAST_S)
    assert [(each.script.name, each.end, each.wrong) for each in outcomes if each.wrong] == []


def test_there_are_ten_classes_and_every_script_has_a_name_of_its_own() -> None:
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS) >= 40
    assert len(CLASSES) == 10
