"""How a benchmark ends that a person, or whoever runs it, ends early: with one line, and nothing
of it left running."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final

INTERRUPTED: Final = 130


def run_to_the_end(play: Coroutine[Any, Any, int]) -> int:
    """Its exit code; 130 where Ctrl-C or SIGTERM came first, and then it has cleared away."""
    try:
        return asyncio.run(_listening(play))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("interrupted: what was started is stopped, and nothing is claimed\n")
        return INTERRUPTED


async def _listening(play: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None, "it runs as one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await play
