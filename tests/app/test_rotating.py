"""New passwords over the real wire: given, proved, found again, and never a locked account."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.app.test_rolling import known, over
from tests.sim.firmware.stage import machines
from tests.survival.stage import CALM, Stage, staged

from iolaus.model.plan import Asked, Fate, Plan
from iolaus.model.rollout import Progress, RolloutState
from iolaus.model.select import parse_selector
from iolaus.sim.device import Device
from iolaus.store.own import Own

MIXED = (
    "dl365-cpu", "xe9680-h200", "gb300-tray", "sys-hgx-b200", "g893-mi325x", "gb300-tray",
)  # fmt: skip
FIRST = "iolaus-sim"


async def rotation(on: Stage, *names: str) -> Plan:
    words = ",".join(names) or ",".join(device.name for device in on.hall.devices)
    plan: Plan = await on.house.rolling.plan_asked(
        Asked(kind="rotate"), selector=parse_selector(words), batch=32, by="ana", keep=True
    )
    return plan


async def rotated(on: Stage, *names: str) -> tuple[Plan, Progress]:
    plan = await rotation(on, *names)
    await on.house.rolling.apply(plan.id, by="ana")
    return plan, await over(on, plan)


def own_of(on: Stage, device: Device) -> Own:
    own = on.house.state.secrets.own(device.address, name="hall")
    assert own is not None
    return own


def password_of(device: Device, user: str = "root") -> str:
    return device.gate.accounts[user].password


def locked(devices: Sequence[Device]) -> list[str]:
    return [d.name for d in devices for a in d.gate.accounts.values() if a.locked_until > 0.0]


async def test_machines_of_several_makes_get_passwords_of_their_own(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines(*MIXED[:5]), managed=True, periods=CALM) as on:
        await known(on)
        await on.strike("account-locks", "all", tries=3)
        plan, progress = await rotated(on)
        assert {node.fate for node in plan.nodes} == {Fate.UPDATE}
        assert progress.state is RolloutState.DONE, progress
        passwords = {password_of(device) for device in on.hall.devices}
        assert len(passwords) == len(on.hall.devices)
        assert FIRST not in passwords
        for device in on.hall.devices:
            own = own_of(on, device)
            assert own.login.password == password_of(device)
            assert (own.number, own.candidate, own.old) == (1, None, "refused")
        assert not locked(on.hall.devices)
        await known(on)
        text = (await on.house.rolling.standing(plan.id)).text
        journal = str(await on.house.rolling.journal.entries(plan.id))
        logged = str(on.logs)
        for password in (*passwords, FIRST):
            assert password not in text + journal + logged


async def test_a_flash_resets_the_account_and_it_is_found_and_given_a_new_one(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await on.change("/redfish/v1/AccountService", {"AccountLockoutThreshold": 4})
        await rotated(on)
        assert "locks an account after 4 failures" in own_of(on, on.device).old
        first = password_of(on.device)
        on.device.gate.accounts["root"].password = FIRST
        on.device.gate.drop_all()
        await on.strike("account-locks", tries=3)

        async def fell() -> bool:
            return own_of(on, on.device).fallen

        await on.until(fell, "what lets us in was found")
        assert not locked(on.hall.devices)
        await known(on)
        _, progress = await rotated(on)
        assert progress.state is RolloutState.DONE, progress
        own = own_of(on, on.device)
        assert (own.number, own.fallen) == (2, False)
        assert own.login.password == password_of(on.device)
        assert password_of(on.device) not in (first, FIRST)
        assert not locked(on.hall.devices)
