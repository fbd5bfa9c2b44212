"""Behaviour 13: answers that break the schema; missing never becomes 0, and nothing raises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tests.survival.scenario import scenario
from tests.survival.stage import Json, Stage, conditions, machine, staged

GPUS = "xe9680-h200"
SENSORS = "*/Sensors*"
OUTER = ("inlet_temperature", "exhaust_temperature")
"""Air from outside may be freezing; what is inside a machine may not."""


def lie(name: str, path: str, **more: Any) -> Json:
    return {"effect": "lie", "lie": name, "select": {"path": path, "method": ["GET"]}, **more}


async def read(on: Stage) -> Json:
    """The node, when an inventory and a poll have come by."""
    await on.until(on.asset, "it is read")
    await on.polled(1)
    return await on.asset()


async def assert_sound(on: Stage) -> None:
    """Whatever was said: REST is JSON, values are finite, and nothing is null without a reason."""
    for sensor in await on.listed("sensors"):
        value = sensor["value"]
        assert value is None or math.isfinite(value), sensor
        assert value is not None or sensor["reason"], sensor
    for name, samples in (await on.metrics()).items():
        assert all(math.isfinite(value) for _, value in samples), name
    for component in await on.listed("components"):
        assert component["health"] in ("OK", "Warning", "Critical", None)
    assert on.lines("reconcile_crashed") == 0


@scenario(13, "the schema is violated everywhere", played="the preset on an eight-GPU server")
async def everywhere(folder: Path) -> str:
    async with staged(folder, machine(GPUS), faults=["schema-violations"]) as on:
        node = await read(on)
        await assert_sound(on)
        assert node["deviations"] > 10
        assert (node["vendor"], node["counts"]["gpu"]) == ("Dell", 8)
        assert on.lines("endpoint_lost") == 0
    return "one node of the right make with its eight GPUs; departures are counted; all is finite"


@scenario(13, "null Members", played="Members of the memory modules is null")
async def null_members(folder: Path) -> str:
    async with staged(folder, faults=[lie("null_members", "*/Memory")]) as on:
        node = await read(on)
        assert node["counts"]["memory"] is None
        assert "counts.memory" in conditions(node)["FieldsKnown"]["message"]
        assert node["counts"]["cpu"] == 2
    return "the count is null with its reason, not 0"


@scenario(13, "an object where a list belongs", played="Members is one object instead of a list")
async def object_for_list(folder: Path) -> str:
    async with staged(folder, faults=[lie("object_for_list", "*/Processors")]) as on:
        node = await read(on)
        assert node["counts"]["cpu"] == 1
        await assert_sound(on)
    return "taken as a list of one"


@scenario(13, "Health and State swapped", played="swapped in every resource")
async def swapped(folder: Path) -> str:
    async with staged(folder, faults=[lie("swapped_status", "*")]) as on:
        node = await read(on)
        assert node["health"] == "OK"
        assert node["counts"]["cpu"] == 2
        await assert_sound(on)
    return "read the right way round"


@scenario(13, "impossible sensors", played="in turn NaN, negative and zero in every sensor")
async def impossible_sensors(folder: Path) -> str:
    devices = [
        machine(GPUS, name=f"bmc-{word}", number=n) for n, word in enumerate(("nan", "zero"))
    ]
    devices.append(machine(GPUS, name="bmc-negative", number=2))
    faults = [
        {
            "effect": "lie",
            "lie": each.name.removeprefix("bmc-"),
            "select": {"device": each.name, "path": SENSORS, "method": ["GET"]},
        }
        for each in devices
    ]
    async with staged(folder, *devices, faults=faults) as on:
        for device in devices:
            on.device = device
            await read(on)
        await assert_sound(on)
        temperatures = [s for s in await on.listed("sensors") if s["quantity"] == "Temperature"]
        assert temperatures
        inside = [s for s in temperatures if s["role"] not in OUTER]
        assert not [s for s in inside if s["value"] == 0.0]
        powers = [s for s in await on.listed("sensors") if s["quantity"] == "Power"]
        assert not [s for s in powers if s["value"] is not None and s["value"] < 0]
    return "no value but a reason: none reads 0 Cel inside a machine, below 0 W, or not a number"


@scenario(13, "$expand drops fields", played="expanded members lose all that is not plain")
async def expand_drops(folder: Path) -> str:
    honest = await parts(folder / "honest", [])
    lying = await parts(folder / "lying", [lie("expand_drops", "*")])
    assert lying == honest
    return "the same parts with the same values as from an honest twin"


async def parts(folder: Path, faults: list[Json]) -> list[tuple[Any, ...]]:
    folder.mkdir()
    async with staged(folder, machine(GPUS), faults=faults) as on:
        await read(on)
        found = await on.listed("components")
        sensors = await on.listed("sensors")
    fields = ("type", "name", "vendor", "model", "serial", "firmware", "health", "location")
    told = [tuple(each[field] for field in fields) for each in found]
    seen = [(s["name"], s["quantity"], s["unit"], s["value"] is None) for s in sensors]
    return sorted([*told, *seen], key=repr)


@scenario(13, "missing names and links", played="Name and Links are missing in every resource")
async def missing(folder: Path) -> str:
    async with staged(folder, faults=[lie("missing", "*")]) as on:
        node = await read(on)
        assert node["counts"]["cpu"] == 2
        assert node["health"] == "OK"
        assert node["deviations"] > 0
        await assert_sound(on)
    return "one node with its parts all the same; each lack is counted"


@scenario(13, "blanks in versions", played="trailing blanks in every firmware version")
async def blanks(folder: Path) -> str:
    async with staged(folder, faults=[lie("trailing_blanks", "*/FirmwareInventory/*")]) as on:
        await read(on)
        versions = [each["version"] for each in await on.listed("firmware")]
        assert any(versions)
        assert all(version is None or version == version.strip() for version in versions)
    return "trimmed, so that versions compare equal"
