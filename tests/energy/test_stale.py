"""A stale epoch never writes: what an edge does is what it does without ever having heard it.

Two edges hear the same leases; one of them also hears every frame that is old by its epoch, its
number or another start, whenever a bad network brings it. They give the same commands.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget
from tests.energy.racks import World, frame, rack

Frames = list[tuple[float, Budget]]
UNTIL_S = 12.0


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    """Frames of several epochs in any order, some doubled, some of another start."""
    sent: Frames = []
    for at in range(draw(st.integers(2, 9))):
        one = frame(
            draw(st.integers(1, 4)),
            draw(st.sampled_from([1600.0, 2400.0, 4000.0])),
            epoch=draw(st.integers(1, 3)),
            lease_ms=draw(st.sampled_from([500, 3000])),
            hold=draw(st.booleans()),
            boot=draw(st.sampled_from(["", "mine", "another"])),
        )
        sent += [(1.0 + at * 0.7, one)] * draw(st.integers(1, 2))
    return sent


def newest(sent: Frames) -> Frames:
    """Those that count: each is newer than all before it, and of this start."""
    kept: Frames = []
    last = (0, 0)
    for at, each in sent:
        if (each.epoch, each.seq) > last and each.boot in ("", "mine"):
            last = (each.epoch, each.seq)
            kept.append((at, each))
    return kept


def done(kind: type[Edge], sent: Frames) -> list[tuple[float, str]]:
    world = World(kind(rack(), boot="mine"))
    for at, each in sent:
        world.gives(at, each)
    world.busy(1000.0, UNTIL_S)
    world.run(UNTIL_S)
    return [(at, str(command)) for at, command in world.log]


def heeds_the_stale(kind: type[Edge], sent: Frames) -> bool:
    return sorted(done(kind, sent)) != sorted(done(kind, newest(sent)))


@given(frames())
@settings(max_examples=30, deadline=None)
def test_a_stale_frame_never_writes(sent: Frames) -> None:
    assert not heeds_the_stale(Edge, sent)


class Gullible(Edge):
    """It takes what comes."""

    def _refusal(self, frame: Budget) -> str:
        return ""


class Numbered(Edge):
    """It looks at numbers and not at epochs."""

    def _refusal(self, frame: Budget) -> str:
        last = self._frame
        return "old number" if last and frame.seq <= last.seq else ""


class Anybodys(Edge):
    """It does not look for whom a frame was."""

    def _refusal(self, frame: Budget) -> str:
        said = super()._refusal(frame)
        return "" if said == "another start's" else said


@pytest.mark.parametrize("kind", [Gullible, Numbered, Anybodys])
def test_an_edge_that_heeds_the_stale_is_caught(kind: type[Edge]) -> None:
    @given(frames())
    @settings(max_examples=100, deadline=None, database=None, phases=(Phase.generate,))
    def holds(sent: Frames) -> None:
        assert not heeds_the_stale(kind, sent)

    check: Callable[[], None] = holds
    with pytest.raises(AssertionError):
        check()
