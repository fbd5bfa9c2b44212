"""Every capture, served as a device over HTTPS, says what its own JSON says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.drivers.captures.ask import read_all, replayed, unpack
from tests.drivers.captures.counter import CLASSES, read_tree
from tests.drivers.captures.table import Row, render, row

COVERAGE = Path(__file__).parents[3] / "docs" / "coverage.md"
pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def rows(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    scratch = tmp_path_factory.mktemp("captures")
    folders = unpack(shared / "captures", scratch / "unpacked")
    with replayed(folders, scratch / "hosts.yaml") as devices:
        reports = asyncio.run(read_all(devices))
    return [row(name, reports[name], read_tree(folder)) for name, folder in folders.items()]


def test_every_capture_says_what_its_json_says(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print("\n" + render(rows).partition("\n## ")[0])
    wrong = {
        each.name: (each.ours, each.theirs, each.identities) for each in rows if not each.agrees
    }
    assert not wrong
    assert len(rows) >= 40


def test_the_published_table_holds_what_was_just_measured(rows: list[Row]) -> None:
    """The columns of parts; deviations change with every rule that learns to see one."""

    def parts(text: str) -> list[list[str]]:
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        return [line.split(" | ")[: 2 + len(CLASSES)] for line in lines]

    assert parts(COVERAGE.read_text(encoding="utf-8")) == parts(render(rows))


def test_sums_over_assets_are_the_totals(rows: list[Row]) -> None:
    for each in rows:
        parts = [p for p in each.report.components if p.state != "Disabled"]
        for asset in each.report.assets:
            for kind, number in asset.counts.items():
                own = [p for p in parts if p.asset == asset.key and p.kind == kind]
                told = kind in ("dpu", "port") or number is None
                assert told or number == len(own), (each.name, asset.key)


def test_a_tray_is_one_node_and_two_hosts_are_two(rows: list[Row]) -> None:
    nodes = {r.name: [a.key for a in r.report.assets if a.kind == "node"] for r in rows}
    assert nodes["nvidia-gh200-openbmc"] == ["Systems/System_0"]
    assert nodes["cray-ex235n-a100-node"] == ["Systems/Node0", "Systems/Node1"]
    assert len(nodes["dmtf-public-bladed"]) == 4
    assert nodes["dmtf-public-smartnic"] == ["Systems/437XR1138R2"]
