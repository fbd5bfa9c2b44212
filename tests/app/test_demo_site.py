"""The demonstration's hall has a site, unless its operator wrote of one."""

from __future__ import annotations

from pathlib import Path

from iolaus.app.demo_site import give_site
from iolaus.app.planting import POWER_FILE, load_written, plant_of
from iolaus.energy.policy import Mode
from iolaus.model.endpoint import Target
from iolaus.model.plant import DomainKind


def target(number: int, row: str) -> Target:
    labels = {"site": "demo", "hall": "h1", "row": row, "rack": f"h1-r{number:02}"}
    return Target(address=f"https://127.16.0.{number}", labels=labels)


def test_every_rack_of_the_hall_hangs_on_the_site_and_nothing_is_acted_upon(
    tmp_path: Path,
) -> None:
    targets = [target(1, "a"), target(2, "a"), target(3, "b")]
    assert give_site(tmp_path, targets)
    written = load_written(tmp_path / POWER_FILE)
    assert written.power_policy.strongest is Mode.ADVISE
    plant = plant_of(written, [])
    above = [each.name for each in plant.above("h1-r03")]
    assert above == ["h1-b", "h1", "demo"]
    assert plant.by_name["demo"].kind is DomainKind.SITE
    assert all(each.limit_w for each in plant.domains)
    assert (plant.gaps, plant.conflicts) == ((), ())
    before = (tmp_path / POWER_FILE).read_text()
    assert not give_site(tmp_path, [target(9, "z")])
    assert (tmp_path / POWER_FILE).read_text() == before


def test_a_hall_without_racks_has_none(tmp_path: Path) -> None:
    assert not give_site(tmp_path, [Target(address="https://127.16.0.1")])
    assert not (tmp_path / POWER_FILE).exists()
