"""Long work: a request that takes more than a moment answers at once with a task.

A task tells what became of each thing it touched, so that "partial" is never a mystery. Tasks live
in memory: what they did is in the store, and a task that ended with the process is simply gone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.north.dto.make import when
from iolaus.north.keys import Keys

KEEP: Final = 500
MAX_RESULTS: Final = 20_000
log = structlog.get_logger(__name__)


class State(StrEnum):
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    PARTIAL = "Partial"
    FAILED = "Failed"


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thing."""

    address: str
    outcome: str
    name: str | None = None
    message: str = ""
    next_step: str = ""
    fingerprint: str | None = None


class TaskStatus(msgspec.Struct, kw_only=True):
    """`counts` is outcome -> how many. `results` are complete once the task has ended."""

    state: State
    message: str = ""
    next_step: str = ""
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    counts: dict[str, int] = {}
    results: list[TaskResult] = []


class Task(msgspec.Struct, kw_only=True):
    """`what` says in words what was asked for; it holds no secret."""

    name: str
    what: str
    by: str
    status: TaskStatus

    @property
    def is_running(self) -> bool:
        return self.status.state is State.RUNNING


Work = Callable[[Callable[[TaskResult], None]], Awaitable[None]]


class TaskBook:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._keys = Keys()
        self._running: set[asyncio.Task[None]] = set()

    def get(self, name: str) -> Task | None:
        return self._tasks.get(name)

    def all(self) -> Iterable[Task]:
        return reversed(self._tasks.values())

    def repeated(self, *, key: str | None, by: str, body: bytes) -> Task | None:
        """What this Idempotency-Key began; `OperatorMust` if it asked for another thing."""
        name = self._keys.repeated(key=key, by=by, body=body)
        return self._tasks.get(name) if name else None

    def start(self, work: Work, *, what: str, by: str, key: str | None, body: bytes) -> Task:
        """Begin `work` in the background; it reports each result through its argument."""
        status = TaskStatus(state=State.RUNNING, started_at=when(self._clock.now()))
        task = Task(name=uuid.uuid4().hex[:12], what=what, by=by, status=status)
        self._tasks[task.name] = task
        while len(self._tasks) > KEEP:
            self._tasks.popitem(last=False)
        self._keys.note(task.name, key=key, by=by, body=body)
        running = asyncio.get_running_loop().create_task(self._run(task, work))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        await end(*self._running)

    async def _run(self, task: Task, work: Work) -> None:
        status = task.status

        def note(result: TaskResult) -> None:
            status.counts[result.outcome] = status.counts.get(result.outcome, 0) + 1
            if len(status.results) < MAX_RESULTS:
                status.results.append(result)

        try:
            await work(note)
        except IolausError as error:
            self._fail(status, error.message, error.next_step, error.code)
        except asyncio.CancelledError:
            self._fail(status, "the server was stopped", "start it again.", "Stopped")
            raise
        except Exception as error:
            log.exception("task failed", task=task.name, what=task.what)
            self._fail(status, f"our own fault: {type(error).__name__}", "see the log.", "WeErred")
        else:
            status.state = outcome(status.counts)
            status.ended_at = when(self._clock.now())

    def _fail(self, status: TaskStatus, message: str, next_step: str, code: str) -> None:
        status.state, status.ended_at = State.FAILED, when(self._clock.now())
        status.message, status.next_step, status.code = message, next_step, code


def outcome(counts: Mapping[str, int]) -> State:
    """All well, some, or none of what was named."""
    bad = sum(counts.get(word, 0) for word in ("refused", "failed"))
    good = sum(counts.get(word, 0) for word in ("new", "known"))
    if not bad:
        return State.SUCCEEDED
    return State.PARTIAL if good else State.FAILED
