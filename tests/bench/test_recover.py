"""The bench of recoveries holds: a few of its scripts, of a kind each."""

from __future__ import annotations

import pytest
from bench.recover.__main__ import play
from bench.recover.scripts import CLASSES, FEW, SCRIPTS

LEAST_S = 120


async def faults_of(names: tuple[str, ...], *, inside: bool) -> list[object]:
    chosen = [script for script in SCRIPTS if script.name in names]
    assert len(chosen) == len(names)
    outcomes = await play(chosen, least_s=LEAST_S, inside=inside)
    assert len(outcomes) == len(names)
    return [(each.script.name, each.end, each.wrong) for each in outcomes if each.wrong]


async def test_three_of_a_kind_each_end_as_they_must() -> None:
    assert await faults_of(FEW, inside=True) == []


@pytest.mark.soak
async def test_they_end_so_with_a_server_of_its_own_and_one_that_waits_for_an_inventory() -> None:
    assert await faults_of((*FEW, "outlet-switched-off"), inside=False) == []


def test_there_are_ten_classes_and_every_script_has_a_name_of_its_own() -> None:
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS) >= 40
    assert len(CLASSES) == 10
