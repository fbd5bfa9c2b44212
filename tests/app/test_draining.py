"""Nodes drained by the word of a person: written down first, looked at, given back, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fleet.drain.fake_webhook import FakeWebhook
from tests.fleet.drain.serve import served
from tests.sim.firmware.stage import machines
from tests.store.made import ask_for, asset, report
from tests.survival.rolling import SETTINGS, ended, planned
from tests.survival.stage import CALM, Stage, staged

from iolaus.app.draining import Adapters, Draining
from iolaus.bus.local import LocalBus
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.north.context import StandingDrain
from iolaus.store.database import Database
from iolaus.store.drains import StoredDrains
from iolaus.store.facts import Facts

A = "https://a"


class Office:
    """One node, a webhook that drains it, and people who do."""

    def __init__(self, folder: Path, program: FakeWebhook) -> None:
        self.program, self.clock = program, JumpClock()
        self.facts = Facts(clock=self.clock, new_uid=lambda: "u1")
        ask_for(self.facts, A)
        self.facts.record_report(report(A, [asset(serial="S1", hostname="n1.hall")]))
        self.database = Database(folder / "state.db")
        self.database.open()
        self._folder = folder
        self._open: list[Adapters] = []
        self.restart()

    def restart(self) -> None:
        """As another life of the process would find it."""
        kept = StoredDrains(self.database)
        self.adapters = Adapters(self._folder / "drains.yaml", clock=self.clock, kept=kept)
        self._open.append(self.adapters)
        self.draining = Draining(
            facts=self.facts,
            kept=kept,
            adapters=self.adapters,
            bus=LocalBus(),
            clock=self.clock,
            going=nobody,
            wake=lambda: None,
            acting=lambda: True,
        )

    async def drain(self, adapter: str = "ours", by: str = "kim") -> None:
        await self.draining.drain("u1", "n1", adapter=adapter, reason="new pump", by=by)

    async def one(self) -> StandingDrain:
        (found,) = await self.draining.all()
        return found

    async def close(self) -> None:
        for adapters in self._open:
            await adapters.close()
        self.database.close()


async def nobody() -> list[StandingDrain]:
    return []


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    (tmp_path / "key").write_text("k3y\n")
    program = FakeWebhook()
    async with served(program.app()) as url:
        (tmp_path / "drains.yaml").write_text(
            f'ours: {{adapter: webhook, url: "{url}/drain", secretFile: {tmp_path}/key, '
            "node: name, allowHttp: true, timeout: 5s}\npeople: {adapter: manual}\n"
        )
        office = Office(tmp_path, program)
        yield office
        await office.close()


async def test_a_drain_is_followed_until_it_is_done_and_given_back(office: Office) -> None:
    await office.drain()
    now = await office.one()
    assert (now.phase, now.detail, now.remaining) == ("draining", "2 jobs", ("7",))
    assert (now.by, now.reason, now.adapter) == ("kim", "new pump", "ours")
    office.program.state = {"state": "drained"}
    await office.draining.look_again()
    assert (await office.one()).phase == "drained"
    seen = office.draining.of("u1")
    assert seen is not None
    assert seen.phase == "drained"
    (question,) = office.program.drains.values()
    assert question["reason"] == "kim: new pump"
    assert question["node"]["hostname"] == "n1.hall"
    with pytest.raises(PolicyRefused, match="kim had it drained: new pump"):
        await office.drain(by="lee")
    await office.draining.undrain("u1", "n1", by="lee")
    assert office.draining.of("u1") is None
    assert await office.draining.all() == []
    assert office.program.effects == {"begin": 1, "undo": 1}
    with pytest.raises(OperatorMust, match="nobody had it drained"):
        await office.draining.undrain("u1", "n1", by="lee")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_silent_adapter_is_asked_again_and_does_it_once(office: Office, when: str) -> None:
    office.program.accident.strike(1, when)
    await office.drain()
    assert (await office.one()).phase == "unknown"
    office.restart()
    await office.draining.look_again()
    assert (await office.one()).phase == "draining"
    assert office.program.effects == {"begin": 1}
    office.restart()
    await office.draining.undrain("u1", "n1", by="kim")
    assert office.program.effects == {"begin": 1, "undo": 1}


async def test_what_is_refused_is_not_kept_and_what_is_not_given_back_is(
    office: Office,
) -> None:
    office.program.secret = "another"
    with pytest.raises(IolausError):
        await office.drain()
    assert await office.draining.all() == []
    office.program.secret = "k3y"
    await office.drain()
    office.program.secret = "another"
    with pytest.raises(IolausError):
        await office.draining.undrain("u1", "n1", by="kim")
    await office.draining.look_again()
    assert (await office.one()).phase == "unknown"
    assert office.program.effects == {"begin": 1}


async def test_which_drains_is_said_where_there_are_several(office: Office) -> None:
    for adapter, told in (("", "which drains is not said"), ("slrum", "called 'slrum'")):
        with pytest.raises(OperatorMust, match=told) as caught:
            await office.drain(adapter)
        assert "use one of ours, people" in caught.value.next_step
    assert await office.draining.all() == []


async def test_people_say_that_it_is_done_and_their_name_is_kept(office: Office) -> None:
    async def say(word: str, by: str) -> None:
        await office.draining.say("u1", "n1", word=word, note="by hand", by=by)

    with pytest.raises(OperatorMust, match="no person is waited for"):
        await say("done", "lee")
    await office.drain("people")
    assert "a person must drain n1" in (await office.one()).detail
    await say("refused", "lee")
    now = await office.one()
    assert (now.phase, now.detail) == ("refused", "lee says refused: by hand")
    office.restart()
    await say("done", "max")
    assert ((await office.one()).phase, (await office.one()).detail) == (
        "drained",
        "max says done: by hand",
    )
    await office.draining.undrain("u1", "n1", by="kim")
    await office.drain("people")
    assert (await office.one()).phase == "draining", "an old word says nothing of a new drain"


async def test_a_roll_out_goes_on_when_a_person_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        (tmp_path / "state" / "drains.yaml").write_text("people: {adapter: manual}\n")
        rollout = {"waves": [{"name": "all"}], "drain": {"adapter": "people"}}
        plan = await planned(on, step_s=60.0, **SETTINGS, rollout=rollout)
        uid, name = plan.nodes[0].uid, plan.nodes[0].name
        await on.house.rolling.apply(plan.id, by="ana")

        async def waits() -> dict[str, Any] | None:
            found = await on.listed("drains")
            return found[0] if found else None

        shown = await on.until(waits, "the node is to be drained")
        assert (shown["node"], shown["by"], shown["state"]) == (
            name, f"rollout/{plan.id}", "draining"
        )  # fmt: skip
        before = await written(on)
        await on.house.draining.say(uid, name, word="done", note="", by="kim")
        assert [each.detail for each in await on.house.draining.all()] in (
            ["kim says done"],  # not heard yet
            [""],  # heard
        )
        progress = await ended(on, plan)
        assert (progress.state, progress.nodes[uid].state) == (RolloutState.DONE, NodeState.DONE)
        assert before == 0, "nothing was sent to the device before it was drained"
        assert await on.listed("drains") == []
        with pytest.raises(OperatorMust, match="no person is waited for"):
            await on.house.draining.say(uid, name, word="done", note="", by="kim")


async def test_a_roll_out_leaves_a_node_alone_that_a_person_had_drained(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        (tmp_path / "state" / "drains.yaml").write_text("people: {adapter: manual}\n")
        rollout = {"waves": [{"name": "all"}], "drain": {"adapter": "people"}}
        plan = await planned(on, step_s=60.0, **SETTINGS, rollout=rollout)
        uid, name = plan.nodes[0].uid, plan.nodes[0].name
        draining, rolling = on.house.draining, on.house.rolling
        await draining.drain(uid, name, adapter="people", reason="new pump", by="kim")
        await rolling.apply(plan.id, by="ana")

        async def waits() -> bool:
            return "kim has it drained" in (await rolling.standing(plan.id)).holds.get(uid, "")

        await on.until(waits, "it waits and says for whom")
        assert await written(on) == 0
        await draining.undrain(uid, name, by="kim")

        async def asked() -> bool:
            return any(each["by"].startswith("rollout/") for each in await on.listed("drains"))

        await on.until(asked, "it goes on once the node is given back")
        await draining.say(uid, name, word="done", note="", by="kim")
        assert (await ended(on, plan)).state is RolloutState.DONE


async def written(on: Stage) -> int:
    """Requests that changed something at the device."""
    told = await on.counters()
    return sum(n for method, n in told["by_method"].items() if method in ("PATCH", "PUT", "DELETE"))


async def test_what_takes_work_again_after_a_roll_out_is_given_back(tmp_path: Path) -> None:
    program = FakeWebhook()
    (tmp_path / "key").write_text("k3y\n")
    async with (
        served(program.app()) as url,
        staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on,
    ):
        (tmp_path / "state" / "drains.yaml").write_text(
            f'ours: {{adapter: webhook, url: "{url}/drain", secretFile: {tmp_path}/key, '
            "node: name, allowHttp: true}\n"
        )
        rollout = {"waves": [{"name": "all"}], "drain": {"adapter": "ours"}}
        program.state = {"state": "drained"}
        plan = await planned(on, step_s=20.0, bmc={"ntp": ["10.9.9.9"]}, rollout=rollout)
        await on.house.rolling.apply(plan.id, by="ana")

        async def given_back() -> bool:
            if program.effects["undo"]:
                program.state = {"state": "refused", "detail": "it takes work"}
            return bool(program.effects["undo"])

        await on.until(given_back, "it is given back")
        progress = await ended(on, plan)
        assert progress.state is RolloutState.DONE
        assert program.effects == {"begin": 1, "undo": 1}
