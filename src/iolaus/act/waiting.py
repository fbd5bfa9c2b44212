"""Waiting by the clock port: until something changes, and no longer than something may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from iolaus.kernel.clock import Clock


async def doze(clock: Clock, seconds: float, changed: asyncio.Event) -> None:
    """Until `changed` is set, `seconds` at most."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    change = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({timer, change}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        change.cancel()


@asynccontextmanager
async def within(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Cancel what is inside after `seconds` by the clock and raise `TimeoutError`."""
    task, late, over = asyncio.current_task(), False, False
    assert task is not None

    def expire(timer: asyncio.Future[None]) -> None:
        nonlocal late
        if not timer.cancelled() and not over:
            late = True
            task.cancel()

    timer = asyncio.ensure_future(clock.sleep(seconds))
    timer.add_done_callback(expire)
    try:
        yield
    except asyncio.CancelledError:
        if late and task.uncancel() == 0:
            late = False
            raise TimeoutError(f"it took longer than {seconds:g} s") from None
        raise
    finally:
        over = True
        timer.cancel()
        if late and task.cancelling():
            task.uncancel()
