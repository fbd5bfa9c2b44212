"""A hall's server is backed up in the middle of a roll-out, lost, and put back elsewhere."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import make_url
from tests.app.test_rolling import drift, known, planned, want
from tests.sim.firmware.stage import machines
from tests.store.postgres import Postgres
from tests.survival.stage import PERIODS, grounded, housed

from iolaus.app.backup import KEY, back_up, restore
from iolaus.app.options import DB_PASSWORD, database_of
from iolaus.kernel.errors import OperatorMust
from iolaus.model.endpoint import Target
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.store.state import TOKENS, open_state

WORD = "restore: pause"
WAVES = {"waves": [{"name": "canary", "max": 1, "soak": "4s"}, {"name": "all"}]}
SLOW = msgspec.structs.replace(PERIODS, hot_s=20.0)
"""Nothing is stale, and so no soak begins again, because the machine that tests is busy."""


async def test_a_roll_out_goes_on_on_an_empty_machine(tmp_path: Path) -> None:
    file, key = tmp_path / "hall.iolaus", tmp_path / "hall.key"
    async with grounded(tmp_path, *machines("dl365-cpu", "xe9680-h200")) as ground:
        async with housed(tmp_path, ground, managed=True, periods=SLOW) as on:
            writer = on.house.state.facts._behind._task
            assert writer
            writer.cancel()  # what a plan needs is not left to whoever writes behind
            await known(on)
            await want(on, bmc={"ntp": ["10.9.9.9"]}, rollout=WAVES)
            plan = await planned(on)
            await on.house.rolling.apply(plan.id, by="ana")

            async def begun() -> bool:
                found = (await on.house.rolling.standing(plan.id)).progress
                states = [node.state for node in found.nodes.values()] if found else []
                return NodeState.DONE in states

            await on.until(begun, "the canary is done")
            manifest = await asyncio.to_thread(back_up, tmp_path / "state", file)
            assert manifest.rows["journal"] > 0
        shutil.copy(tmp_path / "state" / KEY, key)
        shutil.rmtree(tmp_path / "state")
        done = await asyncio.to_thread(restore, file, tmp_path / "state", key=key)
        assert done.paused == (plan.id,)

        async with housed(tmp_path, ground, managed=True, periods=SLOW) as on:

            async def paused() -> bool:
                found = (await on.house.rolling.standing(plan.id)).progress
                return found is not None and found.state is RolloutState.PAUSED

            await on.until(paused, "it stands paused")
            await on.house.rolling.ask(plan.id, "resume", by="ana")

            async def done_with() -> bool:
                found = (await on.house.rolling.standing(plan.id)).progress
                assert found is not None
                paused_anew = found.state is RolloutState.PAUSED and found.reason != WORD
                assert not paused_anew, found
                return found.state is RolloutState.DONE

            await on.until(done_with, "the roll-out is over")

            async def right() -> bool:
                return set((await drift(on)).values()) == {"in-sync"}

            await on.until(right, "nothing departs any more")
            said = await on.house.state.audit.entries()
            assert [each.subject for each in said if each.what == "note"] == ["restore"]


async def test_a_hall_that_outgrew_a_file_moves_to_a_server(
    tmp_path: Path, postgres: Postgres
) -> None:
    first = open_state(tmp_path / "first")
    await first.start()
    first.secrets.put("hall", user="root", password="geheim")
    await first.close()
    back_up(tmp_path / "first", tmp_path / "b")
    assert b"geheim" not in (tmp_path / "b").read_bytes()
    url, key = postgres.database(), tmp_path / "first" / KEY
    await asyncio.to_thread(restore, tmp_path / "b", tmp_path / "second", key=key, database=url)
    assert not (tmp_path / "second" / "state.db").exists()
    second = open_state(tmp_path / "second", database=url)
    await second.start()
    login = second.secrets.get("hall")
    assert login is not None
    assert login.password == "geheim"
    await second.close()
    with pytest.raises(OperatorMust) as caught:
        restore(tmp_path / "b", tmp_path / "third", key=key, database=url)
    assert caught.value.code == "StateNotEmpty"
    assert not (tmp_path / "third").exists()


async def test_a_core_without_the_operators_files_is_no_place_for_a_back_up(tmp_path: Path) -> None:
    file, directory = tmp_path / "b", tmp_path / "core"
    database = f"sqlite:///{tmp_path}/hall.db"
    state = open_state(directory, database=database)
    await state.start()
    state.secrets.put("hall", user="root", password="word")
    await state.close()
    back_up(directory, file, database=database)
    file.unlink()
    state = open_state(directory, database=database)
    await state.start()
    state.facts.put_target(Target(address="https://10.0.0.1"))
    await state.close()
    with pytest.raises(OperatorMust) as caught:
        back_up(directory, file, database=database)
    assert caught.value.code == "FilesMissing"
    assert not file.exists()
    (directory / TOKENS).touch(mode=0o600)
    assert back_up(directory, file, database=database).rows["targets"] == 1


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(OperatorMust) as caught:
        restore(tmp_path / "b", tmp_path / "full", key=tmp_path / "k")
    assert caught.value.code == "StateNotEmpty"
    with pytest.raises(OperatorMust) as caught:
        back_up(tmp_path / "full", tmp_path / "b")
    assert caught.value.code == "NoState"
    with pytest.raises(OperatorMust) as caught:
        restore(tmp_path / "b", tmp_path / "new", key=tmp_path / "k")
    assert caught.value.code == "NoKey"


def test_a_password_is_read_where_only_its_process_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://iolaus@db/iolaus"
    monkeypatch.delenv(DB_PASSWORD, raising=False)
    assert database_of(url) == url
    monkeypatch.setenv(DB_PASSWORD, "s:e/c@")
    assert make_url(database_of(url)).password == "s:e/c@"
    assert database_of("sqlite:///state.db") == "sqlite:///state.db"
    for wrong in ("postgresql://iolaus:word@db/iolaus", "nowhere"):
        with pytest.raises(OperatorMust) as caught:
            database_of(wrong)
        assert caught.value.code == "BadOption"
        assert "word@" not in str(caught.value)
