"""What the store's tests share: devices as values, and a clock that only moves by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.store.facts import Facts


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def uids() -> Callable[[], str]:
    numbers: Iterator[int] = count(1)
    return lambda: f"a{next(numbers)}"


@pytest.fixture
def facts(clock: JumpClock, uids: Callable[[], str]) -> Facts:
    return Facts(clock=clock, new_uid=uids)
