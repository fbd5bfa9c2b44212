"""Which core leads, on one database, while the clocks of the cores are set."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import make_url, select
from tests.app.cluster.links import linked
from tests.store.postgres import Postgres

from iolaus.app.cluster.leading import GRACE_S, HUNG_S, Leading
from iolaus.kernel.clock import AgreedClock, WallClock
from iolaus.kernel.errors import WeErred
from iolaus.kernel.tasks import end
from iolaus.model.lease import Fenced
from iolaus.store import schema
from iolaus.store.database import Database

HOUR_S = 3600.0
PATIENCE_S = 60.0


class Jumping(WallClock):
    ahead_s = waited_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.waited_s


class Leaving(Database):
    """One that can be away."""

    is_away = False

    def read(self, work: Any) -> Any:
        if self.is_away:
            raise WeErred("it is away", operation="read state", subject="postgres")
        return super().read(work)


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
    assert one._kept(one.lease)
    assert not await other.take()
    assert one.term == term
    database.write(one.guard)
    with pytest.raises(Fenced):
        database.write(other.guard)
    await one.let_go()
    assert await other.take()
    assert other.term > term
    await other.let_go()


async def test_a_core_whose_loop_is_busy_goes_on_leading(database: Database) -> None:
    one, _ = core(database, "one")
    assert await one.take()
    keeping = asyncio.create_task(one.keep())
    await asyncio.sleep(0)
    first_s, until_s = ends_s(database), time.monotonic() + PATIENCE_S
    while ends_s(database) == first_s:  # nothing else comes round meanwhile
        assert time.monotonic() < until_s, "the lease is renewed"
        time.sleep(0.05)
    assert one.term
    await end(keeping)
    await one.let_go()
    other, _ = core(database, "other")
    assert await other.take(), "nothing renews what was let go"
    await other.let_go()


def ends_s(database: Database) -> float:
    query = select(schema.leases.c.expires_at)
    return float(database.read(lambda c: c.execute(query).scalar_one()))


def test_a_core_whose_loop_hangs_leads_no_longer_than_its_lease(database: Database) -> None:
    one, clock = core(database, "one")
    assert one._take()
    one._come_round()
    first_s, ended = ends_s(database), threading.Event()
    assert one._keep_on(ended)
    assert (renewed_s := ends_s(database)) > first_s
    clock.waited_s += HUNG_S + 1.0
    assert one._keep_on(ended)
    assert ends_s(database) == renewed_s
    one._come_round()
    assert one._keep_on(ended)
    assert ends_s(database) > renewed_s


async def test_whoever_led_is_first_when_the_database_is_back(postgres: Postgres) -> None:
    database = Leaving(postgres.database())
    one, clock = core(database, "one")
    database.is_away = True
    database.open()
    with pytest.raises(WeErred):
        await one.take()
    database.is_away = False
    assert not await one.take()
    clock.waited_s = GRACE_S
    assert await one.take()
    await one.let_go()
    database.close()


def test_a_database_that_falls_silent_is_asked_anew(postgres: Postgres) -> None:
    url, pair = make_url(postgres.database()), frozenset(("core", "postgres"))
    with linked() as links:
        port = links.through("core", "postgres", postgres.port)
        database = Database(url.set(port=port).render_as_string(), patience_s=2.0)
        one, _ = core(database, "one")
        until(lambda: one._take())
        links.hush(pair)
        database._patience_s = 0.2
        assert one.lease is not None
        with pytest.raises(WeErred):
            one._kept(one.lease)
        links.heal(pair)
        database._patience_s = 2.0
        until(lambda: one.lease is not None and one._kept(one.lease))
        database.close()


def until(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while True:
        with suppress(WeErred):
            if holds():
                return
        assert time.monotonic() < until_s
        time.sleep(0.05)
