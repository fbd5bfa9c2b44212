"""The shelf of advisories: what is kept, whom it concerns, and what would end it.

A scoped principal sees which of the nodes within the scope are concerned; that an advisory is kept
is no secret.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from iolaus.fleet.exposure import NodeExposure
from iolaus.fleet.exposures import Exposures, groups
from iolaus.fleet.facts import FIELDS
from iolaus.fleet.remedy import Remedy, remedy_of
from iolaus.kernel.clock import Clock
from iolaus.model.advisory import Exposure, Kept
from iolaus.model.naming import slug
from iolaus.model.select import MISSING, Selector
from iolaus.north.dto.advisories import ImportedAdvisory, advisory_view
from iolaus.north.fleet import Fleet, Item
from iolaus.store.shelf import Shelf


class Bulletins:
    """`kept` are the advisories by name; `exposures` says what they mean for the hall."""

    def __init__(
        self, *, kept: Shelf[Kept], exposures: Exposures, fleet: Fleet, clock: Clock
    ) -> None:
        self.kept, self.exposures = kept, exposures
        self._fleet, self._clock = fleet, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """One object for each advisory, by name."""
        found = await self._found(scope)
        for name, kept in self.kept.all().items():
            view = advisory_view(
                name, kept, groups(found.get(kept.advisory.id, ())), now=self._clock.now()
            )
            yield Item(
                name=name,
                origin=f"advisory/{name}",
                key=(name,),
                revision=self.kept.revision + self.exposures.revision,
                view=view,
            )

    async def take(self, found: Sequence[Kept], *, keep: bool) -> list[ImportedAdvisory]:
        """Keep what is new; all of it or, when it cannot be written, none."""
        told: list[ImportedAdvisory] = []
        fresh: dict[str, Kept] = {}
        for each in found:
            name = slug(each.advisory.id, otherwise="advisory")
            outcome = _outcome(fresh.get(name) or self.kept.get(name), each)
            if outcome in ("created", "changed"):
                fresh[name] = each
            told.append(
                ImportedAdvisory(
                    name=name,
                    outcome=outcome,
                    statements=len(each.advisory.statements),
                    ignored=list(each.advisory.ignored),
                )
            )
        if keep and fresh:
            await self.kept.put(fresh)
        return told

    async def remedy(self, name: str, scope: Selector) -> Remedy | None:
        """What would end the exposure to an advisory; None: there is none of this name."""
        kept = self.kept.get(name)
        if kept is None:
            return None
        await self.exposures.settle()
        nodes = [each for each in self.exposures.nodes() if _within(each, scope)]
        return remedy_of(kept.advisory.id, sorted(nodes, key=lambda each: each.name))

    async def _found(self, scope: Selector) -> dict[str, list[tuple[str, Exposure]]]:
        """Advisory -> (node's name, its exposure)."""
        await self.exposures.settle()
        names = {place: name for name, place in self._fleet.index().items()}
        found: dict[str, list[tuple[str, Exposure]]] = defaultdict(list)
        for node in self.exposures.nodes():
            name = names.get((node.endpoint, node.key))
            if name is not None and _within(node, scope, name):
                for item in node.items:
                    found[item.advisory].append((name, item))
        return found


def _within(node: NodeExposure, scope: Selector, name: str = "") -> bool:
    def look(key: str) -> object:
        if key in node.labels:
            return node.labels[key]
        return node.fields.get(key) if key in FIELDS else MISSING

    return not scope or scope.matches(name or node.name, look)


def _outcome(before: Kept | None, now: Kept) -> str:
    if before is None:
        return "created"
    if before.advisory == now.advisory:
        return "unchanged"
    return "older" if now.advisory.revised < before.advisory.revised else "changed"
