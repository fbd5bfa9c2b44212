"""One term of the conductor: everything that is done under one lease, and nothing after it.

A round looks at every roll-out that is not over: what operators asked is answered, the decision is
made purely from what is known, what it says is journalled, and only then are nodes begun. Nodes
run as tasks of their own; one that meets an error nobody foresaw fails alone. When the journal
does not take an entry or the lease is lost the term ends with everything in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from iolaus.act.answers import answer
from iolaus.act.book import Book, OnChange
from iolaus.act.budget import Budgets
from iolaus.act.entries import NodeSaid, PlanSaid, WaveSaid
from iolaus.act.execute import is_open, run_node
from iolaus.act.fold import Account
from iolaus.act.looking import Pace
from iolaus.act.outbox import Interrupted
from iolaus.act.ports import Due, Fenced, Hands, Journal, Leases
from iolaus.act.pursue import Tools
from iolaus.act.standing import Standing
from iolaus.act.unwind import unwind
from iolaus.act.waiting import Bell, doze, within
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.model.plan import Plan
from iolaus.model.rollout import Decision, Entry, EntryKind, NodeState, Progress, RolloutState

log = structlog.get_logger(__name__)

Decide = Callable[[Plan, Progress, object, float], Decision]
World = Callable[[Plan], object]
Unwind = Callable[[Plan, Progress, float], Decision]
LAST_WORD_S: Final = 2.0
_AT_A_TIME: Final = 2000
_PER_SETTLING: Final = 1000
_UNWINDING: Final = (RolloutState.ABORTING, RolloutState.UNDOING)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`ttl_s` of the lease, of which the last `margin_s` begin nothing; `most` nodes at once;
    `settle_s` between two rounds at least, for every thousand nodes (what is seen of them is
    sorted out again), and `poll_s` at most (operators' words are seen by then); `retry_s` after a
    term that broke. `budgets` are fleet-wide, by name."""

    ttl_s: float = 30.0
    margin_s: float = 5.0
    most: int = 2000
    settle_s: float = 0.25
    poll_s: float = 5.0
    retry_s: float = 5.0
    budgets: Mapping[str, int] = {}
    pace: Pace = Pace()


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a conductor is made of."""

    journal: Journal
    leases: Leases
    hands: Hands
    clock: Clock
    decide: Decide
    world: World
    rules: Rules
    on_change: OnChange
    on_good: Callable[[], None]
    unwind: Unwind = unwind


class Term:
    """`books` are the roll-outs that are not over, by the plan's id."""

    def __init__(self, parts: Parts, standing: Standing, bell: Bell) -> None:
        self._parts, self._standing, self._bell = parts, standing, bell
        self._clock, self._rules = parts.clock, parts.rules
        self._budgets = Budgets(parts.rules.budgets)
        self._tools = Tools(
            hands=parts.hands, clock=parts.clock, budgets=self._budgets, pace=parts.rules.pace
        )
        self.books: dict[str, Book] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told: set[str] = set()
        self._due: tuple[Due, ...] = ()
        self._due_until = 0.0

    async def run(self) -> None:
        """Until the term is over. Raises why: `Fenced` or another error of ours."""
        parts = [asyncio.create_task(self._renew()), asyncio.create_task(self._rounds())]
        try:
            await asyncio.wait({*parts, self._broken}, return_when=asyncio.FIRST_COMPLETED)
            for part in (self._broken, *parts):
                if part.done():
                    part.result()
        except Interrupted as interrupted:
            raise interrupted.cause from interrupted
        finally:
            await end(*parts, *self._tasks())
            await self._close_books()
            self._broken.cancel()

    async def _close_books(self) -> None:
        """What was seen last is kept, if the journal takes it soon."""

        async def every() -> None:
            for book in list(self.books.values()):
                await book.close()

        closing = asyncio.create_task(every())
        timer = asyncio.create_task(self._clock.sleep(LAST_WORD_S))
        await asyncio.wait({closing, timer}, return_when=asyncio.FIRST_COMPLETED)
        await end(closing, timer)

    def _break(self, interrupted: Interrupted) -> None:
        """The first says why; the term ends with it."""
        if not self._broken.done():
            self._broken.set_exception(interrupted)
            self._broken.exception()

    def _tasks(self) -> Iterator[asyncio.Task[None]]:
        for book in self.books.values():
            yield from book.tasks.values()

    # The lease

    async def _renew(self) -> None:
        """Three times in its life; the database may be away for as long as the lease holds."""
        while True:
            await self._clock.sleep(min(self._rules.ttl_s / 3, max(0.1, self._standing.left_s)))
            self._standing.check()
            asked_at, now = self._clock.monotonic(), self._clock.now()
            try:
                async with within(self._clock, max(0.1, self._standing.left_s)):
                    held, ttl_s = self._standing.lease, self._rules.ttl_s
                    lease = await self._parts.leases.renew(held, ttl_s, now)
            except (IolausError, TimeoutError) as error:
                log.warning("lease_not_renewed", error=str(error))
                continue
            if lease is None:
                raise Fenced(self._standing.lease, operation="renew")
            self._standing.renewed(lease, asked_at=asked_at)
            self._parts.on_good()

    # Rounds

    async def _rounds(self) -> None:
        while True:
            self._bell.changed.clear()
            wake_s = await self._round()
            await doze(self._clock, wake_s, self._bell.changed)
            await self._clock.sleep(self._settle_s())

    def _settle_s(self) -> float:
        nodes = sum(len(book.nodes) for book in self.books.values())
        return self._rules.settle_s * max(1.0, nodes / _PER_SETTLING)

    async def _agenda(self) -> tuple[Due, ...]:
        """What others may have changed is read when they say so and as often as is polled; that
        a node of ours came to its end changes nothing of it."""
        now = self._clock.monotonic()
        if self._bell.heard() or now >= self._due_until:
            self._due_until = now + self._rules.poll_s
            self._due = await self._parts.journal.agenda()
        return self._due

    async def _round(self) -> float:
        due = await self._agenda()
        wakes = [await self._look_after(each) for each in due]
        self._close({each.plan for each in due})
        return max(0.0, min([self._rules.poll_s, *wakes]))

    async def _look_after(self, due: Due) -> float:
        """One roll-out's trouble is its own: it is told once and looked at again."""
        try:
            book = self.books.get(due.plan) or await self._open(due.plan)
            await self._hear(book, due)
            wake_s = await self._conduct(book)
        except Interrupted:
            raise
        except IolausError as error:
            if due.plan not in self._told:
                log.warning("rollout_held", plan=due.plan, error=str(error))
        except Exception:  # supervised: the others go on
            if due.plan not in self._told:
                log.exception("rollout_erred", plan=due.plan)
        else:
            self._told.discard(due.plan)
            return wake_s
        self._told.add(due.plan)
        return self._rules.poll_s

    async def _open(self, id_: str) -> Book:
        plan = await self._parts.journal.plan(id_)
        account = await _account(plan, await self._parts.journal.entries(id_))
        book = Book(
            plan,
            account,
            journal=self._parts.journal,
            standing=self._standing,
            clock=self._clock,
            on_change=self._parts.on_change,
            on_broken=self._break,
        )
        self._budgets.count(account.budgets)
        self.books[id_] = book
        return book

    def _close(self, due: set[str]) -> None:
        for id_ in [id_ for id_, book in self.books.items() if id_ not in due and not book.tasks]:
            self._budgets.forget(self.books.pop(id_).account.budgets)

    async def _hear(self, book: Book, due: Due) -> None:
        account, journal = book.account, self._parts.journal
        if due.asked > account.heard:
            for intent in await journal.intents(book.id, after=account.heard):
                said = answer(account.state if account.applied else None, intent)
                await book.write(book.entry(EntryKind.PLAN_STATE, said))
        if account.state is RolloutState.WAITING or book.approved is None:
            said_by = await journal.approvals(book.id)
            book.approved = {each.by: each.groups for each in said_by}

    async def _conduct(self, book: Book) -> float:
        account = book.account
        if not account.applied or account.state.over:
            return self._rules.poll_s
        decision = self._decision(book)
        if decision.state is not None:
            self._due_until = 0.0
        entries = list(_said(book, decision, room=self._rules.most - self._busy()))
        if entries and all(map(_is_start, entries)):
            book.note(*entries)
        elif entries:
            await book.write(*entries)
        book.holds = decision.holds
        self._begin(book)
        return decision.wake_s if all(map(_is_start, entries)) else 0.0

    def _decision(self, book: Book) -> Decision:
        progress, now = book.following(), self._clock.now()
        if progress.state in _UNWINDING:
            return self._parts.unwind(book.plan, progress, now)
        return self._parts.decide(book.plan, progress, self._parts.world(book.plan), now)

    # Nodes

    def _busy(self) -> int:
        return sum(len(book.tasks) for book in self.books.values())

    def _begin(self, book: Book) -> None:
        """Whoever is to be worked on and is not, by what the journal says."""
        room = self._rules.most - self._busy()
        for uid in [uid for uid in book.account.active if uid not in book.tasks]:
            if room <= 0:
                return
            if book.running or _is_due(book, uid):
                room -= 1
                book.tasks[uid] = asyncio.create_task(
                    self._run_node(book, uid), name=f"act:{book.id}:{uid}"
                )

    async def _run_node(self, book: Book, uid: str) -> None:
        try:
            await self._supervised(
                book, uid, run_node(book.nodes[uid], book=book, tools=self._tools)
            )
        except Interrupted as interrupted:
            self._break(interrupted)
        finally:
            book.tasks.pop(uid, None)
            self._bell.changed.set()

    async def _supervised(self, book: Book, uid: str, run: Awaitable[None]) -> None:
        try:
            await run
        except Interrupted:
            raise
        except Exception as error:  # supervised: one node's bug is that node's
            log.exception("node_run_erred", plan=book.id, node=uid)
            reason = f"we erred ({type(error).__name__}): the log says where"
            said = NodeSaid(state=NodeState.FAILED, reason=reason)
            await book.write(book.entry(EntryKind.NODE_STATE, said, node=uid))


async def _account(plan: Plan, entries: Sequence[Entry]) -> Account:
    """Without keeping everybody else waiting: a long roll-out has a hundred thousand entries."""
    account = Account(plan)
    for first in range(0, len(entries), _AT_A_TIME):
        for each in entries[first : first + _AT_A_TIME]:
            account.add(each)
        await asyncio.sleep(0)
    return account


def _is_due(book: Book, uid: str) -> bool:
    """Also in a roll-out that stands: what is half done, and what goes back."""
    return book.state_of(uid) is NodeState.ROLLING_BACK or is_open(book.nodes[uid], book)


def _said(book: Book, decision: Decision, *, room: int) -> Iterator[Entry]:
    """The decision as entries: only what is possible from where each thing stands."""
    state = decision.state or book.account.state
    for wave in decision.waves:
        known = book.account.waves.get(wave.name)
        if known is None or known.state == wave.state:
            continue
        yield book.entry(EntryKind.WAVE, WaveSaid(name=wave.name, state=wave.state))
    for uid, reason in decision.skip.items():
        if _waits(book, uid):
            yield _node(book, uid, NodeState.SKIPPED, reason)
    for uid in _once(decision.roll_back):
        if _may_go_back(book, uid):
            yield _node(book, uid, NodeState.ROLLING_BACK, book.account.nodes[uid].reason)
    if state is RolloutState.RUNNING:
        fit = [
            uid for uid in _once(decision.start) if _waits(book, uid) and uid not in decision.skip
        ]
        for uid in fit[: max(0, room)]:
            yield _node(book, uid, NodeState.RUNNING, "")
    if _is_news(book, decision):
        said = PlanSaid(state=decision.state, reason=decision.reason)
        yield book.entry(EntryKind.PLAN_STATE, said)


def _is_start(entry: Entry) -> bool:
    """Another decision would say nothing new after it: what there was room for was begun."""
    return entry.kind is EntryKind.NODE_STATE and entry.doc["state"] == NodeState.RUNNING


def _is_news(book: Book, decision: Decision) -> bool:
    """Nothing is over while nodes are worked on, and who was paused by a person stays so."""
    after, account = decision.state, book.account
    if after is None or (after.over and account.active):
        return False
    return after is not account.state and not account.paused_by_word


def _once(uids: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(uids)


def _node(book: Book, uid: str, state: NodeState, reason: str) -> Entry:
    return book.entry(EntryKind.NODE_STATE, NodeSaid(state=state, reason=reason), node=uid)


def _waits(book: Book, uid: str) -> bool:
    return uid in book.nodes and book.state_of(uid) is NodeState.WAITING


def _may_go_back(book: Book, uid: str) -> bool:
    if uid not in book.nodes or uid in book.tasks or book.account.nodes[uid].unwound:
        return False
    state = book.state_of(uid)
    if state is NodeState.RUNNING:
        return not is_open(book.nodes[uid], book)
    return state in (NodeState.DONE, NodeState.FAILED)
