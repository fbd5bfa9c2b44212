"""Which status an error has for a program that asks."""

from __future__ import annotations

import pytest

from iolaus.bus.port import BusAway, Unheard
from iolaus.kernel.errors import IolausError, WeErred
from iolaus.model.lease import Fenced, Lease
from iolaus.north.problems import status_of

LEASE = Lease(name="core", holder="core0", epoch=3, expires_at=1.0)


@pytest.mark.parametrize(
    "passing",
    [
        BusAway("no answer", operation="ask", subject="bus"),
        Unheard("power.edge0"),
        Fenced(LEASE, operation="write state"),
    ],
)
def test_what_is_over_when_another_answers_is_to_be_asked_again(passing: IolausError) -> None:
    assert status_of(passing) == 503


def test_what_is_our_own_fault_is() -> None:
    assert status_of(WeErred("it erred", operation="get", subject="nodes")) == 500
