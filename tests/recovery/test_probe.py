"""One node asked afresh: what a controller says, however it says it, is never more than a sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iolaus.drivers.ports import Payload
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Asset, AssetKind, Identity
from iolaus.model.fact import Unknown
from iolaus.model.reach import Controller, NodeSight
from iolaus.recovery import media
from iolaus.recovery.probe import probe
from iolaus.wire.redfish.port import Answer

SYSTEM = "/redfish/v1/Systems/1"
ASSET = Asset(
    key="Systems/1",
    kind=AssetKind.NODE,
    resources=(SYSTEM, "/redfish/v1/Managers/1"),
    identity=Identity(),
    power_state=Unknown(reason="x", at=0.0),
    health=Unknown(reason="x", at=0.0),
    observed_at=0.0,
)
SIGHT = NodeSight(uid="u", name="n", controller=Controller.UNKNOWN)


class Device:
    """Answers from a dictionary; what is not in it is 404, and an error is raised."""

    address = "https://127.0.0.1"

    def __init__(self, pages: dict[str, Any], otherwise: IolausError | None = None) -> None:
        self._pages, self._otherwise = pages, otherwise

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        del fresh_s
        found = self._pages.get(uri, self._otherwise)
        if isinstance(found, IolausError):
            raise found
        if not isinstance(found, dict):
            raise refused(404)
        return Answer(uri=uri, status=200, body=found, headers={}, at=1.0, elapsed_s=0.0)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        del on_gap, fresh_s
        found = self._pages.get(f"{uri}#members", [])
        return [(each, page) for each, page in found if isinstance(page, dict)]


def refused(status: int, code: str = "") -> DeviceRefused:
    return DeviceRefused("no", operation="GET", subject="x", status=status, code=code)


async def seen(device: Device) -> NodeSight:
    return await probe(device, ASSET, SIGHT, now=10_000.0, wedged_after_s=3600.0)


async def test_what_a_controller_does_is_told_apart() -> None:
    silent = DeviceSilent("no answer", operation="GET", subject="x")
    lied = DeviceLied("html", operation="GET", subject="x")
    for error, controller in (
        (silent, Controller.SILENT),
        (refused(401), Controller.REFUSES),
        (refused(503, "NoSessionSlots"), Controller.CROWDED),
        (refused(500), Controller.HALF),
        (refused(404), Controller.UNKNOWN),
        (lied, Controller.UNKNOWN),
    ):
        assert (await seen(Device({}, error))).controller is controller
    bios = {"@odata.id": "/b"}
    half = Device({SYSTEM: {"PowerState": "On", "Bios": bios}, "/b": refused(500)})
    assert (await seen(half)).controller is Controller.HALF
    well = Device({SYSTEM: {"PowerState": "On", "Bios": bios}, "/b": {}})
    assert (await seen(well)).controller is Controller.ANSWERS


async def test_a_task_that_runs_for_hours_and_a_broken_entry_are_found() -> None:
    root = {"Tasks": {"@odata.id": "/t"}, "UpdateService": {"@odata.id": "/u"}}
    task = {"Name": "Update", "TaskState": "Running", "PercentComplete": 99,
            "StartTime": "1970-01-01T00:10:00Z"}  # fmt: skip
    broken = {"Id": "BMC", "Status": {"Health": "Critical"}}
    pages = {
        SYSTEM: {"PowerState": "On"},
        "/redfish/v1": root,
        "/t": {"Tasks": {"@odata.id": "/t/all"}},
        "/t/all#members": [("/t/1", task)],
        "/u": {"FirmwareInventory": {"@odata.id": "/u/all"}},
        "/u/all#members": [("/u/1", broken), ("/u/2", {"Status": {"Health": "OK"}})],
    }
    found = await seen(Device(pages))
    assert found.wedged == "Update at 99 % for 157 min"
    assert found.broken == ("BMC",)
    spared = await probe(
        Device(pages), ASSET, SIGHT, now=10_000.0, wedged_after_s=3600.0, spare={"/u/1"}
    )
    assert spared.broken == ()


@pytest.mark.parametrize("page", ["/redfish/v1", "/t", "/u"])
async def test_what_cannot_be_read_takes_back_nothing(page: str) -> None:
    silent = DeviceSilent("no answer", operation="GET", subject=page)
    pages = {
        SYSTEM: {"PowerState": "On"},
        "/redfish/v1": {"Tasks": {"@odata.id": "/t"}, "UpdateService": {"@odata.id": "/u"}},
        "/t": {"Tasks": {"@odata.id": "/t/all"}},
        "/u": {"FirmwareInventory": {"@odata.id": "/u/all"}},
    }
    before = msgspec.structs.replace(SIGHT, wedged="Update for 90 min", broken=("BMC",))
    for read, wedged, broken in (
        (pages, "", ()),
        (
            {**pages, page: silent},
            "" if page == "/u" else before.wedged,
            () if page == "/t" else before.broken,
        ),
    ):
        device = Device(read)
        found = await probe(device, ASSET, before, now=10_000.0, wedged_after_s=3600.0)
        assert (found.controller, found.on) == (Controller.ANSWERS, True)
        assert (found.wedged, found.broken) == (wedged, broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@odata.id", "PowerState", "Bios", "Tasks", "UpdateService", "Status", "Health",
                 "FirmwareInventory", "VirtualMedia", "Boot", "Inserted", "Image", "MediaTypes",
                 "StartTime", "TaskState", "BootSourceOverrideEnabled"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip
WORDS = ["PowerState", "Bios", "Tasks", "UpdateService", "Boot", "VirtualMedia", "Status", "Name"]
PAGE = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=5)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(PAGE, PAGE, st.lists(st.tuples(st.just("/m"), JSON), max_size=3))
async def test_whatever_a_device_says_is_a_sight_and_no_crash(
    system: dict[str, Any], root: dict[str, Any], members: list[tuple[str, Any]]
) -> None:
    pages: dict[str, Any] = {SYSTEM: system, "/redfish/v1": root, "/redfish/v1/Managers/1": root}
    for page in (system, root):
        for value in page.values():
            if isinstance(value, dict) and isinstance(value.get("@odata.id"), str):
                pages[value["@odata.id"]] = system
                pages[f"{value['@odata.id']}#members"] = members
    device = Device(pages)
    assert (await seen(device)).name == "n"
    assert isinstance(await media.override(device, ASSET), str)
    try:
        assert isinstance(await media.inserted(device, ASSET), str)
    except IolausError as error:
        assert error.next_step or error.code
