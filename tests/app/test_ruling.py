"""Policies of power changed while a server runs: planned, approved by another, then in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.app.test_house_edges import POWER, cap_w, hall, run_of
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving

from iolaus.app.planting import Planted, load_written
from iolaus.app.ruling import Ruling, changes_file
from iolaus.energy.policy import LeakPolicy, Mode, PowerPolicy
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.building import BuildingDocument
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context

Followed = list[tuple[PowerPolicy, LeakPolicy]]


def policy(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "PowerPolicy",
        "metadata": {"name": "hall"},
        "spec": spec,
    }


class Stand:
    """Policies over a hall in memory; `followed` is what was told."""

    def __init__(self, folder: Path, text: str = "", *, groups: tuple[str, ...] = ()) -> None:
        self.clock, self.folder, self.followed = JumpClock(), folder, Followed()
        self.joined: list[BuildingDocument | None] = []
        self.texts = {}
        tokens = []
        for name, role in (("ana", Role.OPERATOR), ("bo", Role.APPROVER), ("vi", Role.VIEWER)):
            self.texts[name], token = new_token(role, name=name, groups=groups)
            tokens.append(token)
        self.context: Context = make_context(
            self.clock, auth=Auth(demo=False, tokens=TokenList(*tokens))
        )
        if text:
            (folder / "power.yaml").write_text(text)
        self.ruling = self.begin()

    async def join(self, building: BuildingDocument | None) -> None:
        if building is not None and building.spec.broker == "mqtts://bad":
            raise OperatorMust("no broker", operation="join", subject="b", code="BadBroker")
        self.joined.append(building)

    def begin(self) -> Ruling:
        path = self.folder / "power.yaml"
        planted = Planted(load_written(path), self.context.facts, self.clock)
        self.context.rules = ruling = Ruling(
            join=self.join,
            planted=planted,
            facts=self.context.facts,
            directory=self.folder,
            clock=self.clock,
            follow=lambda power, leak: self.followed.append((power, leak)),
            centre=lambda: None,
        )
        ruling.look()
        return ruling

    async def ask(self, who: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        async with client_of(self.context) as client:
            return await client.post(
                f"/api/v1/powerchanges{path}",
                json=body or {},
                params=query,
                headers={"Authorization": f"Bearer {self.texts[who]}"},
            )


def order(*documents: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"documents": list(documents), "source": "power.yaml"}}


async def test_a_change_is_read_approved_by_another_and_then_counts(tmp_path: Path) -> None:
    on = Stand(tmp_path)
    looked = await on.ask("ana", "", order(policy(mode="advise")), dryRun="All")
    assert (looked.status_code, on.ruling.changes()) == (200, [])
    made = await on.ask("ana", "", order(policy(mode="advise")))
    assert made.status_code == 201
    status = made.json()["status"]
    assert (status["state"], status["missing"], status["changes"]) == (
        "planned", 1, ["PowerPolicy"],
    )  # fmt: skip
    assert "PowerPolicy hall: new" in status["text"]
    ident = f"/{status['name']}"
    early = await on.ask("ana", f"{ident}/apply")
    assert (early.status_code, early.json()["code"]) == (403, "NeedsApproval")
    own = await on.ask("ana", f"{ident}/approve")
    assert own.json()["code"] == "OwnPlan"
    assert (await on.ask("vi", f"{ident}/approve")).json()["code"] == "RoleMayNot"
    given = await on.ask("bo", f"{ident}/approve")
    assert given.json()["status"]["approvals"] == [{"group": "", "needed": 1, "by": ["bo"]}]
    done = await on.ask("ana", f"{ident}/apply")
    assert (done.json()["status"]["state"], done.json()["status"]["missing"]) == ("applied", 0)
    assert [each[0].mode for each in on.followed] == [Mode.OBSERVE, Mode.ADVISE]
    again = await on.ask("ana", f"{ident}/apply")
    assert again.json()["code"] == "AlreadyApplied"
    text = (tmp_path / "power.yaml").read_text()
    assert text.startswith(f"# powerchange{ident} by ana, in force since ")
    assert on.begin().documents() == on.ruling.documents()
    assert on.followed[-1][0].mode is Mode.ADVISE


async def test_a_change_of_another_world_and_one_over_a_hand_are_not_applied(
    tmp_path: Path,
) -> None:
    on = Stand(tmp_path)
    first = await on.ruling.propose([policy(guard="2%")], by="ana", source="a", keep=True)
    second = await on.ruling.propose([policy(guard="3%")], by="ana", source="b", keep=True)
    for each in (first, second):
        await on.ruling.approve(each.id, by="bo", groups=("",))
    await on.ruling.apply(second.id, by="ana")
    with pytest.raises(PolicyRefused) as moved:
        await on.ruling.apply(first.id, by="ana")
    assert moved.value.code == "WorldMoved"
    third = await on.ruling.propose([policy(guard="4%")], by="ana", source="c", keep=True)
    await on.ruling.approve(third.id, by="bo", groups=("",))
    (tmp_path / "power.yaml").write_text("")
    (tmp_path / "power.yaml").unlink()
    with pytest.raises(OperatorMust) as edited:
        await on.ruling.apply(third.id, by="ana")
    assert edited.value.code == "FileChanged"
    assert [each.state for each in on.begin().changes()] == ["planned", "applied", "planned"]


async def test_the_approvals_that_the_policy_asks_for_are_by_group(tmp_path: Path) -> None:
    asks = yaml.safe_dump(policy(approvals=[{"group": "facility"}]))
    on = Stand(tmp_path, asks)
    change = await on.ruling.propose([policy(mode="advise")], by="ana", source="a", keep=True)
    assert (await on.ask("bo", f"/{change.id}/approve")).json()["code"] == "NotYourGroup"
    (tmp_path / "g").mkdir()
    with_group = Stand(tmp_path / "g", asks, groups=("facility",))
    other = await with_group.ruling.propose([policy()], by="ana", source="a", keep=True)
    given = await with_group.ask("bo", f"/{other.id}/approve")
    assert given.json()["status"]["missing"] == 0


async def test_what_cannot_be_a_change_is_told(tmp_path: Path) -> None:
    on = Stand(tmp_path, yaml.safe_dump(policy(mode="advise")))
    same = await on.ask("ana", "", order(policy(mode="advise")))
    assert (same.status_code, same.json()["code"]) == (400, "NothingChanges")
    wrong = await on.ask("ana", "", order(policy(mod="advise")))
    assert "Did you mean 'mode'?" in wrong.text
    assert (await on.ask("ana", "/none/apply")).status_code == 404
    assert (await on.ask("ana", "", {"spec": {"documents": []}})).status_code == 400


async def test_a_building_is_joined_by_a_change_that_another_approved(tmp_path: Path) -> None:
    on = Stand(tmp_path)
    for broker, code in (("mqtts://bad", "BadBroker"), ("mqtts://b", None)):
        building = {**policy(), "kind": "Building", "spec": {"broker": broker}}
        made = (await on.ask("ana", "", order(building))).json()["metadata"]["name"]
        assert (await on.ask("ana", f"/{made}/apply")).json()["code"] == "NeedsApproval"
        await on.ask("bo", f"/{made}/approve")
        done = await on.ask("ana", f"/{made}/apply")
        assert done.json().get("code") == code, done.text
        assert (tmp_path / "power.yaml").exists() is (code is None)
    assert [each.spec.broker for each in on.joined if each] == ["mqtts://b"]
    written = load_written(tmp_path / "power.yaml").building
    assert written is not None
    assert written.spec.broker == "mqtts://b"


def test_a_spoilt_file_of_changes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "power-changes.json").write_text("{")
    with pytest.raises(OperatorMust):
        changes_file(tmp_path / "power-changes.json").load()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on = Stand(tmp_path)
    path = tmp_path / "new.yaml"
    path.write_text(
        yaml.safe_dump(policy(mode="advise", modes=[{"hall": "h1", "mode": "observe"}]))
    )
    with serving(on.context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        monkeypatch.setenv("IOLAUS_TOKEN", on.texts["ana"])
        assert "it is not kept (dry run)" in run(f"apply -f {path} --dry-run")
        told = run(f"apply {path}")
        ident = next(w for w in told.split() if w.startswith("powerchange/")).rstrip(":")
        assert "PowerPolicy hall: new" in told
        assert "(1 more of anybody else)" in told
        assert "approval  1 of anybody else: nobody yet" in run(f"describe {ident}")
        assert "it still needs approval" in run(f"apply {ident} --yes")
        monkeypatch.setenv("IOLAUS_TOKEN", on.texts["bo"])
        assert f"approved {ident}" in run(f"approve {ident}")
        monkeypatch.setenv("IOLAUS_TOKEN", on.texts["ana"])
        assert "is in force" in run(f"apply {ident} --yes")
        assert "hall h1 observe" in run("get powerpolicies")
        assert "  mode: advise" in run("export power")
        assert "would change" in run(f"export power -o {tmp_path / 'out.yaml'}")
        assert "says what counts already" in run(f"apply {tmp_path / 'out.yaml'}")
        path.write_text(yaml.safe_dump(policy(mode="observe")))
        later = next(
            w for w in run(f"apply {path}").split() if w.startswith("powerchange/")
        ).rstrip(":")
        assert "withdrew" in run(f"remove {later} --yes")
        assert "withdrawn" in run("get powerchanges")
        path.write_text(yaml.safe_dump(policy(mod="observe")))
        assert "Did you mean 'mode'?" in run(f"apply {path}")
        assert "it is not said what to apply" in run("apply")


async def test_a_running_hall_takes_less_at_once_and_more_only_after_a_read(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path, "advise") as on:
        ruling, before = on.house.power.ruling, cap_w(on)
        documents = list(yaml.safe_load_all(POWER.replace("MODE", "control")))
        documents[1]["spec"]["limits"] = [{"domain": "r1", "limit": "3 kW"}]

        async def apply(*given: dict[str, Any]) -> str:
            change = await ruling.propose(given, by="ana", source="x", keep=True)
            await ruling.approve(change.id, by="bo", groups=("",))
            return (await ruling.apply(change.id, by="ana")).text

        async def leased() -> bool:
            return run_of(on).edge.leased(on.house.clock.monotonic())

        await on.until(leased, "it is advised")
        assert cap_w(on) == before
        told = await apply(documents[1])
        assert "advise -> control" in told
        assert "20.0 kW -> 3.0 kW" in told

        async def falls() -> bool:
            return cap_w(on) <= 3_000

        await on.until(falls, "the lower limit holds")
        del documents[1]["spec"]["limits"]
        await apply(documents[1])

        async def grows() -> bool:
            return cap_w(on) > 5_000

        await on.until(grows, "and what is free is given again")
