"""One device's conversation against a controller in memory: being let in, reading, writing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.client import Redfish
from iolaus.wire.redfish.port import Credential, Request
from tests.wire.redfish.fake_device import ORIGIN, SESSIONS, FakeDevice, Ledger, Reply, refuse

SYSTEMS = "/redfish/v1/Systems"


@pytest.fixture
def device() -> FakeDevice:
    made = FakeDevice()
    made.pages[SYSTEMS] = {"@odata.id": SYSTEMS, "Members": []}
    return made


def talk(
    device: FakeDevice,
    *,
    password: str = "right",
    ledger: Ledger | None = None,
    clock: JumpClock | None = None,
) -> Redfish:
    credential = Credential(user="root", password=password)
    return Redfish(ORIGIN, device, credential, clock or JumpClock(), ledger=ledger)


# --- being let in -----------------------------------------------------------------------------


async def test_one_session_serves_all_and_is_deleted(device: FakeDevice) -> None:
    ledger = Ledger()
    redfish = talk(device, ledger=ledger)
    await asyncio.gather(*(redfish.get(SYSTEMS) for _ in range(5)))
    assert device.logins == 1
    assert ledger.uris == [redfish.session_uri] == list(device.sessions)
    await redfish.logout()
    assert (device.sessions, ledger.uris, redfish.has_session) == ({}, [], False)


async def test_nothing_is_authenticated_without_a_credential(device: FakeDevice) -> None:
    redfish = Redfish(ORIGIN, device, None, JumpClock())
    await redfish.get("/redfish/v1/")
    with pytest.raises(DeviceRefused) as caught:
        await redfish.get(SYSTEMS)
    assert caught.value.code == "AuthenticationFailed"
    assert device.logins == 0


async def test_the_root_can_be_read_unauthenticated(device: FakeDevice) -> None:
    answer = await talk(device, password="wrong").get("/redfish/v1/", auth=False)
    assert answer.status == 200
    assert device.logins == 0


async def test_a_wrong_password_is_tried_once_per_call(device: FakeDevice) -> None:
    redfish = talk(device, password="hunter2")
    results = await asyncio.gather(
        *(redfish.get(SYSTEMS) for _ in range(4)), return_exceptions=True
    )
    assert {getattr(each, "code", "") for each in results} == {"AuthenticationFailed"}
    assert device.logins == 1
    assert "hunter2" not in "".join(str(each) for each in results)


async def test_a_password_echoed_by_the_device_is_not_passed_on(device: FakeDevice) -> None:
    said = "the value 'hunter2' for Password is bad"
    device.routes["POST", SESSIONS] = lambda _: refuse(400, "Base.1.0.PropertyValueError", said)
    with pytest.raises(DeviceRefused, match="for Password is bad") as caught:
        await talk(device, password="hunter2").get(SYSTEMS)
    assert "hunter2" not in str(caught.value)


async def test_an_expired_session_is_renewed_once(device: FakeDevice) -> None:
    redfish = talk(device)
    await redfish.get(SYSTEMS)
    device.sessions.clear()
    assert (await redfish.get(SYSTEMS)).status == 200
    assert device.logins == 2


async def test_a_resource_that_always_says_401_ends(device: FakeDevice) -> None:
    device.routes["GET", "/redfish/v1/Secret"] = lambda _: refuse(401)
    with pytest.raises(DeviceRefused):
        await talk(device).get("/redfish/v1/Secret")
    assert device.logins == 2


async def test_an_account_revoked_in_between_is_a_clear_refusal(device: FakeDevice) -> None:
    redfish = talk(device)
    await redfish.get(SYSTEMS)
    device.sessions.clear()
    device.password = "changed"
    with pytest.raises(DeviceRefused) as caught:
        await redfish.get(SYSTEMS)
    assert caught.value.code == "AuthenticationFailed"
    assert device.logins == 2


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_without_a_session_service_basic_serves(device: FakeDevice, status: int) -> None:
    device.routes["POST", SESSIONS] = lambda _: refuse(status)
    redfish = talk(device)
    for _ in range(3):
        await redfish.get(SYSTEMS)
    assert device.count("POST", SESSIONS) == 1
    assert redfish.session_uri is None


async def test_with_all_slots_taken_basic_serves_for_a_while(device: FakeDevice) -> None:
    device.slots = 0
    clock = JumpClock()
    redfish = talk(device, clock=clock)
    for _ in range(3):
        await redfish.get(SYSTEMS)
    assert device.logins == 1
    device.slots = 4
    clock.advance(61)
    await redfish.get(SYSTEMS)
    assert (device.logins, redfish.has_session) == (2, True)


async def test_full_slots_are_freed_of_our_own_stale_sessions(device: FakeDevice) -> None:
    stale = f"{SESSIONS}/old"
    device.slots, device.sessions = 1, {stale: "lost"}
    redfish = talk(device, ledger=Ledger(stale))
    await redfish.get(SYSTEMS)
    assert redfish.has_session
    assert list(device.sessions) == [redfish.session_uri]


async def test_the_first_login_reaps_what_a_killed_predecessor_left(device: FakeDevice) -> None:
    stale, foreign = f"{SESSIONS}/old", f"{SESSIONS}/someone"
    device.basic = False
    device.sessions = {stale: "a", foreign: "b"}
    ledger = Ledger(stale, f"{SESSIONS}/long-gone")
    redfish = talk(device, ledger=ledger)
    await redfish.get(SYSTEMS)
    assert stale not in device.sessions
    assert foreign in device.sessions
    assert ledger.uris == [redfish.session_uri]


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Location": f"https://10.0.0.1{SESSIONS}/7"}, {}, f"{SESSIONS}/7"),
        ({}, {"@odata.id": f"{SESSIONS}/8"}, f"{SESSIONS}/8"),
        ({"Location": SESSIONS}, {"Id": "9"}, f"{SESSIONS}/9"),
        ({}, {}, None),
    ],
    ids=["internal host", "body", "collection", "nowhere"],
)
async def test_where_a_session_is(
    device: FakeDevice, headers: dict[str, str], body: dict[str, Any], expected: str | None
) -> None:
    def login(_: Request) -> Reply:
        device.sessions[str(expected)] = "t"
        return 201, {"X-Auth-Token": "t", **headers}, body

    device.routes["POST", SESSIONS] = login
    redfish = talk(device)
    await redfish.get(SYSTEMS)
    assert (redfish.has_session, redfish.session_uri) == (True, expected)


async def test_a_login_without_token_settles_for_basic(device: FakeDevice) -> None:
    device.routes["POST", SESSIONS] = lambda _: (201, {}, {})
    redfish = talk(device)
    await redfish.get(SYSTEMS)
    await redfish.get(SYSTEMS)
    assert device.count("POST", SESSIONS) == 1


async def test_logging_out_of_a_dead_device_is_quiet(device: FakeDevice) -> None:
    ledger = Ledger()
    redfish = talk(device, ledger=ledger)
    await redfish.get(SYSTEMS)
    device.silent = True
    await redfish.logout()
    assert ledger.uris == [f"{SESSIONS}/1"]


async def test_a_silent_device_is_silent(device: FakeDevice) -> None:
    device.silent = True
    with pytest.raises(DeviceSilent):
        await talk(device).get(SYSTEMS)


# --- reading ----------------------------------------------------------------------------------


async def test_a_conditional_get_gives_the_cached_answer_back(device: FakeDevice) -> None:
    def tagged(request: Request) -> Reply:
        if request.headers.get("If-None-Match") == 'W/"7"':
            return 304, {}, None
        return 200, {"ETag": 'W/"7"'}, {"Name": "x"}

    device.routes["GET", SYSTEMS] = tagged
    clock = JumpClock()
    redfish = talk(device, clock=clock)
    first = await redfish.get(SYSTEMS)
    clock.advance(5)
    second = await redfish.get(SYSTEMS, cached=first)
    assert (second.status, second.body, second.at - first.at) == (200, {"Name": "x"}, 5)


async def test_the_tag_in_the_body_serves_too(device: FakeDevice) -> None:
    device.pages[SYSTEMS]["@odata.etag"] = 'W/"body"'
    assert (await talk(device).get(SYSTEMS)).etag == 'W/"body"'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><title>Login</title></head></html>", "web page titled 'Login'"),
        (b"[1, 2]", "a list"),
        (b"", "empty"),
        (b'{"a": ', "cut or malformed"),
    ],
)
async def test_what_is_not_redfish_is_a_lie(device: FakeDevice, body: bytes, words: str) -> None:
    device.routes["GET", SYSTEMS] = lambda _: (200, {}, body)
    with pytest.raises(DeviceLied, match=words):
        await talk(device).get(SYSTEMS)


async def test_repairs_are_reported(device: FakeDevice) -> None:
    device.routes["GET", SYSTEMS] = lambda _: (200, {}, b'\xef\xbb\xbf{"Reading": NaN}\x00')
    answer = await talk(device).get(SYSTEMS)
    assert answer.body == {"Reading": None}
    assert [rule for _, rule, _ in answer.deviations] == ["encoding", "syntax", "syntax"]


def moved(target: str, status: int = 301) -> Reply:
    return status, {"Location": target}, None


async def test_a_redirect_at_home_is_followed(device: FakeDevice) -> None:
    device.routes["GET", "/redfish/v1"] = lambda _: moved("/redfish/v1/")
    assert (await talk(device).get("/redfish/v1", auth=False)).status == 200


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ({"/a": "/b", "/b": "/a"}, "loop"),
        ({"/a": "/b", "/b": "/c", "/c": "/d", "/d": "/e", "/e": "/f"}, "more than 3"),
        ({"/a": "https://elsewhere/a"}, "elsewhere"),
        ({"/a": "//elsewhere/a"}, "elsewhere"),
        ({"/a": "http://bmc/a"}, "http://bmc/a"),
    ],
)
async def test_redirects_that_lead_nowhere(
    device: FakeDevice, routes: Mapping[str, str], words: str
) -> None:
    for path, target in routes.items():
        device.routes["GET", path] = lambda _, target=target: moved(target)  # type: ignore[misc]
    with pytest.raises(DeviceRefused, match=words) as caught:
        await talk(device).get("/a")
    assert caught.value.code == "Redirected"
    assert all("bmc/" in request.url for request in device.requests)


async def test_a_write_is_not_turned_into_a_read(device: FakeDevice) -> None:
    device.routes["PATCH", SYSTEMS] = lambda _: moved("/elsewhere", 302)
    with pytest.raises(DeviceRefused, match="PATCH into a GET"):
        await talk(device).request("PATCH", SYSTEMS, {})


@pytest.mark.parametrize(
    "link", ["https://evil/redfish/v1", "//evil/x", "", "http://bmc/redfish/v1", "x" * 20_000]
)
async def test_a_foreign_link_is_never_asked(device: FakeDevice, link: str) -> None:
    with pytest.raises(DeviceLied):
        await talk(device).get(link)
    assert device.log == []


async def test_links_are_made_safe(device: FakeDevice) -> None:
    with pytest.raises(DeviceRefused):
        await talk(device).get("/redfish/v1/Chassis/a b\r\nHost: evil")
    assert all("\r" not in path and " " not in path for _, path in device.log)


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ['"v1-gzip"', '"v1"', 'W/"v1"'])
async def test_if_match_is_spelt_as_the_device_wants_it(device: FakeDevice, wanted: str) -> None:
    def picky(request: Request) -> Reply:
        return (204, {}, None) if request.headers["If-Match"] == wanted else refuse(412)

    device.routes["PATCH", SYSTEMS] = picky
    answer = await talk(device).request("PATCH", SYSTEMS, {"a": 1}, if_match='W/"v1-gzip"')
    assert (answer.status, answer.body) == (204, {})


async def test_a_real_mismatch_stays_one(device: FakeDevice) -> None:
    device.routes["PATCH", SYSTEMS] = lambda _: refuse(412)
    with pytest.raises(DeviceRefused) as caught:
        await talk(device).request("PATCH", SYSTEMS, {"a": 1}, if_match='"v1"')
    assert caught.value.code == "PreconditionFailed"


async def test_an_unreadable_body_of_a_write_is_a_note(device: FakeDevice) -> None:
    device.routes["POST", "/act"] = lambda _: (200, {}, b"<ok/>")
    answer = await talk(device).request("POST", "/act", {})
    assert (answer.status, answer.body, len(answer.deviations)) == (200, {}, 1)


async def test_errors_are_of_the_taxonomy(device: FakeDevice) -> None:
    device.routes["POST", "/act"] = lambda _: (
        503,
        {"Retry-After": "30"},
        {"error": {"message": "busy"}},
    )
    with pytest.raises(DeviceRefused) as caught:
        await talk(device).request("POST", "/act", {})
    assert (caught.value.code, caught.value.retry_after_s) == ("Busy", 30)
