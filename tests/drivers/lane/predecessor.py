"""A process that holds a session and is killed: `python predecessor.py ADDRESS PIN LEDGER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.drivers.lane.conftest import RIGHT, V1, FileLedger

from iolaus.drivers.lane import Lanes, redfish_conversations
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import WallClock
from iolaus.model.endpoint import Target


async def main(address: str, fingerprint: str, ledger: str) -> None:
    clock = WallClock()
    lanes = Lanes(redfish_conversations(clock, ledger=FileLedger(Path(ledger))), clock)
    lane = lanes.lane(Target(address=address, fingerprint=fingerprint), RIGHT)
    await lane.at(Priority.TELEMETRY).get(f"{V1}/Systems/1")
    print("reading", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
