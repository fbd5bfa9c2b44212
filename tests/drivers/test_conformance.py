"""The conformance check finds what it is there to find, and the generic driver keeps the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from iolaus.drivers.conformance import Wobbly, check, check_report, refused, report, silent
from iolaus.drivers.ports import Reads
from iolaus.drivers.redfish.driver import RedfishDriver
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import (
    Capability,
    Component,
    ComponentKind,
    HotUpdate,
    LogEntry,
    Reading,
    Report,
)
from iolaus.model.fact import Known, PowerState, Unknown
from tests.drivers.redfish.build import BOX, HOST, link, sensor, typed
from tests.drivers.redfish.fake import ROOT, FakeDevice

TREE = {
    ROOT: {
        "@odata.id": ROOT,
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "Root",
        "Name": "Root",
        "Systems": link(f"{ROOT}/Systems"),
        "Chassis": link(f"{ROOT}/Chassis"),
    },
    f"{ROOT}/Systems": {"Members": [link(HOST)]},
    f"{ROOT}/Chassis": {"Members": [link(BOX)]},
    HOST: typed("ComputerSystem", PowerState="On", BiosVersion="1", Links={"Chassis": [link(BOX)]}),
    BOX: typed("Chassis", ChassisType="RackMount", Sensors=link(f"{BOX}/Sensors")),
    f"{BOX}/Sensors": {"Members": [link(f"{BOX}/Sensors/T")]},
    f"{BOX}/Sensors/T": sensor("Inlet", "Temperature", 20, "Cel", PhysicalContext="Intake"),
}


async def good() -> Report:
    return await RedfishDriver().inventory(FakeDevice(TREE))


async def test_the_generic_driver_keeps_the_contract() -> None:
    breaches = await check(RedfishDriver(), FakeDevice(TREE))
    assert not breaches, report(breaches)


def reading(**fields: Any) -> Reading:
    given = {"name": "R", "asset": "", "uri": "/r", "quantity": "Power", "unit": "W"}
    return Reading(**(given | {"value": 1.0, "at": 1.0} | fields))


Change = Callable[[Report], Report]


def with_reading(**fields: Any) -> Change:
    return lambda told: msgspec.structs.replace(told, readings=(reading(**fields),))


def with_asset(**fields: Any) -> Change:
    return lambda told: msgspec.structs.replace(
        told, assets=tuple(msgspec.structs.replace(each, **fields) for each in told.assets)
    )


def field(**fields: Any) -> Change:
    return lambda told: msgspec.structs.replace(told, **fields)


PART = Component(name="p", kind=ComponentKind.FAN, asset="nobody", uri="/p")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (field(endpoint="https://elsewhere.test"), "endpoint"),
        (field(driver=""), "driver"),
        (field(hot=()), "hot"),
        (field(partial={"/x": ""}), "partial"),
        (field(components=(PART,)), "owner"),
        (field(readings=(reading(), reading())), "unique"),
        (field(readings=(reading(), reading(name="S"))), "unique"),
        (field(capabilities=(Capability(name="bios", asset="", uri="/b"),)), "proof"),
        (field(redfish_version="1.0\x1b[31m"), "text"),
        (with_reading(unit=""), "unit"),
        (with_reading(value=None), "value-or-reason"),
        (with_reading(value=1.0, reason="why"), "value-or-reason"),
        (with_reading(value=float("nan")), "finite"),
        (with_reading(limits={"upper_critical": float("inf")}), "finite"),
        (with_reading(status="Fine"), "status"),
        (with_asset(counts={"gpu": None}, gaps={}), "gap"),
        (with_asset(resources=()), "asset-resources"),
        (with_asset(health=Unknown(reason="", at=1.0)), "reason"),
        (lambda told: msgspec.structs.replace(told, assets=told.assets * 2), "asset-key"),
    ],
)
async def test_a_broken_report_is_found(change: Change, rule: str) -> None:
    whole = await good()
    assert check_report(whole, whole.endpoint) == []
    found = {each.rule for each in check_report(change(whole), whole.endpoint)}
    assert rule in found


class Lying(RedfishDriver):
    """Breaks the contract wherever it can."""

    async def identify(self, device: Reads) -> dict[str, str]:
        return {"vendor": 7}  # type: ignore[dict-item]

    async def inventory(self, device: Reads) -> Report:
        await device.get(HOST)
        return await good()

    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        for _ in range(100):
            try:
                await device.get(HOST)
            except DeviceRefused:
                break
        return HotUpdate(
            endpoint="https://elsewhere.test",
            at=1.0,
            power_states={"nobody": Known(value=PowerState.ON, at=1.0)},
            readings=(
                reading(),
                msgspec.structs.replace(last.readings[0], unit="K", value=1.0),
            ),
        )

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        entry = LogEntry(uri="/l", entry_id="1", severity="Bad", message="\x1b", at=1.0)
        return [entry] * 21


async def test_a_lying_driver_is_found_out() -> None:
    found = {(each.port, each.rule) for each in await check(Lying(), FakeDevice(TREE))}
    assert found >= {
        ("identify", "words"),
        ("inventory", "raises"),
        ("hot", "polite"),
        ("hot", "endpoint"),
        ("hot", "owner"),
        ("hot", "known"),
        ("hot", "same"),
        ("logs", "limit"),
        ("logs", "severity"),
        ("logs", "text"),
        ("logs", "since"),
    }


async def test_a_wobbly_device_fails_where_it_is_told_and_tells_members_as_gaps() -> None:
    fails = {f"{BOX}/Sensors/T"}
    device = Wobbly(FakeDevice(TREE), lambda uri: refused(uri) if uri in fails else None)
    gaps: dict[str, str] = {}
    found = await device.members(f"{BOX}/Sensors", on_gap=gaps.__setitem__)
    assert (list(found), gaps) == ([], {f"{BOX}/Sensors/T": "HTTP 500"})
    assert (await device.get(HOST)).status == 200
    assert device.requests == 2


async def test_a_driver_without_ports_breaks_none() -> None:
    assert await check(object(), Wobbly(FakeDevice(TREE), silent)) == []
