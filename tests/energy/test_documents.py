"""Plant and policy files: wholly checked, told by line and column, and turned into values."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from iolaus.energy.centre import Centre
from iolaus.energy.documents import Node, leak_policy, plant_claims, policy_claims, power_policy
from iolaus.energy.plant import Claim, build_plant
from iolaus.energy.policy import Fairness, Mode, Redundancy
from iolaus.fleet.document import BadFile
from iolaus.fleet.energy_files import read_energy
from iolaus.model.energy import (
    LeakPolicyDocument,
    PlantDocument,
    PowerPolicyDocument,
    energy_schema,
    watts,
)
from iolaus.model.select import MISSING
from iolaus.north.cli.energy import energy_of, holds_energy
from tests.north.cli.test_golden import run

PLANT = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: site, kind: site, limit: 1.2 MW}
    - {name: "h1-[a,b]", kind: feed, parent: site, limit: 800 kW}
    - {name: "h1-r[01-03]", kind: rack, parent: h1-a, standby: [h1-b], limit: 132 kW,
       overhead: 4500}
    - {name: h1-r04, kind: rack, parent: h1-b, limit: none, efficiency: 97.5%}
  loads:
    - selector: {matchLabels: {hall: h1}}
      floor: 2.5 kW
      nameplate: 10 kW
    - {name: "h1-r04-u[01-02]", rack: h1-r04, floor: 1 kW, nameplate: 6 kW, job: nightly}
  loops:
    - {name: h1-loop, units: [h1-cdu1], racks: ["h1-r[01-03]"]}
  zones:
    - {name: h1-r01-tray1, kind: tray, members: [h1-r01-u01]}
"""
POWER = """\
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec:
  mode: control
  redundancy: shared
  fairness: job
  guard: 2%
  lease: 4s
  rampUpPerSecond: 50 kW
  limits:
    - {domain: "h1-r[01-03]", limit: 120 kW, guard: 3%}
  priorities:
    - {selector: {matchLabels: {hall: h1}}, priority: 2}
    - {selector: {expression: "h1-r02-u01"}, priority: 3}
  floors:
    - {selector: {matchLabels: {rack: h1-r01}}, floor: 3 kW}
"""
LEAK = """\
apiVersion: iolaus.dev/v1
kind: LeakPolicy
metadata: {name: leaks}
spec: {mode: advise, warningVotes: 3, warningDwell: 20s, flowCap: 25%, isolate: false}
"""


def node(name: str, labels: dict[str, str]) -> Node:
    return Node(name=name, look=lambda key: labels.get(key, MISSING))


def nodes() -> list[Node]:
    racks = ("h1-r01", "h1-r02")
    return [node(f"{rack}-u01", {"hall": "h1", "rack": rack}) for rack in racks]


def test_a_plant_file_becomes_the_plant() -> None:
    (document,) = read_energy(PLANT, source="plant.yaml")
    assert isinstance(document, PlantDocument)
    racks = [Claim("discovery", f"load/{each.name}", "rack", each.name[:6]) for each in nodes()]
    plant = build_plant([*plant_claims(document, nodes()), *racks])
    assert not plant.conflicts
    assert not plant.gaps
    assert plant.by_name["h1-r02"].feeders == ("h1-a", "h1-b")
    assert plant.by_name["h1-r02"].overhead_w == 4500
    assert plant.by_name["h1-r04"].limit_w == float("inf")
    assert {load.name: load.rack for load in plant.loads} == {
        "h1-r01-u01": "h1-r01", "h1-r02-u01": "h1-r02",
        "h1-r04-u01": "h1-r04", "h1-r04-u02": "h1-r04",
    }  # fmt: skip
    assert plant.loops[0].racks == ("h1-r01", "h1-r02", "h1-r03")
    assert plant.units[0].loop == "h1-loop"
    assert plant.zones[0].members == ("h1-r01-u01",)


def test_a_power_policy_becomes_values_and_decisions() -> None:
    (plant,), (document,) = read_energy(PLANT, source="p"), read_energy(POWER, source="q")
    assert isinstance(plant, PlantDocument)
    assert isinstance(document, PowerPolicyDocument)
    policy = power_policy(document)
    assert (policy.mode, policy.redundancy) == (Mode.CONTROL, Redundancy.SHARED)
    assert (policy.guard, policy.lease_s, policy.ramp_up_w_s) == (0.02, 4.0, 50_000.0)
    assert policy.fairness is Fairness.JOB
    assert policy.domains["h1-r03"].limit_w == 120_000
    claims = [*plant_claims(plant, nodes()), *policy_claims(document, nodes())]
    claims += [Claim("discovery", f"load/{each.name}", "rack", each.name[:6]) for each in nodes()]
    built = build_plant(claims)
    loads = {load.name: load for load in built.loads}
    assert (loads["h1-r01-u01"].priority, loads["h1-r02-u01"].priority) == (2, 3)
    assert loads["h1-r01-u01"].floor_w == 3_000
    assert not built.conflicts
    assert Centre(built, policy, 1).tick(0.0) == []


def test_a_policy_does_not_lower_a_floor_below_what_the_device_takes() -> None:
    (document,) = read_energy(POWER, source="q")
    assert isinstance(document, PowerPolicyDocument)
    claims = [
        Claim("discovery", "load/h1-r01-u01", "floor_w", 3_500.0),
        Claim("discovery", "load/h1-r01-u01", "nameplate_w", 9_000.0),
        Claim("discovery", "load/h1-r01-u01", "rack", "h1-r01"),
    ]
    plant = build_plant([*claims, *policy_claims(document, nodes())])
    assert plant.loads[0].floor_w == 3_500
    assert not plant.conflicts


def test_a_leak_policy_becomes_values() -> None:
    (document,) = read_energy(LEAK, source="l")
    assert isinstance(document, LeakPolicyDocument)
    policy = leak_policy(document)
    assert (policy.mode, policy.warning_votes, policy.warning_dwell_s) == (Mode.ADVISE, 3, 20.0)
    assert (policy.flow_cap, policy.isolate) == (0.25, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PLANT.replace("parent: site", "parent: sit"), "7:46: spec.domains[1].parent: there is no domain 'sit'. Did you mean 'site'?"),  # noqa: E501
        (PLANT.replace("standby: [h1-b]", "standby: [h1-c]"), "there is no domain 'h1-c'. Did you mean"),  # noqa: E501
        (PLANT.replace("name: h1-r04, kind", "name: h1-r03, kind"), "'h1-r03' stands here twice"),
        (PLANT.replace("limit: 132 kW", "limit: 132 kw"), "8:79: spec.domains[2].limit"),
        (PLANT.replace("kind: Plant", "kind: Plnt"), "2:7: kind: no such kind. Did you mean 'Plant'?"),  # noqa: E501
        (PLANT.replace("      floor: 2.5 kW", "      floor: 25 kW"), "it is above the nameplate"),
        (PLANT.replace(", rack: h1-r04, floor", ", floor"), "a load by name needs its rack"),
        (PLANT.replace("overhead: 4500", "overheads: 4500"), "Did you mean 'overhead'?"),
        (POWER.replace("mode: control", "mode: contrl"), "5:9: spec.mode"),
        (POWER.replace("guard: 2%", "guard: 2"), "8:10: spec.guard"),
        (POWER.replace("lease: 4s", "lease: 1s"), "9:10: spec.lease: it ends before a lost budget"),
        (POWER.replace("{matchLabels: {rack: h1-r01}}", "{}"), "it selects no node"),
        (POWER.replace("priority: 3", "priority: 4"), "spec.priorities[1].priority"),
        (POWER.replace("h1-r02-u01", "h1-r[02"), "spec.priorities[1].selector"),
        (LEAK.replace("20s", "20m"), "it is no such time"),
        (LEAK.replace("spec: {", "spec: {modes: [{mode: control}], "), "either racks or a hall"),
        (LEAK.replace("spec: {", "spec: {modes: [{mode: advic, hall: h}], "), "spec.modes[0].mode"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_energy(text, source="file.yaml")
    assert told in "\n".join(caught.value.lines())


def test_powers_are_written_as_people_write_them() -> None:
    assert [watts(each) for each in (1500, 1500.5, "12 W", "1.5kW", "2 MW", "none")] == [
        1500.0, 1500.5, 12.0, 1500.0, 2e6, float("inf"),
    ]  # fmt: skip


def test_the_command_line_checks_them(tmp_path: Path) -> None:
    path = tmp_path / "energy.yaml"
    path.write_text(f"{PLANT}---\n{POWER}---\n{LEAK}")
    assert "3 documents of power are valid" in run(f"validate {path}")
    path.write_text(PLANT.replace("parent: site", "parent: sit"))
    told = run(f"validate {path}")
    assert "energy.yaml:7:" in told
    assert told.endswith("--- exit code 2\n")


def test_the_schema_that_editors_use_is_the_one_of_the_model() -> None:
    """Write it anew with GOLDEN=write in the environment."""
    path = Path(__file__).parents[2] / "docs" / "power.schema.json"
    told = json.dumps(energy_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(told)
    assert path.read_text() == told


@pytest.mark.parametrize(
    ("text", "fits"),
    [(PLANT, True), (POWER, True), (LEAK, True), (POWER.replace("mode: ", "mod: "), False)],
)
def test_the_schema_takes_what_the_reader_takes(text: str, fits: bool) -> None:
    judge = jsonschema.Draft202012Validator(energy_schema())
    assert judge.is_valid(yaml.safe_load(text)) is fits


def test_a_file_of_power_is_taken_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{POWER}---\n{LEAK}"))
    assert holds_energy(Path("-"))
    assert [each.kind for each in energy_of(Path("-"))] == ["PowerPolicy", "LeakPolicy"]
