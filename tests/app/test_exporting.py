"""Round trip: a hall is discovered, exported, simulated from the export, discovered again, and is
the same: kinds, names, places, makes and counts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.survival.stage import Stage, grounded, housed, target_of

from iolaus.app.exporting import Exported, exported
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.client import Client
from iolaus.observe.collect import Periods
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import load_site, parse_site
from iolaus.sim.personas import personas

LOOSE = ("rack-manager", "bluefield-dpu", "leak-ropes", "cdu-row")
RACKED = [name for name in sorted(personas()) if name not in LOOSE]
SITE = f"""
apiVersion: iolaus.dev/v1
kind: Site
metadata: {{name: first}}
spec:
  seed: 11
  network: {{cidr: 127.68.0.0/24}}
  demo: {{imperfections: true}}
  racks:
    all:
      height: 200
      place:
{chr(10).join(f"        - {{persona: {name}, u: {1 + 12 * n}}}" for n, name in enumerate(RACKED))}
        - {{persona: bluefield-dpu, u: 190}}
        - {{persona: rack-manager}}
    cpus:
      place: [{{persona: dl365-cpu, u: 4, count: 4, labels: {{pool: spare}}}}]
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{{template: all}}, {{template: cpus}}]
          equip: [{{persona: cdu-row}}, {{persona: leak-ropes}}]
"""
CALM = Periods(hot_s=120.0, inventory_s=600.0, logs_s=120.0, retry_s=1.0, patience_s=60.0)
"""Nothing gets stale while it is looked at, however busy the machine is."""
KINDS = ("nodes", "dpus", "switches", "powershelves", "pdus", "cdus", "chassis")
KEPT = ("kind", "vendor", "model", "counts", "power_state", "bmc_firmware", "memory_gib")


@asynccontextmanager
async def discovered(folder: Path, devices: Sequence[Device]) -> AsyncIterator[Stage]:
    """A house that has read these devices whole."""
    folder.mkdir(parents=True)
    async with (
        grounded(folder, *devices) as ground,
        housed(folder, ground, periods=CALM) as on,
    ):
        for device in devices:
            labels = {**device.labels, "modbus": "127.0.0.9:502"}
            target = msgspec.structs.replace(target_of(device), labels=labels)
            on.house.state.facts.put_target(target)

        async def all_read() -> bool:
            found = await everything(on, "endpoints")
            return len(found) == len(devices) and all(e["observed_at"] for e in found)

        async with asyncio.timeout(150):
            while not await all_read():
                await asyncio.sleep(0.1)
        yield on


async def everything(on: Stage, path: str) -> list[dict[str, Any]]:
    with Client(on.url) as client:
        return await asyncio.to_thread(lambda: list(client.pages(f"/api/v1/{path}")))


async def picture(on: Stage) -> dict[str, dict[str, Any]]:
    """What must be the same after the round trip, by name."""
    seen: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        for asset in await everything(on, kind):
            labels = {k: v for k, v in asset["labels"].items() if k not in ("site", "modbus")}
            seen[asset["name"]] = {word: asset[word] for word in KEPT} | {"labels": labels}
            seen[asset["name"]]["readings"] = sorted(asset["readings"])
            seen[asset["name"]]["health"] = asset["health"]
    for leak in await everything(on, "leaks"):
        seen[leak["id"]] = {"state": leak["state"], "node": leak["node"]}
    return seen


async def export(on: Stage, out: Path, **more: Any) -> Exported:
    with Client(on.url) as client:
        return await asyncio.to_thread(lambda: exported(client, out, **more))


def made() -> list[Device]:
    return hall_devices(parse_site(SITE, source="first"), HallOptions())


def moved(site: Path) -> list[Device]:
    """The export's devices; at another network, for tests run beside each other."""
    text = site.read_text().replace("127.64.0.0", "127.69.0.0")
    return hall_devices(parse_site(text, source=str(site), folder=site.parent), HallOptions())


async def test_the_twin_of_a_discovered_hall_is_discovered_the_same(tmp_path: Path) -> None:
    async with discovered(tmp_path / "one", made()) as on:
        first = await picture(on)
        done = await export(on, tmp_path / "twin")
        serials = {n["serial"] for n in await everything(on, "nodes") if n["serial"]}
        assert (done.machines, done.unknown) == (len(on.hall.devices), [])
    spec = yaml.safe_load(done.site.read_text())["spec"]
    assert len(spec["devices"]) == done.machines
    assert done.shapes < done.machines, "machines of one shape share a drawing"
    assert not any("modbus" in device["labels"] for device in spec["devices"])
    async with discovered(tmp_path / "two", moved(done.site)) as on:
        second = await picture(on)
        again = {n["serial"] for n in await everything(on, "nodes") if n["serial"]}
    assert second.keys() == first.keys()
    for name, seen in first.items():
        rest = {k for k in seen if seen[k] != second[name][k]}
        assert rest <= {"readings"}, (name, {k: (seen[k], second[name][k]) for k in rest})
    assert len(again) == len(serials)
    assert not again & serials


async def test_a_part_of_the_hall_with_its_own_serial_numbers(tmp_path: Path) -> None:
    spare = [device for device in made() if device.labels.get("pool") == "spare"]
    other = next(device for device in made() if device.labels.get("pool") != "spare")
    async with discovered(tmp_path / "one", [other, *spare]) as on:
        words = {"selector": "pool=spare", "keep": True}
        done = await export(on, tmp_path / "spare.yaml", **words)
        found = [n for n in await everything(on, "nodes") if n["labels"].get("pool") == "spare"]
        with pytest.raises(OperatorMust) as told:
            await export(on, tmp_path / "none", selector="pool=nobody")
        assert "discover" in told.value.next_step
    assert (done.site, done.machines, done.shapes) == (tmp_path / "spare.yaml", 4, 4)
    devices = hall_devices(load_site(done.site), HallOptions())
    kept = {str((d.get("/redfish/v1/Systems/1") or {})["SerialNumber"]) for d in devices}
    assert kept == {node["serial"] for node in found}
    assert {d.name for d in devices} == {node["name"] for node in found}
    assert all(re.match(r"127\.64\.", device.host) for device in devices)
