"""How members stand, in words that a person can act on."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from iolaus.app.cluster.members import Member, Members
from iolaus.app.cluster.standing import _conditions
from iolaus.app.round import Round
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.kernel.clock import JumpClock

EDGE = Member(name="e", role="edge", boot="b", since=0.0, at=0.0, host="h", free_bytes=5 << 30)
CORE = msgspec.structs.replace(EDGE, name="c", role="core", leads=3)


def paced(*, every_s: float = 10.0, late_s: float = 0.0, unread: int = 0) -> Member:
    round_ = Round(every_s=every_s, late_s=late_s, unread=unread)
    return msgspec.structs.replace(EDGE, round=round_)


TOLD = Round(every_s=10.0)


def reasons(member: Member, *, silent: bool = False, skew_s: float = 0.0) -> list[str]:
    orphans = {"s.01": 2}
    found = list(_conditions(member, silent=silent, orphans=orphans, skew_s=skew_s, told=TOLD))
    assert all(each.status == "False" and each.message for each in found)
    return [each.reason for each in found]


@pytest.mark.parametrize(
    ("member", "words", "expected"),
    [
        (EDGE, {}, []),
        (EDGE, {"silent": True}, ["Silent"]),
        (EDGE, {"skew_s": -3600.0}, ["Skewed"]),
        (EDGE, {"skew_s": 1.0}, []),
        (msgspec.structs.replace(EDGE, free_bytes=1 << 20), {}, ["DiskNearlyFull"]),
        (msgspec.structs.replace(EDGE, free_bytes=-1), {}, []),
        (msgspec.structs.replace(EDGE, trouble="the disk is full"), {}, ["Trouble"]),
        (msgspec.structs.replace(EDGE, waiting=501), {}, ["Behind"]),
        (CORE, {}, ["NoOwner"]),
        (paced(late_s=10.0), {}, []),
        (paced(late_s=35.0), {}, ["Overloaded"]),
        (paced(late_s=35.0), {"silent": True}, ["Silent"]),
        (paced(every_s=60.0, late_s=35.0), {}, ["OtherPeriod"]),
    ],
)
def test_each_trouble_is_told(member: Member, words: dict[str, float], expected: list[str]) -> None:
    assert reasons(member, **words) == expected  # type: ignore[arg-type]


def test_an_edge_that_cannot_keep_up_says_how_old_its_readings_are() -> None:
    def told(member: Member) -> tuple[str, str]:
        (found,) = _conditions(member, silent=False, orphans={}, skew_s=0.0, told=TOLD)
        return found.message, found.next_step

    message, step = told(paced(late_s=35.0))
    assert "every 45 s, not every 10 s" in message
    assert step.startswith("give its site another edge")
    message, step = told(paced(late_s=35.0, unread=7))
    assert message.endswith("7 endpoints wait to be read for the first time")
    assert step.startswith("let it read them first")


async def test_a_clock_that_is_off_is_seen_by_the_others() -> None:
    memory, clock, ahead = Memory(), JumpClock(), JumpClock(start=1_700_003_600.0)
    late = msgspec.structs.replace(EDGE, at=ahead.now())
    observer = Members(LocalTrunk(memory, clock).table("members"), clock, lambda: CORE)
    watching = asyncio.create_task(observer.run())
    await clock.sleep(3)
    await LocalTrunk(memory, clock).table("members").put("e", msgspec.json.encode(late))
    await clock.sleep(1)
    assert 3590 < observer.skew_s("e") <= 3600
    assert observer.skew_s("nobody") == 0.0
    watching.cancel()
