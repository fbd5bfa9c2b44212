"""The end of tasks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_S: Final = 5.0


async def end(*tasks: asyncio.Task[Any], again_s: float = AGAIN_S) -> None:
    """Cancel them, and return when every one has ended, in whatever way.

    Whoever goes on is cancelled again after `again_s`: before Python 3.12 `asyncio.wait_for`, which
    libraries use, loses a cancellation that comes in the same turn of the loop as its result."""
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
