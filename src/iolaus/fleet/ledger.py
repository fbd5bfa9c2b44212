"""The drift of the whole hall, kept current: one fact changed re-judges one node.

Changes only mark an endpoint as due; whoever asks first settles what is due, so that a burst of
readings costs one judging. Two things are due by time alone: an inventory that silently grows old
(past two periods), and what an exception excused until its last day. Baselines that change make
everything due.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from iolaus.fleet.facts import NodeFacts, facts_of
from iolaus.fleet.judge import Judge, expires_at
from iolaus.fleet.judge_certificate import Authorities
from iolaus.kernel.clock import Clock
from iolaus.model.condition import STALE_AFTER_POLLS
from iolaus.model.credential import CredentialFact
from iolaus.model.desired import Baseline
from iolaus.model.drift import Cause, Item, NodeDrift, Outcome
from iolaus.model.endpoint import Target
from iolaus.store.baselines import Baselines
from iolaus.store.facts import Facts

BREATH: Final = 50
SHOWN: Final = (Outcome.CONFLICT, Outcome.DRIFTED, Outcome.STAGED, Outcome.UNKNOWN,
                Outcome.EXCUSED)  # fmt: skip


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A node's drift with what lists and selectors need of the node."""

    drift: NodeDrift
    endpoint: str
    key: str
    kind: str
    labels: Mapping[str, str]
    fields: Mapping[str, str | None]


class Ledger:
    """`slow_interval_s` is the period of the inventory; `authorities` are those that sign
    certificates, as they are known now. `credential_of` says what is kept of a target's login, and
    whoever changes that says so to `note_login`."""

    def __init__(
        self,
        *,
        facts: Facts,
        baselines: Baselines,
        clock: Clock,
        slow_interval_s: float,
        authorities: Callable[[], Authorities] = dict,
        credential_of: Callable[[Target], CredentialFact | None] = lambda _: None,
    ) -> None:
        self._facts, self._baselines, self._clock = facts, baselines, clock
        self._credential_of = credential_of
        self._turns: dict[str, float] = {}
        self.slow_interval_s = slow_interval_s
        self._authorities, self._signers = authorities, authorities()
        self._judge = Judge(())
        self._by_endpoint: dict[str, tuple[Verdict, ...]] = {}
        self._due: set[str] = set()
        self._reach: dict[str, object] = {}
        self._settling = asyncio.Lock()
        self._next_old = 0.0
        self._ends: list[float] = []
        self.revision = 0
        facts.on_change(self._note)
        baselines.on_change(self.judge_all)
        self.judge_all()

    def judge_all(self) -> None:
        """The baselines are others now, or the start: every endpoint is due."""
        every = [kept.baseline for kept in self._baselines.all().values()]
        self._judge = Judge(every, self._signers)
        ends = (expires_at(each.expires) for one in every for each in one.spec.exceptions)
        self._ends = sorted(end for end in ends if end > self._clock.now())
        self._due.update(held.target.address for held in self._facts.all_held())
        self._due.update(self._by_endpoint)

    async def settle(self) -> None:
        """Judge what is due; others run in between."""
        async with self._settling:
            self._ask_who_signs()
            self._due.update(self._grown_old())
            self._due.update(self._no_longer_excused())
            for number, address in enumerate(list(self._due)):
                if number % BREATH == BREATH - 1:
                    await asyncio.sleep(0)
                self._due.discard(address)
                self._settle_one(address)

    def _ask_who_signs(self) -> None:
        """When it is others than before, every endpoint is due."""
        if (signers := self._authorities()) != self._signers:
            self._signers = signers
            self.judge_all()

    def verdicts(self) -> Iterator[Verdict]:
        """Of every node that a baseline selects, as last settled; in no order."""
        for found in self._by_endpoint.values():
            yield from found

    def verdict_of(self, endpoint: str, key: str) -> Verdict | None:
        found = self._by_endpoint.get(endpoint, ())
        return next((each for each in found if each.key == key), None)

    def node_facts(self, endpoint: str) -> tuple[NodeFacts, ...]:
        """The assets of an endpoint as a judge sees them now."""
        held = self._facts.held(endpoint)
        if held is None:
            return ()
        now = self._clock.now()
        return tuple(
            facts_of(
                held,
                now=now,
                slow_interval_s=self.slow_interval_s,
                credential=self._credential_of(held.target),
            )
        )

    def note_login(self, address: str) -> None:
        """The endpoint's login is another."""
        self._due.add(address)

    def selected(self, baseline: str) -> Iterator[NodeFacts]:
        """Every node that a baseline selects, with its facts as they are now."""
        for address, verdicts in sorted(self._by_endpoint.items()):
            if any(baseline in each.drift.baselines for each in verdicts):
                for facts in self.node_facts(address):
                    if baseline in self._judge.baselines_for(facts):
                        yield facts

    async def as_if(self, baseline: Baseline) -> AsyncIterator[tuple[NodeFacts, NodeDrift]]:
        """How nodes would depart from a baseline that is not kept."""
        judge, now = Judge([baseline], self._signers), self._clock.now()
        for number, held in enumerate(list(self._facts.all_held())):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            for facts in self.node_facts(held.target.address):
                if (drift := judge.judge(facts, now=now)) is not None:
                    yield facts, drift

    def _settle_one(self, address: str) -> None:
        now, every = self._clock.now(), self.node_facts(address)
        self._note_turn(address, (self._judge.turns_at(facts, now=now) for facts in every))
        found = tuple(
            Verdict(
                drift=drift,
                endpoint=facts.endpoint,
                key=facts.key,
                kind=facts.kind,
                labels=facts.labels,
                fields=facts.fields,
            )
            for facts in every
            if (drift := self._judge.judge(facts, now=now)) is not None
        )
        before = self._by_endpoint.get(address, ())
        if _said(before) != _said(found):
            self.revision += 1
        if found:
            self._by_endpoint[address] = found
            keeps_s = STALE_AFTER_POLLS * self.slow_interval_s
            seen = min((v.drift.observed_at or now) for v in found)
            self._next_old = min(self._next_old, seen + keeps_s)
        else:
            self._by_endpoint.pop(address, None)

    def _grown_old(self) -> Iterator[str]:
        """Addresses of nodes that nobody read for two periods; looked for only when there may be
        one: what is read later grows old later."""
        now, keeps_s = self._clock.now(), STALE_AFTER_POLLS * self.slow_interval_s
        yield from [address for address, at in self._turns.items() if at <= now]
        if now < self._next_old:
            return
        self._next_old = now + keeps_s
        for address, verdicts in self._by_endpoint.items():
            for each in verdicts:
                seen = each.drift.observed_at
                if seen is None or each.drift.state == "unknown":
                    continue
                if seen + keeps_s < now:
                    yield address
                else:
                    self._next_old = min(self._next_old, seen + keeps_s)

    def _note_turn(self, address: str, found: Iterable[float | None]) -> None:
        """When time alone makes something of it a departure."""
        at = min((each for each in found if each is not None), default=None)
        if at is None:
            self._turns.pop(address, None)
        else:
            self._turns[address] = at

    def _no_longer_excused(self) -> list[str]:
        """Addresses of nodes with something excused, once an exception has come to its end."""
        now = self._clock.now()
        if not self._ends or now < self._ends[0]:
            return []
        self._ends = [end for end in self._ends if end > now]
        return [
            address
            for address, verdicts in self._by_endpoint.items()
            if any(i.outcome is Outcome.EXCUSED for v in verdicts for i in v.drift.items)
        ]

    def _note(self, topic: str, payload: object) -> None:
        if not isinstance(payload, str):
            return
        if topic in ("facts.report", "facts.target"):
            self._due.add(payload)
        elif topic == "facts.status":
            held = self._facts.held(payload)
            reach = held.status.reach if held and held.status else None
            if self._reach.get(payload, self) != reach:
                self._reach[payload] = reach
                self._due.add(payload)


def causes(verdicts: Iterable[tuple[str, NodeDrift]]) -> tuple[Cause, ...]:
    """(node name, its drift) grouped by cause: what a person must look at first comes first, the
    causes with the most nodes before others."""
    grouped: dict[tuple[str, ...], list[tuple[str, Item]]] = defaultdict(list)
    for name, drift in verdicts:
        for item in drift.items:
            if item.outcome in SHOWN:
                grouped[_kind_of(item)].append((name, item))
    found = [_cause(members) for members in grouped.values()]
    order = {outcome: number for number, outcome in enumerate(SHOWN)}
    return tuple(
        sorted(found, key=lambda c: (order[c.outcome], -len(c.nodes), c.subject, c.applied or ""))
    )


def _kind_of(item: Item) -> tuple[str, ...]:
    """Unknown is grouped by its reason, everything else by what stands there."""
    reason = item.reason if item.outcome in (Outcome.UNKNOWN, Outcome.CONFLICT) else ""
    reason = "" if item.subject == "*" else reason
    return (item.baseline, item.subject, item.outcome, item.desired, str(item.applied), reason)


def _cause(members: list[tuple[str, Item]]) -> Cause:
    item = members[0][1]
    return Cause(
        baseline=item.baseline,
        subject=item.subject,
        outcome=item.outcome,
        desired=item.desired,
        applied=item.applied,
        reason=item.reason,
        nodes=tuple(sorted({name for name, _ in members})),
        parts=len(members),
    )


def _said(verdicts: Iterable[Verdict]) -> list[tuple[object, ...]]:
    return [(v.drift.uid, v.drift.baselines, v.drift.items) for v in verdicts]
