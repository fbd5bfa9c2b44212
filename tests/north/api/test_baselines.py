"""Baselines and drift through the API: applied, compared, refused, forgotten."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from tests.north.conftest import client_of, make_context

URL = "/api/v1/baselines/base"


def document(name: str = "base", version: str = "25.09-1", **spec: Any) -> dict[str, Any]:
    want = {"match": {"component": "bmc"}, "version": version}
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"pool": "train"}},
            "firmware": {"components": [want]},
            **spec,
        },
    }


async def states(api: httpx.AsyncClient) -> dict[str, str]:
    answer = await api.get("/api/v1/drifts")
    return {i["metadata"]["name"]: i["status"]["state"] for i in answer.json()["items"]}


async def test_what_is_applied_is_compared_at_once(api: httpx.AsyncClient) -> None:
    assert await states(api) == {}
    answer = await api.put(URL, json=document(), params={"source": "base.yaml"})
    assert answer.json()["outcome"] == "created"
    assert answer.json()["selects"] == 4
    assert await states(api) == {
        "h1-r01-u01": "drifted",
        "h1-r01-u02": "drifted",
        "h1-r01-u03": "unknown",
        "h1-r01-u04": "drifted",
    }
    causes = (await api.get("/api/v1/causes")).json()
    assert [(c["applied"], c["count"]) for c in causes["items"]] == [("25.08-9", 3), (None, 1)]
    assert causes["counts"] == {"drifted": 3, "unknown": 1}


async def test_the_same_again_is_unchanged_and_another_is_another_generation(
    api: httpx.AsyncClient,
) -> None:
    await api.put(URL, json=document())
    again = (await api.put(URL, json=document())).json()
    assert (again["outcome"], again["generation"]) == ("unchanged", 1)
    dry = await api.put(URL, json=document(version="25.08-9"), params={"dryRun": "All"})
    assert (dry.json()["outcome"], dry.json()["generation"]) == ("changed", 2)
    assert (await states(api))["h1-r01-u01"] == "drifted"
    changed = (await api.put(URL, json=document(version="25.08-9"))).json()
    assert (changed["outcome"], changed["generation"]) == ("changed", 2)
    assert (await states(api))["h1-r01-u01"] == "in-sync"


async def test_a_kept_baseline_can_be_applied_again(api: httpx.AsyncClient) -> None:
    await api.put(URL, json=document(bios={"raw": {"Snc": "On"}}))
    kept = (await api.get(URL)).json()["status"]
    assert (kept["generation"], kept["selects"], kept["by"]) == (1, 4, "demo")
    again = await api.put(URL, json=kept["document"])
    assert again.json()["outcome"] == "unchanged"


async def test_comparing_with_a_file_keeps_nothing(api: httpx.AsyncClient) -> None:
    found = (await api.post("/api/v1/causes", json=document())).json()
    assert found["counts"] == {"drifted": 3, "unknown": 1}
    assert (await api.get("/api/v1/baselines")).json()["items"] == []


async def test_causes_of_one_baseline_are_its_own(api: httpx.AsyncClient) -> None:
    await api.put(URL, json=document())
    await api.put("/api/v1/baselines/other", json=document("other", version="25.08-9"))
    found = (await api.get("/api/v1/causes", params={"baseline": "other"})).json()
    assert {cause["baseline"] for cause in found["items"]} == {"other"}
    assert found["nodes"] == 4


async def test_drift_is_selected_by_make_as_nodes_are(api: httpx.AsyncClient) -> None:
    await api.put(URL, json=document())
    found = (await api.get("/api/v1/causes", params={"labelSelector": "vendor=dell"})).json()
    assert (found["nodes"], found["counts"]) == (2, {"drifted": 2})


async def test_removing(api: httpx.AsyncClient) -> None:
    await api.put(URL, json=document())
    stale = await api.delete(URL, headers={"If-Match": '"7"'})
    assert stale.json()["code"] == "Changed"
    assert (await api.delete(URL, params={"dryRun": "All"})).status_code == 200
    assert (await api.delete(URL)).status_code == 200
    assert await states(api) == {}
    assert (await api.delete(URL)).json()["code"] == "NotFound"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (document("other"), "NameDiffers", "metadata.name 'other'"),
        (document(selector={}), "BaselineInvalid", "it selects no node"),
        (document(version=">="), "BaselineInvalid", "no version and no comparison"),
        ({**document(), "kind": "Policy"}, "BadRequest", "kind"),
        (document(boss={}), "BadRequest", "boss"),
    ],
)
async def test_what_is_wrong_is_refused(
    api: httpx.AsyncClient, body: Any, code: str, said: str
) -> None:
    answer = await api.put(URL, json=body)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, code)
    assert said in told["detail"]


async def test_if_match_keeps_two_people_apart(api: httpx.AsyncClient) -> None:
    first = await api.put(URL, json=document())
    etag = first.headers["ETag"]
    await api.put(URL, json=document(version="1"), headers={"If-Match": etag})
    late = await api.put(URL, json=document(version="2"), headers={"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "Changed")


async def test_export(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/drifts/h1-r01-u01/export")).json()
    assert found["spec"]["selector"] == {"matchLabels": {"model": "XE9680"}}
    put = await api.put("/api/v1/baselines/h1-r01-u01", json=found)
    assert put.json()["selects"] == 2
    assert set((await states(api)).values()) == {"in-sync"}
    nobody = await api.get("/api/v1/drifts/nobody/export")
    assert nobody.json()["code"] == "NotFound"


@pytest.fixture
def guarded(clock: JumpClock) -> tuple[Context, dict[str, dict[str, str]]]:
    tokens = []
    headers: dict[str, dict[str, str]] = {}
    for name, role, scope in (
        ("ana", Role.OPERATOR, ""),
        ("bob", Role.VIEWER, ""),
        ("cy", Role.OPERATOR, "name=h1-r01-u01"),
    ):
        secret, token = new_token(role, name=name, scope=scope)
        tokens.append(token)
        headers[name] = {"Authorization": f"Bearer {secret}"}
    return make_context(clock, auth=Auth(tokens=TokenList(*tokens))), headers


async def test_roles_and_scopes(guarded: tuple[Context, dict[str, dict[str, str]]]) -> None:
    context, headers = guarded
    async with client_of(context) as api:
        refused = await api.put(URL, json=document(), headers=headers["bob"])
        assert (refused.status_code, refused.json()["code"]) == (403, "RoleMayNot")
        small = await api.put(URL, json=document(), headers=headers["cy"])
        assert small.json()["code"] == "ScopeTooSmall"
        await api.put(URL, json=document(), headers=headers["ana"])
        seen = (await api.get("/api/v1/drifts", headers=headers["cy"])).json()["items"]
        assert [i["metadata"]["name"] for i in seen] == ["h1-r01-u01"]
        causes = (await api.get("/api/v1/causes", headers=headers["cy"])).json()
        assert causes["counts"] == {"drifted": 1}
        out = await api.get("/api/v1/drifts/h1-r01-u02/export", headers=headers["cy"])
        assert out.status_code == 404


async def test_an_endpoint_is_read_again_when_somebody_asks(clock: JumpClock) -> None:
    context, asked = make_context(clock), list[str]()
    context.read_again = asked.append
    async with client_of(context) as api:
        answer = await api.post("/api/v1/endpoints/h1-r01-u01/refresh", json={})
        assert (answer.status_code, asked) == (202, ["https://127.1.0.1"])
        assert (await api.post("/api/v1/endpoints/nobody/refresh", json={})).status_code == 404
        context.read_again = None
        none = await api.post("/api/v1/endpoints/h1-r01-u01/refresh", json={})
        assert (none.status_code, none.json()["code"]) == (501, "NotOffered")


async def test_an_endpoint_is_managed_when_somebody_says_so(api: httpx.AsyncClient) -> None:
    url = "/api/v1/endpoints/h1-r01-u01"
    assert (await api.get(url)).json()["status"]["mode"] == "read-only"
    dry = await api.patch(url, json={"spec": {"mode": "managed"}}, params={"dryRun": "All"})
    assert dry.json()["status"]["mode"] == "read-only"
    done = await api.patch(url, json={"spec": {"mode": "managed"}})
    assert done.json()["status"]["mode"] == "managed"
    assert (await api.get(url)).json()["spec"]["mode"] == "managed"
    wrong = await api.patch(url, json={"spec": {"mode": "mine"}})
    assert wrong.status_code == 400
    nobody = await api.patch("/api/v1/endpoints/nobody", json={"spec": {"mode": "managed"}})
    assert nobody.status_code == 404
