"""Serial consoles by a stock SSH client: what a host says, who may read it, and who not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from iolaus.sim.effects import attentive
from iolaus.sim.manners.console import consoles_of, hosts
from iolaus.sim.manners.faults import CATALOGUE
from iolaus.sim.serve.consoles import serve_consoles
from tests.sim.manners.stage import PATIENCE_S, SYSTEM, Bench, bench, until

TRAY, TWIN = "gb300-tray", "sd665-twin"
ROOT, PASSWORD = "root", "iolaus-sim"


class Screen:
    """What a session shows."""

    def __init__(self, process: Any) -> None:
        self.process, self.text = process, ""

    def type(self, text: str) -> None:
        self.process.stdin.write(text)

    async def until(self, words: str) -> str:
        """What was shown up to these words; they are not looked at again."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self.text:
                piece = await self.process.stdout.read(4096)
                assert piece, f"the session ended before {words!r}: {self.text!r}"
                self.text += piece
        found, _, self.text = self.text.partition(words)
        return found + words


@asynccontextmanager
async def served(persona: str = TRAY) -> AsyncIterator[Bench]:
    async with bench(persona) as on, serve_consoles([on.device]) as stations:
        assert stations.told()["port"] == stations.port > 0
        yield on


def connect(on: Bench, system: str, user: str = ROOT, password: str = PASSWORD) -> Any:
    port = (on.device.kept(system) or {})["SerialConsole"]["SSH"]["Port"]
    return asyncssh.connect(
        on.device.host, port, username=user, password=password, known_hosts=None, config=None
    )


@asynccontextmanager
async def screen(on: Bench, system: str, **more: Any) -> AsyncIterator[Screen]:
    async with (
        connect(on, system, **more) as connection,
        connection.create_process(term_type="vt100") as process,
    ):
        yield Screen(process)


def host_of(on: Bench) -> str:
    return hosts(on.device)[0]


async def refused(on: Bench, system: str, user: str, password: str = PASSWORD) -> bool:
    try:
        async with connect(on, system, user=user, password=password):
            return False
    except asyncssh.PermissionDenied:
        return True


async def test_a_host_is_logged_into_and_echoes() -> None:
    async with served() as on, screen(on, host_of(on)) as shown:
        assert "Linux version" in await shown.until("login: ")
        shown.type("root\r")
        await shown.until("Password: ")
        shown.type(f"{PASSWORD}\r")
        assert PASSWORD not in await shown.until("]# ")
        shown.type("echo a word\r")
        assert await shown.until("]# ") == "echo a word\r\na word\r\n[root@one ~]# "


async def test_a_wrong_host_password_gets_no_shell() -> None:
    async with served() as on, screen(on, host_of(on)) as shown:
        await shown.until("login: ")
        shown.type("root\rwrong\r")
        await shown.until("Login incorrect")
        await shown.until("login: ")


async def test_a_boot_is_seen_by_all_who_read_and_by_who_comes_later() -> None:
    async with served() as on:
        host = host_of(on)
        async with screen(on, host) as one, screen(on, host) as two:
            for shown in (one, two):
                await shown.until("login: ")
            await on.act(host, "ComputerSystem.Reset", ResetType="ForceRestart")
            seen = []
            for shown in (one, two):
                await shown.until("System firmware 02.04.12")
                seen.append(await shown.until("login: "))
            assert seen[0] == seen[1]
            assert "multi-user.target" in seen[0]
        async with screen(on, host) as late:
            await late.until("Powering off")
            await late.until("System firmware")
            await late.until("login: ")


async def test_the_hosts_own_poweroff_is_real() -> None:
    async with served() as on, screen(on, host_of(on)) as shown:
        await shown.until("login: ")
        shown.type(f"root\r{PASSWORD}\r")
        await shown.until("]# ")
        shown.type("poweroff\r")
        await shown.until("Powering off")
        async with asyncio.timeout(PATIENCE_S):
            while (await on.get(host_of(on)))["PowerState"] != "Off":
                await asyncio.sleep(0.02)


async def test_a_dead_kernel_says_why_and_answers_nothing_until_a_reset() -> None:
    async with served() as on, screen(on, host_of(on)) as shown:
        host = host_of(on)
        await shown.until("login: ")
        CATALOGUE["kernel-panics"].strike(on.device)
        await shown.until("end Kernel panic - not syncing: Fatal exception ]---")
        assert attentive(on.device.effects).truth(on.device)["hung"] == [host]
        shown.type("root\r")
        await on.act(host, "ComputerSystem.Reset", ResetType="ForceRestart")
        assert "root" not in await shown.until("System firmware")
        await shown.until("login: ")
        assert "hung" not in attentive(on.device.effects).truth(on.device)


async def test_sessions_are_as_many_as_the_machine_says() -> None:
    async with served() as on:
        host = host_of(on)
        on.device.patch(host, {"SerialConsole": {"MaxConcurrentSessions": 1}})
        async with screen(on, host) as one:
            await one.until("login: ")
            async with screen(on, host) as two:
                await two.until("No console session is free.")
        async with screen(on, host) as again:
            await again.until("login: ")


async def test_accounts_are_those_of_the_controller_and_lock() -> None:
    async with served() as on:
        service, host = "/redfish/v1/AccountService", host_of(on)
        assert await refused(on, host, "nobody")
        for user, role, types in (
            ("reader", "ReadOnly", ["Redfish", "HostConsole"]),
            ("plain", "Operator", ["Redfish"]),
            ("typist", "Operator", ["Redfish", "HostConsole"]),
        ):
            account = {"UserName": user, "Password": PASSWORD, "RoleId": role}
            body = {**account, "AccountTypes": types}
            assert (await on.ask("POST", f"{service}/Accounts", json=body))[0] == 201
        allowed = [not await refused(on, host, user) for user in ("reader", "plain", "typist")]
        assert allowed == [False, False, True]
        assert (await on.ask("PATCH", service, json={"AccountLockoutThreshold": 2}))[0] == 200
        for _ in range(2):
            assert await refused(on, host, "typist", "wrong")
        assert await refused(on, host, "typist")
        assert (await on.get(f"{service}/Accounts/typist"))["Locked"] is True


async def test_a_command_line_leads_to_each_of_two_hosts_and_back() -> None:
    async with served(TWIN) as on:
        first, second = hosts(on.device)
        words = [
            (on.device.kept(each) or {})["SerialConsole"]["SSH"]["ConsoleEntryCommand"]
            for each in (first, second)
        ]
        assert len(set(words)) == 2
        async with screen(on, first) as shown:
            await shown.until("-> ")
            shown.type("nonsense\r")
            assert "not known" in await shown.until("-> ")
            for word in words:
                shown.type(f"{word}\r")
                await shown.until("login: ")
                shown.type("\x1c")
                await shown.until("-> ")
            shown.type("exit\r")
            await shown.process.wait()


async def test_a_word_may_come_with_the_connection() -> None:
    async with served("xe9680-h200") as on:
        async with (
            connect(on, SYSTEM) as connection,
            connection.create_process("console com2") as process,
        ):
            await Screen(process).until("login: ")
        async with connect(on, SYSTEM) as connection:
            assert (await connection.run("nonsense")).exit_status == 1


async def test_a_restart_of_the_controller_ends_sessions_and_a_disabled_console_takes_none() -> (
    None
):
    async with served() as on:
        host = host_of(on)
        async with screen(on, host) as shown:
            await shown.until("login: ")
            on.device.restart()
            with pytest.raises(AssertionError, match="the session ended"):
                await shown.until("no such words")

        async def is_back() -> bool:
            return (await on.get(host))["SerialConsole"]["SSH"]["ServiceEnabled"] is True

        await until(is_back)
        on.device.patch(host, {"SerialConsole": {"SSH": {"ServiceEnabled": False}}})
        async with screen(on, host) as shown:
            await shown.until("The console is disabled.")


async def test_nothing_is_kept_of_consoles_that_nobody_serves() -> None:
    async with bench(TRAY) as on:
        host = host_of(on)
        shown = (await on.get(host))["SerialConsole"]["SSH"]
        assert shown["ServiceEnabled"] is False
        await on.act(host, "ComputerSystem.Reset", ResetType="ForceRestart")
        consoles = consoles_of(on.device)
        assert consoles is not None
        assert not consoles.lines
