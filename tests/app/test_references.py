"""Documents of reference values as they are imported, kept and asked for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving
from tests.trust.made import BEGIN, maker
from tests.wire.corim.test_parse import corim
from tests.wire.rim.test_manifest import GOOD, resource, swid
from tests.wire.rim.test_manifest import signed as signed_xml

from iolaus.app.references import References, kept_of
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context, ReferenceOrder
from iolaus.sim.roots.references import as_corim, reference_authority, reference_values, signed
from iolaus.store.database import Database
from iolaus.store.shelf import reference_shelf

NOW = (BEGIN + timedelta(days=30)).timestamp()
MAKER = maker()
RIM = signed_xml(swid(resource(0), resource(1)), MAKER)
ROOT = ("root.pem", MAKER.pems[-1])


def order(data: bytes = RIM, **more: Any) -> ReferenceOrder:
    given: dict[str, Any] = {"anchors": (ROOT,), **more}
    return ReferenceOrder(source="Board v1.swidtag", data=data, **given)


def test_a_document_is_kept_with_whose_it_is() -> None:
    kept = kept_of(order(), by="ana", at=NOW)
    assert kept.name.startswith("Board-v1-")
    assert (kept.by, kept.data, len(kept.anchors)) == ("ana", RIM, 1)
    assert (kept.provenance.genuine, kept.provenance.imported_at) == (True, NOW)
    assert kept_of(order(), by="bob", at=NOW + 1).name == kept.name


def test_what_was_changed_is_never_kept_and_what_nobody_vouches_for_only_on_demand() -> None:
    changed = RIM.replace(GOOD.encode(), b"00" * 48)
    with pytest.raises(Unverified) as caught:
        kept_of(order(changed, accept_unverified=True), by="ana", at=NOW)
    assert (caught.value.code, caught.value.exit_code) == ("SignatureInvalid", 5)
    with pytest.raises(Unverified, match="Give their root"):
        kept_of(order(anchors=()), by="ana", at=NOW)
    kept = kept_of(order(anchors=(), accept_unverified=True), by="ana", at=NOW)
    assert not kept.provenance.genuine


def test_a_document_without_values_is_refused() -> None:
    with pytest.raises(OperatorMust, match="no values"):
        kept_of(order(corim({0: []}), accept_unverified=True), by="ana", at=NOW)


async def test_they_outlive_the_server(anywhere: Path | str) -> None:
    database = Database(anywhere)
    database.open()
    references = References(shelf=reference_shelf(database), clock=JumpClock(start=NOW))
    kept = await references.take(order(), by="ana", keep=True)
    await references.take(order(swid(resource(0)), accept_unverified=True), by="ana", keep=False)
    again = reference_shelf(database)
    await again.load()
    assert again.all() == {kept.name: kept}
    assert await references.remove(kept.name) == kept
    assert await references.remove(kept.name) is None
    database.close()


def a_context(auth: Auth | None = None) -> Context:
    clock = JumpClock(start=NOW)
    context = make_context(clock, auth=auth)
    context.references = References(shelf=reference_shelf(), clock=clock)
    return context


def body(data: bytes = RIM, *anchors: bytes) -> dict[str, Any]:
    def named(name: str, content: bytes) -> dict[str, str]:
        return {"name": name, "data": base64.b64encode(content).decode()}

    listed = [named("root.pem", each) for each in anchors or (MAKER.pems[-1],)]
    return {"spec": {"document": named("board.swidtag", data), "anchors": listed}}


async def test_the_api_imports_lists_and_removes() -> None:
    async with client_of(a_context()) as api:
        dry = await api.post("/api/v1/references", json=body(), params={"dryRun": "All"})
        assert dry.status_code == 200
        assert (await api.get("/api/v1/references")).json()["items"] == []
        made = (await api.post("/api/v1/references", json=body())).json()
        status = made["status"]
        assert (status["state"], status["type"], status["signer"]) == ("current", "rim", "CN=S")
        assert status["sets"][0]["indices"] == [1, 2]
        name = made["metadata"]["name"]
        listed = (await api.get("/api/v1/references")).json()["items"]
        assert [each["metadata"]["name"] for each in listed] == [name]
        assert (await api.get(f"/api/v1/references/{name}")).status_code == 200
        assert (await api.delete(f"/api/v1/references/{name}")).status_code == 200
        assert (await api.delete(f"/api/v1/references/{name}")).status_code == 404


async def test_what_is_no_reference_is_told() -> None:
    async with client_of(a_context()) as api:
        assert problem(await api.post("/api/v1/references", json=body(b"hello"))) == (
            "DocumentMalformed"
        )
        wrong = await api.post("/api/v1/references", json=body(RIM, b"no key"))
        assert problem(wrong) == "AnchorMalformed"
        stranger = await api.post("/api/v1/references", json=body(RIM, maker().pems[-1]))
        assert problem(stranger) == "NotVouchedFor"


def problem(answer: httpx.Response) -> str:
    assert answer.status_code >= 400
    return str(answer.json()["code"])


async def test_only_who_may_say_what_counts_imports() -> None:
    text, token = new_token(Role.VIEWER, name="vic")
    async with client_of(a_context(Auth(tokens=TokenList(token)))) as api:
        headers = {"Authorization": f"Bearer {text}"}
        refused = await api.post("/api/v1/references", json=body(), headers=headers)
        assert refused.status_code == 403


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(a_context()) as address:
        monkeypatch.setenv("IOLAUS_URL", address)
        yield address


def test_a_person_imports_looks_and_removes(url: str, tmp_path: Path) -> None:
    rims = tmp_path / "rims"
    rims.mkdir()
    (rims / "board.swidtag").write_bytes(RIM)
    (rims / "readme.txt").write_text("hello")
    root = tmp_path / "root.pem"
    root.write_bytes(MAKER.pems[-1])
    told = run(f"reference import {rims} --anchor {root}")
    assert "imported reference/board-" in told
    assert "BOARD GPU, 2 values, current" in told
    assert told.endswith("--- exit code 2\n")
    name = next(word for word in told.split() if word.startswith("reference/")).rstrip(":")
    shown = run("get references")
    assert "BOARD GPU" in shown
    assert "current" in shown
    assert "INDICES" in run(f"describe {name}")
    assert f"would remove {name}" in run(f"reference remove {name} --dry-run")
    assert f"removed {name}" in run(f"reference remove {name} --yes")
    assert "BOARD" not in run("get references")
    assert "named no file" not in told
    missing = run(f"reference import {tmp_path / 'none'}")
    assert "No such file" in missing


def test_the_simulated_halls_references_are_imported() -> None:
    values = reference_values()
    data = signed(as_corim(values), seed="s")
    root = reference_authority("s").chain[0].public_bytes(Encoding.PEM)
    kept = kept_of(order(data, anchors=(("root", root),)), by="ana", at=NOW)
    assert kept.provenance.genuine
    assert len(kept.sets) == len(values)


def test_a_person_is_told_why_nothing_is_learned(url: str) -> None:
    told = run("reference learn --name rots h1-r01-u01")
    assert "proved who they are" in told
    assert told.endswith("--- exit code 2\n")
    assert "say what it is called" in run("reference learn")
    assert run("reference learn --name rots h9").endswith("--- exit code 2\n")
