"""What was proved, through the API: lists, conditions, evidence, orders, enrolment, refusals."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.evidence import Attester, Protocol
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from tests.north import hall
from tests.north.attesting import Attesting
from tests.north.conftest import client_of, make_context

V1 = "/api/v1"
FIRST, SECOND, THIRD = (hall.place(number)[2] for number in range(3))


@pytest.fixture
def attesting(context: Context) -> Attesting:
    found = context.attests = Attesting(context)
    for held in list(context.facts.all_held()):
        if held.report is not None:
            attester = Attester(name="GPU_RoT", asset=hall.SYSTEM, uri="/x", protocol=Protocol.SPDM)
            report = msgspec.structs.replace(held.report, attesters=(attester,))
            context.facts.record_report(report)
    return found


async def listed(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await api.get(f"{V1}/attestations", params=query)
    assert answer.status_code == 200, answer.text
    return [each["status"] for each in answer.json()["items"]]


async def test_one_object_a_component_with_five_axes(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    rows = await listed(api)
    assert [row["id"] for row in rows[:3]] == [
        f"{FIRST}:BMC_RoT", f"{FIRST}:GPU_RoT", f"{SECOND}:BMC_RoT",
    ]  # fmt: skip
    assert [row["summary"] for row in rows[:3]] == ["trusted", "untrusted", "unknown"]
    assert rows[1]["findings"][0]["detail"] == {"index": 2, "seen": "ab"}
    assert rows[2]["lifecycle"] is None
    only = await listed(api, fieldSelector="summary=untrusted")
    assert [row["node"] for row in only] == [FIRST]
    assert len(await listed(api, labelSelector=f"node={THIRD}")) == 2


async def test_a_node_says_the_worst_of_its_components(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    found = {}
    for name in (FIRST, SECOND, THIRD):
        status = (await api.get(f"{V1}/nodes/{name}")).json()["status"]
        found[name] = next(c for c in status["conditions"] if c["type"] == "Attested")
    assert [found[n]["status"] for n in (FIRST, SECOND, THIRD)] == ["False", "Unknown", "True"]
    assert "GPU_RoT: mismatch: measurement 2" in found[FIRST]["message"]


async def test_evidence_is_given_as_it_came(api: httpx.AsyncClient, attesting: Attesting) -> None:
    answer = await api.get(f"{V1}/attestations/{FIRST}:GPU_RoT/evidence")
    body = answer.json()
    assert answer.status_code == 200
    assert base64.b64decode(body["items"][0]["measurements"]) == b"signed"
    assert body["items"][0]["nonce"] == "00" * 32
    assert body["verdict"]["summary"] == "untrusted"
    assert (await api.get(f"{V1}/attestations/nobody:x/evidence")).status_code == 404


async def test_nodes_are_asked_by_name_and_by_selector(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    answer = await api.post(f"{V1}/attest", json={"nodes": [FIRST]})
    assert answer.status_code == 202
    assert answer.json()["asked"] == [FIRST]
    assert attesting.ordered == [hall.address(0)]
    answer = await api.post(f"{V1}/attest", json={"labelSelector": "rack=h1-r01"})
    assert len(answer.json()["asked"]) == 4
    assert (await api.post(f"{V1}/attest", json={"nodes": ["nobody"]})).status_code == 404
    for wrong in ({}, {"nodes": FIRST}, {"labelSelector": "raack=1"}, {"node": [FIRST]}):
        assert (await api.post(f"{V1}/attest", json=wrong)).status_code == 400, wrong


async def test_an_exchanged_part_is_enrolled_in_somebodys_name(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    answer = await api.post(f"{V1}/attestations/{FIRST}:GPU_RoT/enrol", json={})
    assert answer.status_code == 200
    assert attesting.enrolled == [("/redfish/v1/ComponentIntegrity/GPU_RoT", "demo")]
    answer = await api.post(f"{V1}/attestations/{SECOND}:GPU_RoT/enrol", json={})
    assert answer.status_code == 400
    assert answer.json()["code"] == "NothingToEnrol"


async def test_a_scope_hides_the_rest_and_a_viewer_asks_nobody(clock: JumpClock) -> None:
    secret, token = new_token(Role.VIEWER, name="vi", scope=f"name={THIRD}")
    context = make_context(clock, auth=Auth(tokens=TokenList(token)))
    context.attests = Attesting(context)
    async with client_of(context) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        assert {row["node"] for row in await listed(client)} == {THIRD}
        path = f"{V1}/attestations/{FIRST}:GPU_RoT"
        assert (await client.get(path)).status_code == 404
        assert (await client.get(f"{path}/evidence")).status_code == 404
        assert (await client.post(f"{V1}/attest", json={"nodes": [THIRD]})).status_code == 403
        assert (await client.post(f"{path}/enrol", json={})).status_code == 403


async def test_evidence_is_packed_of_all_or_of_whom_is_meant(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    path = f"{V1}/evidence-pack"
    answer = await api.post(path, json={})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert len(answer.text.split()) == len(attesting.appraisals())
    mine = " ".join(f"{FIRST}:/redfish/v1/ComponentIntegrity/{n}_RoT" for n in ("BMC", "GPU"))
    for meant in ({"nodes": [FIRST]}, {"labelSelector": f"name={FIRST}"}):
        assert (await api.post(path, json=meant)).text == mine
    assert (await api.post(path, json={"nodes": ["nobody"]})).status_code == 404
    assert (await api.post(path, json={"node": [FIRST]})).status_code == 400
    key = await api.get(f"{path}/key")
    assert (key.status_code, key.text[:10]) == (200, "-----BEGIN")


async def test_a_scope_bounds_a_pack(clock: JumpClock) -> None:
    secret, token = new_token(Role.VIEWER, name="vi", scope=f"name={THIRD}")
    context = make_context(clock, auth=Auth(tokens=TokenList(token)))
    context.attests = Attesting(context)
    async with client_of(context) as client:
        assert (await client.post(f"{V1}/evidence-pack", json={})).status_code == 401
        client.headers["Authorization"] = f"Bearer {secret}"
        found = await client.post(f"{V1}/evidence-pack", json={})
        assert {each.partition(":")[0] for each in found.text.split()} == {THIRD}
        other = await client.post(f"{V1}/evidence-pack", json={"nodes": [FIRST]})
        assert other.status_code == 404


async def test_metrics_tell_summaries_axes_and_age(
    api: httpx.AsyncClient, attesting: Attesting
) -> None:
    text = (await api.get("/metrics")).text
    assert 'iolaus_attestation_components{summary="untrusted"} 1\n' in text
    head = f'node="{FIRST}",component="GPU_RoT"'
    assert f"iolaus_attestation_trusted{{{head}}} 0\n" in text
    assert f'iolaus_attestation_axis{{{head},axis="reference",value="mismatch"}} 1\n' in text
    assert f'iolaus_attestation_trusted{{node="{SECOND}"' not in text


async def test_a_server_that_attests_nothing_says_so(api: httpx.AsyncClient) -> None:
    assert await listed(api) == []
    assert (await api.post(f"{V1}/attest", json={"nodes": [FIRST]})).status_code == 501


async def test_verdicts_are_counted_by_place(api: httpx.AsyncClient, attesting: Attesting) -> None:
    answer = await api.get("/api/v1/attestation-groups", params={"by": "all"})
    (item,) = answer.json()["items"]
    assert item["components"] == len(attesting.appraisals())
    assert item["standing"] == item["summary"] == "untrusted"
    answer = await api.get("/api/v1/attestation-groups", params={"by": "colour"})
    assert answer.status_code == 400
    answer = await api.get(
        "/api/v1/attestation-groups", params={"labelSelector": "standing=unknown"}
    )
    assert {each["standing"] for each in answer.json()["items"]} == {"unknown"}
