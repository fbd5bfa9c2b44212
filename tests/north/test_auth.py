"""Who may do what: tokens, roles, scopes, and the door."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.north.auth import (
    Auth,
    Deed,
    Principal,
    Role,
    TokenFile,
    TokenList,
    is_loopback,
    new_token,
)
from iolaus.north.guard import SECURITY_HEADERS
from tests.north.conftest import client_of, make_context

NODES = "/api/v1/nodes"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def api_with(clock: JumpClock, role: Role, *, scope: str = "") -> httpx.AsyncClient:
    text, token = new_token(role, name=role.value, scope=scope)
    context = make_context(clock, auth=Auth(tokens=TokenList(token)))
    client = client_of(context, client="10.0.0.5")
    client.headers.update(bearer(text))
    return client


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "TokenMissing"),
        ({"Authorization": "Basic cm9vdDpyb290"}, "TokenMissing"),
        (bearer("nonsense"), "TokenInvalid"),
        (bearer("iol_ffff_ffff"), "TokenInvalid"),
        ({"Cookie": "iolaus_token=iol_x_y"}, "TokenInvalid"),
        ({"Cookie": '"; broken=\x01'}, "TokenMissing"),
    ],
)
async def test_without_a_known_token_nothing_is_shown(
    clock: JumpClock, headers: dict[str, str], code: str
) -> None:
    async with client_of(make_context(clock, auth=Auth())) as api:
        for path in (NODES, "/metrics", "/api/v1/openapi.json", "/nothing"):
            answer = await api.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await api.get("/healthz")).status_code == 200


async def test_a_cookie_reads_and_never_writes(clock: JumpClock) -> None:
    text, token = new_token(Role.OPERATOR, name="page")
    headers = {"Cookie": f"iolaus_token={text}"}
    async with client_of(make_context(clock, auth=Auth(tokens=TokenList(token)))) as api:
        assert (await api.get(NODES, headers=headers)).status_code == 200
        gone = await api.delete("/api/v1/endpoints/h1-r01-u04", headers=headers)
        assert gone.status_code == 401


@pytest.mark.parametrize("role", Role)
async def test_what_each_role_may(clock: JumpClock, role: Role) -> None:
    writes = role is Role.OPERATOR
    async with await api_with(clock, role) as api:
        assert (await api.get(NODES)).status_code == 200
        gone = await api.delete("/api/v1/endpoints/h1-r01-u04")
        assert gone.status_code == (200 if writes else 403)
        found = await api.post("/api/v1/discoveries", json={"spec": {"targets": ["a"]}})
        assert found.status_code == (202 if writes else 403)
        if not writes:
            assert found.json()["code"] == "RoleMayNot"
            assert "operator" in found.json()["next_step"]


async def test_what_is_outside_the_scope_does_not_exist(clock: JumpClock) -> None:
    async with await api_with(clock, Role.OPERATOR, scope="u=1") as api:
        listed = (await api.get(NODES)).json()["items"]
        assert [each["metadata"]["name"] for each in listed] == ["h1-r01-u01"]
        for path in (
            "nodes/h1-r01-u02",
            "endpoints/h1-r01-u02",
            "gpus/h1-r01-u02:GPU0",
            "sensors/h1-r01-u02:Inlet",
            "cdus/cdu-1",
        ):
            assert (await api.get(f"/api/v1/{path}")).status_code == 404
        assert (await api.get("/api/v1/racks/h1-r01")).json()["status"]["nodes"] == 1
        summary = (await api.get("/api/v1/summary")).json()["status"]
        assert (summary["kinds"], summary["endpoints"]["total"]) == ({"node": 1}, 1)
        events = (await api.get("/api/v1/events")).json()["items"]
        assert {each["status"]["node"] for each in events} == {"h1-r01-u01"}
        assert (await api.get("/metrics")).json()["code"] == "ScopedToken"
        assert (await api.delete("/api/v1/endpoints/h1-r01-u02")).status_code == 404
        outside = await api.post("/api/v1/discoveries", json={"spec": {"targets": ["a"]}})
        assert outside.json()["code"] == "OutOfScope"


async def test_an_expired_token_is_refused(clock: JumpClock) -> None:
    text, token = new_token(Role.VIEWER, name="old", expires_at=clock.now() + 10)
    async with client_of(make_context(clock, auth=Auth(tokens=TokenList(token)))) as api:
        assert (await api.get(NODES, headers=bearer(text))).status_code == 200
        clock.advance(11)
        answer = await api.get(NODES, headers=bearer(text))
        assert answer.json()["code"] == "TokenExpired"


def test_the_file_keeps_no_secret_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state" / "tokens.json")
    text, token = new_token(Role.VIEWER, name="grafana")
    tokens.put(token)
    tokens.put(new_token(Role.AGENT, name="agent")[1])
    assert text.rpartition("_")[2] not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o077 == 0
    again = TokenFile(tokens.path)
    assert {each.name for each in again.all()} == {"grafana", "agent"}
    found = Auth(tokens=again).principal(text=text, client="10.0.0.1", now=0.0)
    assert (found.name, found.role) == ("grafana", Role.VIEWER)
    assert not TokenFile(tmp_path / "none.json").all()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("[{]")
    with pytest.raises(OperatorMust, match="cannot be read"):
        TokenFile(path).all()


def test_a_bad_scope_makes_no_token() -> None:
    with pytest.raises(OperatorMust):
        new_token(Role.VIEWER, name="x", scope="a,,b")


def test_the_demo_is_for_this_machine_alone() -> None:
    auth = Auth(demo=True)
    assert auth.principal(text=None, client="127.0.0.1", now=0.0).role is Role.OPERATOR
    with pytest.raises(PolicyRefused):
        auth.principal(text=None, client="10.0.0.1", now=0.0)
    with pytest.raises(PolicyRefused):
        Auth().principal(text=None, client="127.0.0.1", now=0.0)
    Principal(name="x", role=Role.VIEWER).must(Deed.READ)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "HostRefused"),
        ({"Host": "127.0.0.1.evil.example"}, "HostRefused"),
        ({"Host": ""}, "HostRefused"),
        ({"Origin": "https://evil.example"}, "OriginRefused"),
        ({"Origin": "null"}, "OriginRefused"),
        ({"Content-Length": "999999999"}, "BodyTooLarge"),
    ],
)
async def test_a_page_of_another_site_cannot_reach_the_demo(
    clock: JumpClock, headers: dict[str, str], code: str
) -> None:
    async with client_of(make_context(clock)) as api:
        answer = await api.get(NODES, headers=headers)
        assert (answer.status_code >= 400, answer.json()["code"]) == (True, code)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8080", True),
        ("127.9.8.7", True),
        ("localhost", True),
        ("LOCALHOST.:80", True),
        ("h1-r01-u01.bmc.localhost:8443", True),
        ("[::1]:8080", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[::1", True),
        ("999.0.0.1", False),
    ],
)
def test_loopback_names(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours


@pytest.mark.parametrize("path", [NODES, "/nothing", "/metrics", "/healthz"])
async def test_every_answer_has_the_security_headers(clock: JumpClock, path: str) -> None:
    async with client_of(make_context(clock)) as api:
        answer = await api.get(path)
        for name, value in SECURITY_HEADERS:
            assert answer.headers[name.decode()] == value.decode()
