"""Waiting by the clock port: until something changes, and no longer than something may take."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from iolaus.kernel.clock import Clock


class Bell:
    """Rung when it is time to look: by our own work (`changed`), or because somebody outside
    said something (`asked`), which is to be read first."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.asked = True

    def ask(self) -> None:
        self.asked = True
        self.changed.set()

    def heard(self) -> bool:
        """Whether somebody asked since this was called last."""
        asked, self.asked = self.asked, False
        return asked


async def doze(clock: Clock, seconds: float, changed: asyncio.Event) -> None:
    """Until `changed` is set, `seconds` at most."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    change = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({timer, change}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        change.cancel()


def within(clock: Clock, seconds: float) -> AbstractAsyncContextManager[None]:
    """Cancel what is inside after `seconds` by the clock and raise `TimeoutError`."""
    return _Within(clock, seconds)


class _Within:
    """A class, not a generator: every look of every node passes here."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds, self._late = clock, seconds, False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.ensure_future(self._clock.sleep(self._seconds))
        self._timer.add_done_callback(self._expire)

    def _expire(self, timer: asyncio.Future[None]) -> None:
        if not timer.cancelled():
            self._late = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._timer.remove_done_callback(self._expire)
        self._timer.cancel()
        if self._late and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError(f"it took longer than {self._seconds:g} s") from None
