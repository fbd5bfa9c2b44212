"""Authorities by API and command line: what goes in, and that a key never comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from iolaus.fleet.certify import Made, make_authority
from iolaus.kernel.clock import JumpClock
from iolaus.model.authority import Words
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.store.authorities import Authorities
from iolaus.store.secrets import Secrets
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving

PATH = "/api/v1/authorities"


def made(name: str = "other") -> Made:
    return make_authority(name, words=Words(), days=365, now=JumpClock().now())


@pytest.fixture
def context(tmp_path: Path, clock: JumpClock) -> Context:
    found = make_context(clock)
    found.authorities = Authorities(tmp_path, secrets=Secrets(tmp_path / "secrets"))
    return found


@pytest.fixture
async def api(context: Context) -> httpx.AsyncClient:
    return client_of(context)


def spec(**given: Any) -> dict[str, Any]:
    return {"spec": {"name": "hall-ca", **given}}


async def test_one_is_made_looked_at_and_removed(api: httpx.AsyncClient, tmp_path: Path) -> None:
    async with api:
        answer = await api.post(PATH, json=spec(words={"organization": "Example"}))
        assert answer.status_code == 201, answer.text
        status = answer.json()["status"]
        assert status["subject"] == "CN=hall-ca,OU=Data hall,O=Example,C=ZZ"
        assert (status["kind"], status["leaf_days"]) == ("local", 397)
        assert (await api.get(f"{PATH}/hall-ca")).json()["status"] == status
        listed = (await api.get(PATH)).json()["items"]
        assert [item["status"]["name"] for item in listed] == ["hall-ca"]
        assert (await api.post(PATH, json=spec())).json()["code"] == "BadAuthority"
        assert b"PRIVATE" not in (tmp_path / "authorities").read_bytes()
        assert (await api.delete(f"{PATH}/hall-ca")).status_code == 200
        assert (await api.get(f"{PATH}/hall-ca")).json()["code"] == "NotFound"


async def test_one_that_is_brought_in_has_to_fit_and_its_key_is_never_told(
    api: httpx.AsyncClient,
) -> None:
    mine, other = made(), made("third")
    async with api:
        for given in (
            {"certificate": mine.certificate},
            {"certificate": mine.certificate, "key": other.key},
            {"certificate": mine.certificate, "key": mine.key[:-40]},
            {"certificate": "none at all", "key": mine.key},
        ):
            answer = await api.post(PATH, json=spec(**given))
            assert (answer.status_code, answer.json()["code"]) == (400, "BadAuthority")
            assert "PRIVATE" not in answer.text
        good = await api.post(PATH, json=spec(certificate=mine.certificate, key=mine.key))
        assert good.status_code == 201, good.text
        assert "PRIVATE" not in good.text


async def test_who_may_not_secure_the_hall_may_only_look(context: Context) -> None:
    secret, token = new_token(Role.VIEWER, name="vi")
    context.auth = Auth(tokens=TokenList(token))
    client = client_of(context)
    client.headers["Authorization"] = f"Bearer {secret}"
    async with client as api:
        assert (await api.get(PATH)).status_code == 200
        assert (await api.post(PATH, json=spec())).json()["code"] == "RoleMayNot"


def test_on_the_command_line(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = made()
    (tmp_path / "ca.pem").write_text(mine.certificate)
    (tmp_path / "ca.key").write_text(mine.key)
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        told = [
            run("ca create hall-ca --organization Example --country DE"),
            run(f"ca import other --certificate {tmp_path}/ca.pem --key {tmp_path}/ca.key"),
            run("ca show"),
            run("ca show other -o pem"),
            run("ca remove hall-ca"),
            run("ca remove hall-ca --yes"),
            run(f"ca import third --certificate {tmp_path}/ca.pem --key {tmp_path}/none"),
        ]
    assert "authority hall-ca: CN=hall-ca,OU=Data hall,O=Example,C=DE, until 2033" in told[0]
    assert "hall-ca   local" in told[2]
    assert mine.certificate in told[3]
    assert "not confirmed" in told[4]
    assert "are gone" in told[5]
    assert "No such file" in told[6]
    assert "PRIVATE" not in "".join(told)
