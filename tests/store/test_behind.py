"""Crashes, full disks and bad rows: what was recorded is on disk or still waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.asset import Identity
from iolaus.model.endpoint import Event, Reach, Target
from iolaus.store import schema
from iolaus.store.behind import Limits
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from tests.forked import Forked
from tests.store.footings import Footing
from tests.store.made import T0, ask_for, asset, component, firmware, hot, report, setting, status

A, B = "https://a", "https://b"


def fill(facts: Facts, address: str, version: str, at: float, *, size: int = 50) -> None:
    noise = tuple(setting(f"s{n}", f"{address}{version}{n * 7919}") for n in range(size))
    me = asset(serial="S" + address, at=at)
    entry = firmware("BMC", version)
    facts.record_report(report(address, [me], at=at, firmware=(entry,), settings=noise))


async def test_a_full_disk_stops_nothing_and_loses_nothing(
    clock: JumpClock, footing: Footing
) -> None:
    facts = Facts(database=footing.where, clock=clock, connect=footing.connect)
    await facts.start()
    ask_for(facts, A, B)
    await facts.flush()
    footing.full = True
    with capture_logs() as logs:
        for turn in range(3):
            fill(facts, A, f"1.{turn}", T0 + turn, size=2000)
            with pytest.raises(WeErred) as caught:
                await facts.flush()
        assert caught.value.code == "DiskFull"
        assert facts.trouble is not None
        assert (held := facts.held(A))
        assert held.report
        assert held.report.firmware[0].version == "1.2"
        assert [c.after for c in await facts.history(field="version")] == ["1.2", "1.1"]
        footing.full = False
        await facts.flush()
    assert facts.trouble is None
    assert [line["event"] for line in logs] == ["state_not_written", "state_written_again"]
    await facts.close()
    again = Facts(database=footing.where, clock=clock)
    await again.start()
    assert [c.after for c in await again.history(field="version")] == ["1.2", "1.1"]
    assert len(again.events(kind="FirmwareChanged")) == 2
    await again.close()


async def test_a_crash_at_every_statement_leaves_the_state_before_or_after(
    clock: JumpClock, footing: Footing
) -> None:
    where, statements, outcomes, ended = footing.where, 0, set(), False
    first = Facts(database=where, clock=clock)
    await first.start()
    ask_for(first, A, B)
    fill(first, A, "1", T0)
    fill(first, B, "1", T0)
    await first.close()
    while not ended:
        second = Facts(database=where, clock=clock, connect=footing.connect)
        await second.start()
        fill(second, A, "2", T0 + 1)
        second.remove_target(B)
        second.record_status(status(A, Reach.UNREACHABLE))
        footing.left = statements
        try:
            await second.flush()
            ended = True
        except WeErred:
            statements += 1
        footing.left = 0
        await second.close()
        footing.crash()
        footing.left = None

        third = Facts(database=where, clock=clock)
        await third.start()
        report_ = third.report_of(A)
        assert report_
        rows = len(await third.history(field="version"))
        told = len(third.events(kind="FirmwareChanged"))
        outcome = report_.firmware[0].version, rows, told, third.held(B) is None
        assert outcome == (("2", 1, 1, True) if ended else ("1", 0, 0, False))
        outcomes.add(outcome)
        await third.close()
    assert statements > 8
    assert len(outcomes) == 2


def go_on_and_on(where: str) -> None:
    async def run() -> None:
        database = where if "://" in where else Path(where)
        facts = Facts(database=database, limits=Limits(flush_s=0.001, lazy_s=0.0))
        await facts.start()
        ask_for(facts, *(f"https://n{n}" for n in range(20)))
        turn = 0
        while True:
            for n in range(20):
                fill(facts, f"https://n{n}", f"1.{turn}", T0 + turn)
            await facts.flush()
            turn += 1
            print(turn, flush=True)

    asyncio.run(run())


async def test_a_process_killed_while_it_writes_leaves_a_state_that_opens(
    clock: JumpClock, anywhere: Path | str
) -> None:
    for written in (1, 2, 3):
        process = Forked(go_on_and_on, str(anywhere))
        try:
            process.said(written)
            await asyncio.sleep(0.003 * written)
        finally:
            process.close()
        facts = Facts(database=anywhere, clock=clock)
        await facts.start()
        held = list(facts.all_held())
        assert len(held) == 20
        versions = {h.report.firmware[0].version or "" for h in held if h.report}
        assert len(versions) == 1
        last = int(versions.pop().rpartition(".")[2])
        assert last >= written - 1
        await facts.close()


async def test_a_state_that_cannot_be_opened_is_not_written_and_the_picture_works(
    clock: JumpClock, database: Path
) -> None:
    database.write_bytes(b"something else entirely" * 100)
    facts = Facts(database=database, clock=clock)
    with pytest.raises(WeErred):
        await facts.start()
    ask_for(facts, A)
    fill(facts, A, "1", T0)
    assert facts.report_of(A)
    await facts.close()
    assert database.read_bytes().startswith(b"something else")


@pytest.mark.parametrize("half", ["half a character: \ud800", "an end: \0."])
async def test_a_row_that_cannot_be_written_or_read_costs_only_itself(
    clock: JumpClock, anywhere: Path | str, half: str
) -> None:
    facts = Facts(database=anywhere, clock=clock)
    await facts.start()
    ask_for(facts, A, B)
    fill(facts, B, "1", T0)
    facts.record_report(
        report(A, components=(component("g", serial=half),), firmware=(firmware("BMC", half),))
    )
    facts.record_report(
        report(
            A, at=T0 + 1, firmware=(firmware("BMC", half + "2"),), settings=(setting("n", 2**70),)
        )
    )
    facts.record_event(Event(at=T0, kind="DeviceEvent", severity="OK", endpoint=A, message=half))
    with capture_logs() as logs:
        await facts.close()
    assert {line["event"] for line in logs} == {"state_row_unwritable"}

    _spoil(anywhere)
    again = Facts(database=anywhere, clock=clock)
    with capture_logs() as logs:
        await again.start()
    assert [line["event"] for line in logs] == ["state_row_unreadable"]
    loaded = again.report_of(B)
    assert loaded
    assert (loaded.settings, loaded.firmware[0].version) == ((), "1")
    assert len(again.events(kind="DeviceEvent")) == 1
    await again.close()


def _spoil(where: Path | str) -> None:
    parts, database = schema.parts, Database(where)
    settings = (parts.c.address == B) & (parts.c.part == "settings")
    database.write(lambda c: c.execute(update(parts).where(settings).values(doc=b"z\0")))
    database.write(lambda c: c.execute(update(schema.statuses).values(doc=b"\xff")))
    database.close()


async def test_rows_of_a_forgotten_endpoint_do_not_come_back_after_a_failure(
    clock: JumpClock, footing: Footing
) -> None:
    facts = Facts(database=footing.where, clock=clock, connect=footing.connect)
    await facts.start()
    ask_for(facts, A)
    await facts.flush()
    footing.full = True
    fill(facts, A, "1", T0, size=2000)
    with pytest.raises(WeErred):
        await facts.flush()
    facts.remove_target(A)
    facts.put_target(Target(address=A, name="again"))
    footing.full = False
    await facts.close()
    again = Facts(database=footing.where, clock=clock)
    await again.start()
    held = again.held(A)
    assert held
    assert (held.target.name, held.report) == ("again", None)
    await again.close()


async def test_what_changes_all_the_time_is_written_seldom(
    clock: JumpClock, anywhere: Path | str
) -> None:
    limits = Limits(flush_s=1.0, lazy_s=60.0)
    facts = Facts(database=anywhere, clock=clock, limits=limits)
    await facts.start()
    ask_for(facts, A)
    fill(facts, A, "1", T0)
    facts.record_status(status(A))
    await facts.flush()
    facts.record_status(status(A, at=T0 + 5))
    facts.record_hot(hot(A, at=T0 + 5))
    assert facts.waiting == 2
    clock.advance(5)
    await facts._behind.flush(everything=False)
    assert facts.waiting == 2
    clock.advance(60)
    await facts._behind.flush(everything=False)
    assert facts.waiting == 0
    await facts.close()


async def test_history_is_pruned_by_age_and_by_number(
    clock: JumpClock, anywhere: Path | str
) -> None:
    limits = Limits(history_s=100.0, history_rows=3, prune_s=0.0)
    facts = Facts(database=anywhere, clock=clock, limits=limits)
    await facts.start()
    ask_for(facts, A)
    for turn in range(8):
        fill(facts, A, f"1.{turn}", clock.now() - 200 + turn * 30)
    await facts.flush()
    await facts._behind._prune()
    assert len(await facts.history()) == 3
    clock.advance(200)
    await facts._behind._prune()
    assert await facts.history() == ()
    await facts.close()


async def test_the_writer_writes_by_itself_and_ends_with_the_picture(anywhere: Path | str) -> None:
    facts = Facts(database=anywhere, limits=Limits(flush_s=0.001, lazy_s=0.0))
    await facts.start()
    ask_for(facts, A)
    while facts.waiting:
        await asyncio.sleep(0.001)
    await facts.close()
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name() == "store-writer"] == []


async def test_merged_assets_are_one_in_what_is_past(
    clock: JumpClock, anywhere: Path | str
) -> None:
    """A device seen at its new address before its old one fell silent."""
    facts = Facts(database=anywhere, clock=clock)
    await facts.start()
    ask_for(facts, A, B)
    me = asset(serial="S1")
    facts.record_report(report(A, [me], firmware=(firmware("BMC", "1"),)))
    old = facts.uid(A, me.key)
    facts.record_status(status(A))
    facts.record_report(report(B, [me], at=T0 + 1, firmware=(firmware("BMC", "2"),)))
    assert len(facts.conflicts()) == 1
    facts.record_report(report(B, [me], at=T0 + 2, firmware=(firmware("BMC", "3"),)))
    provisional = facts.uid(B, me.key)
    assert provisional != old
    await facts.flush()
    facts.record_status(status(A, Reach.UNREACHABLE, at=T0 + 3))
    facts.record_report(report(B, [me], at=T0 + 4, firmware=(firmware("BMC", "4"),)))
    assert facts.uid(B, me.key) == old
    assert facts.conflicts() == ()
    await facts.close()
    again = Facts(database=anywhere, clock=clock)
    await again.start()
    assert {c.asset for c in await again.history(field="version")} == {old}
    assert {e.asset for e in again.events() if e.kind != "IdentityConflictEnded"} == {old}
    assert again.uid(B, me.key) == old
    assert again.held(A).assets == {}  # type: ignore[union-attr]
    assert again.find_asset(old or "")
    await again.close()


def test_a_wrong_url_scheme_is_the_operators(tmp_path: Path) -> None:
    with pytest.raises(OperatorMust):
        Facts(database="nosuchdatabase://x")


def test_identities_survive_being_packed() -> None:
    identity = Identity(serial="S", macs=("00:11:22:33:44:55",))
    packed = msgspec.msgpack.encode(identity)
    assert msgspec.msgpack.decode(packed, type=Identity) == identity
