"""Tasks end, also those that lose a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from iolaus.kernel.tasks import end


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


async def fails() -> None:
    raise ValueError


async def test_what_ended_by_itself_or_badly_is_ended() -> None:
    done, failed = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(fails())
    await asyncio.wait({done, failed})
    await end(done, failed)
    await end()
    with pytest.raises(ValueError):
        failed.result()
