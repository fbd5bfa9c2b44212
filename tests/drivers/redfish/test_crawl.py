"""The walk: each URI once, gaps with reasons, and nothing outside the tree."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from iolaus.drivers.redfish.crawl import Crawl, skew_s
from iolaus.drivers.redfish.harvest import Harvest
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.port import Answer
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree


async def walk(tree: Tree, **failures: Exception) -> tuple[Harvest, FakeDevice]:
    device = FakeDevice(tree)
    return await Crawl(device).run(), device


async def test_each_resource_is_asked_for_once() -> None:
    found, device = await walk(trees.server())
    assert max(Counter(device.asked).values()) == 1
    assert found.requests == len(device.asked)
    assert not found.gaps


class Keeping(FakeDevice):
    """Its root was read half a minute ago by somebody else; all is read now, at 1000.0."""

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        answer = await super().get(uri, fresh_s=fresh_s)
        return msgspec.structs.replace(answer, at=970.0) if fresh_s >= 30.0 else answer


async def test_what_others_read_before_does_not_date_a_walk() -> None:
    found = await Crawl(Keeping(trees.server())).run()
    assert found.at == 1000.0
    assert found.duration_s == pytest.approx(0.01)


async def test_uris_are_known_by_one_spelling() -> None:
    tree = trees.server()
    tree[ROOT]["Chassis"] = {"@odata.id": f"{ROOT}/Chassis/"}
    found, device = await walk(tree)
    assert f"{ROOT}/Chassis/" not in device.asked
    assert f"{ROOT}/Chassis/1" in found.resources


async def test_a_dangling_link_is_a_deviation_and_an_error_is_a_gap() -> None:
    tree = trees.server()
    del tree[f"{ROOT}/Chassis/1/Thermal"]
    device = FakeDevice(tree, {f"{ROOT}/Chassis/1/Power": _refused(500)})
    found = await Crawl(device).run()
    assert [d.uri for d in found.deviations if d.rule == "dangling-link"] == [
        f"{ROOT}/Chassis/1/Thermal"
    ]
    assert found.gaps == {f"{ROOT}/Chassis/1/Power": "HTTP 500"}


@pytest.mark.parametrize("kind", [DeviceSilent, DeviceLied])
async def test_silence_and_nonsense_in_a_part_are_gaps(
    kind: type[DeviceSilent] | type[DeviceLied],
) -> None:
    failure = kind("no answer", operation="GET", subject="x")
    device = FakeDevice(trees.server(), {f"{ROOT}/Systems": failure})
    found = await Crawl(device).run()
    assert found.gaps == {f"{ROOT}/Systems": "no answer"}


async def test_only_the_root_may_raise() -> None:
    failure = DeviceSilent("no answer", operation="GET", subject=ROOT)
    with pytest.raises(DeviceSilent):
        await Crawl(FakeDevice(trees.server(), {ROOT: failure})).run()


async def test_a_service_without_a_root_is_read_where_the_standard_puts_things() -> None:
    tree = trees.server()
    del tree[ROOT]
    found, _ = await walk(tree)
    assert f"{ROOT}/Systems/1" in found.resources
    with pytest.raises(DeviceRefused):
        await Crawl(FakeDevice({})).run()


async def test_links_out_of_the_tree_and_in_circles_are_not_followed() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1"]["Links"] = {"Contains": [trees.link("Chassis/1")]}
    tree[f"{ROOT}/Chassis/1"]["Sensors"] = {"@odata.id": "/etc/passwd"}
    tree[f"{ROOT}/Chassis/1"]["Controls"] = {"@odata.id": "https://other.test/redfish/v2/x"}
    _, device = await walk(tree)
    assert all(uri.startswith(ROOT) for uri in device.asked)


async def test_the_walk_is_bounded() -> None:
    tree = trees.server()
    dimms = {f"D{n}": {"CapacityMiB": 1} for n in range(50)}
    trees.put_all(tree, "Systems/1/Memory", "Memory", dimms)
    found = await Crawl(FakeDevice(tree), max_resources=20).run()
    assert len(found.resources) <= 21
    assert found.gaps


async def test_a_subsystem_link_that_leads_astray_is_found_where_it_always_stands() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1"]["PowerSubsystem"] = trees.link("Chassis/1/Thermal")
    found, _ = await walk(tree)
    assert f"{ROOT}/Chassis/1/PowerSubsystem/PowerSupplies/1" in found.resources
    assert "wrong-type" in {each.rule for each in found.deviations}


async def test_a_subsystem_link_to_the_sensors_reads_them_and_still_finds_the_subsystem() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1"]["PowerSubsystem"] = trees.link("Chassis/1/Sensors")
    trees.put_all(tree, "Chassis/1/Sensors", "Sensor", {"Amps": {"Reading": 3.0}})
    found, _ = await walk(tree)
    assert [uri for uri, _ in found.of_type("Sensor")] == [f"{ROOT}/Chassis/1/Sensors/Amps"]
    assert len(list(found.of_type("PowerSupply"))) == 2
    assert f"{ROOT}/Chassis/1/Sensors" not in found.resources
    assert [each.rule for each in found.deviations if each.uri.endswith("/Sensors")] == [
        "wrong-type"
    ]


async def test_hardware_that_no_collection_lists_is_found_by_its_links() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Systems"]["Members"] = []
    tree[f"{ROOT}/Chassis/1"]["Links"] = {"ComputerSystems": [trees.link("Systems/1")]}
    found, _ = await walk(tree)
    assert f"{ROOT}/Systems/1/Processors/CPU1" in found.resources


async def test_broken_shapes_are_repaired_and_counted() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1/Power"]["PowerSupplies"] = {"Status": trees.OK}
    tree[f"{ROOT}/Systems/1"]["Status"] = {"State": "OK", "Health": "Enabled"}
    del tree[f"{ROOT}/Systems/1/Memory/D0"]["@odata.type"]
    found, _ = await walk(tree)
    assert found.resources[f"{ROOT}/Chassis/1/Power"]["PowerSupplies"] == [{"Status": trees.OK}]
    assert found.resources[f"{ROOT}/Systems/1"]["Status"] == trees.OK
    assert len(list(found.of_type("Memory"))) == 4
    assert {"repaired", "missing"} <= {each.rule for each in found.deviations}


def test_clock_skew_is_told_by_the_date_of_an_answer() -> None:
    assert skew_s({"date": "Thu, 01 Jan 1970 00:10:00 GMT"}, 60.0) == 540.0
    assert skew_s({"date": "yesterday"}, 60.0) is None
    assert skew_s({}, 60.0) is None


def _refused(status: int) -> DeviceRefused:
    return DeviceRefused(f"HTTP {status}", operation="GET", subject="x", status=status)


async def test_costly_ways_are_taken_only_where_nothing_else_led_to_the_hardware() -> None:
    tree = trees.server(NetworkInterfaces=trees.link("Systems/1/NetworkInterfaces"))
    adapter = {"Links": {"NetworkAdapter": trees.link("Elsewhere/N1")}}
    trees.put_all(tree, "Systems/1/NetworkInterfaces", "NetworkInterface", {"I": adapter})
    trees.put(tree, "Elsewhere/N1", "NetworkAdapter")
    found, _ = await walk(tree)
    assert f"{ROOT}/Elsewhere/N1" not in found.resources
    del tree[f"{ROOT}/Chassis/1"]["NetworkAdapters"]
    found, _ = await walk(tree)
    assert f"{ROOT}/Elsewhere/N1" in found.resources


async def test_a_member_that_cannot_be_read_is_a_gap_unless_it_is_not_there() -> None:
    tree = trees.server()
    uri = f"{ROOT}/Systems/1/Memory"
    tree[uri]["Members"].append(trees.link("Systems/1/Memory/Gone"))
    found = await Crawl(FakeDevice(tree, {f"{uri}/D1": _refused(500)})).run()
    assert found.gaps == {f"{uri}/D1": "HTTP 500"}
    assert [d.uri for d in found.deviations if d.rule == "dangling-link"] == [f"{uri}/Gone"]
