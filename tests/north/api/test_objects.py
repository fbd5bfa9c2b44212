"""Lists, objects, selectors, paging, problems: what every kind shares."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Reach, Target
from iolaus.north.context import Context
from iolaus.north.kinds import KINDS
from tests.north import hall
from tests.north.conftest import client_of, make_context


async def names(api: httpx.AsyncClient, path: str, **query: str) -> list[str]:
    answer = await api.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return [each["metadata"]["name"] for each in answer.json()["items"]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_kind_is_listed_and_found_by_name(api: httpx.AsyncClient, kind: Any) -> None:
    answer = await api.get(f"/api/v1/{kind.plural}")
    body = answer.json()
    assert (answer.status_code, body["kind"]) == (200, kind.list_object)
    assert body["metadata"]["remaining"] == 0
    for each in body["items"][:2]:
        assert each["kind"] == kind.object
        assert set(each) == {"apiVersion", "kind", "metadata", "spec", "status"}
        one = await api.get(f"/api/v1/{kind.plural}/{each['metadata']['name']}")
        assert one.json() == each


async def test_a_node_is_whole(api: httpx.AsyncClient) -> None:
    node = (await api.get("/api/v1/nodes/h1-r01-u01")).json()
    status = node["status"]
    assert node["spec"] == {"address": "https://127.1.0.1", "mode": "read-only"}
    assert (status["vendor"], status["power_state"], status["health"]) == ("Dell", "On", "OK")
    assert status["counts"]["gpu"] == 8
    assert status["counts"]["dpu"] is None
    assert status["firmware"][0] == {
        "component": "BMC",
        "version": "25.08-9",
        "updateable": True,
        "state": "Enabled",
    }
    assert status["readings"] == {"node_power_w": 5000.0, "inlet_temperature_c": 24.0}
    assert (status["age_s"], status["stale"]) == (1.0, False)


async def test_each_null_has_its_reason(api: httpx.AsyncClient) -> None:
    node = (await api.get("/api/v1/nodes/h1-r01-u03")).json()["status"]
    told = {each["type"]: each for each in node["conditions"]}
    assert node["power_state"] is None
    assert node["health"] is None
    assert told["Healthy"]["status"] == told["PoweredOn"]["status"] == "Unknown"
    assert "no answer within 5 s" in told["Healthy"]["message"]
    assert told["Reachable"]["next_step"]
    assert "sku: not reported by the device" in told["FieldsKnown"]["message"]
    assert "counts.dpu: no such class is shown" in told["FieldsKnown"]["message"]


async def test_values_expire_without_any_message(api: httpx.AsyncClient, clock: JumpClock) -> None:
    clock.advance(19.5)
    assert "h1-r01-u01" not in await names(api, "nodes", labelSelector="health=OK")
    assert await names(api, "nodes", labelSelector="Fresh=False")


async def test_selectors(api: httpx.AsyncClient) -> None:
    assert await names(api, "nodes", labelSelector="health=Critical") == ["h1-r01-u02"]
    assert await names(api, "nodes", labelSelector="h1-r[01-02]-u[03-18]") == [
        "h1-r01-u03",
        "h1-r01-u04",
    ]
    both = {"labelSelector": "vendor=dell", "fieldSelector": "u>1"}
    assert await names(api, "nodes", **both) == ["h1-r01-u04"]
    assert await names(api, "nodes", labelSelector="Reachable=False") == ["h1-r01-u03"]
    assert len(await names(api, "gpus", labelSelector="node=h1-r01-u02,vendor=nvidia")) == 8
    assert await names(api, "sensors", labelSelector="role=leak") == ["cdu-1:Rope"]


@pytest.mark.parametrize("kind", ["nodes", "sensors", "events", "components", "endpoints"])
async def test_pages_repeat_nothing_and_skip_nothing(api: httpx.AsyncClient, kind: str) -> None:
    whole = await names(api, kind)
    found: list[str] = []
    query = {"limit": "2"}
    while True:
        page = (await api.get(f"/api/v1/{kind}", params=query)).json()
        found += [each["metadata"]["name"] for each in page["items"]]
        assert len(page["items"]) <= 2
        if not page["metadata"]["continue"]:
            break
        query["continue"] = page["metadata"]["continue"]
    assert found == whole
    assert len(set(whole)) == len(whole)


async def test_a_page_goes_on_although_the_list_changed(
    api: httpx.AsyncClient, context: Context
) -> None:
    first = (await api.get("/api/v1/nodes", params={"limit": "2"})).json()
    assert first["metadata"]["remaining"] == 2
    context.facts.remove_target(hall.address(0))
    context.facts.remove_target(hall.address(1))
    token = first["metadata"]["continue"]
    assert await names(api, "nodes", **{"continue": token}) == ["h1-r01-u03", "h1-r01-u04"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/nodes/nobody", 404, "NotFound"),
        ("/api/v1/sensors/nobody:x", 404, "NotFound"),
        ("/api/v1/tasks/nobody", 404, "NotFound"),
        ("/api/v1/nothing", 404, "NotFound"),
        ("/nothing", 404, "NotFound"),
        ("/api/v1/nodes?labelSelector=a,,b", 400, "BadSelector"),
        ("/api/v1/nodes?labelSelector=vendro%3Dx", 400, "BadSelector"),
        ("/api/v1/nodes?limit=0", 400, "BadRequest"),
        ("/api/v1/nodes?limit=many", 400, "BadRequest"),
        ("/api/v1/nodes?continue=%21%21", 400, "BadContinue"),
        ("/api/v1/events?since=yesterday", 400, "BadTime"),
    ],
)
async def test_problems_have_a_code_and_a_next_step(
    api: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await api.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["next_step"]
    assert problem["detail"]


async def test_a_wrong_method_is_told(api: httpx.AsyncClient) -> None:
    answer = await api.put("/api/v1/nodes", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "MethodNotAllowed")


async def test_forgetting_an_endpoint(api: httpx.AsyncClient, context: Context) -> None:
    path = "/api/v1/endpoints/h1-r01-u04"
    etag = (await api.get(path)).headers["etag"]
    dry = await api.delete(path, params={"dryRun": "All"})
    assert (dry.status_code, context.facts.held(hall.address(3)) is None) == (200, False)
    changed = await api.delete(path, headers={"If-Match": '"0"'})
    assert (changed.status_code, changed.json()["code"]) == (412, "Changed")
    gone = await api.delete(path, headers={"If-Match": etag})
    assert gone.json()["spec"]["address"] == hall.address(3)
    assert (await api.get(path)).status_code == 404
    assert "h1-r01-u04" not in await names(api, "nodes")


async def test_two_targets_with_one_name_are_two(context: Context) -> None:
    twin = hall.address(9)
    context.facts.put_target(Target(address=twin, name="h1-r01-u01"))
    context.facts.record_status(hall.status(9, at=context.clock.now()))
    context.facts.record_report(hall.report(9, at=context.clock.now()))
    async with client_of(context) as api:
        assert "h1-r01-u01-127.1.0.10" in await names(api, "nodes")
        one = (await api.get("/api/v1/nodes/h1-r01-u01-127.1.0.10")).json()
        assert one["status"]["endpoint"] == twin
        assert "h1-r01-u01-127.1.0.10" in await names(api, "endpoints")


async def test_two_that_claim_one_identity_say_so(context: Context) -> None:
    now = context.clock.now()
    context.facts.put_target(Target(address=hall.address(9), name="twin"))
    context.facts.record_status(hall.status(9, at=now))
    report = hall.report(0, at=now)
    context.facts.record_report(msgspec.structs.replace(report, endpoint=hall.address(9)))
    async with client_of(context) as api:
        for name, other in (("twin", hall.address(0)), ("h1-r01-u01", hall.address(9))):
            node = (await api.get(f"/api/v1/nodes/{name}")).json()["status"]
            told = {each["type"]: each for each in node["conditions"]}["IdentityKnown"]
            assert (told["status"], told["reason"]) == ("False", "Conflict")
            assert other in told["message"]


async def test_places_are_sums_that_hide_nothing(api: httpx.AsyncClient) -> None:
    rack = (await api.get("/api/v1/racks/h1-r01")).json()["status"]
    assert rack["health"] == {"OK": 2, "Warning": 0, "Critical": 1, "Unknown": 1}
    assert (rack["power_w"], rack["power_known"], rack["nodes"]) == (15004.0, 3, 4)
    one = (await api.get("/api/v1/halls/h1")).json()["status"]
    assert (one["racks"], one["nodes"], one["devices"]) == (2, 4, 1)


async def test_summary(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/summary")).json()
    assert found["site"] == "test hall"
    assert found["status"]["endpoints"] == {"total": 5, "reachable": 4, "unreachable": 1}
    assert found["status"]["leaks"] == {"dry": 1}


async def test_a_leak_is_seen_everywhere(api: httpx.AsyncClient, context: Context) -> None:
    context.facts.record_report(hall.cdu(at=context.clock.now(), leak="Critical"))
    leak = (await api.get("/api/v1/leaks/cdu-1:Rope")).json()["status"]
    assert leak["state"] == "leak"
    assert (await api.get("/api/v1/halls/h1")).json()["status"]["leaks"] == 1
    lost = hall.status(0, at=context.clock.now(), reach=Reach.UNREACHABLE)
    context.facts.record_status(
        type(lost)(address="https://127.9.0.1", reach=lost.reach, at=lost.at, since=lost.since)
    )
    assert (await api.get("/api/v1/leaks/cdu-1:Rope")).json()["status"]["state"] == "leak"


async def test_an_empty_hall(clock: JumpClock) -> None:
    context = make_context(clock, nodes=0)
    context.facts.remove_target("https://127.9.0.1")
    context.ready = lambda: "0 of 4 endpoints are discovered"
    async with client_of(context) as api:
        for kind in KINDS:
            if kind.name != "event":
                assert await names(api, kind.plural) == []
        ready = await api.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "NotReady")
        assert (await api.get("/healthz")).json() == {"status": "ok"}
