"""Advisories through the API: imported whole, shown with whom they concern, and answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from iolaus.fleet.advisories import read_advisories
from iolaus.kernel.clock import JumpClock
from iolaus.model.advisory import Kept
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from tests.fleet.advisories import csaf
from tests.north.conftest import client_of, make_context

PATH = "/api/v1/advisories"


def read(raw: bytes, source: str, by: str) -> Sequence[Kept]:
    return read_advisories(raw, source=source, at=0.0, by=by)


def dell(**fields: Any) -> dict[str, Any]:
    versions = {"old": "vers:generic/<25.08-10", "new": "25.08-10"}
    given = {"vendor": "Dell Inc.", "product": "XE9680 BMC", "versions": versions}
    return csaf("DSA-1", **{**given, **fields})


@pytest.fixture
def context(clock: JumpClock) -> Context:
    context = make_context(clock)
    context.read_advisories = read
    return context


@pytest.fixture
async def api(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as client:
        yield client


async def take(api: httpx.AsyncClient, document: object, **query: str) -> dict[str, Any]:
    answer = await api.post(PATH, json=document, params={"source": "d.json", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["items"][0]
    return found


async def test_it_is_imported_and_shows_whom_it_concerns(api: httpx.AsyncClient) -> None:
    assert (await take(api, dell(), dryRun="All"))["outcome"] == "created"
    assert (await api.get(PATH)).json()["items"] == []
    assert (await take(api, dell()))["outcome"] == "created"
    assert (await take(api, dell()))["outcome"] == "unchanged"
    status = (await api.get(f"{PATH}/DSA-1")).json()["status"]
    assert (status["affected"], status["unknown"], status["fixed"]) == (2, 0, 0)
    (finding,) = status["findings"]
    assert finding["nodes"] == ["h1-r01-u01", "h1-r01-u04"]
    assert (finding["component"], finding["version"], finding["fixed"]) == (
        "BMC", "25.08-9", "25.08-10",
    )  # fmt: skip
    assert (status["source"], status["by"], len(status["digest"])) == ("d.json", "demo", 64)


async def test_an_older_revision_does_not_replace_a_newer_one(api: httpx.AsyncClient) -> None:
    await take(api, dell())
    old = dell()
    old["document"]["tracking"]["current_release_date"] = "2025-01-01T00:00:00Z"
    assert (await take(api, old))["outcome"] == "older"
    new = dell(versions={"old": "vers:generic/<25.08-9", "new": "25.08-9"})
    new["document"]["tracking"]["current_release_date"] = "2026-05-01T00:00:00Z"
    assert (await take(api, new))["outcome"] == "changed"
    assert (await api.get(f"{PATH}/DSA-1")).json()["status"]["fixed"] == 2


async def test_the_fix_is_a_baseline_that_can_be_applied(api: httpx.AsyncClient) -> None:
    await take(api, dell())
    found = (await api.get(f"{PATH}/DSA-1/fix")).json()
    document = found["document"]
    assert document["spec"]["selector"] == {"expression": "h1-r01-u[01,04]"}
    assert document["spec"]["firmware"]["components"] == [
        {
            "match": {"component": "BMC", "vendor": "Dell", "model": "XE9680"},
            "version": ">=25.08-10",
        }
    ]
    applied = await api.put("/api/v1/baselines/fix-dsa-1", json=document)
    assert (applied.status_code, applied.json()["selects"]) == (200, 2)
    assert found["left"] == []


async def test_without_a_fixed_version_there_is_nothing_to_apply(api: httpx.AsyncClient) -> None:
    await take(api, dell(versions={"old": "<=30"}, status={"known_affected": ["old"]}))
    answer = await api.get(f"{PATH}/DSA-1/fix")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the advisory names no fixed version"
    assert (await api.get(f"{PATH}/nothing/fix")).status_code == 404


async def test_it_is_removed(api: httpx.AsyncClient) -> None:
    await take(api, dell())
    assert (await api.delete(f"{PATH}/DSA-1", params={"dryRun": "All"})).status_code == 200
    assert (await api.delete(f"{PATH}/DSA-1")).json()["status"]["affected"] == 2
    assert (await api.delete(f"{PATH}/DSA-1")).status_code == 404


async def test_what_is_none_is_refused_with_the_reason(api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, json={"a": 1}, params={"source": "x.json"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "it is neither CSAF 2.0 nor OSV"
    assert answer.json()["subject"] == "x.json"
    raw = await api.post(PATH, content=b"{", headers={"Content-Type": "application/json"})
    assert raw.json()["code"] == "AdvisoryMalformed"


async def test_who_may_import_and_what_a_scope_sees(clock: JumpClock) -> None:
    texts, tokens = [], []
    for role, scope in ((Role.SECURITY, ""), (Role.VIEWER, "h1-r01-u04"), (Role.SECURITY, "u=1")):
        text, token = new_token(role, name=role.value, scope=scope)
        texts.append({"Authorization": f"Bearer {text}"})
        tokens.append(token)
    context = make_context(clock, auth=Auth(tokens=TokenList(*tokens)))
    context.read_advisories = read
    async with client_of(context) as api:
        assert (await api.post(PATH, json=dell(), headers=texts[0])).status_code == 200
        assert (await api.post(PATH, json=dell(), headers=texts[1])).status_code == 403
        assert (await api.post(PATH, json=dell(), headers=texts[2])).status_code == 400
        seen = (await api.get(f"{PATH}/DSA-1", headers=texts[1])).json()["status"]
    assert json.dumps(seen["findings"][0]["nodes"]) == '["h1-r01-u04"]'


async def test_the_bill_of_materials_holds_what_is_selected(api: httpx.AsyncClient) -> None:
    await take(api, dell())
    whole = (await api.get("/api/v1/fbom")).json()
    assert (whole["bomFormat"], whole["specVersion"]) == ("CycloneDX", "1.6")
    assert len(whole["vulnerabilities"][0]["affects"]) == 2
    one = (await api.get("/api/v1/fbom", params={"labelSelector": "h1-r01-u04"})).json()
    assert len(one["components"]) == 1
    assert len(one["vulnerabilities"][0]["affects"]) == 1
