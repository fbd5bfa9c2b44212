"""What an edge would have done, as it is told to people."""

from __future__ import annotations

from iolaus.energy.ports import CapWrite
from iolaus.energy.standing import would


def test_it_is_said_once_for_all_of_whom_it_is_so() -> None:
    caps = [
        CapWrite(node=f"h1-r01-u{n:02}", watts=2500.0, ticket=n, because="no lease: the floor")
        for n in (1, 2, 3, 1)
    ]
    last = CapWrite(node="h1-r01-u02", watts=1900.0, ticket=9, because="its share of the budget")
    assert would([*caps, last]) == (
        "cap h1-r01-u02 at 1900 W: its share of the budget",
        "cap h1-r01-u[01,03] at 2500 W each: no lease: the floor",
    )
