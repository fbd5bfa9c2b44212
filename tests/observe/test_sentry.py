"""Leaks and coolant between two hot sets: asked for where nobody tells of them, and bounded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from tests.observe.fakes import FakePicture
from tests.observe.test_events import ADDRESS, report

from iolaus.drivers.ports import Priority, Reads
from iolaus.kernel.errors import DeviceSilent
from iolaus.model.asset import Reading, Report
from iolaus.model.endpoint import Target
from iolaus.observe.collect import Job, Key
from iolaus.observe.sentry import Sentry, SentryRules

KEY = Key(ADDRESS, Job.SENTRY)
WET = Reading(
    name="x", asset="a", uri="/wet", quantity="Leak", unit="1", value=0.0, at=0.0, role="leak"
)


class Controller:
    """A device, its driver and its lane in one."""

    def __init__(self) -> None:
        self.says: list[Reading] | None = [WET]
        self.asked: list[tuple[Priority, float | None]] = []

    async def driver(self, *, afresh: bool = False) -> Controller:
        return self

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        self.asked.append((priority, timeout_s))
        return None  # type: ignore[return-value]

    async def alert(self, device: Reads, last: Report) -> Sequence[Reading]:
        if self.says is None:
            raise DeviceSilent("no answer", operation="read", subject="x", next_step="wait")
        return self.says


class Post:
    def __init__(self, *, has: bool = True) -> None:
        self.picture, self.device = FakePicture(), Controller()
        self.picture.targets[ADDRESS] = Target(address=ADDRESS)
        found = report()
        self.picture.reports[ADDRESS] = (
            msgspec.structs.replace(found, readings=(WET,)) if has else found
        )
        self.guarded, self.streams = True, False
        self.told: list[Sequence[Reading]] = []
        self.woken: list[Key] = []
        self.sentry = Sentry(
            picture=self.picture,
            open_device=lambda _: self.device,
            guarded=lambda _: self.guarded,
            is_told=lambda _: self.streams,
            tell=lambda _, found: self.told.append(found),
            wake=lambda key, _: self.woken.append(key),
            rules=SentryRules(period_s=2.0, idle_s=10.0, most_per_s=0.25),
        )


async def test_a_guarded_controller_is_asked_at_the_priority_of_safety() -> None:
    post = Post()
    assert await post.sentry.reconcile(KEY) == 4.0, "one controller, and a quarter a second at most"
    assert post.told == [[WET]]
    assert [priority for priority, _ in post.device.asked] == [Priority.SAFETY]
    assert post.woken == []


async def test_news_wakes_the_hot_set() -> None:
    post = Post()
    await post.sentry.reconcile(KEY)
    post.device.says = [msgspec.structs.replace(WET, value=2.0)]
    await post.sentry.reconcile(KEY)
    await post.sentry.reconcile(KEY)
    assert post.woken == [Key(ADDRESS, Job.HOT)]


async def test_who_tells_by_himself_or_is_not_guarded_is_left_alone() -> None:
    post = Post()
    post.streams = True
    assert await post.sentry.reconcile(KEY) == 10.0
    post.streams, post.guarded = False, False
    assert await post.sentry.reconcile(KEY) == 10.0
    assert post.device.asked == []
    assert await Post(has=False).sentry.reconcile(KEY) is None
    post.picture.targets.clear()
    assert await post.sentry.reconcile(KEY) is None


async def test_one_that_does_not_answer_is_no_gap_yet() -> None:
    post = Post()
    post.device.says = None
    assert await post.sentry.reconcile(KEY) == 2.0
    assert post.told == []
