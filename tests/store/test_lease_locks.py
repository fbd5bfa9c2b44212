"""Who waits for whom at a lease of PostgreSQL, where several processes share the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from iolaus.kernel.errors import OperatorMust
from iolaus.model.lease import Lease
from iolaus.store.database import Database
from iolaus.store.lease import acquire, must_hold, renew
from tests.store.postgres import Postgres

TTL_S = 10.0


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.database())
    database.open()
    yield database
    database.close()


def at_once(connection: Connection) -> Connection:
    connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
    return connection


def test_who_renews_does_not_wait_for_those_who_write_and_who_takes_does(
    database: Database,
) -> None:
    lease = database.write(lambda c: acquire(c, "core", "one", TTL_S, 0.0))
    assert lease

    def other_takes(now: float) -> Lease | None:
        return database.write(lambda c: acquire(at_once(c), "core", "other", TTL_S, now))

    with database.engine.begin() as writing:
        must_hold(writing, lease, now=1.0)
        assert database.write(lambda c: renew(at_once(c), lease, TTL_S, 2.0))
        with pytest.raises(OperatorMust, match="another program holds it"):
            other_takes(100.0)
        must_hold(writing, lease, now=3.0)
    taken = other_takes(100.0)
    assert taken
    assert taken.epoch > lease.epoch
