"""The conductor of all roll-outs: one in all the processes that share a database acts.

It asks for the lease, and while it has it a `Term` does everything; a term that ends for whatever
reason - the lease is another's, the database is away, the disk is full - leaves nothing running
and nothing in memory, and the next begins from the journal. So losing the lease, a crash and the
first start are one and the same path.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from iolaus.act.book import OnChange
from iolaus.act.outbox import Interrupted
from iolaus.act.ports import Fenced, Hands, Journal, Lease, Leases
from iolaus.act.standing import Standing
from iolaus.act.term import Decide, Parts, Rules, Term, Unwind, World
from iolaus.act.unwind import unwind
from iolaus.act.waiting import Bell
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.rollout import Entry, Progress

log = structlog.get_logger(__name__)
LEASE: Final = "act"


class Conductor:
    """`holder` is the process's name for people. `decide` is asked for every roll-out that waits,
    runs or is paused, `unwind` for one that is aborted or undone; both are pure. `world` says what
    is seen of the hall. `on_change` hears what was journalled, after it was."""

    def __init__(
        self,
        *,
        journal: Journal,
        leases: Leases,
        hands: Hands,
        clock: Clock,
        decide: Decide,
        world: World,
        holder: str,
        rules: Rules | None = None,
        unwind: Unwind = unwind,
        on_change: OnChange | None = None,
    ) -> None:
        self._parts = Parts(
            journal=journal,
            leases=leases,
            hands=hands,
            clock=clock,
            decide=decide,
            world=world,
            rules=rules or Rules(),
            unwind=unwind,
            on_change=self._heard,
            on_good=lambda: self._note(None),
        )
        self._on_change = on_change or _nobody
        self._clock, self._rules = clock, self._parts.rules
        self._holder = f"{holder}:{secrets.token_hex(4)}"  # two lives may share host and pid
        self._bell = Bell()
        self._term: Term | None = None
        self.trouble: IolausError | None = None
        """Why nothing is done, when that is so and not only because another process acts."""

    @property
    def acting(self) -> bool:
        """This process holds the lease."""
        return self._term is not None

    def wake(self) -> None:
        """Something was asked, approved or seen: look now and not only when it is time."""
        self._bell.ask()

    async def progress(self, plan: str) -> Progress | None:
        """Of a roll-out that is not over, while this process acts. All of it is on disk: what was
        told to somebody is not lost."""
        book = self._term.books.get(plan) if self._term else None
        with suppress(Interrupted):
            return await book.progress_on_disk() if book else None
        return None

    def holds(self, plan: str) -> Mapping[str, str]:
        """Why nodes wait, by uid ("": all), as of the last decision."""
        book = self._term.books.get(plan) if self._term else None
        return book.holds if book else {}

    def is_at(self, uid: str) -> bool:
        """A node is being worked on by this process now."""
        return self._term is not None and any(uid in b.tasks for b in self._term.books.values())

    async def run(self) -> None:
        """Does not return; cancelled, it leaves nothing running and lets the lease go."""
        while True:
            try:
                await self._serve()
            except IolausError as error:
                self._note(error)
            except Exception:  # supervised: the next term begins from the journal
                log.exception("conductor_erred")
            await self._clock.sleep(self._rules.retry_s)

    async def _serve(self) -> None:
        """One term, if the lease can be had."""
        rules, asked_at = self._rules, self._clock.monotonic()
        leases = self._parts.leases
        lease = await leases.acquire(LEASE, self._holder, rules.ttl_s, self._clock.now())
        if lease is None:
            self._note(None)
            return
        standing = Standing(
            lease,
            clock=self._clock,
            asked_at=asked_at,
            ttl_s=rules.ttl_s,
            margin_s=rules.margin_s,
        )
        self._bell.ask()
        self._term = Term(self._parts, standing, self._bell)
        try:
            await self._term.run()
        finally:
            self._term = None
            await self._let_go(standing.lease)

    async def _let_go(self, lease: Lease) -> None:
        """What cannot be let go runs out by itself."""
        with suppress(IolausError):
            await self._parts.leases.release(lease)

    def _heard(self, plan: str, entries: tuple[Entry, ...]) -> None:
        self._note(None)
        try:
            self._on_change(plan, entries)
        except Exception:  # supervised: whoever watches cannot fail a node
            log.exception("watcher_erred", plan=plan)

    def _note(self, error: IolausError | None) -> None:
        """One line when acting stops, one when it goes on."""
        if isinstance(error, Fenced):
            log.warning("lease_lost", error=str(error))
            return
        if error is not None and self.trouble is None:
            log.error("changes_stopped", error=str(error), next_step=error.next_step)
        elif error is None and self.trouble is not None:
            log.info("changes_go_on")
        self.trouble = error


def _nobody(plan: str, entries: tuple[Entry, ...]) -> None:
    """Nobody listens."""
