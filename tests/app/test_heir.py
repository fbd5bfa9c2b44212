"""What outlives a server: a machine above its floor gets it back, and nothing else is done."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.survival.stage import Ground, grounded, machine

from iolaus.app import heir
from iolaus.app.heir import Line, Will, succeed, wait
from iolaus.energy.seats import Seat
from iolaus.kernel.clock import WallClock
from iolaus.model.asset import AssetKind
from iolaus.model.endpoint import Mode, Target

CAP = "/redfish/v1/Chassis/Chassis_0/EnvironmentMetrics"
BOOST_W, FLOOR_W = 7_000.0, 2_600.0


class Estate:
    def __init__(self, ground: Ground, folder: Path) -> None:
        self.ground, self.folder = ground, folder
        self.device = ground.hall["one"]
        self.pipe = asyncio.StreamReader()
        self.hurried = asyncio.Event()
        self.task = asyncio.create_task(wait(self.pipe, WallClock(), self.hurried))

    @property
    def cap_w(self) -> float:
        return float((self.device.kept(CAP) or {})["PowerLimitWatts"]["SetPoint"])

    def caps(self, watts: float) -> None:
        self.device.patch(CAP, {"PowerLimitWatts": {"SetPoint": watts}})

    def will(self, **changes: Any) -> Will:
        address = self.device.address
        seat = Seat(
            name="one", address=address, rack="r1", row="a", kind=AssetKind.NODE, managed=True,
            cap_uri=CAP, nameplate_w=9_000.0,
        )  # fmt: skip
        target = Target(
            address=address, name="one", fingerprint=self.device.fingerprint, mode=Mode.MANAGED
        )
        will = Will(
            boot="1", directory=str(self.folder), seats=(seat,), floors={"one": FLOOR_W},
            targets=(target,), logins={address: ("root", "iolaus-sim")}, drivers={}, lease_s=60.0,
            grace_s=0.0,
        )  # fmt: skip
        return msgspec.structs.replace(will, **changes)

    def say(self, line: Line | None = None) -> None:
        self.pipe.feed_data(msgspec.json.encode(line or Line()) + b"\n")

    async def over(self) -> None:
        async with asyncio.timeout(120.0):
            await self.task

    def writes(self) -> int:
        return self.device.counters.by_method.get("PATCH", 0)


@asynccontextmanager
async def estate(folder: Path) -> AsyncIterator[Estate]:
    async with grounded(folder, machine("gb300-tray", "one")) as ground:
        found = Estate(ground, folder)
        succeed(folder, "1")
        found.caps(BOOST_W)
        try:
            yield found
        finally:
            found.task.cancel()
            await asyncio.gather(found.task, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < 120.0, "it did not come"
        await asyncio.sleep(0.02)


async def test_a_pipe_that_closes_brings_the_floor_and_leaves_no_session(tmp_path: Path) -> None:
    async with estate(tmp_path) as on:
        on.say(Line(will=on.will()))
        on.say()
        on.pipe.feed_eof()
        await on.over()
        assert on.cap_w == FLOOR_W
        assert on.writes() == 1
        assert not on.device.gate.sessions()


async def test_what_is_below_its_floor_is_not_raised_and_an_end_is_carried_out(
    tmp_path: Path,
) -> None:
    async with estate(tmp_path) as on:
        on.caps(FLOOR_W - 100.0)
        on.say(Line(will=on.will()))
        on.say(Line(end=True))
        await on.over()
        assert (on.cap_w, on.writes()) == (FLOOR_W - 100.0, 0)


async def test_an_heir_whose_server_was_succeeded_writes_nothing(tmp_path: Path) -> None:
    async with estate(tmp_path) as on:
        on.say(Line(will=on.will()))
        succeed(tmp_path, "2")
        on.pipe.feed_eof()
        await on.over()
        assert (on.cap_w, on.writes()) == (BOOST_W, 0)


async def test_one_that_begins_again_within_the_grace_comes_first(tmp_path: Path) -> None:
    async with estate(tmp_path) as on:
        on.say(Line(will=on.will(grace_s=3_600.0)))
        on.pipe.feed_eof()
        await until(lambda: on.device.counters.requests > 0)
        succeed(tmp_path, "2")
        await on.over()
        assert (on.cap_w, on.writes()) == (BOOST_W, 0)


async def test_a_beat_that_stays_away_brings_the_floor_and_one_that_is_back_ends_that(
    tmp_path: Path,
) -> None:
    async with estate(tmp_path) as on:
        on.say(Line(will=on.will(lease_s=0.2)))
        await until(lambda: on.cap_w == FLOOR_W)
        on.say(Line(will=on.will()))
        on.caps(BOOST_W)
        on.say()
        succeed(tmp_path, "2")
        on.pipe.feed_eof()
        await on.over()
        assert on.cap_w == BOOST_W


async def test_one_that_is_hurried_gives_up_on_a_machine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heir, "HURRIED_S", 0.2)
    async with estate(tmp_path) as on:
        on.device.down("refuse")
        on.say(Line(will=on.will(last_s=3_600.0)))
        on.pipe.feed_eof()
        on.hurried.set()
        await on.over()
        assert on.cap_w == BOOST_W


async def test_the_heir_of_a_process_that_is_killed_acts_and_ends(tmp_path: Path) -> None:
    async with estate(tmp_path) as on:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.testator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            process.stdin.write(msgspec.json.encode(Line(will=on.will())) + b"\n")
            process.stdin.flush()
            pid = int(await asyncio.to_thread(process.stdout.readline))
            process.kill()
            process.wait()
        await until(lambda: on.cap_w == FLOOR_W)
        await until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """One that ended and was not waited for by its new parent yet is not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
