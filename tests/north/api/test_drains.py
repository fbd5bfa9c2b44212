"""Drains through the API and the command line, against a port that behaves."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence

import httpx
import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.north.api.drains import DRAIN
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.cli import drains as commands
from iolaus.north.context import Context, StandingDrain
from iolaus.north.fleet import KEEP_S
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving

NODE = "h1-r01-u01"
ORDER = {"spec": {"reason": "new pump"}}


class People:
    """Drains by hand: done when somebody says so."""

    def __init__(self) -> None:
        self.found: dict[str, StandingDrain] = {}

    async def all(self) -> Sequence[StandingDrain]:
        return list(self.found.values())

    def of(self, uid: str) -> StandingDrain | None:
        return self.found.get(uid)

    async def drain(self, uid: str, name: str, *, adapter: str, reason: str, by: str) -> None:
        self.found[uid] = StandingDrain(
            uid=uid,
            node=name,
            adapter=adapter or "people",
            reason=reason,
            mark=reason,
            by=by,
            at=1.0,
            phase="draining",
            detail=f"a person must drain {name}",
        )

    async def undrain(self, uid: str, name: str, *, by: str) -> None:
        if self.found.pop(uid, None) is None:
            raise OperatorMust(
                "nobody had it drained", operation="undrain", subject=name, code="NotDrained"
            )

    async def say(self, uid: str, name: str, *, word: str, note: str, by: str) -> None:
        phase = {"done": "drained", "refused": "refused"}[word]
        detail = f"{by} says {word}" + (f": {note}" if note else "")
        if (kept := self.found.get(uid)) is None:
            raise OperatorMust(
                "nobody has it drained", operation="answer", subject=name, code="NotDrained"
            )
        self.found[uid] = msgspec.structs.replace(kept, phase=phase, detail=detail)


async def drained(api: httpx.AsyncClient, clock: JumpClock) -> tuple[str, str, str] | None:
    """What is said of it where the node itself is shown, within a few seconds."""
    clock.advance(2 * KEEP_S)
    node = (await api.get(f"/api/v1/nodes/{NODE}")).json()["status"]
    found = [each for each in node["conditions"] if each["type"] == "Drained"]
    return next(((each["status"], each["reason"], each["message"]) for each in found), None)


async def test_a_node_is_drained_answered_for_and_given_back(clock: JumpClock) -> None:
    context = make_context(clock)
    context.drains = People()
    async with client_of(context) as api:
        asked = await api.post(f"/api/v1/nodes/{NODE}/drain", json=ORDER)
        assert asked.status_code == 202, asked.text
        status = asked.json()["status"]
        assert (status["node"], status["state"], status["by"]) == (NODE, "draining", "demo")
        body = {"word": "done", "note": "by hand"}
        said = await api.post(f"/api/v1/nodes/{NODE}/drain/say", json=body)
        assert said.json()["status"]["detail"] == "demo says done: by hand"
        (listed,) = (await api.get("/api/v1/drains")).json()["items"]
        assert (listed["metadata"]["name"], listed["status"]["state"]) == (NODE, "drained")
        assert listed["status"]["labels"]["rack"] == "h1-r01"
        assert await drained(api, clock) == (
            "True",
            "Drained",
            "by demo: new pump; demo says done: by hand",
        )
        back = await api.post(f"/api/v1/nodes/{NODE}/undrain", json={})
        assert back.status_code == 200
        assert await drained(api, clock) is None
        assert (await api.get(f"/api/v1/drains/{NODE}")).status_code == 404
        again = await api.post(f"/api/v1/nodes/{NODE}/undrain", json={})
        assert again.json()["code"] == "NotDrained"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nodes/nobody/drain", ORDER, 404),
        (f"nodes/{NODE}/drain", {"spec": {"reason": ""}}, 400),
        (f"nodes/{NODE}/drain", {"spec": {"reason": "x" * 201}}, 400),
        (f"nodes/{NODE}/drain/say", {"word": "perhaps"}, 400),
    ],
)
async def test_what_cannot_be_drained_is_refused(
    clock: JumpClock, path: str, body: object, status: int
) -> None:
    context = make_context(clock)
    context.drains = People()
    async with client_of(context) as api:
        told = await api.post(f"/api/v1/{path}", json=body)
        assert told.status_code == status, told.text
        assert told.json()["next_step"]


async def test_who_may_and_who_sees(clock: JumpClock) -> None:
    texts, tokens = {}, []
    roles = {"cy": (Role.FACILITY, ""), "vi": (Role.VIEWER, ""), "far": (Role.OPERATOR, "rack=z")}
    for name, (role, scope) in roles.items():
        texts[name], token = new_token(role, name=name, scope=scope)
        tokens.append(token)
    context = make_context(clock, auth=Auth(tokens=TokenList(*tokens)))
    async with client_of(context) as api:
        headers = {name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()}
        path = f"/api/v1/nodes/{NODE}/drain"
        none = await api.post(path, json=ORDER, headers=headers["cy"])
        assert (none.status_code, none.json()["code"]) == (501, "NotOffered")
        context.drains = People()
        assert (await api.post(path, json=ORDER, headers=headers["vi"])).status_code == 403
        assert (await api.post(path, json=ORDER, headers=headers["far"])).status_code == 404
        assert (await api.post(path, json=ORDER, headers=headers["cy"])).status_code == 202
        seen = {n: (await api.get("/api/v1/drains", headers=h)).json() for n, h in headers.items()}
        assert {name: len(found["items"]) for name, found in seen.items()} == {
            "cy": 1,
            "vi": 1,
            "far": 0,
        }


async def test_two_drains_of_one_node_have_two_names(clock: JumpClock) -> None:
    context, people = make_context(clock), People()
    context.drains = people
    await people.drain("a", NODE, adapter="", reason="pump", by="kim")
    await people.drain("b", NODE, adapter="", reason="baseline", by="rollout/3f9a")
    names = [item.name async for item in context.fleet.items(DRAIN)]
    assert names == [NODE, f"{NODE}:rollout/3f9a"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    context = make_context(JumpClock())
    context.drains = People()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(commands, "LOOK_EVERY_S", 0.0)
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        monkeypatch.delenv("IOLAUS_TOKEN", raising=False)
        yield context


def test_a_session_at_the_command_line(shown: Context) -> None:
    assert "would drain 1 node (h1-r01-u01)" in run(f"drain {NODE} --dry-run")
    said = run(f'drain node/{NODE} --reason "new pump"')
    assert f"{NODE} draining (people): a person must drain {NODE}" in said
    assert "exit code 3" in run("drain -l rack=h1-r01"), "many at once are confirmed"
    table = run("get drains").splitlines()
    assert table[1].split() == ["NAME", "STATE", "ADAPTER", "BY", "REASON", "DETAIL", "AGE"]
    assert table[2].split()[:4] == [NODE, "draining", "people", "demo"]
    assert "Drains:" in run(f"describe node/{NODE}")
    assert f"{NODE} refused (people): demo says refused: a demo" in run(
        f"drain refuse {NODE} --note 'a demo'"
    )
    assert "drained (people)" in run(f"drain done {NODE}")
    assert f"{NODE} is given back" in run(f"undrain {NODE}")
    assert "nobody had it drained" in run(f"undrain {NODE}")
    assert "no node is drained" in run("get drains")
    for line in ("drain", "undrain", "drain done", "drain nobody"):
        assert "next:" in run(line)


@pytest.mark.parametrize(("word", "code"), [("done", 0), ("refused", 3)])
def test_it_waits_until_nothing_is_left(
    shown: Context, monkeypatch: pytest.MonkeyPatch, word: str, code: int
) -> None:
    people = shown.drains
    assert isinstance(people, People)

    def somebody(_: float) -> None:
        (uid,) = people.found
        asyncio.run(people.say(uid, NODE, word=word, note="", by="kim"))

    monkeypatch.setattr("iolaus.north.cli.drains.time.sleep", somebody)
    assert run(f"drain {NODE} --wait").endswith(f"exit code {code}\n")
