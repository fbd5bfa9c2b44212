"""Accounts over the real wire: rotated, made, taken away; nothing locked and nothing given away."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.ports import Priority
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.write.accounts import gives_away, hush
from iolaus.kernel.errors import DeviceLied, DeviceRefused, IolausError, OperatorMust
from iolaus.wire.redfish.errors import PropertiesRefused
from iolaus.wire.redfish.port import Credential
from tests.drivers.lane.conftest import lane_to
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.fake import ROOT
from tests.drivers.redfish.write.fake import FakeWriter, refused
from tests.drivers.redfish.write.stage import HOSTS, V1, On, on

NEW = "Another-Word-7"
SERVICE, PLACE = f"{V1}/AccountService", f"{V1}/AccountService/Accounts"


async def comes_in(at: On, user: str, password: str) -> bool:
    async with lane_to(at.device, Credential(user=user, password=password)) as lane:
        try:
            return (await lane.at(Priority.CONTROL).get(at.system)).status == 200
        except DeviceRefused:
            return False


@pytest.mark.parametrize("persona", HOSTS)
async def test_a_password_is_rotated_and_the_old_one_is_dead(persona: str) -> None:
    async with on(persona, lockout_after=3) as at:
        (own,) = await at.driver.accounts(at.writer)
        assert (own.user, own.role, own.enabled, own.locked) == (
            "root",
            "Administrator",
            True,
            False,
        )
        receipt = await at.driver.set_password(at.writer, own.uri, NEW)
        assert receipt.status == 200
        assert NEW not in repr(receipt)
        assert at.device.counters.auth_failures == 0, "nothing here logs in"
        assert await comes_in(at, "root", NEW)
        assert not await comes_in(at, "root", "iolaus-sim")
        assert (await at.driver.accounts(at.writer))[0].locked is False


async def test_an_account_is_made_used_and_taken_away() -> None:
    async with on("dl365-cpu") as at:
        made = await at.driver.create_account(at.writer, "iolaus-2", NEW)
        assert (made.status, made.uri) == (201, f"{PLACE}/iolaus-2")
        assert (await at.setting("accounts")).value == ("iolaus-2", "root")
        assert await comes_in(at, "iolaus-2", NEW)
        await at.driver.delete_account(at.writer, made.uri)
        assert (await at.setting("accounts")).value == ("root",)
        with pytest.raises(DeviceRefused):
            await at.driver.delete_account(at.writer, f"{PLACE}/root")


@pytest.mark.parametrize("password", ["short", "x" * 21])
async def test_a_password_that_the_device_would_cut_is_not_sent(password: str) -> None:
    async with on("dl365-cpu") as at:
        (own,) = await at.driver.accounts(at.writer)
        with pytest.raises(OperatorMust, match="8 to 20") as wrong:
            await at.driver.set_password(at.writer, own.uri, password)
        assert password not in str(wrong.value)
        assert at.device.counters.by_method.get("PATCH", 0) == 0
        with pytest.raises(OperatorMust):
            await at.driver.create_account(at.writer, "other", password)


async def test_an_account_that_must_change_its_password_says_so() -> None:
    async with on("dl365-cpu") as at:
        at.device.patch(f"{PLACE}/1", {"PasswordChangeRequired": True})
        accounts = await at.driver.accounts(at.writer)
        assert [each.must_change for each in accounts] == [True]


# --- secrets --------------------------------------------------------------------------------------


def service(**accounts: Mapping[str, object]) -> FakeWriter:
    members = {
        f"{PLACE}/{n}": typed("ManagerAccount", Id=n, **each) for n, each in accounts.items()
    }
    return FakeWriter(
        {
            ROOT: typed("ServiceRoot", AccountService=link(SERVICE)),
            SERVICE: typed("AccountService", Accounts=link(PLACE)),
            PLACE: {"Members": [link(uri) for uri in members]},
            **members,
        }
    )


async def test_what_a_device_repeats_of_a_password_is_told_to_nobody() -> None:
    device = service(**{"2": {"UserName": "root"}})
    raw = (
        b'{"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PropertyValueFormatError",'
        b' "Message": "The value \'Another- Word-7\' for Password is bad",'
        b' "RelatedProperties": ["#/Password"]}]}}'
    )
    device.answers["PATCH", f"{PLACE}/2"] = refused(400, PLACE, raw)
    with pytest.raises(PropertiesRefused) as caught:
        await RedfishDriver().set_password(device, f"{PLACE}/2", NEW)
    assert caught.value.properties == {"Password": ""}
    told = "".join(traceback.format_exception(caught.value, chain=True)) + repr(caught.value)
    assert "Word" not in told
    assert str(caught.value).startswith("PATCH")


async def test_nor_in_a_receipt() -> None:
    device = service(**{"2": {"UserName": "root"}})
    info = {"MessageId": "X.1.Changed", "Message": f"Password is now {NEW}."}
    device.answers["PATCH", f"{PLACE}/2"] = (200, {"@Message.ExtendedInfo": [info]}, {})
    receipt = await RedfishDriver().set_password(device, f"{PLACE}/2", NEW)
    assert receipt.message == ""


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_found_whatever_stands_around_it(secret: str, one: str, other: str) -> None:
    if secret.strip():
        assert gives_away(f"{one}{secret}{other}", secret)
        error: IolausError = refused(400, "/x")
        error.message = f"{one} {secret} {other}"
        assert isinstance(error, DeviceRefused)
        hush(error, secret)
        assert "repeats the password" in error.message


def test_a_cut_secret_is_a_secret_too() -> None:
    assert gives_away("... 'Another-W", NEW)
    assert not gives_away("a word", NEW)
    assert not gives_away("anything", "")


# --- dialects -------------------------------------------------------------------------------------


async def test_where_there_are_slots_a_free_one_is_filled_and_emptied() -> None:
    free, root = {"UserName": ""}, {"UserName": "root"}
    device = service(**{"1": free, "2": root, "3": free, "4": free})
    device.answers["POST", PLACE] = refused(405, PLACE)
    made = await RedfishDriver().create_account(device, "second", NEW, role="Operator")
    assert made.uri == f"{PLACE}/4"
    users = [each.user for each in await RedfishDriver().accounts(device)]
    assert users == ["root", "second"]
    device.answers["DELETE", f"{PLACE}/4"] = refused(405, PLACE)
    await RedfishDriver().delete_account(device, f"{PLACE}/4")
    assert [each.user for each in await RedfishDriver().accounts(device)] == ["root"]


async def test_no_slot_is_free() -> None:
    device = service(**{"1": {"UserName": ""}, "2": {"UserName": "root"}})
    device.answers["POST", PLACE] = refused(405, PLACE)
    with pytest.raises(DeviceRefused, match="free slot"):
        await RedfishDriver().create_account(device, "second", NEW)


async def test_a_list_with_a_hole_is_no_list() -> None:
    device = service(**{"1": {"UserName": "root"}})
    device.failures[f"{PLACE}/1"] = refused(500, PLACE)
    with pytest.raises(DeviceLied, match="cannot be read"):
        await RedfishDriver().accounts(device)
