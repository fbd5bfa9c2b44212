"""Verdicts as a list of objects, and as a condition of the assets that they concern.

Names of nodes are those of the hall's own lists. An attester whose asset is known no more is not
shown; its evidence is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from iolaus.kernel.clock import Clock
from iolaus.model.appraisal import Appraisal, AttesterKey, Examined
from iolaus.model.endpoint import Condition
from iolaus.model.select import Selector
from iolaus.model.trust import HARD_NEGATIVE, Summary
from iolaus.north.dto.attestation import attestation_view
from iolaus.north.fleet import Fleet, Item, lookup_of
from iolaus.store.evidence import Kept

QUIET: Final = frozenset({"measurement-unreferenced", "key-bound", "endorsement-missing"})
"""Findings that are no reason for anything."""


class Attests(Protocol):
    """Has components asked, and knows what was proved of them."""

    @property
    def revision(self) -> int: ...

    def appraisals(self) -> Sequence[Appraisal]: ...

    def of_asset(self, asset: str) -> Sequence[Appraisal]: ...

    def order(self, address: str) -> None:
        """Ask everybody at an endpoint now, read-only or not."""
        ...

    async def evidence(self, place: AttesterKey) -> Sequence[Kept]:
        """Newest first."""
        ...

    async def examined(self, kept: Kept) -> Examined: ...

    async def enrol(self, place: AttesterKey, *, by: str) -> bool:
        """Let who answered last be the one from now on; False: nobody answered well."""
        ...

    async def pack(self, named: Mapping[AttesterKey, str]) -> bytes:
        """All that the verdicts of these attesters (to their node's name) rest on, signed."""
        ...

    async def pack_key(self) -> bytes:
        """The public half (PEM) of the key that signs packs."""
        ...


class Attestations:
    """`port()` is None where nobody attests."""

    def __init__(self, port: Callable[[], Attests | None], *, fleet: Fleet, clock: Clock) -> None:
        self._port, self._fleet, self._clock = port, fleet, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """One object for each attester, by node and component."""
        port = self._port()
        for name, held, labels in sorted(
            self._named(), key=lambda each: (each[0], each[1].name, each[1].uri)
        ):
            view = attestation_view(held, node=name, labels=labels, now=self._clock.now())
            if not scope or self._is_in(scope, name):
                yield Item(
                    name=view.id,
                    origin=f"{held.asset}/attestation/{held.uri}",
                    key=(name, held.name, held.uri),
                    revision=port.revision if port else 0,
                    view=view,
                )

    def find(self, name: str, scope: Selector) -> Appraisal | None:
        for node, held, _ in self._named():
            if f"{node}:{held.name}" == name and (not scope or self._is_in(scope, node)):
                return held
        return None

    def places(self, scope: Selector) -> Iterator[tuple[str, Appraisal]]:
        """(node, what is held of one of its attesters) within a scope."""
        for node, held, _ in self._named():
            if not scope or self._is_in(scope, node):
                yield node, held

    def condition(self, asset: str) -> Condition | None:
        """ "Attested" of an asset by uid; None where nothing of it can attest."""
        port = self._port()
        found = port.of_asset(asset) if port else ()
        return attested(found) if found else None

    def _is_in(self, scope: Selector, node: str) -> bool:
        place = self._fleet.index().get(node)
        picture = self._fleet.picture(place[0]) if place else None
        view = next((v for v in picture.assets if v.name == node), None) if picture else None
        return view is not None and scope.matches(node, lookup_of(view))

    def _named(self) -> Iterator[tuple[str, Appraisal, Mapping[str, str]]]:
        port = self._port()
        names = {place: name for name, place in self._fleet.index().items()}
        for held in port.appraisals() if port else ():
            name = names.get((held.endpoint, held.key))
            if name is not None:
                yield name, held, self._labels(held)

    def _labels(self, held: Appraisal) -> Mapping[str, str]:
        picture = self._fleet.picture(held.endpoint)
        if picture is None:
            return {}
        asset = next((a for a in picture.frame.assets if a.key == held.key), None)
        return picture.frame.labels(asset)


def attested(found: Sequence[Appraisal]) -> Condition:
    """Many verdicts as one condition: the worst, with its reason."""
    bad = [each for each in found if each.verdict.summary is Summary.UNTRUSTED]
    good = [each for each in found if each.verdict.summary is Summary.TRUSTED]
    if len(good) == len(found):
        since = max(each.since for each in found)
        told = f"{len(found)} of {len(found)} components proved what they run"
        return Condition(
            type="Attested", status="True", reason="Trusted", message=told, since=since
        )
    rest = bad or [each for each in found if each not in good]
    first = rest[0]
    more = f" (and {len(rest) - 1} more)" if len(rest) > 1 else ""
    return Condition(
        type="Attested",
        status="False" if bad else "Unknown",
        reason="Untrusted" if bad else "NotProved",
        message=f"{first.name}: {reason_of(first)}{more}",
        next_step="look at it with: iolaus describe attestation"
        + ("; take the node out of service until it is understood." if bad else "."),
        since=min(each.since for each in rest),
    )


def reason_of(held: Appraisal) -> str:
    """The axis that decides, and the finding that says why."""
    verdict = held.verdict
    bad = [str(axis) for axis in verdict.axes if axis in HARD_NEGATIVE]
    words = " and ".join(bad) or f"evidence {verdict.evidence}"
    told = next((f.message for f in verdict.findings if f.code not in QUIET), "")
    return f"{words}: {told}" if told else words
