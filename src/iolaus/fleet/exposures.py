"""The exposure of the whole hall to the advisories that are kept: one fact changed re-judges one
node, an advisory more re-judges all. Changes only mark what is due; whoever asks first settles it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from iolaus.fleet.exposure import ORDER, Assessor, NodeExposure
from iolaus.fleet.ledger import Ledger
from iolaus.model.advisory import Exposure, Kept
from iolaus.model.matching import Mapped
from iolaus.store.facts import Facts
from iolaus.store.shelf import Shelf

BREATH: Final = 50
TOPICS: Final = frozenset({"facts.report", "facts.target"})


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same at many nodes: `nodes` by name, sorted."""

    outcome: str
    component: str
    version: str | None
    product: str
    fixed: str
    reason: str
    flaws: tuple[str, ...]
    nodes: tuple[str, ...]


class Exposures:
    """`ledger` says what is known of nodes, `kept` are the advisories, `mapped` what an operator
    says their products are."""

    def __init__(
        self,
        *,
        facts: Facts,
        ledger: Ledger,
        kept: Shelf[Kept],
        mapped: Sequence[Mapped] = (),
    ) -> None:
        self._mapped = tuple(mapped)
        self._facts, self._ledger, self._kept = facts, ledger, kept
        self._assessor = Assessor(())
        self._by_endpoint: dict[str, tuple[NodeExposure, ...]] = {}
        self._due: set[str] = set()
        self._settling = asyncio.Lock()
        self._seen = -1
        self.revision = 0
        facts.on_change(self._note)

    async def settle(self) -> None:
        """Judge what is due; others run in between."""
        async with self._settling:
            if self._seen != self._kept.revision:
                self._begin()
            for number, address in enumerate(list(self._due)):
                if number % BREATH == BREATH - 1:
                    await asyncio.sleep(0)
                self._due.discard(address)
                self._settle_one(address)

    def nodes(self) -> Iterator[NodeExposure]:
        """Every node that an advisory speaks of, as last settled; in no order."""
        for found in self._by_endpoint.values():
            yield from found

    def _begin(self) -> None:
        self._seen = self._kept.revision
        advisories = (each.advisory for each in self._kept.all().values())
        self._assessor = Assessor(advisories, self._mapped)
        self._due = {held.target.address for held in self._facts.all_held()}
        self._due.update(self._by_endpoint)

    def _settle_one(self, address: str) -> None:
        found = tuple(
            exposure
            for facts in self._ledger.node_facts(address)
            if (exposure := self._assessor.assess(facts)) is not None
        )
        if found != self._by_endpoint.get(address, ()):
            self.revision += 1
        if found:
            self._by_endpoint[address] = found
        else:
            self._by_endpoint.pop(address, None)

    def _note(self, topic: str, payload: object) -> None:
        if topic in TOPICS and isinstance(payload, str):
            self._due.add(payload)


def groups(found: Iterable[tuple[str, Exposure]]) -> tuple[Group, ...]:
    """(node name, its exposure) of one advisory, grouped; what is affected first, the most nodes
    before fewer."""
    grouped: dict[tuple[object, ...], list[tuple[str, Exposure]]] = defaultdict(list)
    for name, item in found:
        key = (item.outcome, item.component, item.version, item.fixed, item.reason, item.flaws)
        grouped[key].append((name, item))
    made = [_group(members) for members in grouped.values()]
    return tuple(
        sorted(made, key=lambda g: (ORDER.index(g.outcome), -len(g.nodes), g.component, g.nodes))
    )


def _group(members: list[tuple[str, Exposure]]) -> Group:
    item = members[0][1]
    return Group(
        outcome=item.outcome,
        component=item.component,
        version=item.version,
        product=item.product,
        fixed=item.fixed,
        reason=item.reason,
        flaws=item.flaws,
        nodes=tuple(sorted({name for name, _ in members})),
    )
