"""The peers' listings and ours name the same things; what differs has a reason.

A dozen captures of every kind of device are read here; `python -m tests.peers` reads all of them
and writes docs/peers.md, whose rows must still be what is measured.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers.captures.ask import replayed
from tests.peers.gather import Row, chosen, rows_of
from tests.peers.ours import inspected, printed
from tests.peers.table import cells

PEERS = Path(__file__).parents[2] / "docs" / "peers.md"
CHOSEN = (
    "cray-ex235n-a100-node",
    "dell-r750-idrac9",
    "dmtf-public-bladed",
    "dmtf-public-cooling-unit",
    "dmtf-public-pdu",
    "dmtf-public-rackmount1",
    "dmtf-public-telemetry",
    "hpe-dl380a-ilo",
    "hpe-xl675d-a40-ilo5",
    "liteon-orv3-powershelf",
    "nvidia-gh200-openbmc",
    "supermicro-x10sdv",
)
pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def folders(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return chosen(shared / "captures", CHOSEN, tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="module")
def rows(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The peers check no certificate, but each of their clients reads all that a machine trusts."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "none.pem").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "none.pem"))
        patch.setenv("SSL_CERT_DIR", str(folder / "none"))
        return rows_of(folders, folder / "hosts.yaml")


def test_no_difference_is_unexplained(rows: list[Row]) -> None:
    unexplained = {
        (row.name, topic): verdict.unexplained
        for row in rows
        for topic, verdict in row.verdicts.items()
        if verdict.unexplained
    }
    assert not unexplained


def test_much_is_compared(rows: list[Row]) -> None:
    """A comparison of nothing agrees too."""
    assert [row.name for row in rows] == list(CHOSEN)
    for topic, least in (("inventory", 5), ("sensors", 5), ("firmware", 5), ("sushy", 7)):
        assert sum(row.verdicts[topic].agreed > 0 for row in rows) >= least, topic
    assert sum(row.sensors.agreed for row in rows) > 500


def test_the_published_rows_are_what_was_measured(rows: list[Row]) -> None:
    lines = PEERS.read_text(encoding="utf-8").splitlines()
    published = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    for row in rows:
        if "failed" in cells(row):  # the peer gave up on a busy machine: nothing was measured
            continue
        assert cells(row) in published, row.name


def test_the_command_prints_the_object_that_was_compared(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    name = "dell-r750-idrac9"
    with replayed({name: folders[name]}, tmp_path / "hosts.yaml") as (device,):
        first, second = inspected(device), printed(device)
    for kind in ("nodes", "components", "sensors", "firmware"):
        assert [each["name"] for each in first[kind]] == [each["name"] for each in second[kind]]
    assert first.keys() == second.keys()
    assert first["deviations"] == second["deviations"]
