"""Plans and roll-outs as pages: reviewed, watched, paused and aborted, and by whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Approval
from iolaus.model.select import EVERYTHING
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.north.dto.rolls import RolloutNode, RolloutWave
from iolaus.north.ui.rollpages import LETTERS, MOST_CELLS, lane
from tests.north import conftest
from tests.north.rolling import HELD, Rolling
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document

HERE = "http://127.0.0.1:8080"
NODES = 8


@pytest.fixture
def context(clock: JumpClock) -> Context:
    return conftest.make_context(clock, nodes=NODES)


@pytest.fixture
def rolls(context: Context) -> Rolling:
    context.rolls = found = Rolling(context, nodes=NODES, loses=["h1-r01-u05"])
    return found


@pytest.fixture
async def web(context: Context, rolls: Rolling) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as client:
        yield client


async def planned(rolls: Rolling, *, moves: int | None = None) -> str:
    name = (await rolls.make_plan("gb300", selector=EVERYTHING, by="ana", keep=True)).id
    if moves is not None:
        await rolls.apply(name, by="ana")
        rolls.finish(name, most=moves)
    return name


async def read(web: httpx.AsyncClient, path: str, *, status: int = 200) -> Document:
    answer = await web.get(path)
    assert answer.status_code == status, answer.text
    return Document(answer.text)


def cells(page: Document) -> list[tuple[str, str]]:
    return [
        (each["id"].removeprefix("cell-"), each["class"].removeprefix("s-"))
        for each in page.all("a")
        if each.get("id", "").startswith("cell-")
    ]


def actions(page: Document) -> list[str]:
    return [each["action"] for each in page.all("form") if "/ui/rollouts/" in each["action"]]


async def test_nothing_planned_says_how_to_begin(web: httpx.AsyncClient) -> None:
    assert "iolaus plan BASELINE" in (await read(web, "/ui/rollouts")).text
    for path in ("/ui/plans/nobody", "/ui/rollouts/nobody"):
        assert "Not found" in (await read(web, path, status=404)).text


async def test_a_plan_is_there_to_be_reviewed(context: Context) -> None:
    asks = (Approval(group="hw-oncall"),)
    rolls = context.rolls = Rolling(context, nodes=NODES, approvals=asks)
    name = await planned(rolls)
    async with client_of(context) as web:
        page = await read(web, f"/ui/plans/{name}")
        assert rolls.kept[name].text in (await web.get(f"/ui/plans/{name}")).text
        for said in (
            "waiting for approvals",
            "6 update , 1 no-op , 1 blocked of 8",
            "canary 1 by limits 30 min",
            "rack 1 6 h1-r01 2",
            "hw-oncall 1 nobody yet",
            f"iolaus approve plan/{name} --group hw-oncall",
            "h1-r01-u03 blocked its endpoint does not answer",
        ):
            assert said in page.text, said
        assert "iolaus apply" not in page.text
        (row,) = (await read(web, "/ui/rollouts")).table()
        assert (row["State"], row["Why"]) == ("waiting", "1 of hw-oncall must approve")
        await rolls.approve(name, by="bo", groups=["hw-oncall"])
        part = await read(web, f"/ui/plans/{name}?part=1")
        assert f"iolaus apply plan/{name} --wait" in part.text
        assert "html" not in {tag for tag, _ in part.elements}
        listed = await read(web, "/ui/rollouts")
        assert [(r["Plan"], r["State"], r["Changes"]) for r in listed.table()] == [
            (name, "planned", "6")
        ]


async def test_lanes(web: httpx.AsyncClient, rolls: Rolling) -> None:
    name = await planned(rolls, moves=10)
    page = await read(web, f"/ui/rollouts/{name}")
    assert cells(page) == [
        ("h1-r01-u01", "done"),
        ("h1-r01-u04", "running"),
        ("h1-r01-u05", "running"),
        ("h1-r01-u06", "waiting"),
        ("h1-r01-u07", "waiting"),
        ("h1-r01-u08", "waiting"),
    ]
    titles = {each["title"] for each in page.all("a") if "title" in each}
    assert "h1-r01-u04 running, step 2 of 3: Restart the controller" in titles
    assert f"{HELD} 3 nodes: h1-r01-u[06-08]" in page.text
    part = await read(web, f"/ui/rollouts/{name}?part=1")
    assert cells(part) == cells(page)
    rolls.finish(name)
    page = await read(web, f"/ui/rollouts/{name}")
    assert "paused : h1-r01-u05 lost: no answer since its controller was restarted" in page.text
    assert "A person has to decide" in page.text
    assert f"iolaus rollout resume {name}" in page.text
    assert "Budgets used 1 bricks" in page.text
    (row,) = [r for r in page.rows if r[:1] == ["h1-r01-u05"]]
    assert row[2:4] == ["lost", "1 of 3"]
    listed = (await read(web, "/ui/rollouts")).table()[0]
    shown = [listed[word] for word in ("State", "Done", "Bad", "Wave")]
    assert shown == ["paused", "2", "1", "rest"]


def test_a_long_wave_shows_its_troubles_first_and_counts_the_rest() -> None:
    states = ["done"] * 300 + ["waiting"] * 10_000 + ["failed"] * 3 + ["running"] * 9
    nodes = [RolloutNode(name=f"n{n}", state=state, wave="all") for n, state in enumerate(states)]
    found = lane(RolloutWave(name="all", state="began", nodes=len(nodes)), nodes)
    assert len(found.cells) == MOST_CELLS
    assert [cell.state for cell in found.cells[:12]] == ["failed"] * 3 + ["running"] * 9
    assert found.rest == "and 9,712 waiting"
    assert len(set(LETTERS.values())) == len(LETTERS)


@pytest.mark.parametrize(("word", "state"), [("pause", "paused"), ("abort", "aborting")])
async def test_stopping_it_from_its_page(
    web: httpx.AsyncClient, rolls: Rolling, word: str, state: str
) -> None:
    name = await planned(rolls, moves=3)
    here = f"/ui/rollouts/{name}"
    assert actions(await read(web, here)) == [f"{here}/pause", f"{here}/abort"]
    done = await web.post(f"{here}/{word}", headers={"Origin": HERE})
    assert (done.status_code, done.headers["Location"]) == (303, here)
    progress = rolls.kept[name].progress
    assert progress is not None
    assert progress.state == state
    assert rolls.said[-1] == (name, word, "demo")
    late = await web.post(f"{here}/{word}", headers={"Origin": HERE})
    assert late.status_code == 403
    assert f"it is {state}: to {word} it does nothing now. Next:" in Document(late.text).text
    left = [f"{here}/abort"] if state == "paused" else []
    assert actions(await read(web, here)) == left


TOKENS = {
    "ana": (Role.OPERATOR, ""),
    "cy": (Role.FACILITY, ""),
    "vi": (Role.VIEWER, ""),
    "small": (Role.OPERATOR, "name=h1-r01-u01"),
}


@pytest.mark.parametrize(
    ("who", "origin", "status", "said"),
    [
        ("ana", HERE, 303, ""),
        ("cy", HERE, 303, ""),
        ("ana", None, 403, "OriginRefused"),
        ("ana", "null", 403, "OriginRefused"),
        ("ana", "http://127.0.0.1:9999", 403, "OriginRefused"),
        ("ana", "https://evil.example", 403, "OriginRefused"),
        ("vi", HERE, 403, "the role viewer may not do this"),
        ("small", HERE, 404, "Not found"),
        ("", HERE, 401, "TokenMissing"),
    ],
)
async def test_a_cookie_stops_only_from_our_page_and_only_who_may(
    clock: JumpClock, who: str, origin: str | None, status: int, said: str
) -> None:
    secrets, tokens = {}, []
    for name, (role, scope) in TOKENS.items():
        secrets[name], token = new_token(role, name=name, scope=scope)
        tokens.append(token)
    context = conftest.make_context(clock, nodes=4, auth=Auth(tokens=TokenList(*tokens)))
    rolls = context.rolls = Rolling(context)
    name = await planned(rolls, moves=3)
    headers = {"Origin": origin} if origin else {}
    headers |= {"Cookie": f"iolaus_token={secrets[who]}"} if who else {}
    async with client_of(context) as web:
        told = await web.post(f"/ui/rollouts/{name}/pause", headers=headers)
        assert (told.status_code, said in told.text) == (status, True), told.text
        assert [what for _, what, _ in rolls.said[1:]] == (["pause"] if status == 303 else [])
        json: dict[str, Any] = {"Content-Type": "application/json", **headers}
        for path in (f"/ui/rollouts/{name}/resume", f"/api/v1/rollouts/{name}/abort"):
            assert (await web.post(path, headers=json, content=b"{}")).status_code == 401
        if who:
            seen = await web.get(f"/ui/rollouts/{name}", headers={"Cookie": headers["Cookie"]})
            assert bool(actions(Document(seen.text))) is (who in ("ana", "cy"))


async def test_the_demo_too_wants_our_own_page(web: httpx.AsyncClient, rolls: Rolling) -> None:
    name = await planned(rolls, moves=3)
    for headers in ({}, {"Origin": "http://localhost:9999"}):
        told = await web.post(f"/ui/rollouts/{name}/abort", headers=headers)
        assert told.status_code == 403
    assert [what for _, what, _ in rolls.said] == ["apply"]


async def test_what_a_plan_says_is_text(web: httpx.AsyncClient, rolls: Rolling) -> None:
    name = await planned(rolls, moves=6)
    rolls._keep(name, text="<script>alert(1)</script>", holds={"": "<b>window</b>"})
    assert "<script>alert" not in (await web.get(f"/ui/plans/{name}")).text
    page = await web.get(f"/ui/rollouts/{name}")
    assert "&lt;b&gt;window&lt;/b&gt;" in page.text
