"""The picture of the hall on PostgreSQL: what is asserted on SQLite elsewhere holds there too."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.endpoint import Reach
from iolaus.store.behind import Limits
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from iolaus.store.schema import metadata
from tests.store.made import T0, ask_for, asset, component, firmware, report, status
from tests.store.postgres import Postgres
from tests.store.test_behind import fill

A, B = "https://a", "https://b"


def test_the_migrations_make_the_schema(postgres: Postgres) -> None:
    store = Database(postgres.database().replace("+psycopg", ""))
    store.open()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    store.open()
    store.close()


def test_a_server_that_is_not_there_is_told_without_the_password(postgres: Postgres) -> None:
    store = Database("postgresql://iolaus:geheim@127.0.0.1:1/state")
    with pytest.raises(WeErred) as caught:
        store.open()
    assert "geheim" not in f"{caught.value} {caught.value.subject}"
    store.close()


def test_a_newer_schema_is_refused(postgres: Postgres) -> None:
    store = Database(postgres.database())
    store.open()
    store.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OperatorMust) as caught:
        store.open()
    assert caught.value.code == "StateTooNew"
    store.close()


async def test_the_picture_is_found_again(postgres: Postgres, clock: JumpClock) -> None:
    where = postgres.database()
    first = Facts(database=where, clock=clock)
    await first.start()
    ask_for(first, A, B)
    fill(first, A, "1", T0)
    fill(first, B, "1", T0)
    first.record_status(status(A, Reach.UNREACHABLE))
    await first.flush()
    fill(first, A, "2", T0 + 1)
    first.remove_target(B)
    await first.close()
    again = Facts(database=where, clock=clock)
    await again.start()
    held = again.held(A)
    assert held
    assert held.report
    assert (held.report.firmware[0].version, len(held.report.settings)) == ("2", 50)
    assert held.status
    assert held.status.reach is Reach.UNREACHABLE
    assert again.held(B) is None
    assert [c.after for c in await again.history(field="version")] == ["2"]
    assert len(again.events(kind="FirmwareChanged")) == 1
    await again.close()


async def test_a_lost_server_is_one_trouble_and_nothing_is_lost(
    postgres: Postgres, clock: JumpClock
) -> None:
    where = postgres.database()
    facts = Facts(database=where, clock=clock)
    await facts.start()
    ask_for(facts, A)
    await facts.flush()
    postgres.stop()
    fill(facts, A, "1", T0)
    with pytest.raises(WeErred):
        await facts.flush()
    assert facts.trouble
    postgres.start()
    await facts.close()
    again = Facts(database=where, clock=clock)
    await again.start()
    assert again.report_of(A)
    await again.close()


async def test_history_and_logs_are_pruned(postgres: Postgres, clock: JumpClock) -> None:
    limits = Limits(history_s=100.0, history_rows=3, prune_s=0.0)
    facts = Facts(database=postgres.database(), clock=clock, limits=limits)
    await facts.start()
    ask_for(facts, A)
    for turn in range(8):
        fill(facts, A, f"1.{turn}", clock.now() - 200 + turn * 30)
    await facts.flush()
    await facts._behind._prune()
    assert len(await facts.history()) == 3
    await facts.close()


@pytest.mark.parametrize("odd", ["half a character: \ud800", "an end: \0."])
async def test_odd_characters_cost_only_themselves(
    postgres: Postgres, clock: JumpClock, odd: str
) -> None:
    where = postgres.database()
    facts = Facts(database=where, clock=clock)
    await facts.start()
    ask_for(facts, A, B)
    fill(facts, B, "1", T0)
    for version in ("1", "2"):
        mine = (component("g", serial=odd + version),)
        entry = (firmware("BMC", odd + version),)
        facts.record_report(
            report(A, [asset(serial="S" + version)], components=mine, firmware=entry)
        )
    await facts.close()
    assert facts.trouble is None
    again = Facts(database=where, clock=clock)
    await again.start()
    assert again.report_of(B)
    await again.close()
