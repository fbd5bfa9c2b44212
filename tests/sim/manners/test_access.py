"""Accounts and settings over the real wire: what is allowed, refused, staged and undone."""

from __future__ import annotations

import pytest

from tests.sim.manners.stage import (
    MANAGER,
    SYSTEM,
    V1,
    Bench,
    Json,
    as_user,
    bench,
    id_of,
    until,
)

ACCOUNTS = f"{V1}/AccountService/Accounts"
SETTINGS = f"{SYSTEM}/Bios/Settings"
POLICY, LIST = "PropertyValueFormatError", "PropertyValueNotInList"


async def made(on: Bench, user: str, role: str, **more: object) -> Json:
    body = {"UserName": user, "Password": "long-enough-1", "RoleId": role, **more}
    status, found, _ = await on.ask("POST", ACCOUNTS, json=body)
    assert status == 201, found
    return found


async def test_roles_say_what_may_be_written() -> None:
    async with bench() as on:
        await made(on, "op", "Operator")
        await made(on, "eye", "ReadOnly")
        for user, path, wanted in (
            ("eye", SYSTEM, 403), ("op", SYSTEM, 200), ("op", f"{ACCOUNTS}/eye", 403),
            ("op", f"{MANAGER}/NetworkProtocol", 403),
        ):  # fmt: skip
            body: Json = {"AssetTag": "x"} if path == SYSTEM else {"Enabled": False}
            status, _, _ = await on.ask("PATCH", path, json=body, **as_user(user))
            assert status == wanted, (user, path)
        own = await on.ask("PATCH", f"{ACCOUNTS}/eye", json={"Password": "another-one-2"},
                           **as_user("eye"))  # fmt: skip
        assert own[0] == 200
        assert (await on.ask("GET", SYSTEM, **as_user("eye", "another-one-2")))[0] == 200


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"UserName": "a", "Password": "short", "RoleId": "Operator"}, POLICY),
        ({"UserName": "a", "Password": "long-enough-1", "RoleId": "King"}, LIST),
        ({"UserName": "root", "Password": "long-enough-1", "RoleId": "Operator"},
         "ResourceAlreadyExists"),
        ({"UserName": "a", "Password": "long-enough-1"}, "PropertyMissing"),
    ],
)  # fmt: skip
async def test_a_bad_account_is_refused(body: Json, word: str) -> None:
    async with bench() as on:
        status, said, _ = await on.ask("POST", ACCOUNTS, json=body)
        assert (status, id_of(said)) == (400, word)


async def test_the_last_administrator_stays() -> None:
    async with bench() as on:
        for method, body in (("DELETE", None), ("PATCH", {"Enabled": False})):
            status, _, _ = await on.ask(method, f"{ACCOUNTS}/2", json=body)
            assert status == 400


async def test_wrong_passwords_lock_and_an_administrator_unlocks() -> None:
    async with bench() as on:
        await made(on, "op", "Operator")
        await on.ask("PATCH", f"{V1}/AccountService", json={"AccountLockoutThreshold": 2})
        for _ in range(2):
            assert (await on.ask("GET", SYSTEM, **as_user("op", "wrong")))[0] == 401
        assert (await on.get(f"{ACCOUNTS}/op"))["Locked"] is True
        assert (await on.ask("GET", SYSTEM, **as_user("op")))[0] == 401
        assert (await on.ask("PATCH", f"{ACCOUNTS}/op", json={"Locked": False}))[0] == 200
        assert (await on.ask("GET", SYSTEM, **as_user("op")))[0] == 200


async def test_a_password_that_must_change_opens_nothing_else() -> None:
    async with bench() as on:
        await made(on, "new", "Administrator", PasswordChangeRequired=True)
        status, said, _ = await on.ask("GET", SYSTEM, **as_user("new"))
        assert (status, id_of(said)) == (403, "PasswordChangeRequired")
        change = {"Password": "my-own-word-3"}
        assert (await on.ask("PATCH", f"{ACCOUNTS}/new", json=change, **as_user("new")))[0] == 200
        assert (await on.ask("GET", SYSTEM, **as_user("new", "my-own-word-3")))[0] == 200


async def test_reset_to_defaults_forgets_accounts() -> None:
    async with bench() as on:
        await made(on, "op", "Operator")
        assert (await on.act(MANAGER, "Manager.ResetToDefaults", ResetType="ResetAll"))[0] == 204

        async def forgotten() -> bool:
            return await on.members(ACCOUNTS) == [f"{ACCOUNTS}/2"]

        async def refused() -> bool:
            return (await on.ask("GET", SYSTEM, **as_user("op")))[0] == 401

        await until(forgotten)
        await until(refused)


# settings


async def test_the_registry_describes_every_attribute() -> None:
    async with bench() as on:
        held = await on.get(f"{SYSTEM}/Bios")
        file = await on.get(f"{V1}/Registries/{held['AttributeRegistry']}")
        registry = await on.get(file["Location"][0]["Uri"])
        entries = registry["RegistryEntries"]["Attributes"]
        assert {each["AttributeName"] for each in entries} == set(held["Attributes"])


async def test_settings_wait_for_the_next_start_of_the_host() -> None:
    async with bench() as on:
        change = {"Attributes": {"SubNumaCluster": "Enabled"}}
        assert (await on.ask("PATCH", SETTINGS, json=change))[0] == 200
        assert (await on.get(f"{SYSTEM}/Bios"))["Attributes"]["SubNumaCluster"] == "Disabled"
        assert (await on.act(SYSTEM, "ComputerSystem.Reset", ResetType="ForceRestart"))[0] == 204

        async def applied() -> bool:
            found = await on.get(f"{SYSTEM}/Bios")
            return bool(found["Attributes"]["SubNumaCluster"] == "Enabled")

        await until(applied)
        assert (await on.get(SETTINGS))["Attributes"] == {}


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"SubNumaCluster": "Perhaps"}, "PropertyValueNotInList"),
        ({"SubNumaCluster": 3}, "PropertyValueTypeError"),
        ({"BiosFamily": "Mine"}, "PropertyNotWritable"),
        ({"Nonsense": "On"}, "PropertyUnknown"),
        ({"BootDelaySeconds": 9}, "PropertyNotWritable"),
        ({"BootDelay": "Enabled", "BootDelaySeconds": 999}, "PropertyValueOutOfRange"),
    ],
)
async def test_a_bad_setting_is_refused(attributes: Json, word: str) -> None:
    async with bench() as on:
        status, said, _ = await on.ask("PATCH", SETTINGS, json={"Attributes": attributes})
        assert (status, id_of(said)) == (400, word)
        assert (await on.get(SETTINGS))["Attributes"] == {}


async def test_what_is_hidden_appears_once_another_is_set() -> None:
    async with bench() as on:
        for change in ({"BootDelay": "Enabled"}, {"BootDelaySeconds": 9}):
            assert (await on.ask("PATCH", SETTINGS, json={"Attributes": change}))[0] == 200
        assert (await on.get(SETTINGS))["Attributes"] == {
            "BootDelay": "Enabled", "BootDelaySeconds": 9,
        }  # fmt: skip


async def test_a_bios_password_changes_by_its_old_one() -> None:
    async with bench() as on:
        body = {"PasswordName": "SetupPassword", "OldPassword": "", "NewPassword": "one"}
        for wanted in (204, 400):
            assert (await on.act(f"{SYSTEM}/Bios", "Bios.ChangePassword", **body))[0] == wanted
