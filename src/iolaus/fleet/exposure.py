"""Which advisories a node's firmware is exposed to. Pure; one node at a time; compiled once.

Every firmware that runs is held against the statements about its product. A statement that its
version is fixed or not affected clears the vulnerabilities that it names, if it is by the same
publisher as what it clears: nobody's word lifts another's. What is not understood, not ordered or
not reported is unknown, with the reason. Other banks are not judged, because they do not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.model.advisory import Advisory, Exposure, Statement, Status
from iolaus.model.asset import Firmware
from iolaus.model.matching import Mapped, Match, match
from iolaus.model.ranges import within
from iolaus.model.version import Verdict

MEMORY: Final = 50_000
AFFECTED, UNKNOWN, CLEARED = "affected", "unknown", ("fixed", "not-affected")
ORDER: Final = (AFFECTED, UNKNOWN, *CLEARED)


class NodeExposure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the advisories mean for one node. `blind` says why none of it may be believed now."""

    uid: str
    name: str
    endpoint: str
    key: str
    items: tuple[Exposure, ...]
    observed_at: float | None = None
    blind: str = ""
    labels: Mapping[str, str] = {}
    fields: Mapping[str, str | None] = {}


class _Held(NamedTuple):
    """A statement with what matching its product said."""

    advisory: Advisory
    statement: Statement
    match: Match


class Assessor:
    """Judges nodes against a set of advisories. `assess` is pure."""

    def __init__(self, advisories: Iterable[Advisory], mapped: Sequence[Mapped] = ()) -> None:
        self._advisories = sorted((a for a in advisories if not a.withdrawn), key=lambda a: a.id)
        self._mapped = tuple(mapped)
        self._relevant: dict[tuple[str | None, ...], tuple[_Held, ...]] = {}
        self._known: dict[tuple[int, str | None, str, str], tuple[Exposure, ...]] = {}

    def assess(self, facts: NodeFacts) -> NodeExposure | None:
        """The node's exposures; None if no advisory speaks of it."""
        items = [item for entry in facts.firmware for item in self._of_entry(entry, facts)]
        if not items:
            return None
        return NodeExposure(
            uid=facts.uid,
            name=facts.name,
            endpoint=facts.endpoint,
            key=facts.key,
            items=tuple(sorted(items, key=_urgency)),
            observed_at=facts.observed_at,
            blind=facts.blind,
            labels=facts.labels,
            fields=facts.fields,
        )

    def _of_entry(self, entry: Firmware, facts: NodeFacts) -> tuple[Exposure, ...]:
        if entry.bank or not self._advisories:
            return ()
        held = self._statements(entry, facts)
        if not held:
            return ()
        key = (id(held), entry.version, entry.scheme, entry.component)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > MEMORY:
                self._known.clear()
            found = self._known[key] = tuple(_exposures(entry, held))
        return found

    def _statements(self, entry: Firmware, facts: NodeFacts) -> tuple[_Held, ...]:
        """Those about this product. Nodes of one make have the same entries, so this is worked out
        once for each and remembered."""
        fields = facts.fields
        key = (entry.component, entry.name, entry.kind, entry.vendor,
               *(fields.get(name) for name in ("vendor", "model", "sku")))  # fmt: skip
        found = self._relevant.get(key)
        if found is None:
            if len(self._relevant) > MEMORY:
                self._relevant.clear()
                self._known.clear()
            found = self._relevant[key] = tuple(self._about(entry, fields))
        return found

    def _about(self, entry: Firmware, fields: Mapping[str, str | None]) -> Iterator[_Held]:
        for advisory in self._advisories:
            for statement in advisory.statements:
                matched = match(statement.product, entry, fields, self._mapped)
                if matched.verdict is not Verdict.NO:
                    yield _Held(advisory, statement, matched)


def worst(outcomes: Iterable[str]) -> str:
    """The most urgent of outcomes; "not-affected" of none."""
    there = set(outcomes)
    return next((each for each in ORDER if each in there), ORDER[-1])


def _urgency(item: Exposure) -> tuple[int, str, str]:
    return ORDER.index(item.outcome), item.advisory, item.component


def _exposures(entry: Firmware, held: Sequence[_Held]) -> Iterator[Exposure]:
    by_advisory: dict[str, list[_Held]] = {}
    for each in held:
        by_advisory.setdefault(each.advisory.id, []).append(each)
    cleared = _clearances(entry, held)
    for all_of in by_advisory.values():
        found = [_outcome(entry, each, cleared) for each in all_of]
        outcome = worst(said for said, _, _ in found)
        chosen, (_, reason, flaws) = next(
            (each, said) for each, said in zip(all_of, found, strict=True) if said[0] == outcome
        )
        if outcome != "not-affected" or reason:
            yield _exposure(entry, chosen, outcome, reason, flaws)


def _clearances(entry: Firmware, held: Iterable[_Held]) -> dict[tuple[str, str], tuple[str, str]]:
    """(publisher, vulnerability) -> what clears it here, and why."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for each in held:
        said = each.statement
        if said.status not in (Status.FIXED, Status.NOT_AFFECTED):
            continue
        if each.match.verdict is Verdict.YES and _holds(entry, each) is Verdict.YES:
            why = said.because or f"{each.advisory.id} says so"
            for flaw in said.flaws:
                found[each.advisory.publisher, flaw] = (said.status.value, why)
    return found


def _outcome(
    entry: Firmware, held: _Held, cleared: Mapping[tuple[str, str], tuple[str, str]]
) -> tuple[str, str, tuple[str, ...]]:
    """(outcome, reason, the vulnerabilities that it concerns)."""
    said, verdict = held.statement, _holds(entry, held)
    if verdict is Verdict.NO:
        return "not-affected", "", ()
    if said.status in (Status.FIXED, Status.NOT_AFFECTED):
        certain = verdict is Verdict.YES and held.match.verdict is Verdict.YES
        why = said.because or f"{held.advisory.id} says so"
        return (said.status.value, why, said.flaws) if certain else ("not-affected", "", ())
    publisher = held.advisory.publisher
    left = tuple(flaw for flaw in said.flaws if (publisher, flaw) not in cleared)
    if said.flaws and not left:
        status, why = cleared[publisher, said.flaws[0]]
        return status, why, said.flaws
    if said.status is Status.INVESTIGATED:
        return UNKNOWN, "its maker has not finished looking into it", left
    if held.match.verdict is Verdict.UNKNOWN:
        return UNKNOWN, held.match.reason, left
    if verdict is Verdict.UNKNOWN:
        return UNKNOWN, _why_unknown(entry, said), left
    return AFFECTED, "", left


def _why_unknown(entry: Firmware, said: Statement) -> str:
    if entry.version is None:
        return "the device does not say its version"
    if said.versions is None:
        return f"the advisory's versions are not understood: {said.said[:80] or 'none is given'}"
    return f"{entry.version} cannot be ordered against {said.said[:80]}"


def _holds(entry: Firmware, held: _Held) -> Verdict:
    versions = held.statement.versions
    if versions is None or (entry.version is None and versions):
        return Verdict.UNKNOWN
    scheme = held.match.scheme or entry.scheme
    return within(entry.version or "", versions, scheme=scheme)


def _exposure(
    entry: Firmware, held: _Held, outcome: str, reason: str, flaws: tuple[str, ...]
) -> Exposure:
    return Exposure(
        advisory=held.advisory.id,
        outcome=outcome,
        component=entry.component,
        version=entry.version,
        kind=entry.kind,
        product=held.statement.product.name,
        flaws=flaws,
        fixed=held.statement.fixed if outcome in (AFFECTED, UNKNOWN) else "",
        reason=reason,
    )
