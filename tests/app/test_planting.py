"""The plant of a hall from the operator's file and from what devices say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.energy.test_documents import LEAK, PLANT, POWER

from iolaus.app.planting import (
    ANEW_S,
    MOST_REST_S,
    Planted,
    Written,
    load_written,
    plant_of,
    written,
)
from iolaus.energy.plant import Claim
from iolaus.energy.policy import Mode
from iolaus.fleet.energy_files import read_energy
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    ComponentKind,
    Identity,
    PowerLimit,
    Report,
)
from iolaus.model.endpoint import Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.model.plant import Plant
from iolaus.store.facts import Facts
from iolaus.store.held import Held

SYSTEM = "Systems/1"


def held(name: str, *, capped: bool = True, **labels: str) -> Held:
    address = f"https://{name}"
    asset = Asset(
        key=SYSTEM, kind=AssetKind.NODE, resources=(f"/redfish/v1/{SYSTEM}",),
        identity=Identity(), power_state=Known(value=PowerState.ON, at=0.0),
        health=Known(value=Health.OK, at=0.0), observed_at=0.0,
    )  # fmt: skip
    limit = PowerLimit(
        asset=SYSTEM, uri="/c", dialect="control", limit_w=9_000.0, min_w=2_000.0, max_w=9_500.0
    )
    leak = Component(name="leak", kind=ComponentKind.LEAK_DETECTOR, asset=SYSTEM, uri="/l")
    supplies = tuple(
        Component(
            name=f"psu{n}", kind=ComponentKind.PSU, asset=SYSTEM, uri=f"/p{n}",
            readings={"power_capacity_w": 3_300.0},
        )
        for n in range(2)
    )  # fmt: skip
    report = Report(
        endpoint=address, driver="redfish", redfish_version=None, observed_at=0.0,
        assets=(asset,), components=(leak, *supplies), power_limits=(limit,) if capped else (),
    )  # fmt: skip
    target = Target(address=address, name=name, labels=labels)
    return Held(target=target, report=report)


def test_what_devices_and_their_labels_say_is_a_plant_with_unknown_limits() -> None:
    plant = plant_of(Written(), [held("h1-r01-u01", rack="h1-r01", feed="fa,fb")])
    assert plant.by_name["h1-r01"].feeders == ("fa", "fb")
    assert all(domain.limit_w is None for domain in plant.domains)
    load = plant.loads[0]
    assert (load.floor_w, load.nameplate_w, load.rack) == (2_000.0, 9_500.0, "h1-r01")
    assert plant.zones[0].members == ("h1-r01-u01",)


def test_without_a_cap_its_supplies_bound_a_node_and_it_stays_as_it_is() -> None:
    plant = plant_of(Written(), [held("n", capped=False, rack="r")])
    assert plant.loads[0].floor_w == plant.loads[0].nameplate_w == 6_600.0


def test_the_operators_file_and_the_devices_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "power.yaml"
    assert load_written(path) == Written()
    path.write_text(f"{PLANT}---\n{POWER}---\n{LEAK}")
    said = load_written(path)
    assert (said.power_policy.mode, said.leak_policy.mode) == (Mode.CONTROL, Mode.ADVISE)
    plant = plant_of(said, [held("h1-r02-u01", hall="h1", rack="h1-r02")])
    load = next(each for each in plant.loads if each.name == "h1-r02-u01")
    assert (load.floor_w, load.nameplate_w, load.priority) == (2_500.0, 10_000.0, 3)
    assert {each.field for each in plant.conflicts} == {"floor_w", "nameplate_w"}
    assert plant.by_name["h1-r02"].limit_w == 132_000


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    path = tmp_path / "power.yaml"
    path.write_bytes(b"\xff")
    with pytest.raises(OperatorMust, match="cannot be read"):
        load_written(path)
    with pytest.raises(OperatorMust, match="one hall has one"):
        written(read_energy(f"{POWER}---\n{POWER}", source="p"), source="p")


def shelf(name: str, *watts: float | None, rack: str = "h1-r02") -> Held:
    asset = Asset(
        key="shelves/0", kind=AssetKind.POWER_SHELF, resources=("/s",), identity=Identity(),
        power_state=Known(value=PowerState.ON, at=0.0), health=Known(value=Health.OK, at=0.0),
        observed_at=0.0,
    )  # fmt: skip
    supplies = tuple(
        Component(
            name=f"psu{n}", kind=ComponentKind.PSU, asset="shelves/0", uri=f"/p{n}",
            readings={} if each is None else {"power_capacity_w": each},
        )
        for n, each in enumerate(watts)
    )  # fmt: skip
    report = Report(
        endpoint=f"https://{name}", driver="redfish", redfish_version=None, observed_at=0.0,
        assets=(asset,), components=supplies,
    )  # fmt: skip
    return Held(
        target=Target(address=report.endpoint, name=name, labels={"rack": rack}), report=report
    )


def test_what_a_racks_shelves_can_give_is_its_limit_and_a_conflict_where_another_is_written(
    tmp_path: Path,
) -> None:
    tray, shelves = held("h1-r02-u01", rack="h1-r02"), [shelf("s1", 33e3), shelf("s2", 33e3)]
    plant = plant_of(Written(), [tray, *shelves])
    assert plant.by_name["h1-r02"].limit_w == 66_000
    blind = plant_of(Written(), [tray, shelves[0], shelf("s3", 33e3, None)])
    assert blind.by_name["h1-r02"].limit_w is None
    bare = plant_of(Written(), [tray, shelf("bbu1")])
    assert bare.by_name["h1-r02"].limit_w is None
    path = tmp_path / "power.yaml"
    path.write_text(PLANT)
    both = plant_of(load_written(path), [held("h1-r02-u01", hall="h1", rack="h1-r02"), *shelves])
    (conflict,) = [each for each in both.conflicts if each.subject == "domain/h1-r02"]
    assert {source for source, _ in conflict.claims} == {"plant/h1", "ratings"}
    assert both.by_name["h1-r02"].limit_w == 66_000


def test_a_meter_of_a_hall_or_a_row_is_no_breaker() -> None:
    told = [
        Claim("building/b", f"domain/{name}", "kind", "breaker") for name in ("h1", "h1-a", "cb7")
    ]
    plant = plant_of(Written(), [held("n", rack="r1", hall="h1", row="a")], others=told)
    kinds = {each.name: each.kind.value for each in plant.domains}
    assert (kinds["h1"], kinds["h1-a"], kinds["cb7"]) == ("hall", "row", "breaker")


def test_the_plant_is_the_same_until_an_endpoint_says_something_else() -> None:
    facts, clock = Facts(), JumpClock()
    planted = Planted(Written(), facts, clock)

    def later() -> Plant:
        clock.advance(2 * ANEW_S)
        return planted.plant()

    def read(name: str, **labels: str) -> None:
        seen = held(name, capped=True, **labels)
        assert seen.report is not None
        facts.put_target(seen.target)
        facts.record_report(seen.report)

    read("n1", rack="r1", feed="fa")
    first = later()
    read("n1", rack="r1", feed="fa")
    assert later() is first
    read("n2", rack="r2", feed="fa")
    assert {each.name for each in later().domains} == {"fa", "r1", "r2"}
    read("n2", rack="r3", feed="fb")
    assert {each.name for each in later().domains} == {"fa", "fb", "r1", "r3"}
    facts.remove_target("https://n2")
    assert later() == first
    planted.rule(Written(plants=written(read_energy(PLANT, source="p"), source="p").plants))
    assert later() != first


def test_a_hall_that_takes_long_to_look_at_is_looked_at_more_seldom() -> None:
    clock = JumpClock()

    class Large(Facts):
        looks, takes_s = 0, 0.0

        def all_held(self) -> Iterable[Held]:
            self.looks += 1
            clock.advance(self.takes_s)
            return super().all_held()

    facts = Large()
    planted = Planted(Written(), facts, clock)
    for takes_s, rests_s in ((0.0, ANEW_S), (0.5, 10.0), (9.0, MOST_REST_S)):
        facts.takes_s = takes_s
        clock.advance(MOST_REST_S)
        planted.plant()
        before = facts.looks
        clock.advance(rests_s - takes_s - 0.5)
        planted.plant()
        assert facts.looks == before
        clock.advance(0.6)
        planted.plant()
        assert facts.looks == before + 1
