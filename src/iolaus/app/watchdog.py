"""A process that hangs as a whole is begun again in its own place.

A loop that never comes round cannot notice that it does not. So a thread does, which does nothing
else: whoever is alive pats it, and when nobody has for a number of its own rounds it replaces the
process by a new one with the same arguments and the same process id. What must outlive that is on
disk already. A machine so busy that the thread itself comes late is no hung loop: such a round
does not count.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

ROUND_S: Final = 1.0
ROUNDS: Final = 5


def begin_again() -> None:
    """Replace this process by a new start of itself."""
    os.write(2, b"iolaus: the loop hung, so the process begins again\n")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


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
