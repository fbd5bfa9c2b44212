"""HTTP and Redfish semantics over the real wire."""

from __future__ import annotations

import contextlib
import io
import ssl
from typing import Any

import aiohttp
import pytest

from iolaus.sim.device import Device, Options
from iolaus.sim.tree import Resource
from tests.sim.engine.conftest import Played, basic, played
from tests.sim.engine.tree import RESOURCES, V1, device

SYSTEM = f"{V1}/Systems/1"
PROCESSORS = f"{SYSTEM}/Processors"


@pytest.mark.parametrize("path", ["/redfish", "/redfish/", V1, f"{V1}/", f"{V1}/$metadata"])
async def test_the_way_in_needs_no_account(play: Played, path: str) -> None:
    assert await play.first.status("GET", path, headers={"Authorization": ""}) == 200


async def test_all_else_does(play: Played) -> None:
    async with play.first.request("GET", SYSTEM, headers={"Authorization": ""}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
        body = await response.json()
    assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("NoValidSession")


async def test_every_resource_is_read_as_it_was_written(play: Played) -> None:
    for path, resource in RESOURCES.items():
        found = await play.first.json(path)
        assert found.pop("@odata.id") == path
        assert found == worded({k: v for k, v in resource.items() if k != "@odata.id"})


def worded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: worded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [worded(item) for item in value]
    words = {"${serial}": "S-n1", "${uuid}": "00000000-0000-4000-8000-0000000000n1"}
    return words.get(value, value) if isinstance(value, str) else value


async def test_devices_share_a_template_and_keep_their_own_words() -> None:
    async with played([device("a"), device("b")]) as play:
        serials = [(await play.client(d).json(SYSTEM))["SerialNumber"] for d in play.hall.devices]
        assert serials == ["S-a", "S-b"]
        addresses = {d.address for d in play.hall.devices}
        assert len(addresses) == 2
        await play.client(play.hall["a"]).status("PATCH", SYSTEM, json={"AssetTag": "mine"})
        assert (await play.client(play.hall["b"]).json(SYSTEM))["AssetTag"] == ""


async def test_an_unchanged_resource_is_304_and_a_changed_one_is_not(play: Played) -> None:
    async with play.first.request("GET", SYSTEM) as response:
        etag = response.headers["ETag"]
    assert await play.first.status("GET", SYSTEM, headers={"If-None-Match": etag}) == 304
    assert await play.first.status("PATCH", SYSTEM, json={"AssetTag": "x"}) == 200
    assert await play.first.status("GET", SYSTEM, headers={"If-None-Match": etag}) == 200


async def test_a_write_with_an_old_etag_fails_and_with_the_new_one_does_not(play: Played) -> None:
    async with play.first.request("GET", SYSTEM) as response:
        etag = response.headers["ETag"]
    body = {"AssetTag": "x"}
    wrong = {"If-Match": '"other"'}
    assert await play.first.status("PATCH", SYSTEM, json=body, headers=wrong) == 412
    assert (await play.first.json(SYSTEM))["AssetTag"] == ""
    right = {"If-Match": etag}
    assert await play.first.status("PATCH", SYSTEM, json=body, headers=right) == 200
    assert await play.first.status("PATCH", SYSTEM, json=body, headers=right) == 412


async def test_the_etag_in_the_body_is_the_one_in_the_header(play: Played) -> None:
    for change in (None, {"AssetTag": "x"}):
        if change:
            await play.first.status("PATCH", SYSTEM, json=change)
        async with play.first.request("GET", SYSTEM) as response:
            assert (await response.json())["@odata.etag"] == response.headers["ETag"]


async def test_head_and_options(play: Played) -> None:
    async with play.first.request("HEAD", SYSTEM) as response:
        assert (response.status, await response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 100
    async with play.first.request("OPTIONS", SYSTEM) as response:
        assert response.status == 204
        assert "PATCH" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{V1}/Nothing", 404),
        ("GET", "/other", 404),
        ("PATCH", f"{V1}/Nothing", 404),
        ("PUT", SYSTEM, 405),
        ("DELETE", SYSTEM, 405),
        ("POST", SYSTEM, 405),
        ("PATCH", f"{V1}/Systems", 405),
        ("POST", f"{SYSTEM}/Actions/Nothing.Here", 404),
        ("TRACE", SYSTEM, 405),
    ],
)
async def test_what_is_not_there_or_not_allowed(
    play: Played, method: str, path: str, status: int
) -> None:
    async with play.first.request(method, path) as response:
        assert response.status == status
        assert "error" in await response.json()
        assert status != 405 or response.headers["Allow"]


async def test_every_answer_says_the_odata_version(play: Played) -> None:
    for path in (V1, SYSTEM, f"{V1}/Nothing"):
        async with play.first.request("GET", path) as response:
            assert response.headers["OData-Version"] == "4.0"


async def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    async with played([device(options=Options(max_body_bytes=1000))]) as play:
        body = io.BytesIO(b'{"AssetTag": "' + b"x" * (2 << 20) + b'"}')
        with contextlib.suppress(aiohttp.ClientError):
            assert await play.first.status("PATCH", SYSTEM, data=body) == 413
        assert (await play.first.json(SYSTEM))["AssetTag"] == ""
        image = io.BytesIO(b"x" * (2 << 20))
        assert await play.first.status("POST", f"{V1}/UpdateService/push", data=image) == 202


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"nonsense", b"[" * 100000])
async def test_a_body_that_is_no_json_object_is_refused(play: Played, body: bytes) -> None:
    assert await play.first.status("PATCH", SYSTEM, data=body) == 400


async def test_pages_follow_one_another_and_lose_nothing() -> None:
    async with played([device(options=Options(page_size=2))]) as play:
        seen, path = [], PROCESSORS
        while path:
            page = await play.first.json(path)
            assert page["Members@odata.count"] == 5
            assert len(page["Members"]) <= 2
            seen += [member["@odata.id"] for member in page["Members"]]
            path = page.get("Members@odata.nextLink", "")
        assert seen == [f"{PROCESSORS}/{n}" for n in range(5)]


async def test_top_and_skip(play: Played) -> None:
    page = await play.first.json(f"{PROCESSORS}?$skip=1&$top=2")
    assert [m["@odata.id"][-1] for m in page["Members"]] == ["1", "2"]
    assert await play.first.status("GET", f"{PROCESSORS}?$top=many") == 400


async def test_expand_select_and_only(play: Played) -> None:
    expanded = await play.first.json(f"{PROCESSORS}?$expand=.($levels=1)")
    assert [m["Name"] for m in expanded["Members"]] == [f"CPU {n}" for n in range(5)]
    deep = await play.first.json(f"{V1}/Systems?$expand=.($levels=2)")
    assert deep["Members"][0]["Processors"]["Members@odata.count"] == 5
    assert deep["Members"][0]["Links"]["Chassis"] == [{"@odata.id": f"{V1}/Chassis/1"}]
    links = await play.first.json(f"{SYSTEM}?$expand=~")
    assert links["Links"]["Chassis"][0]["Name"] == "Chassis"
    assert len(links["Processors"]) == 1
    chosen = await play.first.json(f"{SYSTEM}?$select=Name,Status/Health")
    assert {k for k in chosen if not k.startswith("@")} == {"Name", "Status"}
    assert chosen["Status"] == {"Health": "OK"}
    assert (await play.first.json(f"{V1}/Systems?only"))["Id"] == "1"


@pytest.mark.parametrize(
    ("query", "status"),
    [("$filter=Id eq '1'", 501), ("$expand=what", 400), ("other=1", 200), ("$expand=", 400)],
)
async def test_queries_that_are_not_offered(play: Played, query: str, status: int) -> None:
    assert await play.first.status("GET", f"{SYSTEM}?{query}") == status


async def test_live_values_vary_with_time_and_can_still_be_guarded_by_an_etag() -> None:
    inlet = f"{V1}/Chassis/1/Sensors/inlet"
    readings = iter(range(1000))

    def live(path: str, resource: Resource, t: float) -> Resource:
        return resource | {"Reading": next(readings)}

    async with played([device(live=live, live_paths={inlet})]) as play:
        async with play.first.request("GET", inlet) as response:
            first, etag = await response.json(), response.headers["ETag"]
        assert (await play.first.json(inlet))["Reading"] > first["Reading"]
        body = {"Thresholds": {"UpperCaution": {"Reading": 40}}}
        guard = {"If-Match": etag}
        assert await play.first.status("PATCH", inlet, json=body, headers=guard) == 200
        assert await play.first.status("PATCH", inlet, json=body, headers=guard) == 412
        kept = play.device.kept(inlet)
        assert kept is not None
        assert kept["Reading"] == 22.5


async def test_the_certificate_is_the_halls_and_the_fingerprint_is_told() -> None:
    async with played([device()]) as play:
        authority = play.hall.authority
        assert authority is not None
        trusted = ssl.create_default_context(cadata=authority.pem.decode())
        async with aiohttp.ClientSession(headers=basic()) as session:
            async with session.get(play.device.address + SYSTEM, ssl=trusted) as response:
                assert response.status == 200
            pin = aiohttp.Fingerprint(bytes.fromhex(play.device.fingerprint))
            async with session.get(play.device.address + SYSTEM, ssl=pin) as response:
                assert response.status == 200


async def test_plain_http_by_choice() -> None:
    async with played([device()], tls=False) as play:
        assert play.device.address.startswith("http://127.")
        assert await play.first.status("GET", SYSTEM) == 200


async def test_many_devices_one_port() -> None:
    devices: list[Device] = [device(f"n{n}") for n in range(60)]
    async with played(devices) as play:
        assert len({d.address.rpartition(":")[2] for d in devices}) == 1
        for found in devices[::20]:
            serial = (await play.client(found).json(SYSTEM))["SerialNumber"]
            assert serial == f"S-{found.name}"
