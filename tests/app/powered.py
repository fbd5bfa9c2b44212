"""A server to be killed while it holds caps: `python -m tests.app.powered STATE`.

It opens on a state directory that knows its targets, and runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.survival.stage import LANES, PERIODS

from iolaus.app.house import HouseOptions, open_house


async def live(state: Path) -> None:
    options = HouseOptions(
        state_dir=state, demo=True, ca_file=None, periods=PERIODS, lanes=LANES, heir=True
    )
    async with open_house(options) as house:
        house.begin_all(spread=False)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1])))
