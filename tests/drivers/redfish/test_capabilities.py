"""The capability matrix: each cell proved by what was read."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish import capabilities
from iolaus.drivers.redfish.capabilities import NAMES, names_of, read_capabilities
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.model.asset import Capability
from tests.drivers.redfish.build import BOX, HOST, harvest_of, link, one_asset, typed

EVENTS, UPDATES = f"{ROOT}/EventService", f"{ROOT}/UpdateService"


def read(resources: dict[str, Any], root: dict[str, Any] | None = None) -> dict[str, Capability]:
    found = read_capabilities(harvest_of(resources, root=root), one_asset)
    assert all(each.uri and each.proof and each.name in NAMES for each in found)
    return {each.name: each for each in found}


def action(name: str, **more: Any) -> dict[str, Any]:
    return {"Actions": {name: {"target": "/redfish/v1/do", **more}}}


def test_the_names_that_the_module_s_head_lists_are_the_names_there_are() -> None:
    listed = (
        (capabilities.__doc__ or "")
        .partition("plan by them):")[2]
        .replace('and for the service as a whole (asset ""):', "")
    )
    assert set(listed.split()) == NAMES


def test_nothing_read_proves_nothing() -> None:
    assert read({}) == {}


def test_a_reset_action_is_proved_with_its_values() -> None:
    values = {"ResetType@Redfish.AllowableValues": ["On", "ForceOff"]}
    found = read({HOST: typed("ComputerSystem", **action("#ComputerSystem.Reset", **values))})
    cell = found["power.reset"]
    assert (cell.asset, cell.uri) == ("Systems/Host", HOST)
    assert cell.proof == "#ComputerSystem.Reset: On, ForceOff"


def test_an_action_without_a_target_is_none() -> None:
    broken: dict[str, Any] = {"Actions": {"#ComputerSystem.Reset": {}}}
    assert "power.reset" not in read({HOST: typed("ComputerSystem", **broken)})


@pytest.mark.parametrize(
    ("uri", "payload", "name"),
    [
        (f"{BOX}/Sensors/1", typed("Sensor"), "sensors.modern"),
        (f"{BOX}/Thermal", typed("Thermal"), "sensors.legacy"),
        (f"{BOX}/Controls/1", typed("Control", ControlType="Power"), "power_cap.control"),
        (
            f"{BOX}/EnvironmentMetrics",
            typed("EnvironmentMetrics", PowerLimitWatts={"SetPoint": 1}),
            "power_cap.environment_metrics",
        ),
        (
            f"{BOX}/Power",
            typed("Power", PowerControl=[{}, {"PowerLimit": {"LimitInWatts": None}}]),
            "power_cap.power_control",
        ),
        (UPDATES, typed("UpdateService", MultipartHttpPushUri="/up"), "update.multipart"),
        (UPDATES, typed("UpdateService", HttpPushUri="/up"), "update.push"),
        (
            UPDATES,
            typed("UpdateService", **action("#UpdateService.SimpleUpdate")),
            "update.simple",
        ),
        (EVENTS, typed("EventService", ServerSentEventUri="/sse"), "events.sse"),
        (EVENTS, typed("EventService", Subscriptions=link("/s")), "events.subscribe"),
        (HOST, typed("ComputerSystem", VirtualMedia=link("/vm")), "virtual_media"),
        (
            HOST,
            typed("ComputerSystem", Boot={"BootSourceOverrideTarget": "None"}),
            "boot.override",
        ),
        (
            HOST,
            typed("ComputerSystem", SerialConsole={"SSH": {"ServiceEnabled": True}}),
            "console.serial",
        ),
        (
            HOST,
            typed("ComputerSystem", TrustedModules=[{"InterfaceType": "TPM2_0"}]),
            "tpm",
        ),
        (f"{HOST}/Bios", typed("Bios", Attributes={"A": 1}), "bios"),
        (f"{HOST}/Bios", typed("Bios", AttributeRegistry="Reg"), "bios.registry"),
        (
            f"{ROOT}/ComponentIntegrity/1",
            typed("ComponentIntegrity", ComponentIntegrityType="SPDM"),
            "attestation.spdm",
        ),
        (f"{BOX}/Outlets/1", typed("Outlet", **action("#Outlet.PowerControl")), "outlets.control"),
        (f"{BOX}/LeakDetectors/1", typed("LeakDetector"), "leak_detection"),
    ],
)
def test_each_is_proved_by_its_resource(uri: str, payload: dict[str, Any], name: str) -> None:
    assert read({uri: payload})[name].uri == uri


@pytest.mark.parametrize(
    ("uri", "payload", "name"),
    [
        (
            f"{ROOT}/ComponentIntegrity/1",
            typed(
                "ComponentIntegrity", ComponentIntegrityType="SPDM", ComponentIntegrityEnabled=False
            ),
            "attestation.spdm",
        ),
        (
            EVENTS,
            typed("EventService", ServiceEnabled=False, Subscriptions=link("/s")),
            "events.subscribe",
        ),
        (
            HOST,
            typed("ComputerSystem", SerialConsole={"SSH": {"ServiceEnabled": False}}),
            "console.serial",
        ),
        (
            HOST,
            typed(
                "ComputerSystem",
                TrustedModules=[{"InterfaceType": "TPM2_0", "Status": {"State": "Absent"}}],
            ),
            "tpm",
        ),
        (f"{BOX}/Controls/1", typed("Control", ControlType="Frequency"), "power_cap.control"),
        (UPDATES, typed("UpdateService", MultipartHttpPushUri=None), "update.multipart"),
    ],
)
def test_what_is_switched_off_or_blank_proves_nothing(
    uri: str, payload: dict[str, Any], name: str
) -> None:
    assert name not in read({uri: payload})


def test_the_root_s_links_and_features() -> None:
    root = {
        "Tasks": link(f"{ROOT}/TaskService"),
        "AccountService": link(f"{ROOT}/AccountService"),
        "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
        "ProtocolFeaturesSupported": {
            "ExpandQuery": {"NoLinks": True, "ExpandAll": False, "MaxLevels": 2},
            "SelectQuery": True,
            "FilterQuery": False,
        },
    }
    found = read({}, root)
    assert sorted(found) == ["accounts", "query.expand", "query.select", "sessions", "tasks"]
    assert found["query.expand"].proof == "ExpandQuery: NoLinks"
    assert found["tasks"].asset == ""


def test_an_asset_can_what_it_can_and_what_the_service_can() -> None:
    cells = (
        Capability(name="bios", asset="a", uri="/1"),
        Capability(name="tpm", asset="b", uri="/2"),
        Capability(name="events.sse", asset="", uri="/3"),
    )
    assert names_of(cells, "a") == ("bios", "events.sse")
