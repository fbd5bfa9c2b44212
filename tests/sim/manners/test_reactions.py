"""Leaks that switch a host off, and GPU limits that stay or pass, over the real wire."""

from __future__ import annotations

from iolaus.sim.catalogue import lives
from tests.sim.manners.stage import V1, Bench, Json, bench, id_of, until

TRAY = "gb300-tray"
GPU = f"{V1}/Systems/HGX_Baseboard_0/Processors/GPU_0/EnvironmentMetrics"
PERSISTENT, ONE_SHOT = "RequestedPersistentPowerLimitWatts", "RequestedOneshotPowerLimitWatts"


async def host_of(on: Bench) -> str:
    return on.device.live.persona.systems[0]  # type: ignore[union-attr,no-any-return]


async def detector_of(on: Bench) -> str:
    """The lowest one: it gets wet first."""
    return next(p for p in reversed(list(on.device.paths())) if "/LeakDetectors/" in p)


async def state_is(on: Bench, path: str, state: str) -> bool:
    return bool((await on.get(path))["PowerState"] == state)


async def test_a_leak_switches_the_host_off_if_its_policy_says_so() -> None:
    async with bench(TRAY) as on:
        host = await host_of(on)
        for path in [p for p in on.device.paths() if "/LeakDetectors/" in p]:
            change = {"CriticalReactionType": "ForceOff", "ReactionDelaySeconds": 0}
            assert (await on.ask("PATCH", path, json=change))[0] == 200
        assert await state_is(on, host, "On")
        lives.leak(on.device, {})
        await until(lambda: state_is(on, host, "Off"))


async def test_a_reaction_nobody_knows_is_refused() -> None:
    async with bench(TRAY) as on:
        change = {"CriticalReactionType": "Swim"}
        status, said, _ = await on.ask("PATCH", await detector_of(on), json=change)
        assert (status, id_of(said)) == (400, "PropertyValueNotInList")


def nvidia(**wanted: float) -> Json:
    return {"Oem": {"Nvidia": wanted}}


async def set_point(on: Bench) -> float:
    return float((await on.get(GPU))["PowerLimitWatts"]["SetPoint"])


async def test_a_limit_for_one_run_gives_way_to_the_persistent_one() -> None:
    async with bench(TRAY) as on:
        assert (await on.ask("PATCH", GPU, json=nvidia(**{PERSISTENT: 900})))[0] == 200
        assert await set_point(on) == 900
        assert (await on.ask("PATCH", GPU, json=nvidia(**{ONE_SHOT: 1100})))[0] == 200
        assert await set_point(on) == 1100
        host = await host_of(on)
        for kind, state in (("ForceOff", "Off"), ("On", "On")):
            assert (await on.act(host, "ComputerSystem.Reset", ResetType=kind))[0] == 204
            await until(lambda state=state: state_is(on, host, state))  # type: ignore[misc]
        assert await set_point(on) == 900


async def test_a_limit_out_of_bounds_is_refused() -> None:
    async with bench(TRAY) as on:
        status, said, _ = await on.ask("PATCH", GPU, json=nvidia(**{ONE_SHOT: 9e9}))
        assert (status, id_of(said)) == (400, "PropertyValueOutOfRange")
