"""Tasks that vanish, lie, hang and come back, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.task import Progress, State, follow, read_task, task_uri

TASK = "/redfish/v1/TaskService/Tasks/1"


def answer(body: dict[str, Any], *, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(uri=TASK, status=status, body=body, headers=named, at=0.0, elapsed_s=0.0)


def refused(status: int, code: str, retry_after_s: float | None = None) -> DeviceRefused:
    return DeviceRefused(
        "no", operation="GET", subject=TASK, code=code, status=status, retry_after_s=retry_after_s
    )


def silent() -> DeviceSilent:
    return DeviceSilent("no", operation="GET", subject=TASK)


class Script:
    """Plays its steps; the last one is repeated."""

    def __init__(self, *steps: Answer | IolausError) -> None:
        self.steps, self.count = list(steps), 0

    async def __call__(self, uri: str) -> Answer:
        step = self.steps[min(self.count, len(self.steps) - 1)]
        self.count += 1
        if isinstance(step, IolausError):
            raise step
        return step


async def followed(*steps: Answer | IolausError, deadline_s: float = 600) -> tuple[Progress, float]:
    clock = JumpClock()
    end = await follow(Script(*steps), TASK, clock, deadline_s=deadline_s)
    return end, clock.monotonic()


RUNNING, DONE = {"TaskState": "Running", "PercentComplete": 40}, {"TaskState": "Completed"}


@pytest.mark.parametrize(
    ("steps", "state", "after_s"),
    [
        ([answer(RUNNING), answer(DONE)], State.SUCCEEDED, 5),
        ([answer({"TaskState": "Completed", "TaskStatus": "Critical"})], State.FAILED, 0),
        ([answer({"TaskState": "Exception"})], State.FAILED, 0),
        ([answer({"TaskState": "Cancelled"})], State.CANCELLED, 0),
        ([answer(RUNNING), refused(404, "NotFound")], State.GONE, 5),
        ([answer({"TaskState": "New"})], State.OVERDUE, 600),
        ([answer(RUNNING), silent(), silent(), answer(DONE)], State.SUCCEEDED, 15),
        ([refused(503, "Busy", 20.0), answer(DONE)], State.SUCCEEDED, 20),
        ([answer(RUNNING, retry_after="30"), answer(DONE)], State.SUCCEEDED, 30),
        ([answer(RUNNING, retry_after="9999"), answer(DONE)], State.SUCCEEDED, 60),
        ([silent()], State.OVERDUE, 600),
        ([answer({}, status=202), answer({})], State.SUCCEEDED, 5),
    ],
)
async def test_how_tasks_end(
    steps: list[Answer | IolausError], state: State, after_s: float
) -> None:
    end, elapsed_s = await followed(*steps)
    assert (end.state, elapsed_s) == (state, after_s)


@pytest.mark.parametrize("code", ["AuthenticationFailed", "Forbidden"])
async def test_a_lasting_refusal_is_raised(code: str) -> None:
    with pytest.raises(DeviceRefused):
        await followed(refused(401, code))


async def test_progress_is_told() -> None:
    seen: list[int | None] = []
    script = Script(answer(RUNNING), answer(DONE))
    await follow(
        script, TASK, JumpClock(), deadline_s=60, on_progress=lambda each: seen.append(each.percent)
    )
    assert seen == [40, None]


@pytest.mark.parametrize(
    ("body", "location", "expected"),
    [
        ({"@odata.type": "#Task.v1_7_0.Task", "@odata.id": TASK}, f"{TASK}/Monitor", TASK),
        ({}, f"https://10.0.0.1{TASK}/Monitor", TASK),
        ({}, "/redfish/v1/TaskService/TaskMonitors/9", "/redfish/v1/TaskService/TaskMonitors/9"),
        ({}, TASK, TASK),
        ({"@odata.type": 7, "@odata.id": []}, "", None),
    ],
)
def test_the_task_is_polled_rather_than_its_monitor(
    body: dict[str, Any], location: str, expected: str | None
) -> None:
    assert task_uri(answer(body, status=202, location=location)) == expected


_VALUE = st.none() | st.booleans() | st.floats() | st.text(max_size=12) | st.lists(st.none())


@given(
    st.dictionaries(
        st.sampled_from(["TaskState", "TaskStatus", "PercentComplete", "Messages"]),
        _VALUE | st.lists(st.dictionaries(st.just("Message"), _VALUE)),
    )
)
def test_any_task_is_progress(body: dict[str, Any]) -> None:
    progress = read_task(TASK, body)
    assert progress.percent is None or 0 <= progress.percent <= 100
    assert progress.state in set(State)
