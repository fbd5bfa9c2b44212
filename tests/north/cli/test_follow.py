"""Waiting for a roll-out: what is said of it, when the wait is over, and with which exit code."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceSilent
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.model.select import EVERYTHING
from iolaus.north.api import watch as watching
from iolaus.north.cli import follow
from iolaus.north.cli.client import Client
from iolaus.north.context import Standing
from tests.north.conftest import make_context, serving
from tests.north.rolling import Rolling


def row(state: str = "running", since: str = "t1", /, **counts: int) -> dict[str, Any]:
    counts = {word.replace("_", "-"): number for word, number in counts.items()}
    wave = {"name": "rest", "state": "began", "nodes": sum(counts.values()), "counts": counts}
    return {
        "name": "3f9ac0d1e2b4",
        "baseline": "gb300",
        "state": state,
        "since": since,
        "reason": "",
        "total": sum(counts.values()),
        "counts": counts,
        "waves": [{**wave, "soak_s": 0.0}],
        "running": [],
        "failures": [],
        "holds": [],
    }


@pytest.mark.parametrize(
    ("asked", "state", "counts", "code"),
    [
        ("apply", "done", {"done": 3}, 0),
        ("apply", "done", {"done": 2, "rolled_back": 1}, 1),
        ("apply", "done", {"done": 2, "skipped": 1}, 1),
        ("apply", "done", {"done": 2, "lost": 1}, 1),
        ("apply", "paused", {"done": 2, "failed": 1}, 3),
        ("apply", "aborted", {"waiting": 3}, 1),
        ("resume", "paused", {"waiting": 3}, 3),
        ("pause", "paused", {"waiting": 3}, 0),
        ("pause", "done", {"done": 3}, 0),
        ("abort", "aborted", {"done": 1, "rolled_back": 2}, 0),
        ("abort", "aborted", {"done": 1, "lost": 2}, 1),
        ("undo", "undone", {"rolled_back": 3}, 0),
        ("undo", "undone", {"rolled_back": 2, "failed": 1}, 1),
        ("status", "undone", {"rolled_back": 2}, 1),
    ],
)
def test_exit_codes(asked: str, state: str, counts: dict[str, int], code: int) -> None:
    found = row(state, **counts)
    assert follow.exit_code(found, asked) == code
    told = list(follow.ending(found, asked))
    assert any("next:" in line for line in told) is bool(code)


def test_the_state_before_is_not_the_end() -> None:
    before = follow.moment(row("paused", "t1"))
    assert not follow.is_over(row("paused", "t1"), before)
    assert follow.is_over(row("paused", "t2"), before)
    assert not follow.is_over(row("paused", "t2", running=1), before)
    assert not follow.is_over(row("waiting", "t2"), before)
    assert follow.is_over(row("done", "t2", done=3), None)


@given(
    st.sampled_from(list(RolloutState)),
    st.dictionaries(st.sampled_from(list(NodeState)), st.integers(0, 9)),
)
def test_whatever_it_looks_like_it_is_said_and_drawn(
    state: RolloutState, counts: dict[NodeState, int]
) -> None:
    found = row(state.value, **{each.value: number for each, number in counts.items()})
    first = list(follow.changes(None, found))
    assert first[0] == f"rollout/3f9ac0d1e2b4 {state.value}"
    assert list(follow.changes(found, found)) == []
    assert follow.exit_code(found, "apply") in (0, 1, 3)
    if state is RolloutState.PAUSED:
        assert follow.exit_code(found, "apply") == 3
    drawn(found)


def drawn(found: dict[str, Any]) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(follow.picture(found))
    return console.export_text()


def test_a_terminal_shows_waves_what_runs_what_failed_and_what_holds() -> None:
    node = {"name": "h1-r01-u05", "steps_done": 1, "steps": 3, "wave": "rest"}
    found = row(done=3, running=7, rolled_back=1, waiting=1)
    found["running"] = [{**node, "state": "running", "doing": "Restart the controller"}] * 6
    found["failures"] = [{**node, "state": "rolled-back", "reason": "it\x1b[31m is old"}]
    found["holds"] = [{"reason": "window opens at 02:00", "count": 0, "nodes": []}]
    told = drawn(found)
    assert "rollout/3f9ac0d1e2b4  baseline gb300  running" in told
    assert "4/12  began  3 done, 7 running, 1 rolled-back" in told
    assert told.count("1/3  Restart the controller") == 5
    assert "and 2 more" in told
    assert "h1-r01-u05 rolled-back: it?[31m is old" in told
    assert "it waits: window opens at 02:00" in told


class Watched(Rolling):
    """It knows when somebody lists it."""

    seen = threading.Event()

    async def all(self) -> Sequence[Standing]:
        self.seen.set()
        return await super().all()


async def test_a_server_that_goes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GATHER_S", 0.0)
    context = make_context(JumpClock())
    rolls = context.rolls = Watched(context)
    name = (await rolls.make_plan("base", selector=EVERYTHING, by="ana", keep=True)).id
    await rolls.apply(name, by="ana")
    met: list[BaseException] = []

    def wait(url: str) -> None:
        try:
            with Client(url) as client:
                follow.follow(client, name, asked="apply", before=None)
        except DeviceSilent as error:
            met.append(error)

    with serving(context) as url:
        waiting = threading.Thread(target=wait, args=(url,))
        waiting.start()
        assert rolls.seen.wait(10)
    waiting.join(10)
    assert isinstance(met[0], DeviceSilent)
    assert met[0].exit_code == 4
    assert f"rollout status {name} --wait" in met[0].next_step
