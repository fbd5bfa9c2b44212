"""Alarms from facts to the page: judged, kept, answered."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.north import hall
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving
from tests.north.ui.conftest import client_of as browser_of
from tests.north.ui.document import Document

from iolaus.app.alarming import AGAIN_S, EVERY_S, Alarming
from iolaus.bus.local import LocalBus
from iolaus.fleet.notices import Turn
from iolaus.kernel.clock import JumpClock
from iolaus.model.alarm import Alarm, AlarmState, AlarmStep, Occurrence, Priority, Said
from iolaus.model.alarm_design import SuppressWant
from iolaus.model.desired import NodeSelector
from iolaus.model.endpoint import Reach
from iolaus.model.fact import Health
from iolaus.model.select import parse_selector
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.north.kinds import Source
from iolaus.store.database import Database
from iolaus.store.shelf import Shelf, alarm_shelf

FIRST = hall.place(0)[2]


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


class Watch:
    """A hall whose alarms are looked at every few seconds of its clock."""

    def __init__(
        self, clock: JumpClock, *, nodes: int = 4, kept: Shelf[Alarm] | None = None
    ) -> None:
        self.clock, self.context = clock, make_context(clock, nodes=nodes)
        self.alarming = Alarming(
            facts=self.context.facts,
            fleet=lambda: self.context.fleet,
            kept=kept or alarm_shelf(),
            bus=LocalBus(),
            clock=clock,
        )
        self.context.alarms = self.alarming
        for number in range(nodes):
            self.context.facts.record_report(hall.report(number, at=clock.now()))
            self.status(number, Reach.REACHABLE)

    async def over(self, seconds: float) -> None:
        """Look again and again; everybody who answers goes on to."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.clock.advance(EVERY_S)
            await self.alarming.look()

    def status(self, number: int, reach: Reach) -> None:
        said = hall.status(number, at=self.clock.now(), reach=reach)
        self.context.facts.record_status(msgspec.structs.replace(said, since=self.clock.now()))

    def states(self) -> dict[str, str]:
        return {alarm.name: alarm.state.value for alarm in self.alarming.all()}


async def test_a_controller_falls_silent_and_comes_back(clock: JumpClock) -> None:
    watch = Watch(clock)
    watch.status(0, Reach.UNREACHABLE)
    await watch.over(20.0)
    assert watch.states() == {}
    await watch.over(14.0)
    assert watch.states() == {f"{FIRST}:DeviceSilent": "unacknowledged"}
    watch.status(0, Reach.REACHABLE)
    await watch.over(20.0)
    assert watch.states() == {f"{FIRST}:DeviceSilent": "unacknowledged"}
    await watch.over(14.0)
    assert watch.states() == {f"{FIRST}:DeviceSilent": "returned-unacknowledged"}
    kinds = [each.kind for each in watch.context.facts.events() if each.kind.startswith("Alarm")]
    assert kinds == ["AlarmReturned", "AlarmRaised"]


async def test_what_grows_old_keeps_ringing(clock: JumpClock) -> None:
    watch = Watch(clock)
    await watch.over(2.0)
    facts = watch.context.facts
    facts.record_report(hall.report(1, at=clock.now(), health=Health.CRITICAL))
    await watch.over(2.0)
    name = f"{hall.place(1)[2]}:HealthCritical"
    assert watch.states() == {name: "unacknowledged"}
    await watch.over(AGAIN_S * 4)
    assert watch.states()[name] == "unacknowledged"


async def test_one_that_is_watched_no_more_returns(clock: JumpClock) -> None:
    watch = Watch(clock)
    watch.status(0, Reach.UNREACHABLE)
    await watch.over(40.0)
    watch.context.facts.remove_target(hall.address(0))
    await watch.over(40.0)
    assert watch.states() == {f"{FIRST}:DeviceSilent": "returned-unacknowledged"}


async def test_they_are_there_after_a_restart(clock: JumpClock, tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    database.open()
    shelf = alarm_shelf(database)
    watch = Watch(clock, kept=shelf)
    watch.status(0, Reach.UNREACHABLE)
    await watch.over(40.0)
    again = alarm_shelf(database)
    await again.load()
    assert again.all() == shelf.all()
    assert [each.state for each in again.all().values()] == [AlarmState.UNACKNOWLEDGED]
    database.close()


async def test_a_room_that_watches_by_itself_rings_too(clock: JumpClock) -> None:
    watch = Watch(clock)
    flood = Occurrence(code="LeakDetected", uid="zone/a", subject="row-a", message="wet")
    said: dict[tuple[str, str], Occurrence | None] = {flood.key: flood}
    watch.alarming.sources.append(lambda: said)
    await watch.over(2.0)
    assert watch.states() == {"row-a:LeakDetected": "unacknowledged"}
    said[flood.key] = None
    await watch.over(2.0)
    assert watch.states() == {"row-a:LeakDetected": "latched-unacknowledged"}


async def test_a_racks_switch_dies_and_that_is_one_alarm_with_its_consequences(
    clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controllers fall silent one after another, as their reads come due."""
    watch, told = Watch(clock, nodes=30), list[Turn]()
    watch.alarming._tell_others = told.extend
    for number in range(18):
        watch.status(number, Reach.UNREACHABLE)
        await watch.over(1.0)
    await watch.over(60.0)
    rack = "h1-r01:RackSilent"
    states = watch.states()
    assert states.pop(rack) == "unacknowledged"
    assert states == {f"{hall.place(n)[2]}:DeviceSilent": "suppressed" for n in range(18)}
    rang = {t.alarm.name for t in told if t.alarm.state is AlarmState.UNACKNOWLEDGED}
    assert rang == {rack}, "nobody was told of a consequence as if it were an alarm"
    with serving(watch.context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        table = run("get alarms")
        cause, *below = table[table.index(rack) :].splitlines()[:6]
        assert cause.split()[:4] == [rack, "high", "unacknowledged", "18"]
        assert all(line.startswith("  h1-r01-u") for line in below)
        assert f"13 more below {rack}" in table
        names = run(f"get alarms -l cause={rack} -o name")
        assert names.count(":DeviceSilent") == 18
        (why,) = [line for line in run("get suppressions").splitlines() if rack in line]
        assert why.split()[:3] == ["cause", rack, "18"]
    async with browser_of(watch.context) as web:
        (row,) = Document((await web.get("/ui/alarms")).text).table()
        assert "explains 18 more" in row["What"]
    for number in range(18):
        watch.status(number, Reach.REACHABLE)
    await watch.over(70.0)
    assert watch.states() == {rack: "returned-unacknowledged"}


async def test_what_a_change_of_ours_restarts_does_not_ring(clock: JumpClock) -> None:
    watch = Watch(clock)
    (uid,) = watch.context.facts.held(hall.address(0)).uids.values()  # type: ignore[union-attr]
    changing = {uid}
    watch.alarming._changing = changing.__contains__
    watch.status(0, Reach.UNREACHABLE)
    watch.status(1, Reach.UNREACHABLE)
    await watch.over(40.0)
    other = f"{hall.place(1)[2]}:DeviceSilent"
    assert watch.states() == {f"{FIRST}:DeviceSilent": "suppressed", other: "unacknowledged"}
    (hidden,) = [a for a in watch.alarming.all() if a.state is AlarmState.SUPPRESSED]
    assert hidden.hidden_by == "design/own-changes"
    changing.clear()
    await watch.over(4.0)
    assert watch.states()[f"{FIRST}:DeviceSilent"] == "unacknowledged"


async def test_what_hides_alarms_is_listed_with_who_and_until_when(
    clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(clock)
    (uid,) = watch.context.facts.held(hall.address(0)).uids.values()  # type: ignore[union-attr]
    watch.alarming._changing = {uid}.__contains__
    over = SuppressWant(
        name="psu-work",
        why="one supply is out",
        codes=["HealthWarning"],
        selector=NodeSelector(match_labels={"rack": "h1-r01"}),
        until=datetime.fromtimestamp(clock.now() + 10, UTC),
    )
    watch.alarming._rules = lambda: (over,)
    for number in (0, 1, 2):
        watch.status(number, Reach.UNREACHABLE)
    await watch.over(40.0)
    second, third = (f"{hall.place(n)[2]}:DeviceSilent" for n in (1, 2))
    shelve = Said(by="ann", step=AlarmStep.SHELVE, note="new board", until=clock.now() + 60)
    await watch.alarming.say(second, shelve)
    await watch.alarming.say(third, Said(by="ben", step=AlarmStep.REMOVE))
    found = [item.view async for item in listed(watch.context)]
    assert [(v.name, v.by, v.hides, v.in_force) for v in found] == [
        ("design:own-changes", "", 1, True),
        ("design:psu-work", "", 0, False),
        (f"shelved:{second}", "ann", 1, True),
        (f"out-of-service:{third}", "ben", 1, True),
    ]
    assert (found[1].where, found[2].why) == ("rack=h1-r01", "new board")
    elsewhere = [item async for item in listed(watch.context, "rack=z")]
    assert elsewhere == [], "rules that hide nothing there are nobody's affair there"
    with serving(watch.context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        table = run("get suppressions")
        assert second in table
        assert "over" in table
        assert "rack=h1-r01" in run("describe suppression design:psu-work")
    watch.context.alarms = None
    assert [item async for item in listed(watch.context)] == []


def listed(context: Context, scope: str = "") -> AsyncIterator[Any]:
    selector = parse_selector(scope)
    return context.fleet.shelves[Source.SUPPRESSION](selector)


async def test_answers_over_the_api(clock: JumpClock) -> None:
    watch = Watch(clock)
    watch.status(0, Reach.UNREACHABLE)
    await watch.over(40.0)
    path = f"/api/v1/alarms/{FIRST}:DeviceSilent"
    async with client_of(watch.context) as api:
        (listed,) = (await api.get("/api/v1/alarms")).json()["items"]
        assert listed["status"]["needs_answer"] is True
        assert listed["status"]["labels"]["rack"] == "h1-r01"
        body = {"step": "acknowledge", "note": "on it"}
        said = await api.post(f"{path}/answer", json=body)
        assert said.status_code == 200, said.text
        assert said.json()["status"]["state"] == "acknowledged"
        assert (await api.get(path)).json()["status"]["acknowledged_by"] == "demo"
        again = await api.post(f"{path}/answer", json=body)
        assert (again.status_code, again.json()["code"]) == (400, "NotNow")
        shelved = await api.post(f"{path}/answer", json={"step": "shelve", "for_s": 60})
        assert shelved.json()["status"]["state"] == "shelved"
        await watch.over(64.0)
        assert (await api.get(path)).json()["status"]["state"] == "unacknowledged"
        for wrong, status in (
            ({"step": "silence"}, 400),
            ({"step": "shelve"}, 400),
            ({"step": "shelve", "for_s": -1}, 400),
            ({"step": "acknowledge", "for_s": 5}, 400),
        ):
            told = await api.post(f"{path}/answer", json=wrong)
            assert told.status_code == status, told.text
            assert told.json()["next_step"]
        none = await api.post("/api/v1/alarms/nobody:Nothing/answer", json=body)
        assert none.status_code == 404


async def test_who_may_and_who_sees(clock: JumpClock) -> None:
    roles = {
        "cy": (Role.FACILITY, ""),
        "vi": (Role.VIEWER, ""),
        "far": (Role.OPERATOR, "rack=z"),
    }
    texts, tokens = {}, []
    for name, (role, scope) in roles.items():
        texts[name], token = new_token(role, name=name, scope=scope)
        tokens.append(token)
    watch = Watch(clock)
    watch.context.auth = Auth(tokens=TokenList(*tokens))
    watch.status(0, Reach.UNREACHABLE)
    await watch.over(40.0)
    path, body = f"/api/v1/alarms/{FIRST}:DeviceSilent/answer", {"step": "acknowledge"}
    async with client_of(watch.context) as api:
        headers = {name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()}
        assert (await api.post(path, json=body, headers=headers["vi"])).status_code == 403
        assert (await api.post(path, json=body, headers=headers["far"])).status_code == 404
        assert (await api.post(path, json=body, headers=headers["cy"])).status_code == 200
        seen = (await api.get("/api/v1/alarms", headers=headers["far"])).json()
        assert seen["items"] == []
        watch.context.alarms = None
        none = await api.post(path, json=body, headers=headers["cy"])
        assert (none.status_code, none.json()["code"]) == (501, "NotOffered")


async def test_metrics_and_pages(clock: JumpClock) -> None:
    watch = Watch(clock, nodes=8)
    for number in range(8):
        watch.status(number, Reach.UNREACHABLE)
    await watch.over(60.0)
    async with browser_of(watch.context) as web:
        rows = Document((await web.get("/ui/alarms")).text).table()
        assert [row["Alarm"] for row in rows] == ["hallHallSilent"]
        hidden = Document((await web.get("/ui/alarms", params={"hidden": "1"})).text).table()
        assert len(hidden) == 9
        assert all("by hall:HallSilent" in row["State"] for row in hidden)
        only = await web.get("/ui/alarms", params={"priority": "low"})
        assert "No alarm of priority low" in only.text
        book = await web.get("/ui/runbooks/HallSilent")
        assert "this server is cut off" in book.text
        assert "8 of 9 management controllers" in book.text
        assert (await web.get("/ui/runbooks/Nothing")).status_code == 404
        metrics = (await web.get("/metrics")).text
        line = 'iolaus_alarms{priority="critical",state="unacknowledged"} 1'
        assert line in metrics
        assert sum(priority.value in metrics for priority in Priority) == 4


@pytest.fixture
def shown(clock: JumpClock, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv("IOLAUS_TOKEN", raising=False)
    return Watch(clock).context


async def _ring(context: Context, clock: JumpClock) -> None:
    said = hall.status(0, at=clock.now(), reach=Reach.UNREACHABLE)
    context.facts.record_status(msgspec.structs.replace(said, since=clock.now() - 60.0))
    assert isinstance(context.alarms, Alarming)
    await context.alarms.look()


async def test_a_session_at_the_command_line(
    shown: Context, clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _ring(shown, clock)
    name = f"{FIRST}:DeviceSilent"
    with serving(shown) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        listed = run("get alarms")
        assert name in listed
        assert "unacknowledged" in listed
        assert f"would acknowledge {name}" in run(f"alarm ack {name} --dry-run")
        assert f"{name} acknowledged" in run(f"alarm ack {name} --note seen")
        assert "it is acknowledged" in run(f"alarm reset {name}")
        assert f"{name} shelved until" in run("alarm shelve -l rack=h1-r01 --for 2h")
        assert f"{name} unacknowledged" in run(f"alarm unshelve {name}")
        assert f"{name} out-of-service" in run(f"alarm remove {name} --note repair")
        assert f"{name} unacknowledged" in run(f"alarm restore {name}")
        assert "nothing is named" in run("alarm ack")
        assert "there is no alarm" in run("alarm ack nobody:Nothing")
