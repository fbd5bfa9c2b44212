"""Long work: a Task that progresses with time, and its monitor (DSP0266, 12.2).

A task's resource is not stored but computed when it is read, so progress costs no timer; one
timer ends it. The monitor answers 202 while the work runs and the result afterwards. The fault
rules can make a task lie or vanish; here it is honest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import error_body, message
from iolaus.sim.tree import ROOT, Resource, canonical, target_of

if TYPE_CHECKING:
    from iolaus.sim.device import Device


@dataclass(slots=True)
class Task:
    path: str
    monitor: str
    name: str
    started_at: float
    seconds: float
    state: str = "Running"
    status: str = "OK"
    ended_at: float | None = None
    payload: Resource | None = None
    answer: Resource | None = None
    messages: list[Resource] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """It has not begun with what it is for."""
        return self.state in ("New", "Pending", "Starting")


class Tasks:
    """`outlive`: tasks are there after a restart of the controller, those that ran as failed.

    `flaws` are faults: "new" (never begins), "critical" (ends so, nothing done), "staged" (done
    at the next reboot), "late" (done `late_s` afterwards), "gone" (vanishes at its end), "monitor"
    (a look at the monitor deletes it)."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.flaws: set[str] = set()
        self.late_s = 180.0
        self.outlive = False
        self._staged: list[Callable[[], Resource | None]] = []
        self._number = 0
        self._by_path: dict[str, Task] = {}
        self._by_monitor: dict[str, Task] = {}
        self._place = ""

    @property
    def collection(self) -> str:
        if not self._place:
            service = target_of(self._device.kept(ROOT) or {}, "Tasks") or f"{ROOT}/TaskService"
            place = target_of(self._device.kept(canonical(service)) or {}, "Tasks")
            self._place = canonical(place or f"{service}/Tasks")
        return self._place

    def start(
        self,
        name: str,
        done: Callable[[], Resource | None],
        *,
        seconds: float | None = None,
        payload: Resource | None = None,
    ) -> Outcome:
        """Begin work that ends with `done()`; the answer is 202 with the task. What `done` gives
        is the monitor's answer then; `payload` is the task's Payload."""
        device = self._device
        seconds = device.options.task_s if seconds is None else seconds
        task = self.open(name, seconds=seconds, payload=payload)
        device.later(seconds, lambda: self.end(task, done))
        return self.accepted(task)

    def open(
        self,
        name: str,
        *,
        seconds: float = 0.0,
        state: str = "Running",
        payload: Resource | None = None,
    ) -> Task:
        """A task whose owner says when it ends, and what there is to say meanwhile."""
        device = self._device
        self._number += 1
        path = f"{self.collection}/{self._number}"
        monitor = f"{self.collection.rpartition('/')[0]}/TaskMonitors/{self._number}"
        started_at = device.clock.monotonic()
        task = Task(path, monitor, name, started_at, seconds, state=state, payload=payload)
        self._by_path[path] = self._by_monitor[monitor] = task
        device.computed[path] = lambda: self._resource(task)
        device.enlist(self.collection, path)
        return task

    def accepted(self, task: Task) -> Outcome:
        """202, with the task and where it is watched."""
        headers = {"Location": task.monitor}
        return Outcome(status=202, body=self._resource(task), headers=headers)

    def monitored(self, path: str) -> Outcome | None:
        """What a GET on a monitor answers; None if there is no such monitor."""
        task = self._by_monitor.get(path)
        if task is None:
            return None
        if task.ended_at is None:
            headers = {"Location": task.monitor, "Retry-After": "1"}
            return Outcome(status=202, body=self._resource(task), headers=headers)
        answer = self._result(task)
        if "monitor" in self.flaws:
            self._vanish(task)
        return answer

    def _result(self, task: Task) -> Outcome:
        """What the operation came to: its answer, or why it failed."""
        wrong = [said for said in task.messages if said["Severity"] != "OK"]
        if task.state == "Exception" and wrong:
            return Outcome(status=400, body=error_body(wrong))
        body = task.answer or self._resource(task)
        made = {"Location": str(body["@odata.id"])} if task.answer and "@odata.id" in body else {}
        return Outcome(status=200, body=body, headers=made)

    def delete(self, path: str) -> Outcome | None:
        task = self._by_path.get(path) or self._by_monitor.get(path)
        if task is None:
            return None
        self._vanish(task)
        return Outcome()

    def drop_all(self) -> None:
        """The controller boots: what was only staged is active then."""
        for task in list(self._by_path.values()):
            if not self.outlive:
                self._vanish(task)
            elif task.ended_at is None:
                self._over(task, "Exception", "Critical")
        staged, self._staged = self._staged, []
        for done in staged:
            done()

    def _vanish(self, task: Task) -> None:
        self._by_path.pop(task.path, None)
        self._by_monitor.pop(task.monitor, None)
        self._device.computed.pop(task.path, None)
        self._device.delist(self.collection, task.path)

    def end(
        self,
        task: Task,
        done: Callable[[], Resource | None],
        *,
        state: str = "Completed",
        status: str = "OK",
    ) -> None:
        """The task is over, if it is still there; then `done()`."""
        if task.path not in self._by_path or task.ended_at is not None or "new" in self.flaws:
            return
        self._over(task, state, status)
        if "critical" in self.flaws:
            task.status = "Critical"
        elif "staged" in self.flaws:
            self._staged.append(done)
        elif "late" in self.flaws:
            self._device.later(self.late_s, lambda: _did(done))
        else:
            task.answer = done()
        if "gone" in self.flaws:
            self._vanish(task)

    def _over(self, task: Task, state: str, status: str) -> None:
        task.state, task.status, task.ended_at = state, status, self._device.clock.monotonic()

    def _resource(self, task: Task) -> Resource:
        device = self._device
        age = (task.ended_at or device.clock.monotonic()) - task.started_at
        finished = task.ended_at is not None
        percent = 100 if finished else min(99, int(100 * age / max(task.seconds, 0.001)))
        is_new = ("new" in self.flaws or task.waits) and not finished
        found: Resource = {
            "@odata.id": task.path,
            "@odata.type": "#Task.v1_7_1.Task",
            "Id": task.path.rpartition("/")[2],
            "Name": task.name,
            "TaskState": "New" if "new" in self.flaws and not finished else task.state,
            "TaskStatus": task.status,
            "PercentComplete": 0 if is_new else percent,
            "TaskMonitor": task.monitor,
            "StartTime": stamp(device.now() - (device.clock.monotonic() - task.started_at)),
            "Messages": task.messages or ([message("Success")] if finished else []),
        }
        if task.payload is not None:
            found["Payload"] = task.payload
        if task.ended_at is not None:
            ago = device.clock.monotonic() - task.ended_at
            found["EndTime"] = stamp(device.now() - ago)
        return found


def _did(done: Callable[[], Resource | None]) -> None:
    done()


def stamp(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
