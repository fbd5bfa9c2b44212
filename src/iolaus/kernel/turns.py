"""Taking turns at what keeps an event loop busy for tens of milliseconds."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_LOCKS: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = (
    weakref.WeakKeyDictionary()
)


@asynccontextmanager
async def own_turn() -> AsyncIterator[None]:
    """Whoever works in here has a round of the loop for itself: timers, answers and reflexes come
    before the next one. Nothing is to be awaited inside."""
    async with _LOCKS.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        yield
        await asyncio.sleep(0)
