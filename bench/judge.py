"""`python -m bench.judge [NODES] [FACTS]`: judging a hall from cold, and one changed node.

Facts lie in the store as an inventory leaves them; "cold" is from there to every node's verdict,
"one" from a changed reading of one node to its new verdict, and "causes" groups what was found.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import msgspec

from iolaus.fleet.ledger import Ledger, causes
from iolaus.kernel.clock import WallClock
from iolaus.model.asset import Asset, AssetKind, Firmware, Identity, Report, Setting
from iolaus.model.desired import Baseline
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.store.baselines import Baselines
from iolaus.store.facts import Facts

SYSTEM = "Systems/1"


def report(number: int, *, facts: int, now: float, drifted: bool = False) -> Report:
    """An inventory of `facts` compared values: a fifth firmware, the rest BIOS attributes."""
    many = facts // 5
    entries = tuple(
        Firmware(
            component=f"FW_{n}",
            name=f"FW_{n}",
            version=f"1.{n}.{1 if drifted and n == 0 else 2}",
            asset=SYSTEM,
            uri=f"/redfish/v1/UpdateService/FirmwareInventory/FW_{n}",
        )
        for n in range(many)
    )
    settings = tuple(
        Setting(asset=SYSTEM, name=f"Attribute{n}", value="Enabled") for n in range(facts - many)
    )
    asset = Asset(
        key=SYSTEM,
        kind=AssetKind.NODE,
        resources=(f"/redfish/v1/{SYSTEM}",),
        identity=Identity(serial=f"S{number:06d}"),
        power_state=Known(value=PowerState.ON, at=now),
        health=Known(value=Health.OK, at=now),
        observed_at=now,
        vendor="Acme",
        model="A1",
    )
    return Report(
        endpoint=address(number),
        driver="redfish",
        redfish_version="1.17.0",
        observed_at=now,
        assets=(asset,),
        firmware=entries,
        settings=settings,
    )


def address(number: int) -> str:
    return f"https://10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def baseline(facts: int) -> Baseline:
    many = facts // 5
    components = [{"match": {"component": f"FW_{n}"}, "version": f">=1.{n}.2"} for n in range(many)]
    document = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": "bench"},
        "spec": {
            "selector": {"matchLabels": {"model": "A1"}},
            "firmware": {"components": components},
            "bios": {"raw": {f"Attribute{n}": "Enabled" for n in range(facts - many)}},
        },
    }
    return msgspec.convert(document, Baseline)


async def run(nodes: int, facts: int) -> None:
    clock = WallClock()
    store, baselines = Facts(clock=clock), Baselines()
    ledger = Ledger(facts=store, baselines=baselines, clock=clock, slow_interval_s=900.0)
    now = clock.now()
    for number in range(nodes):
        where = address(number)
        store.put_target(Target(address=where, name=f"n{number}"))
        store.record_report(report(number, facts=facts, now=now, drifted=number % 20 == 0))
        store.record_status(EndpointStatus(address=where, reach=Reach.REACHABLE, at=now, since=now))
    await baselines.put(baseline(facts), at=now, by="bench", source="bench")
    started = time.perf_counter()
    await ledger.settle()
    cold = time.perf_counter() - started
    started = time.perf_counter()
    found = causes((v.drift.name, v.drift) for v in ledger.verdicts())
    grouped = time.perf_counter() - started
    ones = []
    for number in range(200):
        store.record_report(report(number, facts=facts, now=clock.now(), drifted=number % 2 == 1))
        started = time.perf_counter()
        await ledger.settle()
        ones.append(time.perf_counter() - started)
    drifted = sum(len(cause.nodes) for cause in found)
    print(f"{nodes} nodes x {facts} facts, {drifted} drifted")
    print(f"cold    {cold:8.2f} s   {cold / nodes * 1e6:.0f} us a node")
    print(f"one     {statistics.quantiles(ones, n=20)[18] * 1e3:8.2f} ms  p95 of 200 changes")
    print(f"causes  {grouped * 1e3:8.2f} ms  {len(found)} of them")


def main() -> int:
    given = [int(word) for word in sys.argv[1:3]]
    nodes, facts = [*given, *(10_240, 200)[len(given) :]]
    asyncio.run(run(nodes, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
