"""All extractions over every capture of a real device: nothing raises, nothing is counted twice,
and what is counted agrees with a count made here, over the JSON alone."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iolaus.drivers.conformance import MAX_HOT_REQUESTS, check_report, report
from iolaus.drivers.redfish.capabilities import NAMES
from iolaus.drivers.redfish.driver import RedfishDriver
from iolaus.drivers.redfish.hot import read_hot
from iolaus.drivers.redfish.logs import in_order, parse_entry, read_logs
from iolaus.model.asset import Report
from tests.conftest import SHARED
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree

CAPTURES = sorted((SHARED / "captures").glob("*.tar.xz"))
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CAPTURES, reason="needs the captures beside the project"),
]


def resources(path: Path) -> Iterator[tuple[str, Any]]:
    """URI and payload of every JSON file of a capture."""
    with tarfile.open(path) as archive:
        for member in archive:
            name = "/" + member.name.removeprefix("./").partition("redfish/")[2]
            if not member.isfile() or not name.endswith("/index.json"):
                continue
            handle = archive.extractfile(member)
            text = handle.read().decode("utf-8-sig") if handle else ""
            try:
                yield "/redfish" + name.removesuffix("/index.json"), json.loads(text)
            except ValueError:
                continue


def tree_of(path: Path) -> Tree:
    tree = {uri: body for uri, body in resources(path) if isinstance(body, dict)}
    names = ("Systems", "Chassis", "Managers", "UpdateService")
    links = {name: {"@odata.id": f"{ROOT}/{name}"} for name in names if f"{ROOT}/{name}" in tree}
    tree.setdefault(ROOT, {"@odata.type": "#ServiceRoot.ServiceRoot", **links})
    return tree


@pytest.fixture(scope="module", params=CAPTURES, ids=lambda path: path.name.split(".")[0])
def tree(request: pytest.FixtureRequest) -> Tree:
    return tree_of(request.param)


@pytest.fixture(scope="module")
def last(tree: Tree) -> Report:
    return asyncio.run(RedfishDriver().inventory(FakeDevice(tree)))


def walk(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource that stands in the tree, those inside collections too."""
    for uri, body in tree.items():
        yield uri.rstrip("/"), body
        for member in body.get("Members") or ():
            if isinstance(member, dict) and len(member) > 1 and "@odata.id" in member:
                yield str(member["@odata.id"]).rstrip("/"), member


def of_type(tree: Tree, kind: str) -> dict[str, dict[str, Any]]:
    return {
        uri: body
        for uri, body in walk(tree)
        if str(body.get("@odata.type", "")).startswith(f"#{kind}.")
    }


async def test_a_report_keeps_the_contract(last: Report) -> None:
    breaches = check_report(last, "https://fake.test")
    assert not breaches, report(breaches)
    assert {each.name for each in last.capabilities} <= NAMES


async def test_each_sensor_is_one_reading_with_its_own_number(tree: Tree, last: Report) -> None:
    """Counted apart: Sensor resources that the service's chassis list, absent ones excluded."""
    linked = {
        str(body["Sensors"].get("@odata.id", "")).rstrip("/")
        for kind in ("Chassis", "PowerDistribution")
        for body in of_type(tree, kind).values()
        if isinstance(body.get("Sensors"), dict)
    }
    listed = {
        str(member.get("@odata.id", "")).rstrip("/")
        for uri, body in walk(tree)
        if uri in linked
        for member in body.get("Members") or ()
    }
    present = {
        uri: body
        for uri, body in of_type(tree, "Sensor").items()
        if uri in listed and (body.get("Status") or {}).get("State") != "Absent"
    }
    found = {each.uri: each for each in last.readings if "#" not in each.uri}
    assert set(present) <= set(found)
    for uri, body in present.items():
        raw, value = body.get("Reading"), found[uri].value
        if value is not None and body.get("ReadingUnits") in ("W", "V", "A", "RPM", "%", "Cel"):
            assert value == pytest.approx(raw), uri
        if raw is None:
            assert value is None, uri


async def test_without_sensors_the_legacy_arrays_are_the_readings(tree: Tree, last: Report) -> None:
    if of_type(tree, "Sensor"):
        pytest.skip("this device has Sensors")
    expected = sum(
        (entry.get("Status") or {}).get("State") != "Absent"
        for uri, body in of_type(tree, "Thermal").items()
        if "/Oem/" not in uri
        for name in ("Temperatures", "Fans")
        for entry in body.get(name) or ()
        if isinstance(entry, dict)
    )
    found = [each for each in last.readings if "Thermal#/" in each.uri]
    assert len(found) == expected


async def test_a_leak_detector_is_never_lost(tree: Tree, last: Report) -> None:
    leaks = {each.uri for each in last.readings if each.role == "leak"}
    linked = {uri for uri in of_type(tree, "LeakDetector") if uri.count("/Chassis/")}
    assert linked <= leaks
    assert leaks == set() or leaks & {each.uri for each in last.readings}


async def test_the_total_power_of_an_asset_is_told_once(last: Report) -> None:
    totals = [(e.asset, e.role) for e in last.readings if e.role in ("node_power", "pdu_power")]
    assert len(totals) == len(set(totals))


async def test_limits_and_settings_name_what_they_are(tree: Tree, last: Report) -> None:
    controls = [b for b in of_type(tree, "Control").values() if b.get("ControlType") == "Power"]
    found = [each for each in last.power_limits if each.dialect == "control"]
    assert len(found) <= len(controls)
    for limit in last.power_limits:
        assert limit.limit_w is None or limit.limit_w >= 0
    scalars = sum(
        isinstance(value, str | int | float) or value is None
        for uri, body in of_type(tree, "Bios").items()
        if not uri.endswith(("/Settings", "/SD"))
        for name, value in (body.get("Attributes") or {}).items()
        if "@" not in name and "password" not in name.lower()
    )
    assert len(last.settings) <= scalars


async def test_the_hot_pass_shows_the_same_in_few_requests(tree: Tree, last: Report) -> None:
    device = FakeDevice(tree)
    if not last.assets:
        pytest.skip("no assets")
    update = await read_hot(device, last, repair=RedfishDriver().repair)
    assert len(device.asked) <= MAX_HOT_REQUESTS * len(last.assets)
    known = {(each.name, each.uri): each for each in last.readings}
    for each in update.readings:
        before = known[each.name, each.uri]
        assert (each.unit, each.role, each.asset) == (before.unit, before.role, before.asset)
    assert set(update.power_states) == {asset.key for asset in last.assets}


async def test_logs_are_read_whatever_they_hold(tree: Tree) -> None:
    entries = await read_logs(FakeDevice(tree), since=None, limit=50)
    assert len(entries) <= 50
    for uri, body in of_type(tree, "LogEntry").items():
        parse_entry(uri, body, 1.0)
    held = [parse_entry(uri, body, 1.0) for uri, body in of_type(tree, "LogEntry").items()]
    assert len(in_order(held)) == len(held)
