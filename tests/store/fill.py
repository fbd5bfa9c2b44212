"""How much a hall weighs: `python -m tests.store.fill [--nodes N] [--disk DIR]`.

Fills a picture with made-up nodes (60 components, 150 readings, 30 firmware entries, 300 BIOS
settings each, decoded from bytes as a driver would), reads each again, follows the hot set, and
prints memory, times and bytes on disk. With `--samples N` also how fast telemetry is taken in.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import shutil
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil

from iolaus.model.asset import ComponentKind, HotUpdate, Report
from iolaus.model.endpoint import Target
from iolaus.store.facts import Facts
from iolaus.store.series import Series
from tests.store.made import T0, asset, component, firmware, reading, report, setting

_decoder = msgspec.json.Decoder(Report)
KINDS = [kind for kind in ComponentKind for _ in range(4)][:60]


def node(number: int, at: float) -> Report:
    """One node's report, none of whose objects are shared with another's."""
    dice = random.Random(number)
    address = f"https://10.0.{number // 250}.{number % 250}"
    parts = tuple(
        component(
            f"{kind.value}{n}",
            kind=kind,
            serial=f"{kind.value}{number:06}{n}",
            vendor="Maker",
            model=f"{kind.value} type",
            part_number="900-0001",
            firmware="1.2.3",
            health="OK",
            state="Enabled",
            readings={"power_w": dice.uniform(10, 500), "temperature_c": dice.uniform(20, 80)},
        )
        for n, kind in enumerate(KINDS)
    )
    readings = tuple(
        msgspec.structs.replace(
            reading(f"sensor {n}", dice.uniform(10, 90), at=at),
            limits={"upper_caution": 80.0, "upper_critical": 90.0},
            status="OK",
        )
        for n in range(150)
    )
    whole = report(
        address,
        [asset(serial=f"SN{number}", at=at, counts={"gpu": 8, "cpu": 2, "memory": 32})],
        at=at,
        components=parts,
        readings=readings,
        firmware=tuple(firmware(f"fw{n}", f"1.{n}") for n in range(30)),
        settings=tuple(setting(f"Attribute{n}", f"value {n}") for n in range(300)),
    )
    return _decoder.decode(msgspec.json.encode(whole))


def hot_of(whole: Report, at: float) -> HotUpdate:
    fresh = (msgspec.structs.replace(r, at=at, value=(r.value or 0) + 1) for r in whole.readings)
    update = HotUpdate(endpoint=whole.endpoint, at=at, readings=tuple(fresh)[:50])
    return msgspec.json.decode(msgspec.json.encode(update), type=HotUpdate)


def resident_mb() -> float:
    gc.collect()
    return round(psutil.Process().memory_info().rss / 2**20, 1)


async def fill(nodes: int, directory: Path) -> dict[str, float]:
    told: dict[str, float] = {"nodes": nodes, "empty_mb": resident_mb()}
    facts = Facts(database=directory / "state.db")
    await facts.start()
    for turn, name in ((0, "first"), (1, "again")):
        spent = 0.0
        for number in range(nodes):
            made = node(number, T0 + 900 * turn)
            begun = time.process_time()
            facts.put_target(Target(address=made.endpoint, name=f"n{number}"))
            facts.record_report(made)
            spent += time.process_time() - begun
            if number % 50 == 0:
                await asyncio.sleep(0)
        told[f"{name}_ms_per_node"] = round(spent / nodes * 1000, 3)
        begun = time.monotonic()
        await facts.flush()
        told[f"{name}_last_flush_s"] = round(time.monotonic() - begun, 2)
        told[f"{name}_mb"] = resident_mb()
    spent = 0.0
    for number in range(nodes):
        update = hot_of(node(number, T0), T0 + 1000)
        begun = time.process_time()
        facts.record_hot(update)
        spent += time.process_time() - begun
        if number % 50 == 0:
            await asyncio.sleep(0)
    told["hot_ms_per_node"] = round(spent / nodes * 1000, 3)
    told["hot_mb"] = resident_mb()
    await facts.close()
    told["disk_mb"] = round(sum(f.stat().st_size for f in directory.iterdir()) / 2**20, 1)
    del facts
    again = Facts(database=directory / "state.db")
    begun = time.monotonic()
    await again.start()
    told["load_s"] = round(time.monotonic() - begun, 2)
    assert sum(1 for _ in again.all_held()) == nodes
    await again.close()
    return told


async def pour(count: int, directory: Path) -> dict[str, float]:
    """Telemetry: `count` samples of 10,000 series, by arrays; and a query over all of it."""
    series = Series(directory / "series.duckdb")
    await series.start()
    numbers = [series.number(f"a{n}", "node_power", role="node_power") for n in range(10_000)]
    ids = np.array(numbers, np.uint32)
    begun, steps = time.monotonic(), count // len(ids)
    for step in range(steps):
        series.append_arrays(ids, np.full(len(ids), T0 + 10 * step), np.random.rand(len(ids)))
        if step % 50 == 49:
            await series.flush()
    await series.flush()
    rate = steps * len(ids) / (time.monotonic() - begun)
    begun = time.monotonic()
    await series.query(start=T0, end=T0 + 10 * steps, points=300, asset="a77")
    one = time.monotonic() - begun
    told = {"samples_per_s": round(rate), "query_one_ms": round(one * 1000, 1)}
    told["shed"] = series.shed
    await series.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--disk", type=Path)
    given = parser.parse_args()
    directory = given.disk or Path(tempfile.mkdtemp(prefix="iolaus-fill-"))
    try:
        print(json.dumps(asyncio.run(fill(given.nodes, directory))))
        if given.samples:
            print(json.dumps(asyncio.run(pour(given.samples, directory))))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
