"""Captures over the wire: each replayed as a device of its own, read as any device is read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from iolaus.drivers.lane import Lanes, redfish_conversations
from iolaus.drivers.ports import Priority
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.registry import find_driver
from iolaus.kernel.clock import WallClock
from iolaus.model.asset import Report
from iolaus.model.endpoint import Target
from iolaus.wire.redfish.port import Credential

PASSWORD = "iolaus-sim"
AT_ONCE = 4


class Device(NamedTuple):
    name: str
    target: Target


def unpack(archives: Path, into: Path) -> dict[str, Path]:
    """Capture name -> its folder."""
    for archive in sorted(archives.glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(into, filter="data")
    return {folder.name: folder for folder in sorted(into.iterdir()) if folder.is_dir()}


@contextmanager
def replayed(folders: Mapping[str, Path], hosts: Path) -> Iterator[list[Device]]:
    """A simulator process that serves these captures, ended when the block ends."""
    command = [sys.executable, "-m", "iolaus.sim", "replay", *map(str, folders.values())]
    options = ["--port", "0", "--subnet", "127.91.0.1", "--hosts-out", str(hosts), "--with-parent"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, env={**os.environ}, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        assert ready.get("ready"), "the simulator did not start"
        listed = yaml.safe_load(hosts.read_text(encoding="utf-8"))["hosts"]
        yield [
            Device(
                name=str(host["name"]),
                target=Target(address=host["address"], fingerprint=host["fingerprint"]),
            )
            for host in listed
        ]
    finally:
        process.terminate()
        process.wait(timeout=90)
        if process.stdout is not None:
            process.stdout.close()


async def read_all(devices: list[Device]) -> dict[str, Report]:
    """Every device's report, each through its own lane, a few devices at a time."""
    clock = WallClock()
    lanes = Lanes(redfish_conversations(clock), clock)
    todo, reports = iter(devices), dict[str, Report]()

    async def reader() -> None:
        for device in todo:
            lane = lanes.lane(device.target, Credential(user="root", password=PASSWORD))
            reads = lane.at(Priority.INVENTORY)
            driver = find_driver(await RedfishDriver().identify(reads))
            reports[device.name] = await driver.inventory(reads)

    try:
        await asyncio.gather(*(reader() for _ in range(AT_ONCE)))
    finally:
        await lanes.close()
    return reports
