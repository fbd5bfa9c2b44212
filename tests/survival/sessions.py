"""Behaviour 5: sessions run out, leak and expire; ours is one, and it is never left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

from iolaus.drivers.lane import AuthRules, LaneRules
from iolaus.drivers.ports import Priority
from iolaus.observe.collect import Job
from iolaus.sim.device import Device, Latency
from tests.survival.process import killed_and_started_again
from tests.survival.scenario import scenario
from tests.survival.stage import LANES, PERIODS, Stage, grounded, housed, machine, staged

SESSIONS = "/redfish/v1/SessionService/Sessions"
RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
ROOT = {"UserName": "root", "Password": "iolaus-sim"}
NO_LOGIN = {
    "effect": "status",
    "status": 503,
    "message": "SessionLimitExceeded",
    "select": {"method": ["POST"], "path": "*/Sessions"},
}


def logins(device: Device) -> int:
    order = device.counters.order or []
    return sum(
        method == "POST" and path.rstrip("/").endswith("/Sessions") for _, method, path in order
    )


def watched(device: Device) -> Device:
    device.counters.order = []
    return device


@scenario(5, "all slots are taken", played="others hold all 8 sessions")
async def all_slots_are_taken(folder: Path) -> str:
    device = watched(machine(session_limit=8))
    for _ in range(8):
        device.gate.login(ROOT)
    async with staged(folder, device) as on:
        await on.green()
        await on.polled(3)
        await on.green()
        assert (await on.endpoint())["sessions"] == 0
        assert (await on.counters())["auth_failures"] == 0
        assert len(device.gate.sessions()) == 8, "none of the others' was touched"
        assert logins(device) == 1
    return "read with Basic after one login, not one per poll; the others' sessions are untouched"


@scenario(5, "503 to every login", played="every login answers 503, then logins work again")
async def every_login_503(folder: Path) -> str:
    device = watched(machine())
    async with staged(folder, device, faults=[NO_LOGIN]) as on:
        await on.green()
        await on.polled(3)
        assert logins(device) == 1
        assert (await on.endpoint())["state"] == "reachable"
    return "read with Basic; one login, tried again after a pause"


@scenario(5, "sessions leak", played="2 slots, and a deleted session is never given back; 3 lives")
async def sessions_leak(folder: Path) -> str:
    device = watched(machine())
    async with grounded(folder, device, faults=["sessions-run-out"]) as ground:
        for _ in range(3):
            async with housed(folder, ground) as on:
                await on.green()
                await on.polled(2)
                assert on.lane.stats().sessions <= 1
        assert device.counters.max_sessions <= 2
        assert device.counters.auth_failures == 0
    return "each life opens one; the third has no slot and reads with Basic"


@scenario(5, "sessions end unasked", played="the controller forgets all sessions, three times")
async def sessions_end_unasked(folder: Path) -> str:
    device = watched(machine(session_limit=1))
    async with staged(folder, device) as on:
        await on.green()
        for _ in range(3):
            device.gate.drop_all()
            await on.polled(2)
            await on.green()
        assert logins(device) <= 5
        assert (device.counters.max_sessions, device.counters.auth_failures) == (1, 0)
        assert on.lines("endpoint_lost") == 0
    assert device.gate.sessions() == ()
    return "one login each time, shared by all readers; never a second session"


@scenario(5, "ten lives", played="8 slots; the house is opened and closed ten times")
async def ten_lives(folder: Path) -> str:
    device = watched(machine(session_limit=8))
    async with grounded(folder, device) as ground:
        for _ in range(10):
            async with housed(folder, ground) as on:
                await on.green()
            assert device.gate.sessions() == ()
    assert (device.counters.max_sessions, logins(device)) == (1, 10)
    return "never more than one session, none left behind"


@scenario(5, "killed", played="`iolaus serve` is ended by SIGKILL and started on the same state")
async def killed(folder: Path) -> str:
    device = await killed_and_started_again(folder)
    assert device.counters.max_sessions == 1
    assert device.gate.sessions() == ()
    return "the old session is deleted before the first login; never more than one"


@scenario(5, "sessions refused, Basic taken", played="401 to every login, Basic works")
async def sessions_refused(folder: Path) -> str:
    device = watched(machine(lockout_after=3))
    no = {**NO_LOGIN, "status": 401, "message": "InsufficientPrivilege"}
    lanes = replace_auth(LANES, AuthRules(pause_s=1.0))
    async with staged(folder, device, faults=[no], lanes=lanes) as on:

        async def refused() -> bool:
            return bool((await on.endpoint())["state"] == "unauthenticated")

        await on.until(refused, "it is unauthenticated")
        assert (await on.endpoint())["next_step"]
        await on.green()
        await on.polled(4)
        assert logins(device) == 1
        assert device.counters.auth_failures == 0
    return "unauthenticated with the next step; the next permitted try is made with Basic and stays"


@scenario(5, "a safety write under telemetry", played="4 slots, full telemetry, ten safety writes")
async def safety_write(folder: Path) -> str:
    device = watched(machine(slots=4, latency=Latency(median_s=0.02, sigma=0.4)))
    busy = PERIODS.__class__(
        hot_s=0.1, inventory_s=0.1, logs_s=0.1, retry_s=0.1, retry_max_s=0.1, patience_s=5.0
    )

    async def streams() -> bool:
        return device.events.streams == 1

    async with staged(folder, device, periods=busy) as on:
        await on.until(on.asset, "it is read")
        await on.until(streams, "its events are followed")
        met = [await overtaken(on) for _ in range(10)]
        stats = on.lane.stats()
    assert met == [[]] * 10, "nothing that waited went before it"
    assert (stats.sessions, device.counters.max_sessions) == (1, 1)
    assert device.counters.max_in_flight <= 4
    return "it is the next request that the device sees, so it waited for one in flight at most"


async def overtaken(on: Stage) -> list[str]:
    """Which requests the device saw between the asking and the safety write itself, with all
    that the lane may have in flight at the device, and more waiting."""
    seen, lane = on.device.counters, on.lane

    async def busy() -> bool:
        on.read_again(Job.INVENTORY, Job.HOT, Job.LOGS)
        stats = lane.stats()
        return seen.in_flight == stats.in_flight == stats.ceiling and stats.waiting > 0

    for _ in range(20_000):
        if await busy():
            break
        await asyncio.sleep(0.0005)
    order = seen.order or []
    before = len(order)
    await lane.write("POST", RESET, {"ResetType": "Nmi"}, priority=Priority.SAFETY)
    paths = [path for _, _, path in order[before:]]
    return paths[: paths.index(RESET)]


def replace_auth(lanes: LaneRules, auth: AuthRules) -> LaneRules:
    return LaneRules(breaker=lanes.breaker, cache=lanes.cache, auth=auth)


@scenario(11, "wrong password, and restarts", played="locked after 3 tries; three starts of ours")
async def wrong_password(folder: Path) -> str:
    device = watched(machine(lockout_after=3, lockout_s=3600.0))
    async with grounded(folder, device) as ground:
        for _ in range(3):
            async with housed(folder, ground, password="wrong") as on:

                async def refused(on: Stage = on) -> bool:
                    found = await on.endpoint()
                    return bool(found["state"] == "unauthenticated")

                await on.until(refused, "it is unauthenticated")
                await on.polled(1)
                assert "refused" in (await on.endpoint())["last_error"]
        assert device.counters.auth_failures == 1
        async with housed(folder, ground) as on:
            await on.until(on.endpoint, "it is there")
    return "one failed login in all; the back-off outlives the process and says when it ends"
