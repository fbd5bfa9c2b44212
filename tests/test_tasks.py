"""Tasks go on and end, also those that fail or lose a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from iolaus.kernel.tasks import end, keep_on, must_go_on, together


async def loses_first(started: asyncio.Event) -> None:
    started.set()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    started = asyncio.Event()
    task = asyncio.create_task(loses_first(started))
    await started.wait()
    await end(task, again_s=0.01)
    assert task.cancelled()


async def test_who_ends_others_and_is_cancelled_waits_for_them_all_the_same() -> None:
    started, ending, bye = asyncio.Event(), asyncio.Event(), list[str]()

    async def slow() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            bye.append("bye")

    task = asyncio.create_task(slow())
    await started.wait()
    closing = asyncio.create_task(end(task))
    await ending.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert bye == ["bye"]
    assert task.done()


async def fails() -> None:
    raise ValueError


async def test_what_ended_by_itself_or_badly_is_ended() -> None:
    done, failed = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(fails())
    await asyncio.wait({done, failed})
    await end(done, failed)
    await end()
    with pytest.raises(ValueError):
        failed.result()


async def test_a_duty_that_fails_is_begun_anew_and_said() -> None:
    begun, ended = list[int](), asyncio.Event()

    async def duty() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ValueError("nobody foresaw it")
        await ended.wait()

    with capture_logs() as said:
        task = asyncio.create_task(keep_on(duty, rest_s=0.0))
        while len(begun) < 3:
            await asyncio.sleep(0)
        ended.set()
        await task
    assert [each["event"] for each in said] == ["duty_erred", "duty_erred"]


async def test_a_duty_that_is_cancelled_is_over() -> None:
    begun = asyncio.Event()

    async def duty() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_on(duty))
    await begun.wait()
    await end(task)
    assert task.cancelled()


async def test_side_by_side_ends_what_lost_a_cancellation() -> None:
    started = asyncio.Event()
    waits = asyncio.Event().wait
    task = asyncio.create_task(together(loses_first(started), waits(), again_s=0.01))
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_side_by_side_raises_what_failed_and_ends_the_others() -> None:
    started, ended = asyncio.Event(), list[str]()

    async def other() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("other")

    async def late() -> None:
        await started.wait()
        await fails()

    with pytest.raises(ValueError):
        await together(other(), late())
    assert ended == ["other"]
    await together(asyncio.sleep(0), asyncio.sleep(0))


async def test_whoever_was_cancelled_unheard_hears_it_where_it_asks() -> None:
    async def loses() -> None:
        must_go_on()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        must_go_on()

    task = asyncio.create_task(loses())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
