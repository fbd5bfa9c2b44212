"""What a change of policy would do, as a person reviews it: golden texts, and the centre's word.

To write them anew after a change that is meant, run this file with `GOLDEN=write` in the
environment, and then read every line of the difference.
"""

from __future__ import annotations

import dataclasses
import os
import random
from pathlib import Path

import pytest

from iolaus.energy.centre import Centre
from iolaus.energy.documents import leak_policy, power_policy
from iolaus.energy.foresee import Foresight, foresee
from iolaus.energy.foretell import change_text
from iolaus.energy.policy import LeakPolicy, Mode, PowerPolicy
from iolaus.fleet.energy_files import read_energy
from iolaus.model.ruling import PowerDocuments
from tests.energy.test_centre import POLICY, Hall, hall, quiet

GOLDEN = Path(__file__).parent / "golden"
HEAD = "apiVersion: iolaus.dev/v1\nkind: {}\nmetadata: {{name: hall}}\nspec: {}\n"


def documents(power: str, leak: str = "{}") -> PowerDocuments:
    text = f"{HEAD.format('PowerPolicy', power)}---\n{HEAD.format('LeakPolicy', leak)}"
    return PowerDocuments().taking(read_energy(text, source="x"))


def policy(said: PowerDocuments) -> PowerPolicy:
    assert said.power
    return dataclasses.replace(power_policy(said.power), read_s=1.0, cap_error=0.0)


def running(said: PowerDocuments, seconds: float = 15.0) -> Hall:
    run = quiet()
    run.centre = Centre(run.plant, policy(said), 1)
    run.run(seconds)
    return run


def foreseen(run: Hall, after: PowerDocuments) -> Foresight:
    return foresee(run.centre, run.plant, policy(after), run.now_s)


CASES = {
    "tighter": (
        "{mode: control, guard: 0%}",
        "{mode: control, guard: 0%, limits: [{domain: a, limit: 1500}, {domain: b2, limit: 1 kW}]}",
    ),
    "begin": ("{mode: advise}", "{mode: control, modes: [{racks: 'b[1-2]', mode: observe}]}"),
    "looser": (
        "{mode: control, limits: [{domain: a, limit: 1000}]}",
        "{mode: control, rampUpPerSecond: 50, approvals: [{group: facility}]}",
    ),
    "nothing": ("{mode: control}", "{mode: control}"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_of_a_change(name: str) -> None:
    before, after = (documents(each) for each in CASES[name])
    told = change_text(before, after, foreseen(running(before), after))
    path = GOLDEN / f"power_{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(told)
    assert told == path.read_text()


def test_what_was_foreseen_is_what_comes() -> None:
    before, after = (documents(each) for each in CASES["tighter"])
    run = running(before)
    said = foreseen(run, after)
    decided = len(run.centre.decisions)
    assert foreseen(run, after) == said
    assert len(run.centre.decisions) == decided
    run.centre.follow(policy(after), run.now_s)
    run.run(20)
    for rack in said.racks:
        assert run.budgets()[rack.rack] == pytest.approx(rack.then_w, abs=1)
    assert {each.rack for each in said.racks if each.falls} == {"a1", "a2", "b2"}


def test_without_documents_there_are_new_ones() -> None:
    said = change_text(PowerDocuments(), documents("{}"), Foresight(blind="nobody looks"))
    assert "PowerPolicy hall: new" in said
    assert "Racks: not foreseen, nobody looks" in said
    assert "PowerPolicy hall: gone" in change_text(
        documents("{}"), PowerDocuments(), Foresight(blind="nobody looks")
    )


# --- modes by rack ----------------------------------------------------------------------------


def mixed(**modes: Mode) -> PowerPolicy:
    return dataclasses.replace(POLICY, modes=modes)


def test_only_racks_in_control_are_sent_budgets_and_the_others_count_whole() -> None:
    run = Hall(hall(), random.Random(1), bad=0.0)
    run.centre = Centre(run.plant, mixed(a1=Mode.OBSERVE, b1=Mode.ADVISE), 1)
    run.run(10)
    held = {frame.rack for frame in run.centre.tick(run.now_s)}
    assert held == {"a2", "b2"}
    assert {frame.rack for frame in run.centre.advice} == {"a2", "b2", "b1"}
    assert run.budgets()["a2"] + run.budgets()["b2"] <= 5_000 - 2 * 2_000 + 1
    told = {(each.subject, each.advised) for each in run.centre.decisions}
    assert ("b1", True) in told
    assert ("a2", False) in told
    assert max(run.worst.values()) <= 0.01


def test_a_rack_that_comes_under_control_is_read_before_anybody_is_raised() -> None:
    run = Hall(hall(), random.Random(1), bad=0.0)
    run.centre = Centre(run.plant, mixed(a1=Mode.ADVISE), 1)
    run.racks["a1"].caps_w = 2_000.0
    run.racks["a1"].stuck = True
    run.run(10)
    run.racks["a1"].stuck = False
    run.centre.follow(POLICY, run.now_s)
    run.run(20)
    assert sum(run.budgets().values()) == pytest.approx(5_000, abs=1)
    assert max(run.worst.values()) <= 0.01


def test_rows_of_a_policy_speak_of_racks_and_halls_and_the_last_counts() -> None:
    said = documents(
        "{mode: advise, modes: [{hall: h1, mode: control}, {racks: 'h1-r[01-02]', mode: observe},"
        " {racks: h1-r02, mode: advise}]}",
        "{modes: [{hall: h1, mode: control}]}",
    )
    assert said.power
    assert said.leaks
    halls = {"h1-r01": "h1", "h1-r02": "h1", "h1-r03": "h1", "h2-r01": "h2"}
    found = power_policy(said.power, halls)
    assert [found.mode_of(rack).value for rack in halls] == [
        "observe", "advise", "control", "advise",
    ]  # fmt: skip
    assert found.strongest is Mode.CONTROL
    assert leak_policy(said.leaks, halls).mode_of("h1-r01") is Mode.CONTROL
    assert LeakPolicy().mode_of("h1-r01") is Mode.OBSERVE
