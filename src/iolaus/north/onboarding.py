"""Candidates, lists of expected hardware and retirements as objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.model.candidate import Appearance, Candidate
from iolaus.model.expected import Expected, ExpectedHardware, KeptExpected
from iolaus.model.retirement import Retirement
from iolaus.model.select import Selector
from iolaus.north.dto.make import when
from iolaus.north.dto.onboarding import (
    CandidateView,
    DifferenceView,
    ExpectedView,
    RetirementView,
    WipedView,
)
from iolaus.north.fleet import Item, visible
from iolaus.recovery.expected import Shown
from iolaus.recovery.onboard import Standing, State


class Progressed(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate and how it stands. Without `candidate` it is expected and was not seen.
    `doubtful`: it is not, or not surely, whom `expected` names."""

    name: str
    standing: Standing
    candidate: Candidate | None = None
    expected: Expected | None = None
    shown: Shown | None = None
    doubtful: bool = False


class Onboards(Protocol):
    """Takes machines on. Every method raises `OperatorMust` for what is not there, and
    `PolicyRefused` for what may not be done now, each with the next step."""

    def lists(self) -> Mapping[str, KeptExpected]: ...

    async def put_list(
        self, document: ExpectedHardware, *, by: str, source: str, keep: bool = True
    ) -> KeptExpected: ...

    async def remove_list(self, name: str) -> KeptExpected | None: ...

    async def appear(self, found: Iterable[Appearance]) -> int:
        """How many of them are new."""
        ...

    def progressed(self) -> Sequence[Progressed]: ...

    async def approve(self, name: str, *, by: str, fingerprint: str = "") -> str:
        """What came of it, in words."""
        ...

    async def approve_list(self, name: str, *, by: str) -> str: ...

    async def reject(self, name: str, *, by: str, reason: str) -> None: ...

    async def retry(self, name: str, *, by: str) -> None: ...

    async def recommission(self, name: str, *, by: str) -> None:
        """Begin anew with a machine that was retired."""
        ...

    async def handed(self, name: str, *, to: str, by: str) -> None:
        """Somebody took it over."""
        ...

    async def documents(
        self, name: str, *, to: str, namespace: str, login: bool
    ) -> Sequence[Mapping[str, Any]]:
        """What Metal3 ("metal3") or Ironic ("ironic") want to be told of a node; with `login` the
        login of its controller, too."""
        ...

    def retirements(self) -> Sequence[Retirement]: ...


class OnboardingShelf:
    """`onboards` gives the port, or None where this server takes nobody on."""

    def __init__(self, onboards: Callable[[], Onboards | None], *, clock: Clock) -> None:
        self._onboards, self._clock = onboards, clock

    async def candidates(self, scope: Selector) -> AsyncIterator[Item]:
        """By name; the same name twice is told apart by its address."""
        port = self._onboards()
        now, named = self._clock.now(), set[str]()
        found = port.progressed() if port else ()
        for each in sorted(found, key=lambda p: (p.name, p.candidate is None)):
            address = each.candidate.address if each.candidate else ""
            name = f"{each.name}@{address.partition('://')[2]}" if each.name in named else each.name
            named.add(name)
            item = _item(name, f"candidate/{name}", candidate_view(name, each, now=now))
            if visible(item.view, scope):
                yield item

    async def lists(self, scope: Selector) -> AsyncIterator[Item]:
        """By name."""
        port = self._onboards()
        if port is None:
            return
        every, now = port.progressed(), self._clock.now()
        for name, kept in port.lists().items():
            view = _list_view(kept, every, now=now)
            if visible(view, scope):
                yield _item(name, f"expected/{name}", view, revision=kept.generation)

    async def retirements(self, scope: Selector) -> AsyncIterator[Item]:
        """The newest first."""
        port = self._onboards()
        for each in port.retirements() if port else ():
            view = retirement_view(each, now=self._clock.now())
            if visible(view, scope):
                yield _item(view.name, f"retirement/{view.name}", view)


def candidate_view(name: str, each: Progressed, *, now: float) -> CandidateView:
    candidate, want, shown, standing = each.candidate, each.expected, each.shown, each.standing
    return CandidateView(
        name=name,
        kind="candidate",
        labels=want.labels if want and not each.doubtful else {},
        state=standing.state.value,
        reason=standing.reason,
        message=standing.message,
        next_step=standing.next_step,
        stands=standing.stands,
        address=candidate.address if candidate else None,
        expected=want.name if want else "",
        list=want.list if want else "",
        make=(shown.make if shown else "") or (want.make if want else ""),
        model=(shown.model if shown else "") or (want.model if want else ""),
        serial=(shown.serial if shown else "") or (want.serial if want and not shown else ""),
        mac=candidate.mac if candidate else want.mac if want else "",
        ways=tuple(way.value for way in candidate.ways) if candidate else (),
        differences=tuple(
            DifferenceView(field=d.field, expected=d.expected, seen=d.seen)
            for d in standing.differences
        ),
        plans=tuple(candidate.plans.values()) if candidate else (),
        handover=want.handover.to if want else "",
        appeared_at=when(candidate.appeared_at) if candidate else None,
        age_s=round(max(0.0, now - candidate.appeared_at), 3) if candidate else None,
    )


def _list_view(kept: KeptExpected, every: Sequence[Progressed], *, now: float) -> ExpectedView:
    name, spec = kept.document.name, kept.document.spec
    mine = [p for p in every if p.expected and p.expected.list == name]
    sure = [p for p in mine if p.candidate and not p.doubtful and p.shown]
    approved = [by for by, _, generation in kept.approved if generation == kept.generation]
    return ExpectedView(
        name=name,
        kind="expected",
        labels=kept.document.metadata.labels,
        approval=spec.approval,
        nodes=len(spec.nodes),
        seen=len(sure),
        handed_over=sum(p.standing.state is State.HANDED_OVER for p in sure),
        standing=sum(p.standing.stands for p in mine),
        approved_by=", ".join(approved),
        generation=kept.generation,
        source=kept.source,
        age_s=round(max(0.0, now - kept.at), 3),
    )


def retirement_view(each: Retirement, *, now: float) -> RetirementView:
    return RetirementView(
        name=f"{each.plan}.{each.node}",
        kind="retirement",
        node=each.node,
        plan=each.plan,
        serial=each.serial,
        make=each.make,
        model=each.model,
        address=each.address,
        state="proved" if each.whole else "partly",
        by=each.by,
        items=tuple(WipedView(what=i.what, outcome=i.outcome, detail=i.detail) for i in each.items),
        signature=each.signature,
        key=each.key,
        retired_at=when(each.at),
        age_s=round(max(0.0, now - each.at), 3),
    )


def _item(
    name: str,
    origin: str,
    view: CandidateView | ExpectedView | RetirementView,
    *,
    revision: int = 1,
) -> Item:
    return Item(name=name, origin=origin, key=(name,), revision=revision, view=view)
