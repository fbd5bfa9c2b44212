"""What a scenario is: one behaviour of the catalogue, played, and judged by what Iolaus shows.

A scenario is a coroutine that plays its faults, asserts, and says in one sentence what was shown;
the sentence holds nothing that differs from run to run, because it stands in docs/survival.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

Play = Callable[[Path], Awaitable[str]]
DEATH = 0
"""Not of the catalogue: a device that dies."""


class Scenario(NamedTuple):
    behaviour: int
    name: str
    played: str
    play: Play


SCENARIOS: list[Scenario] = []


def scenario(behaviour: int, name: str, *, played: str) -> Callable[[Play], Play]:
    def enrol(play: Play) -> Play:
        SCENARIOS.append(Scenario(behaviour, name, played, play))
        return play

    return enrol
