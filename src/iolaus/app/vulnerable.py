"""Whom advisories concern among the components that attest.

Advisories speak of firmware as the inventory reports it, which proves nothing; so they count
against a component and never for it, as everything that a controller says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from iolaus.app.links import vouches
from iolaus.fleet.exposure import AFFECTED
from iolaus.fleet.exposures import Exposures
from iolaus.model.appraisal import Appraisal, AttesterKey
from iolaus.store.facts import Facts

Place = tuple[str, str]
"""(endpoint's address, asset's key)."""
Affected = Mapping[Place, Mapping[str, frozenset[str]]]
"""Advisories by the component that they concern."""


class Vulnerable:
    """`exposures` None: nobody reads advisories."""

    def __init__(self, *, facts: Facts, exposures: Exposures | None) -> None:
        self._facts, self._exposures = facts, exposures
        self._affected: Affected = {}
        self._seen = -1

    def of(self, held: Appraisal) -> Sequence[str]:
        """Ids of the advisories, sorted."""
        affected = self._affected.get((held.endpoint, held.key))
        report = self._facts.report_of(held.endpoint) if affected else None
        if affected is None or report is None:
            return ()
        attester = next((each for each in report.attesters if each.uri == held.uri), None)
        concerned = (
            affected[entry.component]
            for entry in report.firmware
            if entry.asset == held.key and not entry.bank and entry.component in affected
            if vouches(entry, attester, held)
        )
        return sorted({each for ids in concerned for each in ids})

    async def settle(self, appraisals: Callable[[], Iterable[Appraisal]]) -> list[AttesterKey]:
        """Look again if anything changed; the attesters of which another thing may be said."""
        if self._exposures is None:
            return []
        await self._exposures.settle()
        if self._exposures.revision == self._seen:
            return []
        self._seen = self._exposures.revision
        before, self._affected = self._affected, self._concerned(self._exposures)
        places = before.keys() | self._affected.keys()
        changed = {each for each in places if before.get(each) != self._affected.get(each)}
        if not changed:
            return []
        return [each.place for each in appraisals() if (each.endpoint, each.key) in changed]

    def _concerned(self, exposures: Exposures) -> Affected:
        found: dict[Place, dict[str, frozenset[str]]] = {}
        for node in exposures.nodes():
            for item in node.items:
                if item.outcome == AFFECTED:
                    at = found.setdefault((node.endpoint, node.key), {})
                    at[item.component] = at.get(item.component, frozenset()) | {item.advisory}
        return found
