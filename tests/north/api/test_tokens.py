"""Tokens through the API and the command line: made once, never shown again, revoked at once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Approval
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from tests.north.api.test_baselines import document
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving
from tests.north.rolling import Rolling

TOKENS = "/api/v1/tokens"
DAY_S = 86_400.0


def headers(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def order(name: str = "carol", role: str = "approver", **spec: Any) -> dict[str, Any]:
    return {"spec": {"name": name, "role": role, **spec}}


async def test_a_token_is_told_once_and_ends_when_it_should(clock: JumpClock) -> None:
    context = make_context(clock)
    async with client_of(context) as api:
        made = await api.post(TOKENS, json=order(groups=["hw-oncall"], expiresIn="1d"))
        assert made.status_code == 201, made.text
        text = made.json()["status"]["token"]
        listed = await api.get(TOKENS)
        (one,) = listed.json()["items"]
        assert (one["status"]["name"], one["status"]["groups"]) == ("carol", ["hw-oncall"])
        assert (one["status"]["made_by"], one["status"]["token"]) == ("demo", None)
        assert text.rpartition("_")[2] not in listed.text
        assert (await api.get("/api/v1/nodes", headers=headers(text))).status_code == 200
        await clock.sleep(DAY_S + 1)
        late = await api.get("/api/v1/nodes", headers=headers(text))
        assert (late.status_code, late.json()["code"]) == (401, "TokenExpired")
        assert (await api.get(TOKENS)).json()["items"][0]["status"]["expired"] is True


async def test_a_revoked_token_is_not_known(clock: JumpClock) -> None:
    context = make_context(clock)
    async with client_of(context) as api:
        made = (await api.post(TOKENS, json=order())).json()
        gone = await api.delete(f"{TOKENS}/{made['metadata']['name']}")
        assert (gone.status_code, gone.json()["status"]["name"]) == (200, "carol")
        told = await api.get("/api/v1/nodes", headers=headers(made["status"]["token"]))
        assert (told.status_code, told.json()["code"]) == (401, "TokenInvalid")
        again = await api.delete(f"{TOKENS}/{made['metadata']['name']}")
        assert (again.status_code, again.json()["code"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("role", "scope", "code"),
    [
        (Role.FIRMWARE_ADMIN, "", "RoleMayNot"),
        (Role.APPROVER, "", "RoleMayNot"),
        (Role.OPERATOR, "rack=h1-r01", "ScopeTooSmall"),
        (Role.SECURITY, "", ""),
    ],
)
async def test_who_may_make_tokens(clock: JumpClock, role: Role, scope: str, code: str) -> None:
    text, token = new_token(role, name="x", scope=scope)
    context = make_context(clock, auth=Auth(tokens=TokenList(token)))
    async with client_of(context) as api:
        for method in ("GET", "POST"):
            body = order() if method == "POST" else None
            told = await api.request(method, TOKENS, json=body, headers=headers(text))
            assert told.status_code == (403 if code else told.status_code)
            assert told.json().get("code", "") == code


@pytest.mark.parametrize(
    "spec",
    [
        {"name": ""},
        {"name": "a b"},
        {"role": "king"},
        {"scope": "a,,b"},
        {"expiresIn": "0s"},
        {"expiresIn": "99999999d"},
        {"expiresIn": "soon"},
        {"rights": "all"},
    ],
)
async def test_what_is_no_token_is_refused(clock: JumpClock, spec: dict[str, Any]) -> None:
    async with client_of(make_context(clock)) as api:
        told = await api.post(TOKENS, json={"spec": {**order()["spec"], **spec}})
        assert told.status_code == 400, told.text
        assert told.json()["next_step"]
        assert (await api.get(TOKENS)).json()["items"] == []


@pytest.fixture
def demo() -> Iterator[tuple[str, Context]]:
    """A demonstration: who sits at this machine needs no token."""
    context = make_context(JumpClock())
    context.rolls = Rolling(context, approvals=(Approval(group="hw-oncall"),))
    with serving(context) as url:
        yield url, context


def test_a_plan_is_approved_by_a_token_of_its_group_and_by_nobody_else(
    demo: tuple[str, Context], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    url, _ = demo
    monkeypatch.setenv("IOLAUS_URL", url)
    monkeypatch.delenv("IOLAUS_TOKEN", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    baseline = tmp_path / "base.yaml"
    baseline.write_text(json.dumps(document()))

    def told(line: str, token: str = "") -> str:
        monkeypatch.setenv("IOLAUS_TOKEN", token)
        return run(line)

    def made(line: str) -> str:
        said = told(f"token create {line}").splitlines()
        return next(each for each in said if each.startswith("iol_"))

    assert "exit code 0" in told(f"apply {baseline} --yes")
    name = told("plan base -o name").splitlines()[1]
    assert "--group hw-oncall" in told("plan base")
    assert "somebody else has to approve it" in told(f"approve {name}")
    for who in ("bob --role operator", "eve --role approver --groups network"):
        said = told(f"approve {name}", made(who))
        assert "does not speak for that group" in said
        assert "iolaus token create" in said
        assert said.endswith("exit code 3\n")
    assert "1 more of hw-oncall" in told(f"apply {name} --yes")
    carol = made("carol --role approver --groups hw-oncall,site --expires 1d")
    assert f"approved {name}" in told(f"approve {name}", carol)
    assert "applied plan/" in told(f"apply {name} --yes")
    listed = told("token list")
    assert [line.split()[1] for line in listed.splitlines()[2:5]] == ["bob", "eve", "carol"]
    assert carol.rpartition("_")[2] not in listed
    ident = listed.splitlines()[4].split()[0]
    assert f"would revoke token {ident}" in told(f"token revoke {ident} --dry-run")
    assert "exit code 3" in told(f"token revoke {ident}")
    assert "of carol is revoked" in told(f"token revoke {ident} --yes")
    assert "not known here" in told("get plans", carol)
