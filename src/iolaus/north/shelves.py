"""What rooms keep, as lists of objects beside those of the hall: baselines and drift.

A shelf makes the objects of one source; names of nodes are those of the hall's own lists, so that
a node is called the same everywhere. A scoped principal sees the drift of nodes within the scope;
what concerns the whole hall (a baseline) only who may see all of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator

import msgspec

from iolaus.fleet.ledger import Ledger, Verdict, causes
from iolaus.kernel.clock import Clock
from iolaus.model.asset import AssetKind
from iolaus.model.desired import Baseline
from iolaus.model.drift import NodeDrift
from iolaus.model.select import Selector
from iolaus.north.dto.desired import (
    CauseList,
    DriftView,
    baseline_view,
    cause_view,
    item_view,
)
from iolaus.north.dto.make import when
from iolaus.north.fleet import Fleet, Item, lookup_of
from iolaus.store.baselines import Baselines


class Desired:
    """Baselines, and what the ledger says of the hall."""

    def __init__(self, *, baselines: Baselines, ledger: Ledger, fleet: Fleet, clock: Clock) -> None:
        self.baselines, self.ledger = baselines, ledger
        self._fleet, self._clock = fleet, clock

    async def drift_items(self, scope: Selector) -> AsyncIterator[Item]:
        """One object for each node that a baseline selects, by name."""
        await self.ledger.settle()
        for name, verdict in sorted(self._named(), key=lambda pair: pair[0]):
            view = self._drift_view(name, verdict)
            if not scope or scope.matches(name, lookup_of(view)):
                yield Item(
                    name=name,
                    origin=f"{verdict.drift.uid}/drift",
                    key=(name,),
                    revision=self.ledger.revision,
                    view=view,
                )

    async def baseline_items(self, scope: Selector) -> AsyncIterator[Item]:
        await self.ledger.settle()
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for verdict in self.ledger.verdicts():
            for name in verdict.drift.baselines:
                counts[name][verdict.drift.state] += 1
        for name, kept in self.baselines.all().items():
            if not scope:
                yield Item(
                    name=name,
                    origin=f"baseline/{name}",
                    key=(name,),
                    revision=kept.generation,
                    view=baseline_view(kept, counts[name], now=self._clock.now()),
                )

    async def causes(
        self, scope: Selector, selectors: tuple[Selector, ...] = (), baseline: str = ""
    ) -> CauseList:
        """Why nodes depart; of those that are selected, and of one baseline only if it is named."""
        items = [
            (item.name, item.view)
            async for item in self.drift_items(scope)
            if all(s.matches(item.name, lookup_of(item.view)) for s in selectors)
        ]
        wanted = {name for name, _ in items}
        found = [
            (name, _of(verdict.drift, baseline))
            for name, verdict in self._named()
            if name in wanted and (not baseline or baseline in verdict.drift.baselines)
        ]
        return cause_list(found)

    async def as_if(self, baseline: Baseline, scope: Selector) -> CauseList:
        """Why nodes would depart from a baseline that is not kept."""
        names = {place: name for name, place in self._fleet.index().items()}
        found: list[tuple[str, NodeDrift]] = []
        async for facts, drift in self.ledger.as_if(baseline):
            name = names.get((facts.endpoint, facts.key), facts.name)
            if not scope or scope.matches(name, facts.lookup()):
                found.append((name, drift))
        return cause_list(found)

    def _named(self) -> Iterator[tuple[str, Verdict]]:
        names = {place: name for name, place in self._fleet.index().items()}
        for verdict in self.ledger.verdicts():
            name = names.get((verdict.endpoint, verdict.key))
            if name is not None:
                yield name, verdict

    def _drift_view(self, name: str, verdict: Verdict) -> DriftView:
        drift, now = verdict.drift, self._clock.now()
        seen = drift.observed_at
        return DriftView(
            name=name,
            kind="drift",
            labels=verdict.labels,
            node_kind=AssetKind(verdict.kind).value,
            vendor=verdict.fields.get("vendor"),
            model=verdict.fields.get("model"),
            state=drift.state,
            baselines=drift.baselines,
            items=tuple(item_view(item) for item in drift.items),
            compared=drift.compared,
            observed_at=when(seen),
            age_s=None if seen is None else round(max(0.0, now - seen), 3),
        )


def _of(drift: NodeDrift, baseline: str) -> NodeDrift:
    """What one baseline finds of it; all of it when none is named."""
    if not baseline:
        return drift
    mine = tuple(item for item in drift.items if item.baseline == baseline)
    return msgspec.structs.replace(drift, items=mine)


def cause_list(found: list[tuple[str, NodeDrift]]) -> CauseList:
    return CauseList(
        items=[cause_view(cause) for cause in causes(found)],
        counts=dict(sorted(Counter(drift.state for _, drift in found).items())),
        nodes=len(found),
        compared=sum(drift.compared for _, drift in found),
    )
