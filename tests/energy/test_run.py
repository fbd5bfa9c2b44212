"""An edge in real time: doors that hang, disks that fail, and a file that outlives the process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.edge import Edge
from iolaus.energy.frames import Report
from iolaus.energy.journal import latch_file
from iolaus.energy.ports import Grade, IsolationRequest, Latch, Sense
from iolaus.energy.run import Done, Doors, EdgeRun
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import IolausError, OperatorMust, WeErred
from tests.energy.racks import event, frame, rack


class Rack:
    """Doors to four nodes, of which some hang; a disk that may be full."""

    def __init__(self, clock: JumpClock, hung: frozenset[str] = frozenset()) -> None:
        self.clock, self.hung = clock, hung
        self.caps = {f"n{i}": 1000.0 for i in range(4)}
        self.off: dict[str, float] = {}
        self.kept: list[Latch] = []
        self.told: list[Report] = []
        self.noted: list[Done] = []
        self.isolations: list[IsolationRequest] = []
        self.full = False
        self.dark: frozenset[str] = frozenset()
        self.tries: dict[str, int] = {}

    async def read_cap(self, node: str) -> float | None:
        await self.clock.sleep(3600 if node in self.hung else 0.02)
        return self.caps[node]

    async def write_cap(self, node: str, watts: float, *, safety: bool) -> float | None:
        del safety
        await self.clock.sleep(3600 if node in self.hung else 0.02)
        self.caps[node] = watts
        return watts

    async def power_off(self, node: str) -> bool | None:
        await self.clock.sleep(0.05)
        self.tries[node] = self.tries.get(node, 0) + 1
        if node in self.dark:
            return None
        self.off.setdefault(node, self.clock.monotonic())
        return True

    async def isolate(self, request: IsolationRequest) -> bool:
        self.isolations.append(request)
        return True

    def load(self) -> Sequence[Latch]:
        return self.kept

    def save(self, latches: Sequence[Latch]) -> None:
        if self.full:
            raise WeErred("no space", operation="save latches", subject="disk")
        self.kept = list(latches)

    def doors(self) -> Doors:
        return Doors(
            caps=self,
            power=self,
            building=self,
            latches=self,
            tell=self.told.append,
            record=self.noted.append,
        )


async def play(on: Rack, run: EdgeRun, seconds: float) -> None:
    task = asyncio.create_task(run.run())
    await on.clock.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_budget_is_carried_out_and_reported() -> None:
    clock = JumpClock()
    on = Rack(clock)
    run = EdgeRun(Edge(rack()), on.doors(), clock)
    assert run.took(frame(1, 2800, lease_ms=3000))
    await play(on, run, 2.5)
    assert sum(on.caps.values()) <= 2800
    assert on.told[-1].granted_w <= 2800
    assert {each.what for each in on.noted} == {"cap"}


async def test_a_hung_controller_holds_up_nobody() -> None:
    clock = JumpClock()
    on = Rack(clock, hung=frozenset({"n0"}))
    run = EdgeRun(Edge(rack()), on.doors(), clock)
    run.heard(event(Sense.LEAK, "ra", Grade.CRITICAL))
    await play(on, run, 6)
    assert all(at < 1 for at in on.off.values())
    assert len(on.off) == 4
    assert on.told[-1].granted_w == 1000 + 3 * 400
    assert on.told[-1].unreachable == ("n0",)


async def test_a_full_disk_does_not_stop_a_reflex() -> None:
    clock = JumpClock()
    on = Rack(clock)
    on.full = True
    run = EdgeRun(Edge(rack()), on.doors(), clock)
    run.heard(event(Sense.LEAK, "n1-wet", Grade.CRITICAL))
    await play(on, run, 3)
    assert set(on.off) == {"n1"}
    assert on.kept == []
    on.full = False
    await play(on, run, 9)
    assert [latch.name for latch in on.kept] == ["leak/tray-n1"]


async def test_what_is_tried_again_and_again_is_recorded_when_its_end_changes() -> None:
    clock = JumpClock()
    on = Rack(clock)
    on.dark = frozenset({"n1"})
    run = EdgeRun(Edge(rack()), on.doors(), clock)
    run.heard(event(Sense.LEAK, "n1-wet", Grade.CRITICAL))
    await play(on, run, 60)
    assert on.tries["n1"] > 10
    offs = [each.fate for each in on.noted if each.what == "power off"]
    assert offs == ["unknown"]
    on.dark = frozenset()
    await play(on, run, 10)
    offs = [each.fate for each in on.noted if each.what == "power off"]
    assert offs == ["unknown", "off"]


async def test_a_release_is_recorded_with_who_and_why() -> None:
    clock = JumpClock()
    on = Rack(clock)
    run = EdgeRun(Edge(rack()), on.doors(), clock)
    run.heard(event(Sense.FLOW, "cdu", Grade.CRITICAL))
    await play(on, run, 2)
    run.heard(event(Sense.FLOW, "cdu", Grade.GOOD))
    run.release("flow/cdu", who="ann", reason="pump changed")
    assert (on.noted[-1].because, on.noted[-1].fate) == ("pump changed", "by ann")
    assert on.kept == []


def test_latches_come_back_from_the_file(tmp_path: Path) -> None:
    kept = latch_file(tmp_path / "edge" / "r1.json")
    assert kept.load() == ()
    latch = Latch(
        name="leak/x", sense=Sense.LEAK, subject="x", grade=Grade.CRITICAL, nodes=("n1",), off=True
    )
    kept.save([latch])
    assert kept.load() == (latch,)
    assert (kept.path.stat().st_mode & 0o777) == 0o600
    kept.path.write_bytes(b"{")
    with pytest.raises(OperatorMust) as spoilt:
        kept.load()
    assert spoilt.value.code == "LatchesUnreadable"


@settings(max_examples=60)
@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_latches_or_an_error_of_ours(data: bytes) -> None:
    try:
        latch_file(Path("r1.json")).parse(data)
    except IolausError as error:
        assert error.next_step
