"""The simulated hall's equipment, read over the wire: each box is one asset with its numbers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from iolaus.model.asset import AssetKind, Report
from iolaus.model.endpoint import Target
from tests.drivers.captures.ask import Device, read_all

PERSONAS = {
    "nvlink-switch": AssetKind.SWITCH,
    "leaf-switch": AssetKind.SWITCH,
    "orv3-shelf": AssetKind.POWER_SHELF,
    "orv3-bbu": AssetKind.POWER_SHELF,
    "rack-pdu": AssetKind.PDU,
    "cdu-row": AssetKind.CDU,
    "leak-ropes": AssetKind.LEAK,
    "dl365-cpu": AssetKind.NODE,
    "gb300-tray": AssetKind.NODE,
}
NUMBERS = {
    "nvlink-switch": ("switch_power_w", "inlet_temperature_c", "coolant_supply_temperature_c"),
    "leaf-switch": ("switch_power_w", "inlet_temperature_c", "asic_temperature_c"),
    "orv3-shelf": ("shelf_output_power_w", "shelf_input_power_w", "inlet_temperature_c"),
    "orv3-bbu": ("inlet_temperature_c",),
    "rack-pdu": ("pdu_power_w",),
    "cdu-row": (
        "coolant_supply_temperature_c",
        "coolant_return_temperature_c",
        "coolant_flow_lpm",
        "heat_removed_kw",
    ),
    "dl365-cpu": ("node_power_w", "inlet_temperature_c"),
    "gb300-tray": ("node_power_w", "inlet_temperature_c"),
}


def site() -> dict[str, object]:
    """A rack with one of each. The unit gives each device its name."""
    place = [{"persona": name, "u": 2 * n + 1, "name": name} for n, name in enumerate(PERSONAS)]
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Site",
        "metadata": {"name": "each"},
        "spec": {
            "seed": 5,
            "network": {"cidr": "127.78.0.0/24"},
            "racks": {"one": {"place": place}},
            "halls": [
                {"name": "h", "rows": [{"name": "a", "racks": [{"template": "one", "count": 1}]}]}
            ],
        },
    }


@contextmanager
def simulated(folder: Path) -> Iterator[list[Device]]:
    """A simulator process that serves the site, ended when the block ends."""
    (folder / "site.yaml").write_text(json.dumps(site()), encoding="utf-8")
    hosts = folder / "hosts.yaml"
    command = [sys.executable, "-m", "iolaus", "sim", "hall", str(folder / "site.yaml")]
    process = subprocess.Popen(
        [*command, "--port", "0", "--hosts-out", str(hosts)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline() or "{}").get("ready"), "it did not start"
        listed = yaml.safe_load(hosts.read_text(encoding="utf-8"))["hosts"]
        yield [
            Device(
                name=str(host["name"]),
                target=Target(address=host["address"], fingerprint=host["fingerprint"]),
            )
            for host in listed
        ]
    finally:
        process.terminate()
        process.wait(timeout=90)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    with simulated(tmp_path_factory.mktemp("hall")) as devices:
        found = asyncio.run(read_all(devices))
    return {
        persona: report for persona in PERSONAS for name, report in found.items() if persona in name
    }


def test_each_box_is_one_asset_of_its_kind(reports: dict[str, Report]) -> None:
    kinds = {name: [asset.kind for asset in report.assets] for name, report in reports.items()}
    assert kinds == {name: [kind] for name, kind in PERSONAS.items()}


@pytest.mark.parametrize("persona", NUMBERS)
def test_its_summary_has_the_numbers_that_an_operator_asks_for(
    reports: dict[str, Report], persona: str
) -> None:
    held = reports[persona].assets[0].readings
    assert [name for name in NUMBERS[persona] if held.get(name, 0.0) <= 0.0] == []


def test_every_reading_has_an_owner_and_every_asset_at_most_one_inlet(
    reports: dict[str, Report],
) -> None:
    for name, report in reports.items():
        assert {each.asset for each in report.readings} == {report.assets[0].key}, name
        inlets = [each.name for each in report.readings if each.role == "inlet_temperature"]
        assert len(inlets) <= 1, (name, inlets)


def test_the_tray_counts_its_chips_and_ports(reports: dict[str, Report]) -> None:
    tray, leaf = reports["nvlink-switch"].assets[0], reports["leaf-switch"].assets[0]
    assert (tray.model, tray.counts["switch"], tray.counts["port"]) == (
        "NVLink5 Switch Tray",
        2,
        72,
    )
    assert leaf.counts["port"] == 64
