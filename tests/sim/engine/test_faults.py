"""Every effect of a fault rule, and every preset, over the wire."""

from __future__ import annotations

import asyncio
import json
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.device import Options
from iolaus.sim.presets import PRESETS
from iolaus.sim.rules import Rule, load_rules, parse_rules
from tests.sim.engine.conftest import played
from tests.sim.engine.test_access import login
from tests.sim.engine.tree import V1, device

SYSTEM = f"{V1}/Systems/1"
PROCESSORS = f"{SYSTEM}/Processors"
INLET = f"{V1}/Chassis/1/Sensors/inlet"
SILENCE = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
NOW = aiohttp.ClientTimeout(total=0.5)


def rules(*items: object) -> list[Rule]:
    return parse_rules(items, source="test")


def lie(name: str, **more: Any) -> list[Rule]:
    return rules({"effect": "lie", "lie": name, **more})


async def test_a_status_with_its_body_and_headers_as_often_as_told() -> None:
    rule = {
        "effect": "status", "status": 503, "retry_after_s": 7, "times": 2,
        "select": {"path": "*/Systems/*", "method": ["GET"]},
    }  # fmt: skip
    async with played([device()], *rules(rule)) as play:
        async with play.first.request("GET", SYSTEM) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "7")
            assert "error" in await response.json()
        assert await play.first.status("GET", f"{V1}/Chassis") == 200
        assert await play.first.status("GET", SYSTEM) == 503
        assert await play.first.status("GET", SYSTEM) == 200


async def test_a_rule_selects_devices_by_name_label_and_address() -> None:
    devices = [device("a1", labels={"rack": "r1"}), device("b1", labels={"rack": "r2"})]
    for select in ({"device": "a*"}, {"labels": {"rack": "r1"}}):
        rule = {"effect": "status", "status": 500, "select": select, "id": "x"}
        async with played(devices) as play:
            assert play.hall.inject(*rules(rule)) == 1
            assert await play.client(devices[0]).status("GET", SYSTEM) == 500
            assert await play.client(devices[1]).status("GET", SYSTEM) == 200
            play.hall.clear("x")
            assert await play.client(devices[0]).status("GET", SYSTEM) == 200


async def test_probability_is_seeded_and_after_lets_some_pass() -> None:
    rule = {"effect": "status", "status": 500, "select": {"probability": 0.5, "after": 3}}
    runs = []
    for _ in range(2):
        async with played([device(options=Options(seed=7))], *rules(rule)) as play:
            runs.append([await play.first.status("GET", SYSTEM) for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0][:3]) == {200}
    assert set(runs[0]) == {200, 500}


async def test_hanging_holds_a_slot_until_the_client_leaves() -> None:
    rule = {"effect": "latency", "hang": True, "times": 1}
    async with played([device(options=Options(slots=1))], *rules(rule)) as play:
        with pytest.raises(SILENCE):
            await play.first.status("GET", SYSTEM, timeout=NOW)
        assert await play.first.status("GET", SYSTEM) == 200
        assert play.device.counters.in_flight == 0


async def test_latency_and_drip_only_take_time() -> None:
    items = [{"effect": "latency", "seconds": 0.05}, {"effect": "latency", "drip_bytes_per_s": 2e4}]
    async with played([device()], *rules(*items)) as play:
        assert (await play.first.json(SYSTEM))["Id"] == "1"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"raw": "truncated"}, "cut"),
        ({"raw": "html"}, "html"),
        ({"raw": "invalid_utf8"}, "cut"),
        ({"raw": "empty"}, "cut"),
        ({"raw": "not_object"}, "list"),
        ({"raw": "huge", "size_bytes": 3_000_000}, "huge"),
        ({"raw": "wrong_length"}, "short"),
        ({"text": "plain", "content_type": "text/plain"}, "cut"),
    ],
)
async def test_bytes_instead_of_a_resource(more: dict[str, Any], kind: str) -> None:
    rule = {"effect": "replace", "select": {"path": SYSTEM}, **more}
    async with played([device()], *rules(rule)) as play:
        if kind == "short":
            with pytest.raises(SILENCE):
                await play.first.status("GET", SYSTEM)
            return
        async with play.first.request("GET", SYSTEM) as response:
            body = await response.read()
        if kind == "huge":
            assert len(body) > 3_000_000
        elif kind == "list":
            assert json.loads(body) == []
        else:
            with pytest.raises(ValueError):
                json.loads(body)
        assert (response.content_type == "text/html") == (kind == "html")


async def test_a_resource_merged_and_patched() -> None:
    rule = {
        "effect": "replace",
        "select": {"path": SYSTEM},
        "merge": {"Model": None, "Status": {"Health": "Critical"}},
        "patch": [
            {"op": "replace", "path": "/Boot/BootSourceOverrideTarget", "value": 5},
            {"op": "add", "path": "/Links/Chassis/-", "value": None},
            {"op": "remove", "path": "/Links/ManagedBy/0"},
            {"op": "remove", "path": "/Not/There"},
        ],
    }
    async with played([device()], *rules(rule)) as play:
        found = await play.first.json(SYSTEM)
        truth = play.device.get(SYSTEM)
    assert "Model" not in found
    assert found["Status"] == {"State": "Enabled", "Health": "Critical"}
    assert found["Boot"]["BootSourceOverrideTarget"] == 5
    assert found["Links"]["Chassis"] == [{"@odata.id": f"{V1}/Chassis/1"}, None]
    assert found["Links"]["ManagedBy"] == []
    assert truth is not None
    assert truth["Model"] == "E-1"


@pytest.mark.parametrize("how", ["refuse", "silence"])
async def test_a_device_dies_and_comes_back(how: str) -> None:
    async with played([device()]) as play:
        assert await play.first.status("GET", SYSTEM) == 200
        play.hall.inject(*rules({"effect": "die", "how": how, "id": "d"}))
        await asyncio.sleep(0.01)
        await play.hall.places["n1"].settled()
        with pytest.raises(SILENCE):
            await play.first.status("GET", SYSTEM, timeout=NOW)
        play.hall.clear("d")
        await play.hall.places["n1"].settled()
        assert await play.first.status("GET", SYSTEM) == 200


async def test_a_device_dies_at_the_nth_request_for_a_while() -> None:
    rule = {"effect": "die", "for_s": 0.2, "times": 1, "select": {"after": 1}}
    async with played([device()], *rules(rule)) as play:
        assert await play.first.status("GET", SYSTEM) == 200
        with pytest.raises(SILENCE):
            await play.first.status("GET", SYSTEM, timeout=NOW)
        async with asyncio.timeout(90):
            while True:
                try:
                    if await play.first.status("GET", SYSTEM, timeout=NOW) == 200:
                        break
                except SILENCE:
                    await asyncio.sleep(0.02)


async def test_a_connection_is_cut_in_the_middle() -> None:
    rule = {"effect": "die", "how": "reset", "times": 1, "select": {"path": SYSTEM}}
    async with played([device()], *rules(rule)) as play:
        with pytest.raises(SILENCE):
            await play.first.status("GET", SYSTEM)
        assert await play.first.status("GET", SYSTEM) == 200


# lies


async def test_friendly_answers_without_effect() -> None:
    async with played([device()], *lie("accept_without_effect")) as play:
        assert await play.first.status("PATCH", SYSTEM, json={"AssetTag": "x"}) == 200
        target = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        assert await play.first.status("POST", target, json={"ResetType": "ForceOff"}) == 204
        assert (await login(play.first))[0] == 201
        found = await play.first.json(SYSTEM)
        assert (found["AssetTag"], found["PowerState"]) == ("", "On")


async def test_reads_are_old_for_a_while_after_a_write() -> None:
    async with played([device()], *lie("stale_reads", seconds=0.2)) as play:
        assert await play.first.status("PATCH", SYSTEM, json={"AssetTag": "x"}) == 200
        assert (await play.first.json(SYSTEM))["AssetTag"] == ""
        async with asyncio.timeout(90):
            while (await play.first.json(SYSTEM))["AssetTag"] == "":
                await asyncio.sleep(0.02)


async def test_a_write_without_if_match_is_dropped() -> None:
    async with played([device()], *lie("drop_without_if_match")) as play:
        body = {"AssetTag": "x"}
        assert await play.first.status("PATCH", SYSTEM, json=body) == 200
        assert (await play.first.json(SYSTEM))["AssetTag"] == ""
        match = {"If-Match": "*"}
        assert await play.first.status("PATCH", SYSTEM, json=body, headers=match) == 200
        assert (await play.first.json(SYSTEM))["AssetTag"] == "x"


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [("weak_etag", 'W/"', '"'), ("gzip_etag", '"', '-gzip"'), ("empty_etag", "", "")],
)
async def test_odd_etags(name: str, start: str, end: str) -> None:
    async with (
        played([device()], *lie(name)) as play,
        play.first.request("GET", SYSTEM) as response,
    ):
        etag = response.headers["ETag"]
    assert etag.startswith(start)
    assert etag.endswith(end)
    assert name != "empty_etag" or etag == ""


@pytest.mark.parametrize(
    ("name", "path", "check"),
    [
        ("nan", INLET, lambda r: r["Reading"] != r["Reading"]),
        ("negative", INLET, lambda r: r["Reading"] == -23.5),
        ("zero", INLET, lambda r: r["Reading"] == 0),
        ("swapped_status", SYSTEM, lambda r: r["Status"] == {"State": "OK", "Health": "Enabled"}),
        ("null_members", PROCESSORS, lambda r: r["Members"] is None),
        ("object_for_list", PROCESSORS, lambda r: isinstance(r["Members"], dict)),
        ("missing", SYSTEM, lambda r: "Name" not in r and "Links" not in r),
        (
            "trailing_blanks",
            f"{V1}/UpdateService/FirmwareInventory/bmc",
            lambda r: r["Version"] == "1.0.0  ",
        ),
        (
            "expand_drops",
            f"{PROCESSORS}?$expand=.",
            lambda r: "Status" not in r["Members"][0] and "Name" in r["Members"][0],
        ),
        ("expand_drops", SYSTEM, lambda r: "Status" in r),
    ],
)
async def test_bent_resources(name: str, path: str, check: Any) -> None:
    async with (
        played([device()], *lie(name)) as play,
        play.first.request("GET", path) as response,
    ):
        assert check(json.loads(await response.read()))


async def test_sessions_leak_and_run_out() -> None:
    async with played([device()], *rules("sessions-run-out")) as play:
        for _ in range(2):
            status, _, place = await login(play.first)
            assert status == 201
            assert await play.first.status("DELETE", place) == 204
        assert (await login(play.first))[0] == 503
        play.hall.clear()
        assert (await login(play.first))[0] == 201


async def test_the_clock_is_off_in_headers_and_certificate() -> None:
    async with played([device()], *rules("clock-off")) as play, aiohttp.ClientSession() as client:
        authority, root = play.hall.authority, play.device.address + V1
        assert authority is not None
        trusted = ssl.create_default_context(cadata=authority.pem.decode())
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match="not yet valid"):
            await client.get(root, ssl=trusted)
        pin = aiohttp.Fingerprint(bytes.fromhex(play.device.fingerprint))
        async with client.get(root, ssl=pin) as response:
            told = parsedate_to_datetime(response.headers["Date"]).timestamp()
        assert abs(told - play.device.clock.now() - 43200) < 60
        play.hall.clear()
    async with played([device()]) as play, aiohttp.ClientSession() as client:
        play.hall.inject(*rules({"preset": "clock-off", "id": "c"}))
        play.hall.clear("c")
        authority = play.hall.authority
        assert authority is not None
        trusted = ssl.create_default_context(cadata=authority.pem.decode())
        async with client.get(play.device.address + V1, ssl=trusted) as response:
            assert response.status == 200


async def test_subscriptions_vanish_and_events_are_bad() -> None:
    async with played([device()], *rules("events-get-lost")) as play:
        await asyncio.sleep(0.01)
        place = f"{V1}/EventService/Subscriptions"
        body = {"Destination": "https://127.0.0.1/"}
        assert await play.first.status("POST", place, json=body) == 201
        async with play.first.request("GET", f"{V1}/EventService/SSE") as response:
            for _ in range(3):
                play.device.emit({"Message": "x"})
            text = (await response.read()).decode()
        assert text.count('"Message":"x"') == 6
        assert '{"Events": [{\n' in text
        assert (await play.first.json(place))["Members"] == []


@pytest.mark.parametrize("name", PRESETS)
async def test_every_preset_can_be_armed_and_disarmed(name: str) -> None:
    async with played([device()], *rules({"preset": name, "select": {"device": "n*"}})) as play:
        await asyncio.sleep(0.01)
        play.hall.clear()
        await play.hall.places["n1"].settled()
        assert await play.first.status("GET", SYSTEM) == 200


# rules as data


def test_rules_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(
        "faults:\n- {effect: status, status: 500, select: {path: '*'}}\n- preset: clock-off\n"
    )
    assert [rule.effect for rule in load_rules(file)] == ["status", "lie"]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"effect": "status"}, "lacks"),
        ({"effect": "lie"}, "lacks"),
        ({"effect": "latency"}, "lacks"),
        ({"effect": "boom"}, "boom"),
        ({"effect": "status", "status": 500, "selct": {}}, "did you mean 'select'"),
        ({"effect": "status", "status": 500, "select": {"metod": []}}, "did you mean 'method'"),
        ({"preset": "clock-of"}, "did you mean 'clock-off'"),
        (5, "not an object"),
        ("nothing", "unknown 'nothing'"),
    ],
)
def test_bad_rules_are_explained(item: object, says: str) -> None:
    with pytest.raises(OperatorMust, match=says):
        parse_rules([item], source="test")


@pytest.mark.parametrize("text", ["5", "{", "[{]", "\x00"])
def test_files_that_hold_no_rules(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    for path in (file, tmp_path / "absent", tmp_path):
        with pytest.raises(OperatorMust):
            load_rules(path)
