"""Drives that are told to erase themselves (Drive.SecureErase, DSP0268): a task, an operation that
the drive shows while it lasts, and a count of what was really erased.

Each drive works by itself, and one that works takes no second order. A controller that starts anew
in the middle knows its task no more, and what the drive held is still on it.
"""

from __future__ import annotations

from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tasks import Task
from iolaus.sim.tree import Resource

ERASE: Final = "Drive.SecureErase"


class Drives(Quiet):
    """`erased` is how often, by the drive's path; `busy` are those at work."""

    __slots__ = ("busy", "erased")

    def __init__(self) -> None:
        self.erased: dict[str, int] = {}
        self.busy: set[str] = set()

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del body
        if action != ERASE:
            return None
        if path in self.busy:
            return refused(409, "ResourceInUse")
        seconds = device.options.task_s
        task = device.tasks.open("Secure erase", seconds=seconds)
        shown = {"OperationName": "Sanitize", "Operation": "Sanitize",
                 "AssociatedTask": {"@odata.id": task.path}}  # fmt: skip
        self.busy.add(path)
        device.patch(path, {"Operations": [shown]})
        device.later(seconds, lambda: self._over(device, path, task))
        return device.tasks.accepted(task)

    def restarted(self, device: Device) -> None:
        for path in sorted(self.busy):
            self._rest(device, path)

    def truth(self, device: Device) -> Resource:
        del device
        return {"erased": dict(self.erased)} if self.erased else {}

    def _over(self, device: Device, path: str, task: Task) -> None:
        device.tasks.end(task, lambda: self._done(path))
        self._rest(device, path)

    def _done(self, path: str) -> None:
        self.erased[path] = self.erased.get(path, 0) + 1

    def _rest(self, device: Device, path: str) -> None:
        if path in self.busy:
            self.busy.discard(path)
            device.patch(path, {"Operations": []})
