"""One update under way: a task, its stages in the device's own time, and how it ends.

Stages follow each other by timers: the image comes, goes to each component, is verified there,
is written. Between two of them anything may happen (the controller restarts, mains goes), and
`stop` is all that has to be called then: what was written stays as it was at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from iolaus.sim.device import Device
from iolaus.sim.firmware.choose import Item
from iolaus.sim.firmware.messages import said
from iolaus.sim.tasks import Task

USUAL_S = 300.0


def paced(device: Device, seconds: float) -> float:
    """So many seconds of hardware in the device's own time."""
    return seconds * device.options.task_s / USUAL_S


@dataclass(slots=True, kw_only=True)
class Wish:
    """What was asked for: `targets` are paths (none: whatever fits), `time` the OperationApplyTime
    (None: the device's habit)."""

    name: str
    targets: Sequence[str] = ()
    force: bool = False
    time: str | None = None


@dataclass(slots=True, kw_only=True)
class Work:
    device: Device
    task: Task
    wish: Wish
    items: list[Item] = field(default_factory=list)
    failed: bool = False
    over: bool = False
    writing: bool = False
    coming: asyncio.Task[Any] | None = None

    def then(self, seconds: float, step: Callable[[], None]) -> None:
        """The next stage, unless all has ended by then."""
        self.device.later(seconds, lambda: None if self.over else step())

    def say(self, name: str, *args: str, more: str = "") -> None:
        self.task.messages.append(said(name, *args, more=more))

    def each(self, name: str) -> None:
        """This message of every component."""
        for item in self.items:
            self.say(name, self.wish.name, item.here.path)

    def fail(self, name: str, about: str, why: str) -> None:
        self.failed = True
        self.say(name, self.wish.name, about, more=why)

    def stop(self) -> None:
        self.over = True
        if self.coming is not None and self.coming is not _current():
            self.coming.cancel()


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
