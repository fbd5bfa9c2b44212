"""BIOS attributes: staged, in force after the next start, refused by name, taken back."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.wire.redfish.errors import PropertiesRefused
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import HOSTS, V1, On, on

HOST = f"{V1}/Systems/1"
BIOS = f"{HOST}/Bios"
PENDING = f"{BIOS}/Settings"


async def told(at: On, name: str) -> tuple[object, object]:
    """A BIOS fact as a fresh inventory has it: value and staged."""
    found = next(each for each in (await at.inventory()).settings if each.name == name)
    return found.value, found.staged


@pytest.mark.parametrize("persona", HOSTS)
async def test_an_attribute_is_staged_and_then_applied_by_a_restart(persona: str) -> None:
    async with on(persona) as at:
        staged = await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        assert (staged.accepted, staged.refused, staged.waits) == (("BootDelay",), {}, True)
        assert staged.receipt.etag
        assert await told(at, "BootDelay") == ("Disabled", "Enabled")
        await at.restart()
        assert await told(at, "BootDelay") == ("Enabled", None)


async def test_an_attribute_that_another_hides_is_set_in_a_second_pass() -> None:
    async with on("dl365-cpu") as at:
        with pytest.raises(PropertiesRefused) as refused:
            await at.driver.write_settings(at.writer, at.system, {"BootDelaySeconds": 9})
        assert list(refused.value.properties) == ["BootDelaySeconds"]
        await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        await at.driver.write_settings(at.writer, at.system, {"BootDelaySeconds": 9})
        await at.restart()
        assert await told(at, "BootDelaySeconds") == (9, None)


async def test_refused_attributes_are_told_by_name() -> None:
    async with on("xe9680-h200") as at:
        with pytest.raises(PropertiesRefused) as refused:
            await at.driver.write_settings(
                at.writer, at.system, {"BootDelay": "Perhaps", "NoSuchThing": 1}
            )
        assert set(refused.value.properties) == {"BootDelay", "NoSuchThing"}
        assert "NoSuchThing" in str(refused.value)
        assert "BootDelay" in str(refused.value)


async def test_pending_settings_are_taken_back() -> None:
    async with on("dl365-cpu") as at:
        assert await at.driver.clear_pending(at.writer, at.system) is None
        await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        receipt = await at.driver.clear_pending(at.writer, at.system)
        assert receipt is not None
        assert await told(at, "BootDelay") == ("Disabled", None)
        assert await at.driver.clear_pending(at.writer, at.system) is None


async def test_an_apply_time_that_is_offered_is_asked_for_and_another_is_not() -> None:
    async with on("dl365-cpu") as at:
        wish = {"BootDelay": "Enabled"}
        await at.driver.write_settings(at.writer, at.system, wish, apply_time="OnReset")
        with pytest.raises(OperatorMust, match="OnReset, not Immediate"):
            await at.driver.write_settings(at.writer, at.system, wish, apply_time="Immediate")


@pytest.mark.parametrize(
    "lies",
    [
        ["weak_etag", "drop_without_if_match"],
        ["gzip_etag", "drop_without_if_match"],
        ["empty_etag", "drop_without_if_match"],
        ["drop_without_if_match"],
    ],
)
async def test_whatever_the_tags_the_write_is_not_dropped(lies: list[str]) -> None:
    async with on("dl365-cpu") as at:
        at.rules(*({"effect": "lie", "lie": lie} for lie in lies))
        await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        assert at.device.staged


async def test_a_device_that_insists_on_a_precondition_gets_one() -> None:
    async with on("dl365-cpu", require_if_match=True) as at:
        await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        assert at.device.staged


async def test_during_post_it_is_a_passing_refusal() -> None:
    async with on("dl365-cpu") as at:
        at.rules({"preset": "passing-refusals"})
        with pytest.raises(DeviceRefused) as refused:
            await at.driver.write_settings(at.writer, at.system, {"BootDelay": "Enabled"})
        assert refused.value.status in (400, 409, 503)


# --- dialects that no simulated machine has -------------------------------------------------------


def machine(*places: str, **bios: Any) -> FakeWriter:
    tree = {
        HOST: typed("ComputerSystem", Bios=link(BIOS)),
        BIOS: typed("Bios", Attributes={"A": "On", "B": 1}, **bios),
    }
    tree |= {place: typed("Bios", Attributes={}) for place in places}
    return FakeWriter(tree)


@pytest.mark.parametrize(
    ("places", "bios", "written"),
    [
        ([f"{BIOS}/Settings"], {}, f"{BIOS}/Settings"),
        ([f"{BIOS}/SD"], {}, f"{BIOS}/SD"),
        ([], {}, BIOS),
        (
            [f"{BIOS}/Settings", f"{BIOS}/Later"],
            {"@Redfish.Settings": {"SettingsObject": link(f"{BIOS}/Later")}},
            f"{BIOS}/Later",
        ),
    ],
)
async def test_settings_are_written_where_the_device_stages_them(
    places: list[str], bios: dict[str, Any], written: str
) -> None:
    device = machine(*places, **bios)
    staged = await RedfishDriver().write_settings(device, HOST, {"A": "Off"})
    assert [each[1] for each in device.written] == [written]
    assert staged.waits == (written != BIOS)


async def test_the_next_start_is_asked_for_by_name_where_that_can_be_chosen() -> None:
    settings = {"SettingsObject": link(PENDING), "SupportedApplyTimes": ["Immediate", "OnReset"]}
    device = machine(PENDING, **{"@Redfish.Settings": settings})
    await RedfishDriver().write_settings(device, HOST, {"A": "Off"})
    body = device.written[-1][2]
    assert body is not None
    assert body["@Redfish.SettingsApplyTime"]["ApplyTime"] == "OnReset"


async def test_a_settings_resource_that_is_not_there_yet_is_written_all_the_same() -> None:
    device = machine(**{"@Redfish.Settings": {"SettingsObject": link(PENDING)}})
    device.etag = lambda _: {"etag": '"bios"'}
    device.answers["PATCH", PENDING] = (202, {}, {})
    staged = await RedfishDriver().write_settings(device, HOST, {"A": "Off"})
    assert device.written == [("PATCH", PENDING, {"Attributes": {"A": "Off"}}, None)]
    assert staged.waits
    assert await RedfishDriver().clear_pending(device, HOST) is None


async def test_what_is_pending_is_cleared_by_the_makers_action() -> None:
    device = machine(PENDING)
    target = f"{PENDING}/Actions/Oem/Maker.ClearPending"
    device.tree[PENDING] |= {
        "Attributes": {"A": "Off", "B": 1},
        "Actions": {"Oem": {"#Maker.ClearPending": {"target": target}}},
    }
    device.tree[target] = {}
    receipt = await RedfishDriver().clear_pending(device, HOST)
    assert receipt is not None
    assert device.written == [("POST", target, {}, None)]


async def test_a_wish_for_the_applied_value_clears_what_is_pending_first() -> None:
    """Such a write is dropped while another value is staged; what else waits keeps waiting."""
    device = machine(PENDING)
    target = f"{PENDING}/Actions/Oem/Maker.ClearPending"
    device.tree[PENDING] |= {
        "Attributes": {"A": "Off", "B": 2},
        "Actions": {"Oem": {"#Maker.ClearPending": {"target": target}}},
    }
    device.tree[target] = {}
    staged = await RedfishDriver().write_settings(device, HOST, {"A": "On"})
    assert staged.accepted == ("A",)
    assert [(each[1], each[2]) for each in device.written] == [
        (target, {}),
        (PENDING, {"Attributes": {"B": 2}}),
    ]
    device.written.clear()
    device.tree[PENDING]["Attributes"] = {"A": "Off"}
    staged = await RedfishDriver().write_settings(device, HOST, {"A": "On"})
    assert (staged.accepted, staged.receipt.uri) == (("A",), target)
    assert len(device.written) == 1


async def test_or_by_deleting_it() -> None:
    device = machine(PENDING)
    device.tree[PENDING]["Attributes"] = {"A": "Off"}
    device.etag = lambda uri: {"allow": "GET, PATCH, DELETE"} if uri == PENDING else {}
    await RedfishDriver().clear_pending(device, HOST)
    assert device.written == [("DELETE", PENDING, None, None)]


async def test_a_mirror_of_what_is_applied_is_nothing_pending() -> None:
    device = machine(PENDING)
    device.tree[PENDING]["Attributes"] = {"A": "On", "B": 1}
    assert await RedfishDriver().clear_pending(device, HOST) is None


async def test_what_was_taken_and_what_was_not_are_told_apart() -> None:
    device = machine(PENDING)
    said = {
        "MessageId": "Base.1.8.PropertyNotWritable",
        "Message": "B is read-only",
        "RelatedProperties": ["#/Attributes/B"],
    }
    device.answers["PATCH", PENDING] = (200, {"@Message.ExtendedInfo": [said]}, {})
    staged = await RedfishDriver().write_settings(device, HOST, {"A": "Off", "B": 2})
    assert (staged.accepted, staged.refused) == (("A",), {"B": "B is read-only"})
    with pytest.raises(PropertiesRefused) as refused:
        await RedfishDriver().write_settings(device, HOST, {"B": 2})
    assert refused.value.status == 200


async def test_a_host_without_a_bios_and_a_wish_without_attributes() -> None:
    device = FakeWriter({HOST: typed("ComputerSystem")})
    with pytest.raises(DeviceRefused, match="BIOS settings"):
        await RedfishDriver().write_settings(device, HOST, {"A": 1})
    with pytest.raises(OperatorMust, match="no attribute"):
        await RedfishDriver().write_settings(machine(), HOST, {})
