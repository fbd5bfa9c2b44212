"""Following a Task to its end without believing it (DSP0266 section 12.2, Task schema).

Controllers answer a GET on a task monitor once and then forget it, lose every task when they
reboot, call a failed update "Completed" with Critical, and stay "New" for ever. So the Task is
polled, not its monitor; a 404 is `gone`, which is no verdict: the caller decides by inventory;
and `succeeded` here means only that the controller says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.errors import Code, is_transient, retry_after_s
from iolaus.wire.redfish.port import Answer

POLL_S = 5.0
MAX_POLL_S = 60.0


class State(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"
    OVERDUE = "overdue"


_STATES = {
    "new": State.RUNNING,
    "starting": State.RUNNING,
    "running": State.RUNNING,
    "suspended": State.RUNNING,
    "interrupted": State.RUNNING,
    "pending": State.RUNNING,
    "stopping": State.RUNNING,
    "service": State.RUNNING,
    "cancelling": State.RUNNING,
    "completed": State.SUCCEEDED,
    "completedok": State.SUCCEEDED,
    "killed": State.CANCELLED,
    "cancelled": State.CANCELLED,
    "canceled": State.CANCELLED,
    "exception": State.FAILED,
    "failed": State.FAILED,
}


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller last said of a task. `raw_state` is its own word."""

    uri: str
    state: State
    raw_state: str | None = None
    percent: int | None = None
    health: str | None = None
    messages: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        return self.state is not State.RUNNING


class Gets(Protocol):
    def __call__(self, uri: str) -> Awaitable[Answer]: ...


def task_uri(answer: Answer) -> str | None:
    """What to poll after a 202: the Task itself if it can be known, else its monitor.

    None if the answer names neither: then only inventory can tell.
    """
    body = answer.body
    kind, own = body.get("@odata.type"), body.get("@odata.id")
    if isinstance(own, str) and isinstance(kind, str) and kind.startswith("#Task.") and own:
        return path_of(own) or None
    location = path_of(answer.headers.get("location", ""))
    trimmed = location.rstrip("/")
    if trimmed.lower().endswith("/monitor") and "/tasks/" in trimmed.lower():
        return trimmed[: -len("/monitor")]
    return location or None


def read_task(uri: str, body: Mapping[str, Any], *, status: int = 200) -> Progress:
    """A Task resource (or a monitor's answer) as progress. Never raises."""
    raw, health = _text(body.get("TaskState")), _text(body.get("TaskStatus"))
    state = _STATES.get((raw or "").replace(" ", "").lower())
    if state is None:
        state = State.RUNNING if status == 202 or raw else State.SUCCEEDED
    if state is State.SUCCEEDED and (health or "").lower() == "critical":
        state = State.FAILED
    return Progress(
        uri=uri,
        state=state,
        raw_state=raw,
        percent=_percent(body.get("PercentComplete")),
        health=health,
        messages=_messages(body.get("Messages")),
    )


def _percent(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        return None
    return int(value)


def _messages(messages: Any) -> tuple[str, ...]:
    entries = messages if isinstance(messages, list) else []
    texts = (_text(entry.get("Message")) for entry in entries[:50] if isinstance(entry, dict))
    return tuple(text for text in texts if text)


def _text(value: Any) -> str | None:
    return " ".join(value.split())[:500] if isinstance(value, str) and value.strip() else None


async def follow(
    get: Gets,
    uri: str,
    clock: Clock,
    *,
    deadline_s: float,
    poll_s: float = POLL_S,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Poll until the task is over, gone, or `deadline_s` has passed (`overdue`).

    Silence and passing refusals are waited out, since controllers reboot in the middle of their
    own updates; a lasting refusal is raised.
    """
    ends = clock.monotonic() + deadline_s
    last = Progress(uri=uri, state=State.RUNNING)
    while True:
        wait_s = poll_s
        try:
            answer = await get(uri)
            last = read_task(uri, answer.body, status=answer.status)
            wish_s = retry_after_s(answer.headers.get("retry-after"), now=clock.now())
            wait_s = max(poll_s, min(wish_s or 0.0, MAX_POLL_S))
            on_progress(last)
        except DeviceRefused as error:
            if error.code == Code.NOT_FOUND:
                return msgspec.structs.replace(last, state=State.GONE)
            if not is_transient(error):
                raise
            wait_s = max(poll_s, min(error.retry_after_s or 0.0, MAX_POLL_S))
        except (DeviceSilent, DeviceLied):
            pass
        if last.over:
            return last
        if clock.monotonic() + wait_s > ends:
            return msgspec.structs.replace(last, state=State.OVERDUE)
        await clock.sleep(wait_s)
