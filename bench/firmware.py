"""`python -m bench.firmware [NODES]` (200): a package that its canary does not bear.

A hall of trays of one make wants a new controller firmware, from a real PLDM package, over the
real wire. First the canary's health turns bad once the new version runs; then, in another
roll-out, the canary takes the image and never answers again. Prints and checks where each
roll-out stopped, what became of the canary, and who was written to, counted at the devices.
House and hall share one process here, and a step may take seconds instead of up to an hour.
Exits 1 where something of this is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.app.canary import NEW, OLD, Ended, bricked, hall, sick, touched, version
from tests.survival.stage import Stage

from bench.stage import Checks
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.observe.collect import Periods

SOAK_S = 30.0


async def turns_bad(on: Stage, check: Checks) -> Ended:
    print(f"health turns bad under {NEW}", flush=True)
    ended = await sick(on)
    check("the roll-out is paused", ended.progress.state is RolloutState.PAUSED)
    after = ended.stopped_s
    check("within the soak", after is not None and after <= SOAK_S, after)
    print(f"    {after or 0:.1f} s after the soak began: {ended.progress.reason}")
    check("the canary went back", ended.node.state is NodeState.ROLLED_BACK, ended.node)
    check(f"it runs {OLD}", version(ended.canary) == OLD, version(ended.canary))
    nobody_else(on, ended, check)
    return ended


async def is_lost(on: Stage, check: Checks) -> None:
    print("no answer after the flash", flush=True)
    begun = time.monotonic()
    ended = await bricked(on)
    print(f"    {time.monotonic() - begun:.1f} s: {ended.progress.reason}")
    check("the canary is lost", ended.node.state is NodeState.LOST, ended.node)
    check("it used up the budget", ended.progress.budgets.get("bricks") == 1)
    check("the roll-out is paused", ended.progress.state is RolloutState.PAUSED)
    nobody_else(on, ended, check)


def nobody_else(on: Stage, ended: Ended, check: Checks) -> None:
    check("all others wait", ended.others == {NodeState.WAITING}, ended.others)
    written = touched(on.hall.devices)
    check("nobody else was written to", set(written) == {ended.canary.name}, written)
    count = len(written.get(ended.canary.name, ()))
    print(f"    written to: {len(written)} of {len(on.hall.devices)} devices, {count} writes")


async def run(nodes: int) -> int:
    check, begun = Checks(), time.monotonic()
    periods = Periods(hot_s=max(0.4, nodes / 50), inventory_s=600.0, retry_s=1.0)
    with tempfile.TemporaryDirectory() as folder:
        async with hall(Path(folder), nodes, periods) as on:
            took = time.monotonic() - begun
            print(f"{nodes} nodes discovered and well in {took:.0f} s", flush=True)
            ended = await turns_bad(on, check)
            await on.house.rolling.ask(ended.plan.id, "abort", by="ana")
            await is_lost(on, check)
    return check.code


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("nodes", type=int, nargs="?", default=200)
    return asyncio.run(run(parser.parse_args().nodes))


if __name__ == "__main__":
    sys.exit(main())
