"""The audit log of a whole house: checkpoints that outlive it, and files changed by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from iolaus.app.checkpoints import EVERY_S, KEPT_FILE, Checkpoints
from iolaus.app.handmade import Handmade
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.audit import Entry, Record
from iolaus.store.state import State, open_state
from iolaus.trust.checkpoints import proved_heads, read_checkpoints, read_signer

NAMES = ("policy.yaml", "anchors")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[State]:
    state = open_state(folder, clock=JumpClock())
    try:
        await state.start()
        yield state
    finally:
        await state.close()


async def add(state: State, subject: str) -> None:
    await state.audit.append(Record(who="ana", what="ask", subject=subject))


async def told(state: State, what: str) -> list[Entry]:
    return [each for each in await state.audit.entries() if each.what == what]


async def test_one_is_kept_for_every_hour_that_something_was_added(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as state:
        checkpoints = Checkpoints(state=state, clock=JumpClock())
        with pytest.raises(OperatorMust, match="empty"):
            await checkpoints.newest()
        await checkpoints.keep()
        assert not (state.directory / KEPT_FILE).exists()
        for subject in ("a", "b"):
            await add(state, subject)
            await checkpoints.keep()
            await checkpoints.keep()
        kept = read_checkpoints((state.directory / KEPT_FILE).read_bytes(), subject="kept")
        signer = read_signer(await checkpoints.public_key(), subject="key")
        heads = proved_heads(kept, signer=signer, subject="kept")
        assert [each.number for each in heads] == [1, 2]
        assert EVERY_S == 3600


@pytest.mark.parametrize(
    "bend",
    ["DELETE FROM audit WHERE number > 1", "UPDATE audit SET digest = '00' WHERE number = 2"],
    ids=["cut", "rewritten"],
)
async def test_a_bent_log_is_found_at_the_next_start_and_written_down(
    tmp_path: Path, bend: str
) -> None:
    async with opened(tmp_path / "s") as state:
        for subject in ("a", "b"):
            await add(state, subject)
        await Checkpoints(state=state, clock=JumpClock()).keep()
    (tmp_path / "s" / "audit.head").unlink()
    async with opened(tmp_path / "s") as state:
        await Checkpoints(state=state, clock=JumpClock()).compare()
        assert await told(state, "note") == []
        state.database.write(lambda connection: connection.execute(text(bend)))
    (tmp_path / "s" / "audit.head").unlink(missing_ok=True)
    async with opened(tmp_path / "s") as state:
        await Checkpoints(state=state, clock=JumpClock()).compare()
        (note,) = await told(state, "note")
        assert json.loads(note.detail)["checkpoint"].startswith("2:")


async def test_kept_ones_that_somebody_wrote_are_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as state:
        (state.directory / KEPT_FILE).write_text("{}\n")
        await Checkpoints(state=state, clock=JumpClock()).compare()
        (note,) = await told(state, "note")
        assert "no checkpoints" in note.detail


async def test_what_is_changed_by_hand_is_told_once_with_both_digests(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as state:
        handmade = Handmade(state=state, clock=JumpClock(), names=NAMES)
        await handmade.look()
        assert await told(state, "change") == []
        (state.directory / "anchors").mkdir()
        (state.directory / "anchors" / "maker.pem").write_text("root")
        (state.directory / "policy.yaml").write_text("kind: Policy")
        await handmade.look()
        await handmade.look()
        changed = await told(state, "change")
        assert [each.subject for each in changed] == ["anchors/maker.pem", "policy.yaml"]
        assert json.loads(changed[0].detail)["before"] is None
    (tmp_path / "s" / "policy.yaml").unlink()
    async with opened(tmp_path / "s") as state:
        again = Handmade(state=state, clock=JumpClock(), names=NAMES)
        await again.look()
        last = (await told(state, "change"))[-1]
        assert (last.subject, json.loads(last.detail)["after"]) == ("policy.yaml", None)
        assert len(await told(state, "change")) == 3
