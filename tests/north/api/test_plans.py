"""Plans and roll-outs through the API: made, reviewed, approved, applied, stopped, undone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from iolaus.act.answers import ANSWERS
from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Approval
from iolaus.north.api.rollouts import MAY
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from tests.north.api.test_baselines import document
from tests.north.conftest import client_of, make_context
from tests.north.rolling import Rolling

PLANS = "/api/v1/plans"
ROLLOUTS = "/api/v1/rollouts"
ORDER = {"spec": {"baseline": "base"}}
ROLES = {
    "ana": (Role.OPERATOR, "", ()),
    "vi": (Role.VIEWER, "", ()),
    "fay": (Role.FIRMWARE_ADMIN, "", ()),
    "gus": (Role.AGENT, "", ()),
    "cy": (Role.FACILITY, "", ()),
    "ap": (Role.APPROVER, "", ("hw-oncall",)),
    "other": (Role.APPROVER, "", ("network",)),
    "small": (Role.OPERATOR, "name=h1-r01-u01", ()),
}


class Office:
    """A server with one token for each of `ROLES`, and the port behind it."""

    def __init__(self, clock: JumpClock, **options: Any) -> None:
        tokens, self._headers = [], {}
        for name, (role, scope, groups) in ROLES.items():
            secret, token = new_token(role, name=name, scope=scope, groups=groups)
            tokens.append(token)
            self._headers[name] = {"Authorization": f"Bearer {secret}"}
        self.context = make_context(clock, auth=Auth(tokens=TokenList(*tokens)))
        self.rolls = self.context.rolls = Rolling(self.context, **options)

    def of(self, name: str) -> httpx.AsyncClient:
        client = client_of(self.context)
        client.headers.update(self._headers[name])
        return client

    async def planned(self) -> str:
        async with self.of("ana") as api:
            await api.put("/api/v1/baselines/base", json=document())
            answer = await api.post(PLANS, json=ORDER)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["metadata"]["name"])

    async def applied(self) -> str:
        name = await self.planned()
        async with self.of("ana") as api:
            assert (await api.post(f"{PLANS}/{name}/apply", json={})).status_code == 202
        return name


@pytest.fixture
def office(clock: JumpClock) -> Office:
    return Office(clock)


@pytest.fixture
async def ana(office: Office) -> httpx.AsyncClient:
    return office.of("ana")


async def test_a_plan_is_shown_whole_and_listed_short(
    office: Office, ana: httpx.AsyncClient
) -> None:
    name = await office.planned()
    async with ana as api:
        one = (await api.get(f"{PLANS}/{name}")).json()["status"]
        listed = (await api.get(PLANS)).json()["items"][0]["status"]
    assert one["fates"] == {"update": 2, "no-op": 1, "blocked": 1}
    assert (one["state"], one["by"], one["generation"], one["total"]) == ("planned", "ana", 3, 4)
    assert one["text"].startswith(f"Plan {name}")
    assert [(n["name"], n["fate"], n["wave"]) for n in one["nodes"]] == [
        ("h1-r01-u01", "update", "canary"),
        ("h1-r01-u02", "no-op", ""),
        ("h1-r01-u03", "blocked", ""),
        ("h1-r01-u04", "update", "rest"),
    ]
    assert one["estimate_s"] == 900 + 1800 + 900
    assert {r["kind"]: (r["touched"], r["most"], r["limit"]) for r in one["radius"]} == {
        "feed": (2, 1, None),
        "rack": (1, 2, 2),
    }
    assert (listed["text"], listed["nodes"]) == ("", [])
    assert listed["waves"] == one["waves"]


async def test_looking_keeps_nothing_and_a_key_makes_one_plan(
    office: Office, ana: httpx.AsyncClient
) -> None:
    await office.planned()
    async with ana as api:
        looked = await api.post(PLANS, json=ORDER, params={"dryRun": "All"})
        assert looked.status_code == 200
        assert len(looked.json()["status"]["nodes"]) == 4
        assert "h1-r01-u01" in looked.json()["status"]["text"]
        assert len((await api.get(PLANS)).json()["items"]) == 1
        key = {"Idempotency-Key": "k1"}
        twice = [await api.post(PLANS, json=ORDER, headers=key) for _ in range(2)]
        assert twice[0].json()["metadata"]["name"] == twice[1].json()["metadata"]["name"]
        assert len((await api.get(PLANS)).json()["items"]) == 2
        other = {"spec": {"baseline": "base", "selector": "rack=h1-r01"}}
        reused = await api.post(PLANS, json=other, headers=key)
        assert (reused.status_code, reused.json()["code"]) == (422, "IdempotencyKeyReused")


async def test_plans_are_listed_newest_first_page_by_page(
    office: Office, ana: httpx.AsyncClient
) -> None:
    await office.planned()
    async with ana as api:
        for _ in range(3):
            await api.post(PLANS, json=ORDER)
        first = (await api.get(PLANS, params={"limit": 2})).json()
        after = {"limit": 2, "continue": first["metadata"]["continue"]}
        second = (await api.get(PLANS, params=after)).json()
    names = [i["metadata"]["name"] for i in (*first["items"], *second["items"])]
    assert names == list(reversed(office.rolls.kept))
    parents = [i["status"]["parent"] for i in (*first["items"], *second["items"])]
    assert parents == [*names[1:], None]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"spec": {"baseline": "nothing"}}, 404, "NotFound"),
        ({"spec": {"baseline": "base", "selector": "a,,b"}}, 400, "BadSelector"),
        ({"spec": {"baseline": "base", "speed": 9}}, 400, "BadRequest"),
        ({"baseline": "base"}, 400, "BadRequest"),
    ],
)
async def test_what_cannot_be_planned_is_refused(
    office: Office, ana: httpx.AsyncClient, body: Any, status: int, code: str
) -> None:
    await office.planned()
    async with ana as api:
        answer = await api.post(PLANS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_it_is_approved_by_the_group_and_by_nobody_else(clock: JumpClock) -> None:
    office = Office(clock, approvals=(Approval(group="hw-oncall"),))
    name = await office.planned()
    approve, apply = f"{PLANS}/{name}/approve", f"{PLANS}/{name}/apply"
    async with office.of("ana") as api:
        assert (await api.get(f"{PLANS}/{name}")).json()["status"]["state"] == "waiting"
        early = await api.post(apply, json={})
        assert (early.status_code, early.json()["code"]) == (403, "NeedsApproval")
        own = await api.post(approve, json={})
        assert (own.status_code, own.json()["code"]) == (403, "OwnPlan")
        typo = await api.post(approve, json={"groups": ["hw-onclal"]})
        assert (typo.status_code, typo.json()["code"]) == (400, "NoSuchApproval")
        assert "hw-oncall" in typo.json()["next_step"]
    async with office.of("other") as api:
        for body in ({}, {"groups": ["hw-oncall"]}):
            told = await api.post(approve, json=body)
            assert (told.status_code, told.json()["code"]) == (403, "NotInGroup")
    async with office.of("ap") as api:
        done = (await api.post(approve, json={})).json()["status"]
        assert done["approvals"] == [{"group": "hw-oncall", "needed": 1, "by": ["ap"]}]
        assert (done["state"], done["approved_by"]) == ("planned", ["ap"])
    async with office.of("ana") as api:
        begun = await api.post(apply, json={})
        assert begun.status_code == 202
        assert begun.headers["Location"] == f"{ROLLOUTS}/{name}"


async def test_a_moved_world_is_a_conflict(office: Office, ana: httpx.AsyncClient) -> None:
    name = await office.planned()
    office.rolls.moved = "h1-r01-u04 has another serial number"
    async with ana as api:
        told = await api.post(f"{PLANS}/{name}/apply", json={})
        assert (told.status_code, told.json()["code"]) == (409, "WorldMoved")
        assert "h1-r01-u04" in told.json()["detail"]
        assert (await api.get(f"{ROLLOUTS}/{name}")).status_code == 404


async def test_how_a_rollout_fares(office: Office, ana: httpx.AsyncClient) -> None:
    office.rolls.fails = {"h1-r01-u04"}
    name = await office.applied()
    async with ana as api:
        for _ in range(3):
            office.rolls.move(name)
        one = (await api.get(f"{ROLLOUTS}/{name}")).json()["status"]
        assert (one["state"], one["wave"], one["total"]) == ("running", "canary", 2)
        assert one["counts"] == {"waiting": 1, "running": 1}
        assert (one["running"][0]["name"], one["running"][0]["steps_done"]) == ("h1-r01-u01", 1)
        assert one["running"][0]["doing"] == "Restart the controller"
        office.rolls.finish(name)
        one = (await api.get(f"{ROLLOUTS}/{name}")).json()["status"]
        assert one["state"] == "paused"
        assert one["reason"].startswith("h1-r01-u04 rolled-back: its firmware")
        assert one["counts"] == {"done": 1, "rolled-back": 1}
        assert [n["name"] for n in one["failures"]] == ["h1-r01-u04"]
        assert [n["state"] for n in one["nodes"]] == ["done", "rolled-back"]
        listed = (await api.get(ROLLOUTS)).json()["items"][0]["status"]
        assert listed["nodes"] == []
        assert listed["failures"] == one["failures"]
        assert (await api.get(PLANS)).json()["items"][0]["status"]["state"] == "paused"


async def test_asking(office: Office, ana: httpx.AsyncClient) -> None:
    name = await office.applied()
    async with ana as api:
        for word, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborting")):
            told = await api.post(f"{ROLLOUTS}/{name}/{word}", json={})
            assert (told.status_code, told.json()["status"]["state"]) == (202, state)
        late = await api.post(f"{ROLLOUTS}/{name}/pause", json={})
        assert (late.status_code, late.json()["code"]) == (403, "NotNow")
        assert late.json()["detail"] == "it is aborting: to pause it does nothing now"
        none = await api.post(f"{ROLLOUTS}/nothing/pause", json={})
        assert (none.status_code, none.json()["code"]) == (404, "NotFound")
    assert [(what, by) for _, what, by in office.rolls.said] == [
        ("apply", "ana"),
        ("pause", "ana"),
        ("resume", "ana"),
        ("abort", "ana"),
    ]


def test_what_is_refused_at_once_is_what_would_be_ignored() -> None:
    asked = {(state.value, word) for state, word in ANSWERS if state is not None}
    assert {(state, word) for state, words in MAY.items() for word in words} == asked


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("ana", {"plan", "approve", "apply", "pause", "resume", "abort", "undo"}),
        ("fay", {"plan", "apply", "pause", "resume", "abort", "undo"}),
        ("gus", {"plan", "pause", "abort"}),
        ("cy", {"pause", "abort"}),
        ("ap", {"approve"}),
        ("vi", set()),
    ],
)
async def test_what_each_role_may(office: Office, who: str, may: set[str]) -> None:
    name = await office.applied()
    paths: dict[str, tuple[str, Any]] = {
        "plan": (PLANS, ORDER),
        **{word: (f"{PLANS}/{name}/{word}", {}) for word in ("approve", "apply")},
        **{
            word: (f"{ROLLOUTS}/{name}/{word}", {}) for word in ("pause", "resume", "abort", "undo")
        },
    }
    async with office.of(who) as api:
        for word, (path, body) in paths.items():
            answer = await api.post(path, json=body)
            refused = answer.status_code == 403 and answer.json()["code"] == "RoleMayNot"
            assert refused is (word not in may), (word, answer.text)


async def test_a_scope_plans_and_sees_only_what_it_holds_wholly(office: Office) -> None:
    name = await office.planned()
    async with office.of("small") as api:
        refused = await api.post(PLANS, json=ORDER)
        assert (refused.status_code, refused.json()["code"]) == (403, "ScopeTooSmall")
        assert len(office.rolls.kept) == 1
        inside = {"spec": {"baseline": "base", "selector": "h1-r01-u01"}}
        made = await api.post(PLANS, json=inside)
        assert made.status_code == 201
        mine = made.json()["metadata"]["name"]
        seen = [i["metadata"]["name"] for i in (await api.get(PLANS)).json()["items"]]
        assert seen == [mine]
        for path in (f"{PLANS}/{name}/apply", f"{PLANS}/{name}/approve"):
            assert (await api.post(path, json={})).status_code == 404
        assert (await api.post(f"{PLANS}/{mine}/apply", json={})).status_code == 202
        assert len((await api.get(ROLLOUTS)).json()["items"]) == 1


async def test_a_server_that_plans_nothing_says_so(context: Context) -> None:
    async with client_of(context) as api:
        await api.put("/api/v1/baselines/base", json=document())
        told = await api.post(PLANS, json=ORDER)
        assert (told.status_code, told.json()["code"]) == (501, "NotOffered")
        assert (await api.get(PLANS)).json()["items"] == []
        assert (await api.get(f"{ROLLOUTS}/x")).status_code == 404
