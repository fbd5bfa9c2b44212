"""What options mean to the rest."""

from __future__ import annotations

import pytest

from iolaus.app.options import periods_of
from iolaus.observe.collect import Periods


@pytest.mark.parametrize(
    ("poll_every", "hot_s", "logs_s", "inventory_s"),
    [
        (None, 10.0, 120.0, 900.0),
        (5.0, 5.0, 120.0, 900.0),
        (60.0, 60.0, 120.0, 900.0),
        (600.0, 600.0, 600.0, 3600.0),
    ],
)
def test_who_polls_seldom_reads_logs_and_inventories_seldom(
    poll_every: float | None, hot_s: float, logs_s: float, inventory_s: float
) -> None:
    wanted = Periods(hot_s=hot_s, logs_s=logs_s, inventory_s=inventory_s)
    assert periods_of(poll_every) == wanted
