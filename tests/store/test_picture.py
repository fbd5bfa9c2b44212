"""A picture that follows the database is the one that is read afresh, at every step."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import update

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import LogEntry
from iolaus.model.endpoint import Event, Reach, Target
from iolaus.model.fact import PowerState
from iolaus.store import schema
from iolaus.store.behind import Limits
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from iolaus.store.packing import pack
from iolaus.store.picture import Picture
from iolaus.store.saving import mark_all
from tests.store.footings import Footing
from tests.store.made import (
    T0,
    ask_for,
    asset,
    firmware,
    hot,
    power,
    reading,
    report,
    setting,
    status,
)

A, B, C = "https://a", "https://b", "https://c"
MOST = 12
LIMITS = Limits(events=MOST, flush_s=1e9)


def all_of(picture: Picture) -> Any:
    return (
        {held.target.address: held for held in picture.held()},
        picture.assets,
        list(picture.events()),
        picture.newest_logs,
        picture.positions,
        (picture.last_change, picture.last_log),
    )


def afresh(database: Database) -> Picture:
    picture = Picture(events=MOST)
    database.read(picture.refresh)
    return picture


def record(facts: Facts, dice: random.Random, turn: int) -> None:
    """Something of all that can be told, about one of three."""
    address, at = dice.choice((A, B, C)), T0 + turn
    match dice.randrange(12):
        case 0 | 1 | 2:
            facts.put_target(Target(address=address, name=f"n{turn % 3}"))
        case 3:
            facts.remove_target(address)
        case 4:
            facts.record_status(status(address, dice.choice(list(Reach)), at=at))
        case 5 | 6 | 7:  # serials wander, so that assets move, are replaced and come back
            me = asset(serial=f"SN{dice.randrange(3)}1", at=at, power_state=power(PowerState.ON))
            facts.record_report(
                report(
                    address,
                    [me],
                    at=at,
                    firmware=(firmware("BMC", str(dice.randrange(2))),),
                    settings=tuple(setting(f"s{n}", "x") for n in range(dice.randrange(3))),
                    readings=(reading("t", float(turn), at=at),),
                )
            )
        case 8 | 9:
            state = dice.choice((PowerState.ON, PowerState.OFF))
            told = hot(address, at=at, power=power(state, at))
            facts.record_hot(msgspec.structs.replace(told, readings=(reading("t", 1.0, at=at),)))
        case 10:
            facts.record_event(
                Event(at=at, endpoint=address, kind="DeviceEvent", severity="OK", message="m")
            )
        case _:
            uri = f"/log/{turn}"
            facts.record_logs(
                address,
                [LogEntry(uri=uri, entry_id=str(turn), severity="OK", message="m", at=at)],
            )
    facts.follow("log", turn)


async def test_who_follows_knows_what_a_fresh_reader_would(anywhere: Path | str) -> None:
    dice, clock = random.Random(7), JumpClock(T0)
    facts = Facts(database=anywhere, clock=clock, limits=LIMITS)
    await facts.start()
    database, often, seldom = Database(anywhere), Picture(events=MOST), Picture(events=MOST)
    ask_for(facts, A, B)
    for turn in range(120):
        record(facts, dice, turn)
        if dice.random() < 0.5:
            await facts.flush()
            database.read(often.refresh)
        if turn == 60:
            database.read(seldom.refresh)
    await facts.close()
    for picture in (often, seldom):
        database.read(picture.refresh)
        assert len(picture.targets) > 1
        assert all_of(picture) == all_of(afresh(database))
    database.close()


async def test_only_what_was_written_is_read(anywhere: Path | str) -> None:
    facts = Facts(database=anywhere, clock=JumpClock(T0), limits=LIMITS)
    await facts.start()
    ask_for(facts, A, B, C)
    for address in (A, B, C):
        facts.record_report(report(address, firmware=(firmware("BMC", "1"),)))
        facts.record_status(status(address))
    await facts.flush()
    database, picture = Database(anywhere), Picture(events=MOST)
    database.read(picture.refresh)
    before = picture.read
    database.read(picture.refresh)
    assert picture.read == before
    facts.record_status(status(B, Reach.UNREACHABLE, at=T0 + 1))
    await facts.flush()
    database.read(picture.refresh)
    assert picture.read == before + 1

    again = Facts(database=anywhere, limits=LIMITS, picture=picture)
    await again.start()
    assert {held.target.address: held for held in again.all_held()} == {
        held.target.address: held for held in facts.all_held()
    }
    assert again.events() == facts.events()
    await facts.close()
    await again.close()
    database.close()


async def test_what_a_version_without_marks_wrote_is_read_each_time(anywhere: Path | str) -> None:
    facts = Facts(database=anywhere, clock=JumpClock(T0), limits=LIMITS)
    await facts.start()
    ask_for(facts, A, B)
    await facts.close()
    database, targets = Database(anywhere), schema.targets
    database.write(lambda c: c.execute(update(targets).values(mark=None)))
    picture = Picture(events=MOST)
    database.read(picture.refresh)
    other = Target(address=A, name="other")
    database.write(
        lambda c: c.execute(update(targets).where(targets.c.address == A).values(doc=pack(other)))
    )
    database.read(picture.refresh)
    assert picture.targets[A] == other
    database.write(mark_all)
    database.read(picture.refresh)
    before = picture.read
    database.read(picture.refresh)
    assert picture.read == before
    database.close()


async def test_one_that_was_cut_off_at_any_statement_goes_on_from_there(footing: Footing) -> None:
    facts = Facts(database=footing.where, clock=JumpClock(T0), limits=LIMITS)
    await facts.start()
    sure, shaky = Database(footing.where), Database(footing.where, connect=footing.connect)
    picture, dice, cuts = Picture(events=MOST), random.Random(3), 0
    ask_for(facts, A, B, C)
    for turn in range(200):
        for step in range(3):
            record(facts, dice, 10 * turn + step)
        await facts.flush()
        footing.left = 1 + turn % 40
        try:
            shaky.read(picture.refresh)
        except IolausError:
            cuts += 1
        footing.left = None
        footing.crash()
        shaky.engine.dispose()
        if cuts > 20:
            break
    await facts.close()
    sure.read(picture.refresh)
    assert cuts > 20
    assert all_of(picture) == all_of(afresh(sure))
    sure.close()
    shaky.close()
