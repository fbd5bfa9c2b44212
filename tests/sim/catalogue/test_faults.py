"""Each fault, struck and mended over the oracle's wire, is seen by a client and gone afterwards.

One row a fault: what a stock client must see while it is on, as a coroutine of the stage that
says whether it is so. Off, on, off: three looks at the same thing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import pytest
from cryptography import x509

from iolaus.sim.catalogue import catalogue
from tests.sim.catalogue.stage import (
    AUTH,
    CPU,
    CPU_2,
    PATIENCE_S,
    ROPE,
    SHELF,
    SILENCE,
    SYSTEM,
    TRAY,
    Json,
    Stage,
    staged,
    until,
)

V1 = "/redfish/v1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
SESSIONS = f"{V1}/SessionService/Sessions"
SUBSCRIPTIONS = f"{V1}/EventService/Subscriptions"
FIRMWARE = f"{V1}/UpdateService/FirmwareInventory"
LOGIN = {"UserName": "root", "Password": "iolaus-sim"}
Look = Callable[[Stage], Awaitable[bool]]


class Row(NamedTuple):
    """`again`: what it is like before and after is looked at, too."""

    look: Look
    given: Mapping[str, Any] = {}
    select: str = CPU
    again: bool = True


# what a client looks at


async def reset_ignored(on: Stage) -> bool:
    """Whether a power-off does nothing; leaves the host on."""
    assert await on.status("POST", RESET, json={"ResetType": "ForceOff"}) in (200, 204)
    if (await on.get(SYSTEM))["PowerState"] == "On":
        return True
    await until(lambda: off(on), "it is off")
    assert await on.status("POST", RESET, json={"ResetType": "On"}) in (200, 204)
    await until(lambda: powered(on), "it is on again")
    return False


async def off(on: Stage) -> bool:
    return bool((await on.get(SYSTEM))["PowerState"] == "Off")


async def powered(on: Stage) -> bool:
    return bool((await on.get(SYSTEM))["PowerState"] == "On")


async def reading(on: Stage) -> Any:
    return (await on.get(await sensor(on)))["Reading"]


async def sensor(on: Stage) -> str:
    """The first sensor of the tray."""
    on.name = TRAY
    for chassis in (await on.get(f"{V1}/Chassis"))["Members"]:
        found = await on.get(f"{chassis['@odata.id']}/Sensors")
        for each in found.get("Members") or []:
            uri = str(each["@odata.id"])
            if (await on.get(uri)).get("ReadingType") == "Temperature":
                return uri
    raise AssertionError("no sensors")


async def reads(on: Stage, is_so: Callable[[Any], bool]) -> bool:
    found: Any = await reading(on)
    return found is None or is_so(found)


def reads_so(is_so: Callable[[Any], bool]) -> Look:
    return lambda on: reads(on, is_so)


async def stuck(on: Stage) -> bool:
    """Whether a sensor does not follow what it measures."""
    uri = await sensor(on)
    told = (await on.get(uri))["Reading"]
    now = told + 1.5
    change = {"path": uri, "changes": {"Reading": now}}
    await on.tell("POST", f"/devices/{on.name}/patch", change)
    return bool((await on.get(uri))["Reading"] == told)


def header(name: str, is_so: Callable[[str], bool]) -> Look:
    async def look(on: Stage) -> bool:
        async with on.ask("GET", SYSTEM) as response:
            return is_so(response.headers.get(name, "-"))

    return look


def body(path: str, is_so: Callable[[Json], bool]) -> Look:
    async def look(on: Stage) -> bool:
        return is_so(await on.get(path))

    return look


def answers(method: str, path: str, status: int, **more: Any) -> Look:
    async def look(on: Stage) -> bool:
        return await on.status(method, path, **more) == status

    return look


async def no_json(on: Stage) -> bool:
    try:
        return not isinstance(await on.get(SYSTEM, timeout=aiohttp.ClientTimeout(5)), dict)
    except (ValueError, *SILENCE):
        return True


async def tag(on: Stage, **headers: str) -> bool:
    """Whether a write is not to be read back at once."""
    word = f"tag {on.hall.devices[0].clock.monotonic()}"
    status = await on.status("PATCH", SYSTEM, json={"AssetTag": word}, headers={**AUTH, **headers})
    assert status in (200, 204), status
    return bool((await on.get(SYSTEM)).get("AssetTag") != word)


async def slow(on: Stage) -> bool:
    return await on.quiet(seconds=1.0)


async def firmware_is_slow(on: Stage) -> bool:
    assert await on.status("GET", SYSTEM) == 200
    try:
        await on.status("GET", FIRMWARE, timeout=aiohttp.ClientTimeout(total=1.0))
    except SILENCE:
        return True
    return False


async def login(on: Stage) -> tuple[int, str, str]:
    async with on.ask("POST", SESSIONS, json=LOGIN, headers={}) as response:
        await response.read()
        found = response.headers
        return int(response.status), found.get("Location", ""), found.get("X-Auth-Token", "")


async def login_fails(on: Stage) -> bool:
    status, path, _ = await login(on)
    if path:
        await on.status("DELETE", path)
    return status == 503


async def third_session_fails(on: Stage) -> bool:
    return any([await login_fails(on) for _ in range(3)])


async def session_outlives(on: Stage) -> bool:
    _, path, token = await login(on)
    await on.status("DELETE", path)
    return await on.status("GET", SYSTEM, headers={"X-Auth-Token": token}) == 200


async def locked(on: Stage) -> bool:
    wrong = {"Authorization": aiohttp.encode_basic_auth("root", "wrong")}
    for _ in range(3):
        assert await on.status("GET", SYSTEM, headers=wrong) == 401
    return await on.status("GET", SYSTEM) == 401


async def subscription(on: Stage, door: str = "http://127.0.0.1:9/x") -> tuple[int, str]:
    wanted = {"Destination": door, "Protocol": "Redfish", "Context": "mine"}
    async with on.ask("POST", SUBSCRIPTIONS, json=wanted) as response:
        await response.read()
        return int(response.status), response.headers.get("Location", "")


async def subscription_refused(on: Stage) -> bool:
    status, path = await subscription(on)
    if path:
        await on.status("DELETE", path)
    return status == 503


async def subscription_vanishes(on: Stage) -> bool:
    """Whether a subscription is gone after an event that its destination took."""
    async with receiver() as (door, heard):
        _, path = await subscription(on, door)
        emit = {"records": [{"Message": "one"}]}
        await on.tell("POST", f"/devices/{on.name}/events", emit)

        async def done() -> bool:
            return bool(heard) or await on.status("GET", path) == 404

        await until(done, "it arrived or not")
        gone = await on.status("GET", path) == 404
        if not gone:
            await on.status("DELETE", path)
        return gone


class receiver:  # noqa: N801  a block
    """A destination for pushed events."""

    async def __aenter__(self) -> tuple[str, list[bytes]]:
        self.heard: list[bytes] = []
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/events", self.heard

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        self.heard.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


def streamed(is_so: Callable[[bytes], bool]) -> Look:
    """What comes on the event stream after one event."""

    async def look(on: Stage) -> bool:
        uri = (await on.get(f"{V1}/EventService"))["ServerSentEventUri"]
        async with on.ask("GET", uri) as stream:
            await stream.content.readuntil(b"\n\n")
            emit = {"records": [{"Message": "first"}]}
            await on.tell("POST", f"/devices/{on.name}/events", emit)
            emit = {"records": [{"Message": "last"}]}
            await on.tell("POST", f"/devices/{on.name}/events", emit)
            said = b""
            async with asyncio.timeout(PATIENCE_S):
                while said.count(b'"last"') < 1:
                    said += await stream.content.readany()
        return is_so(said)

    return look


async def token_dies(on: Stage) -> bool:
    """Whether a session of before the fault is gone; for faults that are over at once."""
    token: str = getattr(on, "token", "")
    if not token:
        _, _, found = await login(on)
        on.token = found  # type: ignore[attr-defined]
        return False
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await on.status("GET", SYSTEM, headers={"X-Auth-Token": token}) == 401
            except SILENCE:
                await asyncio.sleep(0.05)


async def identity(on: Stage) -> tuple[str, str]:
    found = await on.get(SYSTEM)
    return found["SerialNumber"], found["UUID"]


async def another_identity(on: Stage) -> bool:
    truth = await on.tell("GET", f"/devices/{on.name}/truth?path={SYSTEM}")
    return bool(truth["resource"]["SerialNumber"] != (await identity(on))[0])


async def same_identity(on: Stage) -> bool:
    found = []
    for name in (CPU, CPU_2):
        on.name = name
        found.append(await identity(on))
    on.name = CPU
    return found[0] == found[1]


async def old_address_is_dead(on: Stage) -> bool:
    addresses = await on.tell("GET", "/devices")
    (here,) = [d["address"] for d in addresses["devices"] if d["name"] == CPU]
    assert on.url == here
    assert await on.status("GET", SYSTEM) == 200
    return not here.startswith("https://127.66.")


async def not_valid_yet(on: Stage) -> bool:
    place = on.place
    host, port = place.device.host, int(place.device.address.rpartition(":")[2])
    pem = await asyncio.to_thread(ssl.get_server_certificate, (host, port))
    leaf = x509.load_pem_x509_certificate(pem.encode())
    async with on.ask("GET", V1) as response:
        ahead = (parsedate_to_datetime(response.headers["Date"]) - datetime.now(UTC)).seconds
    return leaf.not_valid_before_utc > datetime.now(UTC) and abs(ahead - 43200) < 600


async def log_of_1970(on: Stage) -> bool:
    path = f"{V1}/Managers/1/LogServices/IEL/Entries/77"
    said = {"@odata.type": "#LogEntry.v1_15_0.LogEntry", "Created": "2026-01-02T03:04:05Z"}
    await on.tell("POST", f"/devices/{on.name}/patch", {"path": path, "changes": said})
    return bool((await on.get(path))["Created"].startswith("1970"))


async def switched_on_again(on: Stage) -> bool:
    assert await on.status("POST", RESET, json={"ResetType": "ForceOff"}) in (200, 204)
    if (await on.tell("GET", "/faults"))["on"]:
        await until(lambda: powered_really(on), "somebody switched it on")
        return True
    await until(lambda: off(on), "it is off")
    await asyncio.sleep(0.5)
    assert await off(on)
    await on.status("POST", RESET, json={"ResetType": "On"})
    await until(lambda: powered(on), "on")
    return False


async def powered_really(on: Stage) -> bool:
    told = await on.tell("GET", f"/truth/{on.name}")
    return bool(told["power"][SYSTEM] == "On") and told["on"] == [True]


async def leaking(on: Stage) -> bool:
    on.name = TRAY
    told = await on.tell("GET", "/truth")
    seen = {(await on.get(uri))["DetectorState"] for uri in await detectors(on)}
    assert (told["leaking"] == [TRAY]) == ("Critical" in seen), "the oracle tells the truth"
    return "Critical" in seen


async def detectors(on: Stage) -> list[str]:
    place = f"{V1}/Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors"
    return [each["@odata.id"] for each in (await on.get(place))["Members"]]


async def detector_silent(on: Stage) -> bool:
    found = [(await on.get(uri)).get("DetectorState") for uri in await detectors(on)]
    assert (await on.tell("GET", "/truth"))["leaking"] == []
    return found == [None, None]


async def rope_wet(on: Stage) -> bool:
    place = f"{V1}/Chassis/LeakController/ThermalSubsystem/LeakDetection/LeakDetectors"
    members = (await on.get(place))["Members"]
    seen = {(await on.get(each["@odata.id"]))["DetectorState"] for each in members}
    return "Critical" in seen


async def psu_dead(on: Stage) -> bool:
    path = f"{V1}/Chassis/PowerShelf_0/PowerSubsystem/PowerSupplies/PSU0"
    return bool((await on.get(path))["LineInputStatus"] == "LossOfInput")


async def gpu_gone(on: Stage) -> bool:
    place = f"{V1}/Systems/HGX_Baseboard_0/Processors"
    members = (await on.get(place))["Members"]
    states = [(await on.get(each["@odata.id"]))["Status"]["State"] for each in members]
    return "UnavailableOffline" in states


async def updated(on: Stage) -> tuple[str, Json]:
    """A finished firmware update of 1 to 9.9.9: its task's URI and what that says at last."""
    device, entry = on.place.device, f"{FIRMWARE}/1"

    def done() -> None:
        device.patch(entry, {"Version": "9.9.9"})

    path = str((device.tasks.start("Firmware update", done).body or {})["@odata.id"])
    seen: Json = {}

    async def over() -> bool:
        nonlocal seen
        status = await on.status("GET", path)
        seen = await on.get(path) if status == 200 else {}
        return seen.get("PercentComplete") in (None, 100) or seen.get("TaskState") == "New"

    await until(over, "the task ends")
    return path, seen


async def version(on: Stage) -> str:
    return str((await on.get(f"{FIRMWARE}/1"))["Version"])


def task_says(**words: object) -> Look:
    async def look(on: Stage) -> bool:
        _, seen = await updated(on)
        return all(seen.get(name) == value for name, value in words.items())

    return look


async def no_new_version(on: Stage) -> bool:
    """Whether an update that ended well has changed nothing (and sets it back)."""
    _, seen = await updated(on)
    assert (seen["TaskState"], seen["TaskStatus"]) == ("Completed", "OK")
    truth = await on.tell("GET", f"/truth/{on.name}")
    assert truth["firmware"]["1"] == await version(on), "the oracle says what runs"
    change = {"path": f"{FIRMWARE}/1", "changes": {"Version": "1.0"}}
    is_new = await version(on) == "9.9.9"
    await on.tell("POST", f"/devices/{on.name}/patch", change)
    return not is_new


async def task_gone(on: Stage) -> bool:
    path, _ = await updated(on)
    return await on.status("GET", path) == 404


async def monitor_deletes(on: Stage) -> bool:
    path, seen = await updated(on)
    assert await on.status("GET", seen["TaskMonitor"]) == 200
    return await on.status("GET", path) == 404


async def nics_unlisted(on: Stage) -> bool:
    """Whether a host that is off lists no adapters."""
    on.name = CPU
    place = f"{V1}/Chassis/1/NetworkAdapters"
    assert (await on.get(place))["Members"]
    await on.status("POST", RESET, json={"ResetType": "ForceOff"})
    await until(lambda: off(on), "it is off")
    found = (await on.get(place))["Members"]
    truth = await on.tell("GET", f"/devices/{on.name}/truth?path={place}")
    assert truth["resource"]["Members"]
    await on.status("POST", RESET, json={"ResetType": "On"})
    await until(lambda: powered(on), "it is on")
    return not found


BIOS = f"{SYSTEM}/Bios"


async def stage_setting(on: Stage, name: str, value: object) -> Any:
    """What is staged after this was written."""
    wanted = {"Attributes": {name: value}}
    assert await on.status("PATCH", f"{BIOS}/Settings", json=wanted) in (200, 202, 204)
    await asyncio.sleep(0.05)
    return (await on.get(f"{BIOS}/Settings"))["Attributes"].get(name)


async def equal_write_dropped(on: Stage) -> bool:
    name, applied = next(iter((await on.get(BIOS))["Attributes"].items()))
    assert await stage_setting(on, name, "Another") == "Another"
    return bool(await stage_setting(on, name, applied) == "Another")


async def everything_pending(on: Stage) -> bool:
    applied, staged = await on.get(BIOS), await on.get(f"{BIOS}/Settings")
    return len(staged["Attributes"]) >= len(applied["Attributes"]) > 1


async def attribute_hidden(on: Stage) -> bool:
    truth = await on.tell("GET", f"/devices/{on.name}/truth?path={BIOS}")
    return len((await on.get(BIOS))["Attributes"]) < len(truth["resource"]["Attributes"])


def seen_first(method: str, path: str, status: int, **more: Any) -> Row:
    """A refusal that passes: the first answer has it, the third has not."""

    async def look(on: Stage) -> bool:
        return await on.status(method, path, **more) == status

    return Row(look)


ROWS: Mapping[str, Row] = {
    "accepts-and-ignores": Row(reset_ignored),
    "slow-and-degrading": Row(header("Date", lambda _: True), again=False),
    "slow": Row(slow),
    "firmware-list-slow": Row(firmware_is_slow),
    "hung-sockets": Row(Stage.quiet, {"share": 1}),
    "refused-after-power-off": seen_first("POST", RESET, 409, json={"ResetType": "On"}),
    "refused-during-post": seen_first("PATCH", SYSTEM, 503, json={"AssetTag": "x"}),
    "secureboot-500": seen_first("GET", f"{SYSTEM}/SecureBoot", 500),
    "passing-refusals": seen_first("PATCH", SYSTEM, 503, json={"AssetTag": "x"}),
    "stale-reads": Row(tag, {"seconds": 600}),
    "writes-dropped": Row(tag),
    "etag-weak": Row(header("ETag", lambda e: e.startswith("W/"))),
    "etag-empty": Row(header("ETag", lambda e: e == "")),
    "etag-gzip": Row(header("ETag", lambda e: e.endswith('-gzip"'))),
    "stale-and-dropped-writes": Row(header("ETag", lambda e: e.startswith("W/"))),
    "schema-violations": Row(body(SYSTEM, lambda r: "Name" not in r)),
    "names-missing": Row(body(SYSTEM, lambda r: "Name" not in r and "Links" not in r)),
    "members-null": Row(body(f"{SYSTEM}/Memory", lambda r: r["Members"] is None)),
    "object-for-list": Row(body(f"{SYSTEM}/Memory", lambda r: isinstance(r["Members"], dict))),
    "health-state-swapped": Row(body(SYSTEM, lambda r: r["Status"]["State"] == "OK")),
    "sensors-zero": Row(reads_so(lambda r: r == 0), select=TRAY),
    "sensors-negative": Row(reads_so(lambda r: r < 0), select=TRAY),
    "sensors-nan": Row(reads_so(lambda r: r != r), select=TRAY),
    "versions-blank": Row(body(f"{FIRMWARE}/1", lambda r: r["Version"].endswith("  "))),
    "versions-zero": Row(body(f"{FIRMWARE}/1", lambda r: r["Version"] == "0.00")),
    "sensor-stuck": Row(stuck, select=TRAY),
    "answers-cut": Row(no_json),
    "answers-html": Row(no_json),
    "answers-not-utf8": Row(no_json),
    "answers-short": Row(no_json),
    "answers-empty": Row(no_json),
    "connections-reset": Row(no_json),
    "sessions-run-out": Row(third_session_fails),
    "sessions-full": Row(login_fails),
    "sessions-leak": Row(session_outlives),
    "logins-503": Row(login_fails),
    "subscriptions-full": Row(subscription_refused),
    "subscriptions-vanish": Row(subscription_vanishes),
    "deliveries-fail": Row(subscription_vanishes),
    "events-malformed": Row(streamed(lambda d: b'{"Events": [{\n' in d)),
    "events-duplicate": Row(streamed(lambda d: d.count(b'"first"') == 2)),
    "events-time-travel": Row(streamed(lambda d: b"id: 1" in d), again=False),
    "events-get-lost": Row(streamed(lambda d: d.count(b'"first"') == 2)),
    "account-locks": Row(locked),
    "controller-reboots": Row(token_dies, again=False),
    "controller-restarts": Row(token_dies, again=False),
    "address-changes": Row(old_address_is_dead),
    "board-swapped": Row(another_identity),
    "identity-blank": Row(another_identity),
    "identity-duplicate": Row(same_identity, select="role=node"),
    "many-controllers-one-tray": Row(same_identity, select="role=node"),
    "second-system": Row(body(f"{V1}/Systems", lambda r: len(r["Members"]) == 2)),
    "clock-off": Row(not_valid_yet),
    "logs-misdated": Row(log_of_1970),
    "host-path-dead": Row(answers("POST", RESET, 500, json={"ResetType": "On"})),
    "someone-powers-on": Row(switched_on_again, {"after_s": 0.2}),
    "host-path-lost": Row(answers("POST", RESET, 500, json={"ResetType": "On"})),
    "controller-hangs": Row(Stage.quiet),
    "outlet-dead": Row(Stage.quiet, again=False),
    "unreachable": Row(Stage.quiet),
    "silent": Row(Stage.quiet),
    "controller-dies": Row(Stage.quiet),
    "edge-dies": Row(Stage.quiet, select="rack=h1-r02"),
    "switch-dead": Row(Stage.quiet, select="rack=h1-r02"),
    "tasks-vanish": Row(task_says(PercentComplete=None)),
    "tasks-lie": Row(task_says(TaskStatus="Critical")),
    "task-gone-when-done": Row(task_gone),
    "monitor-deletes-task": Row(monitor_deletes),
    "task-completed-critical": Row(task_says(TaskState="Completed", TaskStatus="Critical")),
    "task-new-forever": Row(task_says(TaskState="New", PercentComplete=0)),
    "update-staged-only": Row(no_new_version),
    "version-late": Row(no_new_version, {"seconds": 3600}),
    "broken-update": Row(body(SYSTEM, lambda r: r["Status"]["Health"] == "Critical")),
    "inventory-ids-renamed": Row(answers("GET", f"{FIRMWARE}/1", 404)),
    "nic-only-when-on": Row(nics_unlisted),
    "staged-equal-dropped": Row(equal_write_dropped),
    "pending-mirrors": Row(everything_pending),
    "attributes-appear": Row(attribute_hidden),
    "accounts-reset": Row(answers("GET", SYSTEM, 401)),
    "leak-tray": Row(leaking, select=TRAY),
    "leak-floor": Row(rope_wet, select=ROPE),
    "psu-loss": Row(psu_dead, select=SHELF),
    "gpu-lost": Row(gpu_gone, select=TRAY),
    "detector-fault": Row(detector_silent, select=TRAY),
    "detector-silent": Row(detector_silent, select=TRAY),
}


@pytest.mark.parametrize("name", ROWS)
async def test_struck_seen_and_mended(name: str) -> None:
    row = ROWS[name]
    async with staged() as on:
        on.name = CPU if row.select.startswith(("role", "rack")) else row.select
        assert not row.again or not await row.look(on), "before it is struck"
        if not row.again and row.look is token_dies:
            await row.look(on)
        told = await on.strike(name, row.select, given=row.given)
        assert on.name in told["on"]
        assert [each["id"] for each in (await on.tell("GET", "/faults"))["on"]] == [told["id"]]
        assert await row.look(on), "while it is on"
        await on.mend(told["id"])
        assert (await on.tell("GET", "/faults"))["on"] == []
        assert not row.again or not await row.look(on), "after it was mended"


def test_rows_are_faults() -> None:
    assert set(ROWS) <= set(catalogue())
