"""A process that hangs as a whole is begun again in its own place, or ended for its supervisor.

A loop that never comes round cannot notice that it does not. So a thread does, which does nothing
else: whoever is alive pats it, and when nobody has for a number of its own rounds it replaces the
process by a new one with the same arguments and the same process id. What must outlive that is on
disk already. A machine so busy that the thread itself comes late is no hung loop: such a round
does not count.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROUND_S: Final = 1.0
ROUNDS: Final = 5


def begin_again() -> None:
    """Replace this process by a new start of itself."""
    os.write(2, b"iolaus: the loop hung, so the process begins again\n")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


HUNG: Final = 70
"""The exit code of a process whose loop hung (EX_SOFTWARE of sysexits.h)."""


def end_hung() -> None:
    """End this process at once, with one line that says where its loop stands."""
    said = f"iolaus: the loop hung ({_standing()}), so the process ends; its supervisor starts it\n"
    os.write(2, said.encode())
    os._exit(HUNG)


def _standing() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return "nobody knows where"
    code = frame.f_code
    return f"in {code.co_qualname} at {Path(code.co_filename).name}:{frame.f_lineno}"


def end_stuck() -> None:
    """End this process at once, because it does not let go of what is no longer its own."""
    os.write(
        2, b"iolaus: what it led does not end, so the process ends; its supervisor starts it\n"
    )
    os._exit(HUNG)


@contextmanager
def fused(task: asyncio.Task[Any], *, within_s: float, bite: Callable[[], None]) -> Iterator[None]:
    """What is inside has to be left within so long of the end of `task`, else `bite`."""
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()

    def light(_: asyncio.Task[Any]) -> None:
        timers.append(loop.call_later(within_s, bite))

    task.add_done_callback(light)
    try:
        yield
    finally:
        task.remove_done_callback(light)
        for timer in timers:
            timer.cancel()


class Watchdog:
    """`ROUNDS` punctual rounds without a `pat` call `bite`, once."""

    def __init__(self, *, bite: Callable[[], None] = begin_again, round_s: float = ROUND_S) -> None:
        self._bite, self._round_s = bite, round_s
        self._missed, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pat(self) -> None:
        self._missed = 0

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(self._round_s):
            late_s, began = time.monotonic() - began - self._round_s, time.monotonic()
            self._missed += late_s < self._round_s / 2
            if self._missed > ROUNDS:
                self._bite()
                return
