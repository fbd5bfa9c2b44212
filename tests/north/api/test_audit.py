"""Whatever may change something stands in the audit log, with who asked and what became of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.audit import Entry, Record, verify
from iolaus.north.api.build import create_app
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.north.refused import MOST, WINDOW_S, Refused
from iolaus.store.audit import AuditLog
from tests.fleet.build import baseline
from tests.north.checkpointing import Signs
from tests.north.conftest import client_of, make_context

ORDER = {"spec": {"targets": ["a"], "user": "root", "password": "hunter2hunter2"}}


def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(baseline("base"))
    return found


async def entries(context: Context) -> list[Entry]:
    return list(await context.audit.entries())


async def test_a_change_is_asked_and_answered(context: Context, api: httpx.AsyncClient) -> None:
    assert (await api.put("/api/v1/baselines/base", json=document())).status_code == 200
    asked, answered = await entries(context)
    assert (asked.who, asked.what, asked.subject) == ("demo", "ask", "PUT /api/v1/baselines/base")
    told = json.loads(answered.detail)
    assert (told["ask"], told["status"], len(told["body"])) == (1, 200, 64)
    assert verify([asked, answered]).unanswered == ()


async def test_what_changes_nothing_is_not_recorded(
    context: Context, api: httpx.AsyncClient
) -> None:
    await api.get("/api/v1/nodes")
    await api.put("/api/v1/baselines/base", json=document(), params={"dryRun": "All"})
    await api.post("/api/v1/causes", json=document())
    assert await entries(context) == []


async def test_a_refusal_is_recorded_with_who_was_refused() -> None:
    text, token = new_token(Role.VIEWER, name="vic")
    context = make_context(JumpClock(), auth=Auth(tokens=TokenList(token)))
    async with client_of(context) as api:
        headers = {"Authorization": f"Bearer {text}"}
        refused = await api.delete("/api/v1/baselines/base", headers=headers)
        assert refused.status_code == 403
        assert (await api.delete("/api/v1/baselines/base")).status_code == 401
        assert (await api.get("/api/v1/audit", headers=headers)).status_code == 403
    found = await entries(context)
    assert [(e.who, json.loads(e.detail).get("status")) for e in found] == [
        ("vic", None),
        ("vic", 403),
        ("nobody", 401),
        ("vic", 403),
    ]
    assert [each.what for each in found] == ["ask", "answer", "refuse", "refuse"]


async def test_a_flood_of_refusals_is_counted() -> None:
    clock = JumpClock()
    context = make_context(clock, auth=Auth(tokens=TokenList()))
    async with client_of(context) as api:
        for number in range(50):
            await api.get("/api/v1/nodes", headers={"Authorization": f"Bearer {number}"})
        assert [each.subject for each in await entries(context)] == ["GET /api/v1/nodes"]
        await clock.sleep(WINDOW_S)
        assert (await api.get("/healthz")).status_code == 200
    told = [json.loads(each.detail) for each in await entries(context)]
    assert [each.get("more") for each in told] == [None, 49]
    assert {(each["client"], each["status"]) for each in told} == {("127.0.0.1", 401)}


async def test_many_clients_are_a_bounded_number_of_entries() -> None:
    context = make_context(JumpClock(), auth=Auth(tokens=TokenList()))
    app = Refused(create_app(context, pages=()).inner, audit=context.audit, clock=context.clock)
    for number in range(MOST + 8):
        transport = httpx.ASGITransport(app=app, client=(f"10.0.0.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://hall") as api:
            assert (await api.get("/api/v1/nodes")).status_code == 401
    assert len(await entries(context)) == MOST


async def test_a_checkpoint_is_given_where_the_server_signs_them(
    context: Context, api: httpx.AsyncClient
) -> None:
    assert (await api.get("/api/v1/audit/checkpoint")).status_code == 501
    context.checkpoints = Signs(context.audit)
    assert (await api.get("/api/v1/audit/checkpoint")).status_code == 400
    await api.delete("/api/v1/baselines/a")
    found = (await api.get("/api/v1/audit/checkpoint")).json()
    assert found["head"] == str(context.audit.head)
    assert (await api.get("/api/v1/audit/key")).text.startswith("-----BEGIN PUBLIC KEY")


async def test_no_secret_and_no_digest_of_one_is_recorded(
    context: Context, api: httpx.AsyncClient
) -> None:
    await api.post("/api/v1/discoveries", json=ORDER)
    told = " ".join(each.detail for each in await entries(context))
    assert "hunter2" not in told
    assert "body" not in told


class Broken(AuditLog):
    """A log on a full disk."""

    async def append(self, record: Record) -> Entry:
        raise WeErred("the disk is full", operation="write state", subject="state.db")


async def test_nothing_is_done_that_cannot_be_recorded(context: Context) -> None:
    context.audit = Broken(clock=context.clock)
    async with client_of(context) as api:
        answer = await api.put("/api/v1/baselines/base", json=document())
    assert answer.status_code == 500
    assert answer.json()["detail"] == "the disk is full"
    assert context.baselines.get("base") is None


@pytest.mark.parametrize(("after", "limit", "numbers"), [(0, 3, [1, 2, 3]), (3, 9, [4])])
async def test_it_is_read_in_pages(
    context: Context, api: httpx.AsyncClient, after: int, limit: int, numbers: list[int]
) -> None:
    for name in ("a", "b"):
        await api.delete(f"/api/v1/baselines/{name}")
    answer = (await api.get("/api/v1/audit", params={"after": after, "limit": limit})).json()
    assert [each["number"] for each in answer["items"]] == numbers
    assert answer["head"] == str(context.audit.head)
