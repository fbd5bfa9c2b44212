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
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.store.audit import AuditLog
from tests.fleet.build import baseline
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
    ]


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
