"""What tells an exchanged device from the one that was read, and what is no evidence."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish.driver import RedfishDriver, report
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import Report
from tests.drivers.redfish.build import BOX, HOST, harvest_of, link, typed
from tests.drivers.redfish.fake import FakeDevice

BMC = f"{ROOT}/Managers/BMC"
UUID = "11111111-2222-3333-4444-555555555555"
DRIVER = RedfishDriver()
TREE: dict[str, Any] = {
    f"{ROOT}/Systems": {"Members": [link(HOST)]},
    f"{ROOT}/Managers": {"Members": [link(BMC)]},
    HOST: typed(
        "ComputerSystem",
        PowerState="On",
        BiosVersion="1",
        SerialNumber="S1",
        UUID=UUID,
        Links={"Chassis": [link(BOX)], "ManagedBy": [link(BMC)]},
    ),
    BOX: typed("Chassis", ChassisType="RackMount", SerialNumber="C1"),
    BMC: typed("Manager", ManagerType="BMC", FirmwareVersion="2.1"),
}
SERVICE = typed(
    "ServiceRoot",
    UUID=UUID,
    RedfishVersion="1.18.0",
    Systems=link(f"{ROOT}/Systems"),
    Managers=link(f"{ROOT}/Managers"),
)


def told(tree: dict[str, Any]) -> Report:
    return report(harvest_of({k: v for k, v in tree.items() if k != ROOT}, root=SERVICE))


def answering(uri: str = "", **other: object) -> FakeDevice:
    """As it was read, but for some words of one resource."""
    tree = {**TREE, ROOT: SERVICE}
    return FakeDevice(tree | ({uri: {**tree[uri], **other}} if uri else {}))


async def test_the_same_device_is_known_again_by_two_requests() -> None:
    device, last = answering(), told(TREE)
    assert await DRIVER.unlike(device, last) == ""
    assert device.asked == [ROOT, BMC]
    assert (await DRIVER.hot(device, last)).unlike == ""


@pytest.mark.parametrize(
    ("uri", "other", "because"),
    [
        (ROOT, {"UUID": UUID.replace("1", "9")}, "UUID"),
        (ROOT, {"RedfishVersion": "1.20.0"}, "RedfishVersion"),
        (BMC, {"FirmwareVersion": "2.2"}, "firmware is 2.2 and was 2.1"),
    ],
)
async def test_another_service_or_firmware_is_told(
    uri: str, other: dict[str, str], because: str
) -> None:
    assert because in await DRIVER.unlike(answering(uri, **other), told(TREE))


@pytest.mark.parametrize("other", [{"SerialNumber": "S2"}, {"UUID": UUID.replace("1", "9")}])
async def test_a_pass_over_the_hot_set_sees_another_machine(other: dict[str, str]) -> None:
    update = await DRIVER.hot(answering(HOST, **other), told(TREE))
    assert update.unlike.startswith(f"{HOST}: {next(iter(other))} is ")


@pytest.mark.parametrize(
    ("uri", "other"),
    [
        (ROOT, {"UUID": None}),
        (ROOT, {"UUID": "00000000-0000-0000-0000-000000000000"}),
        (BMC, {"FirmwareVersion": ""}),
        (HOST, {"SerialNumber": "To be filled by O.E.M.", "UUID": 5}),
        (HOST, {"UUID": UUID.upper()}),
    ],
)
async def test_what_is_not_said_is_no_evidence(uri: str, other: dict[str, Any]) -> None:
    device, last = answering(uri, **other), told(TREE)
    assert await DRIVER.unlike(device, last) == ""
    assert (await DRIVER.hot(device, last)).unlike == ""


async def test_what_another_resource_told_is_not_asked_of_the_system() -> None:
    """Its serial was a blank, so the chassis told it; then it says one of its own."""
    mute = {**TREE, HOST: {**TREE[HOST], "SerialNumber": " "}}
    last = told(mute)
    assert last.assets[0].identity.serial == "C1"
    assert (await DRIVER.hot(answering(), last)).unlike == ""


async def test_a_controller_that_is_gone_is_told_and_a_service_without_a_root_is_not() -> None:
    device, last = answering(), told(TREE)
    del device.tree[ROOT]
    assert await DRIVER.unlike(device, last) == ""
    del device.tree[BMC]
    assert "not there any more" in await DRIVER.unlike(device, last)
    device.failures[ROOT] = DeviceRefused("no", operation="GET", subject=ROOT, status=503)
    with pytest.raises(DeviceRefused):
        await DRIVER.unlike(device, last)
