"""Sessions, accounts, and what happens when there are too many or they are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.sim.device import Options
from tests.sim.engine.conftest import PASSWORD, Client, Played, basic, played
from tests.sim.engine.tree import V1, device

SYSTEM = f"{V1}/Systems/1"
SESSIONS = f"{V1}/SessionService/Sessions"
LOGIN = {"UserName": "root", "Password": PASSWORD}


async def login(client: Client, body: Any = None) -> tuple[int, str, str]:
    bare = {"Authorization": ""}
    async with client.request("POST", SESSIONS, json=body or LOGIN, headers=bare) as response:
        await response.read()
        headers = response.headers
        return response.status, headers.get("X-Auth-Token", ""), headers.get("Location", "")


async def test_a_session_is_opened_used_listed_and_deleted(play: Played) -> None:
    status, token, place = await login(play.first)
    assert (status, bool(token)) == (201, True)
    play.first.headers = {"X-Auth-Token": token}
    assert (await play.first.json(place))["UserName"] == "root"
    members = (await play.first.json(SESSIONS))["Members"]
    assert members == [{"@odata.id": place}]
    assert token not in str(await play.first.json(place))
    assert await play.first.status("DELETE", place) == 204
    assert await play.first.status("GET", SYSTEM) == 401
    play.first.headers = basic()
    assert (await play.first.json(SESSIONS))["Members"] == []
    assert await play.first.status("GET", place) == 404


async def test_log_in_also_at_the_members_of_the_collection(play: Played) -> None:
    body, bare = LOGIN, {"Authorization": ""}
    path = f"{SESSIONS}/Members"
    assert await play.first.status("POST", path, json=body, headers=bare) == 201


async def test_when_no_session_is_free_it_is_503_and_basic_still_works() -> None:
    async with played([device(options=Options(session_limit=2))]) as play:
        opened = [await login(play.first) for _ in range(3)]
        assert [status for status, _, _ in opened] == [201, 201, 503]
        assert await play.first.status("GET", SYSTEM) == 200
        assert await play.first.status("DELETE", opened[0][2]) == 204
        assert (await login(play.first))[0] == 201
        assert play.device.counters.max_sessions == 2


async def test_an_idle_session_ends() -> None:
    clock = JumpClock()
    async with played([device(clock=clock, options=Options(session_limit=1))]) as play:
        _, token, _ = await login(play.first)
        play.first.headers = {"X-Auth-Token": token}
        clock.advance(1700)
        assert await play.first.status("GET", SYSTEM) == 200
        clock.advance(1700)
        assert await play.first.status("GET", SYSTEM) == 200
        clock.advance(1900)
        assert await play.first.status("GET", SYSTEM) == 401
        play.first.headers = basic()
        assert (await login(play.first))[0] == 201


async def test_the_time_out_can_be_set() -> None:
    clock = JumpClock()
    async with played([device(clock=clock)]) as play:
        path = f"{V1}/SessionService"
        assert await play.first.status("PATCH", path, json={"SessionTimeout": 60}) == 200
        _, token, _ = await login(play.first)
        clock.advance(61)
        assert await play.first.status("GET", SYSTEM, headers={"X-Auth-Token": token}) == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"UserName": "root", "Password": "wrong"}, 401),
        ({"UserName": "nobody", "Password": "x"}, 401),
        ({"UserName": "root"}, 400),
        ({"UserName": 1, "Password": 2}, 400),
    ],
)
async def test_a_wrong_log_in(play: Played, body: dict[str, Any], status: int) -> None:
    assert (await login(play.first, body))[0] == status


@pytest.mark.parametrize(
    "word", ["Basic ", "Basic !!!", "Basic cm9vdA==", "Bearer x", "Basic /w=="]
)
async def test_credentials_that_cannot_be_read(play: Played, word: str) -> None:
    assert await play.first.status("GET", SYSTEM, headers={"Authorization": word}) == 401


async def test_too_many_wrong_passwords_lock_the_account() -> None:
    options = Options(lockout_after=3, lockout_s=1000)
    async with played([device(options=options)]) as play:
        for _ in range(3):
            assert await play.first.status("GET", SYSTEM, headers=basic(password="no")) == 401
        assert await play.first.status("GET", SYSTEM) == 401
        assert play.device.counters.auth_failures == 4


async def test_an_account_can_be_added_used_and_removed(play: Played) -> None:
    accounts = f"{V1}/AccountService/Accounts"
    body = {"UserName": "eve", "Password": "secret", "RoleId": "ReadOnly"}
    async with play.first.request("POST", accounts, json=body) as response:
        assert response.status == 201
        place = response.headers["Location"]
        assert "secret" not in await response.text()
    eve = basic("eve", "secret")
    assert await play.first.status("GET", SYSTEM, headers=eve) == 200
    assert await play.first.status("PATCH", SYSTEM, json={"AssetTag": "x"}, headers=eve) == 403
    assert await play.first.status("DELETE", place) == 204
    assert await play.first.status("GET", SYSTEM, headers=eve) == 401


async def test_a_changed_password_holds_and_is_never_shown(play: Played) -> None:
    account = f"{V1}/AccountService/Accounts/root"
    assert await play.first.status("PATCH", account, json={"Password": "new"}) == 200
    assert await play.first.status("GET", SYSTEM) == 401
    play.first.headers = basic(password="new")
    assert "new" not in str(await play.first.json(account))


async def test_sessions_can_be_withheld_and_so_can_basic() -> None:
    async with played([device("a", options=Options(sessions=False))]) as play:
        assert (await login(play.first))[0] == 401
        assert await play.first.status("GET", SYSTEM) == 200
    async with played([device("b", options=Options(basic=False))]) as play:
        assert await play.first.status("GET", SYSTEM) == 401
        assert (await login(play.first))[0] == 201
