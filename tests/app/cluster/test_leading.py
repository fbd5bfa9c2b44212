"""Which core leads, on one database, while the clocks of the cores are set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.store.postgres import Postgres

from iolaus.app.cluster.leading import Leading
from iolaus.kernel.clock import AgreedClock, WallClock
from iolaus.model.lease import Fenced
from iolaus.store.database import Database

HOUR_S = 3600.0


class Jumping(WallClock):
    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.database())
    yield database
    database.close()


def core(database: Database, name: str, *, ahead_s: float = 0.0) -> tuple[Leading, Jumping]:
    clock = Jumping()
    clock.ahead_s = ahead_s
    return Leading(database, name, AgreedClock(clock)), clock


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S])
async def test_a_clock_that_is_set_moves_no_lease(database: Database, jump_s: float) -> None:
    one, clock = core(database, "one")
    other, others_clock = core(database, "other", ahead_s=-jump_s)
    assert await one.take()
    term = one.term
    assert not await other.take()
    clock.ahead_s, others_clock.ahead_s = jump_s, jump_s
    assert one.lease is not None
    assert await one._kept(one.lease)
    assert not await other.take()
    assert one.term == term
    database.write(one.guard)
    with pytest.raises(Fenced):
        database.write(other.guard)
    await one.let_go()
    assert await other.take()
    assert other.term > term
    await other.let_go()
