"""The journal of changes, and what belongs to it: plans, approvals and what operators asked.

What is appended is on disk before it returns, and it is refused unless the lease under which it is
written is in force; both are decided in one transaction. Nothing here goes through the queue of
the picture, which may lose its last second. Whoever appends meanwhile waits for the transaction
under way and then shares the next one, so that hundreds of nodes cost a few flushes a second.

An append that fails may have been written (a connection cut during its commit): whoever appended
must read the journal again and go on from what it says, as after a crash.

Whoever holds the lease is the only one who appends, so the number of the last entry is read once
in a lease's life and remembered; what fails, and another lease, make it be read again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    Connection,
    Select,
    Table,
    bindparam,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.plan import Plan
from iolaus.model.rollout import Entry, EntryKind
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.lease import Elsewhere, Fenced, Lease, holds, insert_new
from iolaus.store.packing import pack, unpack

T = TypeVar("T")
_PLAN = msgspec.msgpack.Decoder(Plan)
_GROUPS = msgspec.json.Decoder(tuple[str, ...])
_DOC = msgspec.msgpack.Decoder(dict[str, Any])
_OVER: Final = ("done", "aborted", "undone", "")


class KeptPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan without what it says. `state` is a `RolloutState`, or empty: it was never applied."""

    id: str
    baseline: str
    generation: int
    parent: str | None
    made_at: float
    made_by: str
    state: str
    asked: bool = False
    """Somebody asked to apply it, and that is not answered yet."""


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Who approved a plan, the groups in whose name, and when (seconds since 1970)."""

    by: str
    groups: tuple[str, ...]
    at: float


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asked of a plan: "apply", "pause", "resume", "abort" or "undo"."""

    number: int
    what: str
    by: str
    at: float


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that somebody must look at, and the number of the last intent (0: none)."""

    plan: str
    asked: int


class StoredJournal:
    """The port `act.ports.Journal` on a state database that is open. `here`: without a thread."""

    def __init__(self, database: Database, *, clock: Clock, here: bool = False) -> None:
        self._database, self._clock = database, clock
        self._writer, self._reader = Elsewhere(here=here), Elsewhere(here=here)
        self._numbers = _Numbers()
        self._waiting: list[_Wanted] = []
        self._committing: asyncio.Task[None] | None = None

    # The journal

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        """All of them or none; as they were kept: their number and epoch are given here. Raises
        `Fenced`, or `WeErred` when it is not known whether they were written."""
        wanted = _Wanted(tuple(entries), lease, asyncio.get_running_loop().create_future())
        self._waiting.append(wanted)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all(), name="journal-writer")
        return await wanted.kept

    async def entries(self, plan: str, after: int = 0) -> tuple[Entry, ...]:
        """In their order, those with a number above `after`."""
        return await self._read(lambda c: _entries(c, plan, after))

    async def spans(self, plan: str) -> tuple[tuple[str, float, float], ...]:
        """(step, when it was first begun, when it was done) of every step that was begun and
        done on its way forth, in seconds since 1970."""
        return await self._read(lambda c: _spans(c, plan))

    async def sent_to(self, node: str) -> tuple[Entry, ...]:
        """What was sent to a node (its uid) by roll-outs that are not over, in no order."""
        return await self._read(lambda c: _sent_to(c, node))

    async def moved(self, since: float) -> Mapping[str, float]:
        """By node (its uid) when it last began or ended, of those that did after `since`."""
        return await self._read(lambda c: _moved(c, since))

    # Plans

    async def put_plan(self, plan: Plan) -> None:
        """Keep it; one that is kept already stays as it is. Raises `WeErred` for a plan that
        would be another when it is read again (a whole number where a float belongs)."""
        await self._write(lambda c: _put_plan(c, plan))

    async def plan(self, id: str) -> Plan:  # noqa: A002
        """Raises `OperatorMust` (code NoSuchPlan), or `WeErred` when it is not what was kept."""
        return await self._read(lambda c: _plan(c, id))

    async def plans(self) -> tuple[KeptPlan, ...]:
        """All that are kept, newest first."""
        return await self._read(_plans)

    async def agenda(self) -> tuple[Due, ...]:
        """The plans whose roll-out is not over and those of which something new was asked."""
        return await self._read(_agenda)

    # What people say

    async def approve(self, plan: str, by: str, groups: Iterable[str], at: float) -> None:
        """Once for each person: the last word counts."""
        names = msgspec.json.encode(sorted(set(groups))).decode()
        row = {"plan": plan, "who": by, "groups": names, "at": at}
        await self._write(lambda c: _approve(c, row))

    async def approvals(self, plan: str) -> tuple[Approved, ...]:
        return await self._read(lambda c: _approvals(c, plan))

    async def ask(self, plan: str, what: str, by: str, at: float) -> int:
        """The intent's number: it is answered by the journal entry that names it."""
        return await self._write(lambda c: _ask(c, plan, what, by, at))

    async def intents(self, plan: str, after: int = 0) -> tuple[Intent, ...]:
        return await self._read(lambda c: _intents(c, plan, after))

    # Where it is done

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._reader.do(lambda: self._database.read(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._writer.do(lambda: self._database.write(work, exclusive=True))

    async def _commit_all(self) -> None:
        await asyncio.sleep(0)  # whoever runs in this turn shares the transaction
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                kept = await self._write(
                    lambda c, b=batch: _append(c, b, self._numbers, self._clock.now())  # type: ignore[misc]
                )
            except BaseException as error:
                self._numbers.forget()
                for wanted in batch:
                    wanted.fail(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for wanted, entries in zip(batch, kept, strict=True):
                wanted.keep(entries)


class _Wanted:
    def __init__(
        self,
        entries: tuple[Entry, ...],
        lease: Lease,
        kept: asyncio.Future[tuple[Entry, ...]],
    ) -> None:
        self.entries, self.lease, self.kept = entries, lease, kept

    def keep(self, entries: tuple[Entry, ...] | None) -> None:
        if entries is None:
            self.fail(Fenced(self.lease, operation="append to the journal"))
        elif not self.kept.done():
            self.kept.set_result(entries)

    def fail(self, error: BaseException) -> None:
        if not self.kept.done():
            self.kept.set_exception(error)
            self.kept.exception()  # whoever was to hear of it may be gone


class _Numbers:
    """The number of the last entry of each plan, as long as one lease alone appends."""

    def __init__(self) -> None:
        self._under: set[tuple[str, str, int]] = set()
        self._last: dict[str, int] = {}

    def under(self, leases: Iterable[Lease]) -> dict[str, int]:
        """What is known under these leases, to be kept up to date by whoever appends."""
        mine = {(each.name, each.holder, each.epoch) for each in leases}
        if mine != self._under or len(mine) != 1:
            self._under, self._last = mine, {}
        return self._last

    def forget(self) -> None:
        """Whether it was written is not known."""
        self._under, self._last = set(), {}


def _append(
    connection: Connection, batch: Sequence[_Wanted], numbers: _Numbers, now: float
) -> list[tuple[Entry, ...] | None]:
    """For each what was kept, or None where its lease is not in force."""
    leases = sorted({wanted.lease for wanted in batch}, key=lambda lease: lease.name)
    in_force = {lease for lease in leases if holds(connection, lease, now=now)}
    last = numbers.under(in_force)
    kept = [_numbered(connection, w, last) if w.lease in in_force else None for w in batch]
    entries = [entry for each in kept for entry in each or ()]
    if entries:
        connection.execute(_INSERT, [_row(entry) for entry in entries])
        _follow(connection, entries)
    return kept


def _numbered(connection: Connection, wanted: _Wanted, last: dict[str, int]) -> tuple[Entry, ...]:
    numbered = []
    for entry in wanted.entries:
        if entry.plan not in last:
            last[entry.plan] = _last(connection, _LAST_ENTRY, entry.plan)
        last[entry.plan] += 1
        numbered.append(
            msgspec.structs.replace(entry, number=last[entry.plan], epoch=wanted.lease.epoch)
        )
    return tuple(numbered)


def _last_of(table: Table) -> Select[tuple[int]]:
    return select(func.max(table.c.number)).where(table.c.plan == bindparam("plan"))


_INSERT: Final = insert(schema.journal)
_LAST_ENTRY: Final = _last_of(schema.journal)
_LAST_INTENT: Final = _last_of(schema.intents)


def _last(connection: Connection, query: Select[tuple[int]], plan: str) -> int:
    return connection.scalar(query, {"plan": plan}) or 0


def _row(entry: Entry) -> dict[str, Any]:
    return {**msgspec.structs.asdict(entry), "kind": entry.kind.value, "doc": _doc(entry.doc)}


def _doc(doc: Mapping[str, Any]) -> bytes:
    """What a device said may hold half a character or a number without end: it never costs the
    entry, which says that something was done."""
    try:
        return pack(doc)
    except (ValueError, TypeError):
        return pack(_plain(doc))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    return str(value).encode("utf-8", "replace").decode()


def _follow(connection: Connection, entries: Iterable[Entry]) -> None:
    """The plans' rows say what the journal says."""
    changed: dict[str, dict[str, Any]] = defaultdict(dict)
    for entry in entries:
        if entry.kind is EntryKind.PLAN_STATE:
            said = {"state": entry.doc.get("state"), "heard": entry.doc.get("intent")}
            changed[entry.plan] |= {k: v for k, v in said.items() if v is not None}
    for plan, values in changed.items():
        if values:
            mine = schema.plans.c.id == plan
            connection.execute(update(schema.plans).where(mine).values(**values))


_ENTRIES: Final = (
    select(schema.journal)
    .where(schema.journal.c.plan == bindparam("plan"), schema.journal.c.number > bindparam("after"))
    .order_by(schema.journal.c.number)
)


def _entries(connection: Connection, plan: str, after: int) -> tuple[Entry, ...]:
    rows = connection.execute(_ENTRIES, {"plan": plan, "after": after})
    return tuple(map(_entry, rows.mappings()))


def _spans(connection: Connection, plan: str) -> tuple[tuple[str, float, float], ...]:
    table = schema.journal
    begun = func.min(case((table.c.kind == EntryKind.STARTED.value, table.c.at)))
    done = func.max(case((table.c.kind == EntryKind.DONE.value, table.c.at)))
    query = select(table.c.step, begun, done).where(table.c.plan == plan, table.c.step.is_not(None))
    both = query.group_by(table.c.step).having(begun.is_not(None) & done.is_not(None))
    return tuple((row[0], row[1], row[2]) for row in connection.execute(both))


def _entry(row: Any) -> Entry:
    """An entry that cannot be read is an error: going on without it could repeat an effect."""
    try:
        doc, kind = unpack(row["doc"], _DOC), EntryKind(row["kind"])
    except ValueError as error:
        raise WeErred(
            f"entry {row['number']} cannot be read: {error}",
            operation="read the journal",
            subject=row["plan"],
            code="JournalDamaged",
            next_step="put back a copy of the state database, or abort the plan there.",
        ) from error
    return Entry(**{**row, "doc": doc, "kind": kind})


def _put_plan(connection: Connection, plan: Plan) -> None:
    doc, id_ = pack(plan), plan.id
    _checked(doc, id_)
    row = {
        "id": id_,
        "baseline": plan.baseline,
        "generation": plan.generation,
        "parent": plan.parent,
        "made_at": plan.made_at,
        "made_by": plan.made_by,
        "state": "",
        "heard": 0,
        "doc": doc,
    }
    insert_new(connection, schema.plans, [row])


def _plan(connection: Connection, id_: str) -> Plan:
    doc = connection.scalar(select(schema.plans.c.doc).where(schema.plans.c.id == id_))
    if doc is None:
        raise _no_such(id_)
    return _checked(doc, id_)


def _checked(doc: bytes, id_: str) -> Plan:
    try:
        plan = unpack(doc, _PLAN)
    except ValueError:
        plan = None
    if plan is None or plan.id != id_:
        raise WeErred(
            "what is kept is not the plan that was made",
            operation="read the plan",
            subject=id_,
            code="PlanDamaged",
            next_step="make the plan anew; nothing is done by this one.",
        )
    return plan


def _no_such(id_: str) -> OperatorMust:
    return OperatorMust(
        "there is no such plan",
        operation="read the plan",
        subject=id_,
        code="NoSuchPlan",
        next_step="list the plans that are kept.",
    )


def _all_plans() -> Select[Any]:
    plans, intents = schema.plans, schema.intents
    columns = [plans.c[name] for name in KeptPlan.__struct_fields__ if name in plans.c]
    mine = (intents.c.plan == plans.c.id) & (intents.c.number > plans.c.heard)
    asked = exists().where(mine, intents.c.what == "apply").label("asked")
    return select(*columns, asked).order_by(plans.c.made_at.desc(), plans.c.id)


_PLANS: Final = _all_plans()


def _plans(connection: Connection) -> tuple[KeptPlan, ...]:
    rows = connection.execute(_PLANS)
    return tuple(KeptPlan(**{**row, "asked": bool(row["asked"])}) for row in rows.mappings())


def _what_is_due() -> Select[tuple[str, int]]:
    plans, intents = schema.plans, schema.intents
    asked = select(func.max(intents.c.number)).where(intents.c.plan == plans.c.id)
    last = func.coalesce(asked.scalar_subquery(), 0)
    due = plans.c.state.not_in(_OVER) | (last > plans.c.heard)
    query = select(plans.c.id, last.label("asked")).where(due)
    return query.order_by(plans.c.made_at, plans.c.id)


_AGENDA: Final = _what_is_due()
_SENT: Final = select(schema.journal).where(
    schema.journal.c.node == bindparam("node"),
    schema.journal.c.kind == EntryKind.SENT.value,
    schema.journal.c.plan.in_(select(_what_is_due().subquery().c.id)),
)
"""A roll-out of hundreds has tens of thousands of entries: only those asked for are decoded."""


def _moved(connection: Connection, since: float) -> dict[str, float]:
    table = schema.journal
    here = (table.c.kind == EntryKind.NODE_STATE.value) & (table.c.at > since)
    query = select(table.c.node, func.max(table.c.at)).where(here).group_by(table.c.node)
    return {row[0]: row[1] for row in connection.execute(query) if row[0]}


def _sent_to(connection: Connection, node: str) -> tuple[Entry, ...]:
    return tuple(map(_entry, connection.execute(_SENT, {"node": node}).mappings()))


def _agenda(connection: Connection) -> tuple[Due, ...]:
    return tuple(Due(plan=row.id, asked=row.asked) for row in connection.execute(_AGENDA))


def _approve(connection: Connection, row: dict[str, Any]) -> None:
    table = schema.approvals
    _must_exist(connection, row["plan"])
    insert_new(connection, table, [row])
    mine = (table.c.plan == row["plan"]) & (table.c.who == row["who"])
    connection.execute(update(table).where(mine).values(groups=row["groups"], at=row["at"]))


_APPROVALS: Final = (
    select(schema.approvals)
    .where(schema.approvals.c.plan == bindparam("plan"))
    .order_by(schema.approvals.c.at)
)


def _approvals(connection: Connection, plan: str) -> tuple[Approved, ...]:
    rows = connection.execute(_APPROVALS, {"plan": plan})
    return tuple(Approved(by=r.who, groups=_GROUPS.decode(r.groups), at=r.at) for r in rows)


def _ask(connection: Connection, plan: str, what: str, by: str, at: float) -> int:
    _must_exist(connection, plan)
    number = _last(connection, _LAST_INTENT, plan) + 1
    row = {"plan": plan, "number": number, "what": what, "who": by, "at": at}
    connection.execute(insert(schema.intents), row)
    return number


def _must_exist(connection: Connection, plan: str) -> None:
    """And nobody else asks anything of it before this transaction ends."""
    query = select(schema.plans.c.id).where(schema.plans.c.id == plan).with_for_update()
    if connection.scalar(query) is None:
        raise _no_such(plan)


_INTENTS: Final = (
    select(schema.intents)
    .where(schema.intents.c.plan == bindparam("plan"), schema.intents.c.number > bindparam("after"))
    .order_by(schema.intents.c.number)
)


def _intents(connection: Connection, plan: str, after: int) -> tuple[Intent, ...]:
    rows = connection.execute(_INTENTS, {"plan": plan, "after": after})
    return tuple(Intent(number=r.number, what=r.what, by=r.who, at=r.at) for r in rows)
