"""What the tests of execution share: a clock that jumps, and a hall."""

from __future__ import annotations

import pytest

from iolaus.kernel.clock import JumpClock
from tests.act.hall import Hall


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock(idle_turns=2)


@pytest.fixture
def hall(clock: JumpClock) -> Hall:
    return Hall(clock)
