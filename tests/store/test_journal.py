"""The journal on SQLite and PostgreSQL: in order, fenced, all or nothing, and found again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.plan import Action, Fate, NodePlan, Plan, Step, Verb, Wave
from iolaus.model.rollout import Entry, EntryKind
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal, _checked, _doc, _entry
from iolaus.store.lease import Fenced, Lease, StoredLeases
from iolaus.store.packing import unpack
from tests.store.footings import Footing
from tests.store.postgres import Postgres

STEP = Step(id="s1", action=Action(verb=Verb.RESET), text="reset it")
NODE = NodePlan(uid="n1", name="n1", endpoint="https://n1", fate=Fate.UPDATE, facts="f")


def plan(generation: int = 1, *, made_at: float = 1.0) -> Plan:
    node = msgspec.structs.replace(NODE, steps=(STEP,))
    wave = Wave(name="all", nodes=("n1",))
    return Plan(baseline="b", generation=generation, nodes=(node,), waves=(wave,), made_at=made_at)


def entry(text: str = "", *, plan: str = "p", kind: EntryKind = EntryKind.DONE) -> Entry:
    return Entry(
        plan=plan, number=0, kind=kind, at=1.0, epoch=0, node="n", step="s", doc={"text": text}
    )


def state(plan: str, state: str, intent: int | None = None) -> Entry:
    return Entry(
        plan=plan,
        number=0,
        kind=EntryKind.PLAN_STATE,
        at=1.0,
        epoch=0,
        doc={"state": state, "intent": intent},
    )


class Opened:
    """A journal and its leases on one database, as one process has them."""

    def __init__(self, where: Path | str, clock: JumpClock, **options: Any) -> None:
        self.database = Database(where, **options)
        self.database.open()
        self.clock = clock
        self.journal = StoredJournal(self.database, clock=clock, here=True)
        self.leases = StoredLeases(self.database, here=True)

    async def lease(self, holder: str = "me", ttl_s: float = 30.0) -> Lease:
        lease = await self.leases.acquire("act", holder, ttl_s, self.clock.now())
        assert lease
        return lease

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def opened(anywhere: Path | str, clock: JumpClock) -> Iterator[Opened]:
    made = Opened(anywhere, clock)
    yield made
    made.close()


async def test_entries_are_numbered_in_their_plan_and_found_again(opened: Opened) -> None:
    lease = await opened.lease()
    first = await opened.journal.append([entry("a"), entry("b", plan="q")], lease=lease)
    second = await opened.journal.append([entry("c"), entry("d")], lease=lease)
    assert [(e.plan, e.number, e.epoch) for e in first] == [("p", 1, 1), ("q", 1, 1)]
    assert [e.number for e in second] == [2, 3]
    assert await opened.journal.entries("p") == (first[0], *second)
    assert [e.doc["text"] for e in await opened.journal.entries("p", after=2)] == ["d"]


async def test_many_at_once_share_a_transaction_and_none_is_lost(anywhere: Path | str) -> None:
    database = Database(anywhere)
    database.open()
    clock = JumpClock()
    journal = StoredJournal(database, clock=clock)
    lease = await StoredLeases(database).acquire("act", "me", 30.0, clock.now())
    assert lease
    await asyncio.gather(*(journal.append([entry(str(n))], lease=lease) for n in range(200)))
    kept = await journal.entries("p")
    assert [e.number for e in kept] == list(range(1, 201))
    assert {e.doc["text"] for e in kept} == {str(n) for n in range(200)}
    database.close()


async def test_what_was_sent_to_a_node_is_found_until_its_roll_outs_are_over(
    opened: Opened,
) -> None:
    journal, lease, mine, other = opened.journal, await opened.lease(), plan(1), plan(2)

    def sent(text: str, *, plan: str = mine.id, node: str = "n") -> Entry:
        found = entry(text, plan=plan, kind=EntryKind.SENT)
        return msgspec.structs.replace(found, node=node)

    for each in (mine, other):
        await journal.put_plan(each)
        await journal.append([state(each.id, "running")], lease=lease)
    said = [sent("a"), sent("b", plan=other.id), sent("c", node="m"), entry("d", plan=mine.id)]
    await journal.append(said, lease=lease)
    assert {e.doc["text"] for e in await journal.sent_to("n")} == {"a", "b"}
    await journal.append([state(mine.id, "done")], lease=lease)
    assert {e.doc["text"] for e in await journal.sent_to("n")} == {"b"}


async def test_when_nodes_moved_last_is_told_of_those_that_moved_since(opened: Opened) -> None:
    journal, lease = opened.journal, await opened.lease()
    for node, at in (("n", 1.0), ("m", 5.0), ("n", 7.0), ("o", 2.0)):
        said = entry(kind=EntryKind.NODE_STATE)
        await journal.append([msgspec.structs.replace(said, node=node, at=at)], lease=lease)
    await journal.append([msgspec.structs.replace(entry("x"), node="p", at=9.0)], lease=lease)
    assert await journal.moved(2.0) == {"n": 7.0, "m": 5.0}


async def test_a_lease_has_one_holder_and_an_epoch_for_each_taking(opened: Opened) -> None:
    clock, leases = opened.clock, opened.leases
    mine = await opened.lease("me")
    assert mine.epoch == 1
    assert await leases.acquire("act", "other", 30.0, clock.now()) is None
    assert (await opened.lease("me")).epoch == 1
    clock.advance(20)
    longer = await leases.renew(mine, 30.0, clock.now())
    assert longer
    assert longer.expires_at == clock.now() + 30.0
    clock.advance(31)
    assert await leases.renew(longer, 30.0, clock.now()) is None
    theirs = await opened.lease("other")
    assert theirs.epoch == 2
    await leases.release(longer)
    assert await leases.acquire("act", "me", 30.0, clock.now()) is None
    await leases.release(theirs)
    assert (await opened.lease("other")).epoch == 3


async def test_what_is_written_under_a_stale_lease_is_fenced_and_harms_nobody(
    opened: Opened,
) -> None:
    stale = await opened.lease("old")
    opened.clock.advance(31)
    with pytest.raises(Fenced) as expired:
        await opened.journal.append([entry("late")], lease=stale)
    assert expired.value.code == "Fenced"
    fresh = await opened.lease("new")
    outcomes = await asyncio.gather(
        opened.journal.append([entry("stale")], lease=stale),
        opened.journal.append([entry("good")], lease=fresh),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], Fenced)
    assert [e.doc["text"] for e in await opened.journal.entries("p")] == ["good"]


async def test_plans_are_kept_as_they_were_approved(opened: Opened) -> None:
    journal, first, second = opened.journal, plan(1), plan(2, made_at=2.0)
    for each in (first, second, first):
        await journal.put_plan(each)
    assert await journal.plan(first.id) == first
    assert [(p.id, p.state) for p in await journal.plans()] == [(second.id, ""), (first.id, "")]
    await journal.approve(first.id, "ann", ["ops", "Night shift"], 5.0)
    await journal.approve(first.id, "ann", ["ops"], 6.0)
    await journal.approve(first.id, "bob", ["Night shift"], 7.0)
    said = await journal.approvals(first.id)
    assert [(a.by, a.groups, a.at) for a in said] == [
        ("ann", ("ops",), 6.0),
        ("bob", ("Night shift",), 7.0),
    ]
    for nobody in (journal.plan("x"), journal.approve("x", "a", [], 0.0)):
        with pytest.raises(OperatorMust) as caught:
            await nobody
        assert caught.value.code == "NoSuchPlan"


async def test_a_plan_is_asked_for_from_the_word_to_its_answer(opened: Opened) -> None:
    journal, first = opened.journal, plan(1)
    await journal.put_plan(first)
    await journal.ask(first.id, "pause", "ann", 5.0)
    assert [p.asked for p in await journal.plans()] == [False]
    number = await journal.ask(first.id, "apply", "ann", 6.0)
    assert [(p.state, p.asked) for p in await journal.plans()] == [("", True)]
    await journal.append([state(first.id, "waiting", number)], lease=await opened.lease())
    assert [(p.state, p.asked) for p in await journal.plans()] == [("waiting", False)]


async def test_a_plan_that_would_be_another_when_read_again_is_refused(opened: Opened) -> None:
    wave = Wave(name="all", nodes=(), soak_s=5)
    with pytest.raises(WeErred) as caught:
        await opened.journal.put_plan(msgspec.structs.replace(plan(), waves=(wave,)))
    assert caught.value.code == "PlanDamaged"
    assert await opened.journal.plans() == ()


async def test_a_plan_that_was_changed_is_not_given_out(opened: Opened) -> None:
    kept = plan()
    await opened.journal.put_plan(kept)
    for change in ("SET id = 'another'", "SET id = 'third', doc = baseline"):
        text = change if opened.database.is_sqlite else change.replace("baseline", "'x'")
        opened.database.write(lambda c, t=text: c.exec_driver_sql(f"UPDATE plans {t}"))  # type: ignore[misc]
        with pytest.raises(WeErred) as caught:
            await opened.journal.plan("another" if "third" not in change else "third")
        assert caught.value.code == "PlanDamaged"


async def test_the_agenda_is_what_runs_and_what_was_asked(opened: Opened) -> None:
    journal, mine = opened.journal, plan()
    await journal.put_plan(mine)
    lease = await opened.lease()
    assert await journal.agenda() == ()
    assert await journal.ask(mine.id, "apply", "ann", 1.0) == 1
    (due,) = await journal.agenda()
    assert (due.plan, due.asked) == (mine.id, 1)
    await journal.append([state(mine.id, "waiting", 1)], lease=lease)
    assert [d.asked for d in await journal.agenda()] == [1]
    await journal.append([state(mine.id, "running"), state(mine.id, "done")], lease=lease)
    assert await journal.agenda() == ()
    assert await journal.ask(mine.id, "undo", "ann", 3.0) == 2
    assert [i.what for i in await journal.intents(mine.id, after=1)] == ["undo"]
    assert [d.asked for d in await journal.agenda()] == [2]
    assert [p.state for p in await journal.plans()] == ["done"]


async def test_an_entry_that_cannot_be_read_is_an_error(opened: Opened) -> None:
    await opened.journal.append([entry("a")], lease=await opened.lease())
    opened.database.write(lambda c: c.exec_driver_sql("UPDATE journal SET kind = 'magic'"))
    with pytest.raises(WeErred) as caught:
        await opened.journal.entries("p")
    assert caught.value.code == "JournalDamaged"


async def test_two_processes_make_one_database(postgres: Postgres) -> None:
    where = postgres.database()
    made = [Database(where) for _ in range(4)]
    await asyncio.gather(*(asyncio.to_thread(each.open) for each in made))
    for each in made:
        each.close()


async def test_a_cut_connection_is_an_error_once_and_then_works(
    postgres: Postgres, clock: JumpClock
) -> None:
    opened = Opened(postgres.database(), clock)
    lease = await opened.lease()
    await opened.journal.append([entry("a")], lease=lease)
    postgres.cut()
    await opened.journal.append([entry("b")], lease=lease)
    postgres.stop()
    with pytest.raises(WeErred) as caught:
        await opened.journal.append([entry("lost")], lease=lease)
    postgres.start()
    assert "password" not in str(caught.value)
    await opened.journal.append([entry("c")], lease=lease)
    assert [e.doc["text"] for e in await opened.journal.entries("p")] == ["a", "b", "c"]
    opened.close()


async def test_a_full_disk_refuses_and_loses_nothing(footing: Footing, clock: JumpClock) -> None:
    opened = Opened(footing.where, clock, connect=footing.connect)
    lease = await opened.lease()
    await opened.journal.append([entry("a")], lease=lease)
    footing.full = True
    with pytest.raises(WeErred) as caught:
        await opened.journal.append([entry(random.randbytes(100_000).hex())], lease=lease)
    assert caught.value.code == "DiskFull"
    footing.full = False
    await opened.journal.append([entry("b")], lease=lease)
    assert [e.doc["text"] for e in await opened.journal.entries("p")] == ["a", "b"]
    opened.close()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(doc=st.binary(max_size=60) | st.binary(max_size=60).map(lambda raw: b"p" + raw))
def test_damaged_bytes_are_an_error_of_ours(doc: bytes) -> None:
    row = {"plan": "p", "number": 1, "at": 1.0, "epoch": 1, "node": None, "step": None}
    try:
        assert isinstance(_entry({**row, "kind": "done", "doc": doc}).doc, dict)
    except WeErred as error:
        assert error.code == "JournalDamaged"
    try:
        _checked(doc, "p")
    except WeErred as error:
        assert error.code == "PlanDamaged"


@given(doc=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_whatever_a_device_says_can_be_kept(doc: dict[str, Any]) -> None:
    kept = unpack(_doc({"attempt": 1, **doc}), msgspec.msgpack.Decoder(dict[str, Any]))
    assert "attempt" in kept


async def test_spans_are_of_steps_begun_and_done(opened: Opened) -> None:
    lease = await opened.lease()
    begun = msgspec.structs.replace(entry(kind=EntryKind.STARTED), at=10.0)
    again = msgspec.structs.replace(begun, at=20.0)
    done = msgspec.structs.replace(entry(), at=35.0)
    only_begun = msgspec.structs.replace(begun, step="s2")
    already_so = msgspec.structs.replace(done, step="s3")
    elsewhere = msgspec.structs.replace(done, plan="other")
    lines = [begun, again, done, only_begun, already_so, elsewhere]
    await opened.journal.append(lines, lease=lease)
    assert await opened.journal.spans("p") == (("s", 10.0, 35.0),)
