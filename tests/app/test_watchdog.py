"""Whoever is alive is left alone; whoever is not is begun again, once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

from iolaus.app.watchdog import HUNG, Watchdog, fused

HANGS = """
import asyncio, time
from iolaus.app.watchdog import Watchdog, end_hung

def forever():
    time.sleep(600)

async def main():
    Watchdog(bite=end_hung, round_s=0.1).start()
    forever()

asyncio.run(main())
"""


def test_a_hung_loop_is_bitten_once() -> None:
    bitten = threading.Event()
    dog = Watchdog(bite=bitten.set, round_s=0.02)
    dog.start()
    assert bitten.wait(20)
    dog.stop()


def test_a_loop_that_comes_round_is_left_alone() -> None:
    bitten = threading.Event()
    dog = Watchdog(bite=bitten.set, round_s=0.2)
    dog.start()
    for _ in range(10):
        dog.pat()
        time.sleep(0.03)
    assert not bitten.is_set()
    dog.stop()


def test_a_process_that_hangs_ends_as_a_failure_and_says_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == HUNG
    assert "the loop hung (in forever at <string>:6)" in done.stderr
    assert "Traceback" not in done.stderr


async def test_what_is_not_left_after_a_task_ended_bites_and_what_is_does_not() -> None:
    bitten = asyncio.Event()
    task = asyncio.create_task(asyncio.sleep(0))
    with fused(task, within_s=0.0, bite=bitten.set):
        await asyncio.wait_for(bitten.wait(), 20)
    spared = list[str]()
    lead = asyncio.create_task(asyncio.Event().wait())
    with fused(lead, within_s=0.0, bite=lambda: spared.append("bitten")):
        await asyncio.sleep(0)
    lead.cancel()
    await asyncio.wait({lead})
    await asyncio.sleep(0)
    with fused(lead, within_s=600.0, bite=lambda: spared.append("bitten")):
        await asyncio.sleep(0)
    assert spared == []
