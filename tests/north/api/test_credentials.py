"""Logins through the API and the command line: who, how old, and never a password."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.store.own import Login, Own
from iolaus.store.secrets import Secrets
from tests.north import hall
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving

SECRET = "pa55-w0rd-of-ours"


def kept(tmp_path: Path, clock: JumpClock) -> Secrets:
    """One endpoint with a password of its own, the others share one."""
    found = Secrets(tmp_path / "secrets")
    found.put("hall", user="root", password="shared-secret")
    found.assign("default", "hall")
    login = Login(user="root", password=SECRET)
    own = Own(login=login, user="root", stands_for="hall", number=2, since=clock.now() - 7200.0)
    found.keep_own_here(hall.address(1), own)
    return found


async def test_whose_they_are_and_how_old_and_no_secret(tmp_path: Path) -> None:
    clock = JumpClock()
    context = make_context(clock)
    context.secrets = kept(tmp_path, clock)
    async with client_of(context) as api:
        answer = await api.get("/api/v1/credentials")
    assert SECRET not in answer.text
    assert "shared-secret" not in answer.text
    rows = {row["address"]: row for row in answer.json()["items"]}
    own = rows[hall.address(1)]
    assert (own["state"], own["number"], own["age_s"], own["shared"]) == ("own", 2, 7200.0, "hall")
    assert {row["state"] for address, row in rows.items() if row is not own} == {"shared"}


async def test_what_is_added_is_sealed_and_may_recover(tmp_path: Path) -> None:
    context = make_context(JumpClock())
    context.secrets = kept(tmp_path, JumpClock())
    spec = {"name": "maker", "user": "admin", "password": "calvin", "recovers": ["10.0.0.0/8"]}
    async with client_of(context) as api:
        answer = await api.post("/api/v1/credentials", json={"spec": spec})
        assert answer.status_code == 201
        assert "calvin" not in answer.text
        bad = await api.post("/api/v1/credentials", json={"spec": {**spec, "name": "a b"}})
        assert bad.status_code == 400
        assert "calvin" not in bad.text
    again = Secrets(tmp_path / "secrets")
    assert again.get("maker") == Login(user="admin", password="calvin")
    assert again.recoveries() == {"10.0.0.0/8": "maker"}


async def test_a_server_without_a_store_says_so() -> None:
    async with client_of(make_context(JumpClock())) as api:
        answer = await api.get("/api/v1/credentials")
    assert (answer.status_code, answer.json()["code"]) == (501, "NotOffered")


def test_the_commands_show_them_and_take_a_password_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = JumpClock()
    context = make_context(clock)
    context.secrets = kept(tmp_path, clock)
    file = tmp_path / "password"
    file.write_text("calvin\n")
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        told = run("credential list")
        added = run(f"credential add maker --user admin --password-file {file} --recovers default")
        nobody = run(f"credential add maker --user admin --password-file {file}")
    assert "own" in told
    assert "2h" in told
    assert SECRET not in told
    assert "credential maker (admin) is kept" in added
    assert "it is for nobody" in nobody
    assert context.secrets.get("maker") == Login(user="admin", password="calvin")
