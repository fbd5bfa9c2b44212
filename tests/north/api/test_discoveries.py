"""Discovery as a task: accepted at once, told in full, done once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.north.context import Context, DiscoveryOrder
from tests.north.conftest import Finder, client_of, make_context

PATH = "/api/v1/discoveries"


def order(*targets: str, **more: Any) -> dict[str, Any]:
    return {"spec": {"targets": list(targets), **more}}


async def ended(api: httpx.AsyncClient, answer: httpx.Response) -> Any:
    while True:
        task = (await api.get(answer.headers["location"])).json()
        if task["status"]["state"] != "Running":
            return task
        await asyncio.sleep(0)


async def test_a_task_tells_what_became_of_each(api: httpx.AsyncClient, context: Context) -> None:
    secret = "not to be seen"
    body = order("a", "silent", trust="first", credential={"user": "root", "password": secret})
    answer = await api.post(PATH, json=body)
    assert answer.status_code == 202
    task = await ended(api, answer)
    assert task["status"]["state"] == "Partial"
    assert task["status"]["counts"] == {"new": 1, "failed": 1}
    assert {each["address"] for each in task["status"]["results"]} == {
        "https://a",
        "https://silent",
    }
    finder = context.discover
    assert isinstance(finder, Finder)
    assert finder.orders[0].password == secret
    assert finder.orders[0].trust_first
    listed = (await api.get("/api/v1/tasks")).text
    assert secret not in listed + str(task) + repr(finder.orders[0])


async def test_nobody_answering_is_a_failure(api: httpx.AsyncClient) -> None:
    task = await ended(api, await api.post(PATH, json=order("silent")))
    assert task["status"]["state"] == "Failed"


async def test_a_dry_run_tries_nothing(api: httpx.AsyncClient, context: Context) -> None:
    answer = await api.post(PATH, json=order("a"), params={"dryRun": "All"})
    assert answer.status_code == 200
    assert answer.json()["status"]["results"][0]["outcome"] == "would-try"
    assert isinstance(context.discover, Finder)
    assert not context.discover.orders


async def test_an_idempotency_key_begins_one_task(api: httpx.AsyncClient, context: Context) -> None:
    headers = {"Idempotency-Key": "k1"}
    one = await api.post(PATH, json=order("a"), headers=headers)
    two = await api.post(PATH, json=order("a"), headers=headers)
    assert one.json()["metadata"] == two.json()["metadata"]
    other = await api.post(PATH, json=order("b"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IdempotencyKeyReused")
    await ended(api, one)
    assert isinstance(context.discover, Finder)
    assert len(context.discover.orders) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"spec": {}},
        {"spec": {"targets": ["bad"]}},
        {"spec": {"targets": [""]}},
        {"spec": {"targets": ["a"], "trsut": "first"}},
        {"spec": {"targets": ["a"], "trust": "always"}},
        {"spec": {"targets": "a"}},
    ],
)
async def test_a_mistake_is_told_at_once(api: httpx.AsyncClient, body: object) -> None:
    answer = await api.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_form_of_another_site_cannot_start_anything(
    api: httpx.AsyncClient, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = await api.post(PATH, content=b'{"spec":{"targets":["a"]}}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "WrongMediaType")


async def test_who_does_not_discover_says_so(clock: JumpClock) -> None:
    context = make_context(clock)
    context.discover = None
    async with client_of(context) as api:
        answer = await api.post(PATH, json=order("a"))
        assert (answer.status_code, answer.json()["code"]) == (501, "NotOffered")


class Broken(Finder):
    async def run(self, order: DiscoveryOrder, on_found: Any) -> None:
        raise ZeroDivisionError(order)


async def test_our_own_fault_ends_the_task_and_nothing_else(clock: JumpClock) -> None:
    context = make_context(clock)
    context.discover = Broken()
    async with client_of(context) as api:
        task = await ended(api, await api.post(PATH, json=order("a")))
        assert (task["status"]["state"], task["status"]["code"]) == ("Failed", "WeErred")


async def test_stopping_ends_what_runs(clock: JumpClock) -> None:
    class Endless(Finder):
        async def run(self, order: DiscoveryOrder, on_found: Any) -> None:
            await asyncio.Event().wait()

    context = make_context(clock)
    context.discover = Endless()
    async with client_of(context) as api:
        answer = await api.post(PATH, json=order("a"))
        await asyncio.sleep(0)
        await context.tasks.close()
        task = await ended(api, answer)
        assert task["status"]["code"] == "Stopped"
