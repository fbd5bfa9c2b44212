"""Tasks that go on whatever happens, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)
AGAIN_S: Final = 5.0
REST_S: Final = 1.0
Duty = Callable[[], Coroutine[Any, Any, None]]


async def keep_on(duty: Duty, *, rest_s: float = REST_S) -> None:
    """Until it returns or is cancelled. What nobody foresaw is written down and the duty begun
    anew: one that is over without a word would be missed by nobody."""
    while True:
        try:
            await duty()
        except Exception:  # supervised: this is where
            log.exception("duty_erred", duty=getattr(duty, "__qualname__", repr(duty)))
            await asyncio.sleep(rest_s)
        else:
            return


async def together(*duties: Coroutine[Any, Any, Any], again_s: float = AGAIN_S) -> None:
    """Side by side, until all are over, one fails or this is cancelled; then the others are ended
    and what failed is raised. An `asyncio.TaskGroup` cancels what is in it once, and waits for ever
    for one that lost that (see `end`)."""
    tasks = [asyncio.create_task(duty) for duty in duties]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await end(*tasks, again_s=again_s)


def must_go_on() -> None:
    """Raises `asyncio.CancelledError` where this task was cancelled and a library lost it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(*tasks: asyncio.Task[Any], again_s: float = AGAIN_S) -> None:
    """Cancel them, and return when every one has ended, in whatever way; also where this is
    cancelled meanwhile: then they are cancelled again, and it is raised at the end.

    Whoever goes on is cancelled again after `again_s`: before Python 3.12 `asyncio.wait_for`, which
    libraries use, loses a cancellation that comes in the same turn of the loop as its result."""
    going, cut = set(tasks), False
    while going:
        for task in going:
            task.cancel()
        try:
            _, going = await asyncio.wait(going, timeout=again_s)
        except asyncio.CancelledError:
            going, cut = {task for task in going if not task.done()}, True
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen, so that nobody is told of it at its death
    if cut:
        raise asyncio.CancelledError
