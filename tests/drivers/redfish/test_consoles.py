"""Consoles by every way that a machine tells of, against machines that play them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.ports import ConsoleTrust, OpensConsole, SerialLine
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.consoles import read_console, ways
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust, Unverified
from iolaus.model.console import ConsoleFacts, ConsoleWay, Way, chosen, leaving
from iolaus.sim.serve.consoles import Stations, serve_consoles
from iolaus.wire.redfish.port import Answer, Credential, Trust
from tests.sim.manners.stage import PATIENCE_S, Bench, bench

TRAY, TWIN = "gb300-tray", "sd665-twin"
ROOT = Credential(user="root", password="iolaus-sim")


class Reading:
    """Reads a played machine as a lane does."""

    def __init__(self, on: Bench) -> None:
        self._on, self.address = on, on.device.address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        body = await self._on.get(uri)
        return Answer(uri=uri, status=200, body=body, headers={}, at=0.0, elapsed_s=0.0)

    async def members(self, uri: str, **more: Any) -> Any:
        raise AssertionError("nobody lists members for a console")


class Open:
    """A machine whose consoles are served."""

    def __init__(self, on: Bench, stations: Stations) -> None:
        self.on, self.stations, self.driver = on, stations, RedfishDriver()

    @property
    def host(self) -> str:
        from iolaus.sim.manners.console import hosts

        return hosts(self.on.device)[0]

    async def facts(self) -> ConsoleFacts:
        return await self.driver.read_console(Reading(self.on), [self.host])

    async def line(
        self,
        way: Way | None = None,
        *,
        credential: Credential = ROOT,
        host_key: str | None = None,
        first: bool = True,
        pin: str | None = None,
    ) -> SerialLine:
        taken = chosen(await self.facts(), wanted=way, subject="one")
        tls = Trust(fingerprint=pin or self.on.device.fingerprint)
        trust = ConsoleTrust(tls=tls, host_key=host_key, first=first)
        return await self.driver.open_console(
            taken, address=self.on.device.address, credential=credential, trust=trust
        )


@asynccontextmanager
async def opened(persona: str = TRAY) -> AsyncIterator[Open]:
    async with bench(persona) as on, serve_consoles([on.device]) as stations:
        yield Open(on, stations)


async def until(line: SerialLine, words: bytes) -> bytes:
    found = b""
    async with asyncio.timeout(PATIENCE_S):
        while words not in found:
            piece = await line.read()
            assert piece, found
            found += piece
    return found


async def fails(opening: Any) -> IolausError:
    with pytest.raises(IolausError) as caught:
        await opening
    return caught.value


def test_the_generic_driver_opens_consoles() -> None:
    assert isinstance(RedfishDriver(), OpensConsole)


@pytest.mark.parametrize("way", list(Way))
async def test_a_host_is_typed_to_and_answers(way: Way) -> None:
    async with opened() as machine:
        line = await machine.line(way)
        assert b"Linux version" in await until(line, b"login: ")
        await line.write(b"root\r")
        await until(line, b"Password: ")
        await line.write(b"iolaus-sim\r")
        assert b"iolaus-sim" not in await until(line, b"]# ")
        await line.write(b"echo a word\r")
        assert await until(line, b"]# ") == b"echo a word\r\na word\r\n[root@one ~]# "
        await line.aclose()


async def test_a_word_leads_from_a_command_line_to_the_host() -> None:
    async with opened(TWIN) as machine:
        (ssh,) = [w for w in (await machine.facts()).ways if w.way is Way.SSH]
        assert (ssh.word, ssh.leave) == ("console 1", b"\x1c")
        line = await machine.line(Way.SSH)
        await until(line, b"login: ")
        await line.aclose()


async def test_a_command_line_that_gives_no_console_says_why() -> None:
    async with opened(TWIN) as machine:
        machine.on.device.patch(machine.host, {"SerialConsole": {"MaxConcurrentSessions": 1}})
        one = await machine.line(Way.SSH)
        error = await fails(machine.line(Way.SSH))
        assert (error.code, "No console session is free" in str(error)) == ("ConsoleBusy", True)
        await one.aclose()


@pytest.mark.parametrize("way", list(Way))
async def test_a_wrong_password_is_one_error_with_a_next_step(way: Way) -> None:
    async with opened() as machine:
        wrong = Credential(user="root", password="not-that-one")
        error = await fails(machine.line(way, credential=wrong))
        assert isinstance(error, DeviceRefused)
        assert error.code == "ConsoleLoginRefused"
        assert "HostConsole" in error.next_step
        assert "not-that-one" not in str(error)


async def test_a_host_key_is_pinned_once_and_held_to_it() -> None:
    async with opened() as machine:
        unknown = await fails(machine.line(Way.SSH, first=False))
        assert (type(unknown), unknown.code) == (Unverified, "UnknownHostKey")
        line = await machine.line(Way.SSH)
        assert line.shown.startswith("SHA256:")
        await line.aclose()
        again = await machine.line(Way.SSH, host_key=line.shown, first=False)
        await again.aclose()
        other = await fails(machine.line(Way.SSH, host_key="SHA256:other", first=True))
        assert (other.code, line.shown in str(other)) == ("HostKeyMismatch", True)
        assert machine.on.device.counters.auth_failures == 0


async def test_a_websocket_says_no_password_to_another_certificate() -> None:
    async with opened() as machine:
        error = await fails(machine.line(Way.WEBSOCKET, pin="0" * 64))
        assert (type(error), error.code) == (Unverified, "PinMismatch")
        assert "/console0" not in machine.on.device.counters.by_path


async def test_what_is_lost_on_the_way_comes_again_and_once() -> None:
    async with opened() as machine:
        line = await machine.line(Way.IPMI)
        await until(line, b"login: ")
        lost = iter([False, True, True, False, True] * 100)
        (porch,) = machine.stations.porches.values()
        porch.lossy = lambda: next(lost)
        await line.write(b"root\r")
        await until(line, b"Password: ")
        await line.write(b"iolaus-sim\r")
        await until(line, b"]# ")
        await line.write(b"echo once\r")
        assert (await until(line, b"]# ")).count(b"once") == 2
        await line.aclose()


async def test_ipmi_gives_the_line_to_one_at_a_time() -> None:
    async with opened() as machine:
        one = await machine.line(Way.IPMI)
        error = await fails(machine.line(Way.IPMI))
        assert (error.code, "somebody else" in str(error)) == ("ConsoleBusy", True)
        await one.aclose()
        await asyncio.sleep(0.05)
        again = await machine.line(Way.IPMI)
        await again.aclose()


async def test_a_password_too_long_for_ipmi_is_not_cut() -> None:
    async with opened() as machine:
        long = Credential(user="root", password="x" * 21)
        error = await fails(machine.line(Way.IPMI, credential=long))
        assert (type(error), error.code) == (OperatorMust, "PasswordTooLong")


async def test_the_end_of_a_line_is_told_and_not_an_error() -> None:
    async with opened() as machine:
        for way in Way:
            line = await machine.line(way)
            await until(line, b"login: ")
            from iolaus.sim.manners.console import consoles_of

            consoles = consoles_of(machine.on.device)
            assert consoles is not None
            consoles.restarted(machine.on.device)
            async with asyncio.timeout(PATIENCE_S):
                while await line.read():
                    pass
            await line.aclose()


# --- what is said ---------------------------------------------------------------------------------


def test_the_standards_own_words_are_read() -> None:
    system = {
        "SerialConsole": {
            "MaxConcurrentSessions": 15,
            "IPMI": {"ServiceEnabled": False},
            "SSH": {"ServiceEnabled": True, "Port": 2200, "HotKeySequenceDisplay": "Ctrl-]"},
            "WebSocket": {"ConsoleURI": "/console/default", "Interactive": True},
        }
    }
    assert list(ways(system, [])) == [
        ConsoleWay(way=Way.WEBSOCKET, enabled=True, path="/console/default"),
        ConsoleWay(way=Way.SSH, enabled=True, port=2200, leave=b"\x1d"),
        ConsoleWay(way=Way.IPMI, enabled=False, port=623),
    ]


def test_a_manager_says_it_for_hosts_that_do_not() -> None:
    manager = {"SerialConsole": {"ServiceEnabled": True, "ConnectTypesSupported": ["IPMI"]}}
    assert list(ways({}, [manager])) == [ConsoleWay(way=Way.IPMI, enabled=True, port=623)]


@pytest.mark.parametrize(
    "uri", ["https://elsewhere/console", "//elsewhere/c", "console0", 7, "", "/a b", "http://["]
)
def test_a_console_elsewhere_is_not_followed(uri: object) -> None:
    assert list(ways({"SerialConsole": {"WebSocket": {"ConsoleURI": uri}}}, [])) == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["SerialConsole", "SSH", "IPMI", "WebSocket", "Port", "ConsoleURI"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.just("SerialConsole"), ANYTHING), ANYTHING)
def test_whatever_is_said_gives_ways_or_none(system: dict[str, Any], manager: Any) -> None:
    for each in ways(system, [manager] if isinstance(manager, dict) else []):
        assert each.path.startswith("/") or 0 < each.port < 65_536


def test_the_safest_open_way_is_taken_and_a_closed_one_is_not() -> None:
    ssh, ipmi = ConsoleWay(way=Way.SSH, enabled=False), ConsoleWay(way=Way.IPMI, enabled=True)
    facts = ConsoleFacts(said="/s", ways=(ssh, ipmi))
    assert chosen(facts, subject="n").way is Way.IPMI
    for wanted, code in ((Way.SSH, "ConsoleDisabled"), (Way.WEBSOCKET, "NoSuchWay")):
        with pytest.raises(DeviceRefused) as caught:
            chosen(facts, wanted=wanted, subject="n")
        assert caught.value.code == code
    with pytest.raises(DeviceRefused, match="no serial console"):
        chosen(ConsoleFacts(said="/s"), subject="n")


@pytest.mark.parametrize(
    ("shown", "key"),
    [("^\\ (Ctrl and backslash)", b"\x1c"), ("Ctrl-]", b"\x1d"), ("Press ~. to exit", b"")],
)
def test_the_key_that_leaves_is_understood(shown: str, key: bytes) -> None:
    assert leaving(shown) == key


async def test_nothing_said_is_no_console() -> None:
    class Mute:
        address = "https://127.0.0.1"

        async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
            return Answer(uri=uri, status=200, body={}, headers={}, at=0.0, elapsed_s=0.0)

        async def members(self, uri: str, **more: Any) -> Any:
            return ()

    facts = await read_console(Mute(), ["/redfish/v1/Systems/1"], repair=lambda uri, body: body)
    assert facts == ConsoleFacts(said="/redfish/v1/Systems/1")
