"""Verdicts as a list of objects, and as a condition of the assets that they concern.

Names of nodes are those of the hall's own lists. An attester whose asset is known no more is not
shown; its evidence is kept.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from iolaus.kernel.clock import Clock
from iolaus.model.appraisal import Appraisal, AttesterKey, Examined
from iolaus.model.claims import IN_NO_PACKAGE, IN_PACKAGE
from iolaus.model.decision import Decision, Named, Said
from iolaus.model.endpoint import Condition
from iolaus.model.policy import Policy
from iolaus.model.select import EVERYTHING, MISSING, Lookup, Selector
from iolaus.model.trust import HARD_NEGATIVE, Finding, Summary, Verdict
from iolaus.north.dto.attestation import AttestationView, attestation_view
from iolaus.north.dto.make import labels_of
from iolaus.north.fleet import Fleet, Item, lookup_of
from iolaus.store.evidence import Kept
from iolaus.trust.policy import asked_of_nodes, decide

BREATH: Final = 500
LOOK_AGAIN_S: Final = 30.0
"""Fields of a node that a waiver's selector asks for may change that often."""
MOVES: Final = frozenset({"facts.report", "facts.target"})
"""What may give a node another name or another place."""
QUIET: Final = frozenset(
    {"measurement-unreferenced", "key-bound", "endorsement-missing", IN_PACKAGE, IN_NO_PACKAGE}
)
"""Findings that are no reason for anything."""


class Attests(Protocol):
    """Has components asked, and knows what was proved of them."""

    @property
    def revision(self) -> int: ...

    @property
    def policies(self) -> Sequence[Policy]:
        """What the operator demands and lets pass."""
        ...

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

    async def pack(self, named: Mapping[AttesterKey, Named]) -> bytes:
        """All that the verdicts of these attesters (to their nodes) rest on, signed."""
        ...

    async def pack_key(self) -> bytes:
        """The public half (PEM) of the key that signs packs."""
        ...


AXES: Final = ("evidence", "signature", "identity", "reference", "lifecycle")


class Kind(NamedTuple):
    """What is the same of very many: the word of each axis ("": not said), and the code of the
    finding that decides ("": none does)."""

    summary: str
    standing: str
    axes: tuple[str, ...]
    why: str


class Row(NamedTuple):
    """One attester with its node's name and labels, and what counts of it by policy."""

    node: str
    held: Appraisal
    labels: Mapping[str, str]
    decision: Decision
    kind: Kind

    @property
    def id(self) -> str:
        return f"{self.node}:{self.held.name}"

    def view(self, now: float) -> AttestationView:
        return attestation_view(
            self.held, node=self.node, labels=self.labels, now=now, decision=self.decision
        )

    def item(self, now: float, revision: int) -> Item:
        return Item(
            name=self.id,
            origin=f"{self.held.asset}/attestation/{self.held.uri}",
            key=_order(self),
            revision=revision,
            view=self.view(now),
        )

    def look(self, now: float) -> Lookup:
        """Labels first, then what is said of the attester; a whole object is made only for what
        is seldom asked."""
        return partial(self._said, now)

    def _said(self, now: float, key: str) -> object:
        if key in self.labels:
            return self.labels[key]
        match key:
            case "node":
                return self.node
            case "name" | "id":
                return self.id
            case "component":
                return self.held.name
            case "protocol" | "endpoint":
                return getattr(self.held, key)
            case "summary" | "standing":
                return getattr(self.kind, key)
        if key in AXES:
            return self.kind.axes[AXES.index(key)] or None
        return lookup_of(self.view(now))(key)


class Attestations:
    """`port()` is None where nobody attests."""

    def __init__(self, port: Callable[[], Attests | None], *, fleet: Fleet, clock: Clock) -> None:
        self._port, self._fleet, self._clock = port, fleet, clock
        self._table = Table(fleet)

    def rows(self, scope: Selector = EVERYTHING) -> Sequence[Row]:
        """Of every attester whose asset is known, by node and component."""
        port = self._port()
        if port is None:
            return ()
        found = self._table.rows(port, now=self._clock.now())
        if not scope:
            return found
        inside = {row.node for row in found}
        inside = {node for node in inside if self._is_in(scope, node)}
        return [row for row in found if row.node in inside]

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """One object for each attester, by node and component."""
        port, now = self._port(), self._clock.now()
        revision = port.revision if port else 0
        for row in self.rows(scope):
            yield row.item(now, revision)

    async def chosen(
        self, scope: Selector, selectors: Sequence[Selector], after: tuple[str, ...]
    ) -> AsyncIterator[Item]:
        """Those that all selectors mean, behind `after`, without making what is not shown."""
        port, now = self._port(), self._clock.now()
        revision = port.revision if port else 0
        rows = self.rows(scope)
        first = bisect_right(rows, after, key=_order) if after else 0
        for number, row in enumerate(rows[first:]):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            if all(each.matches(row.id, row.look(now)) for each in selectors):
                yield row.item(now, revision)

    def find(self, name: str, scope: Selector) -> Row | None:
        row = self._table.find(name) if self.rows() else None
        return row if row and (not scope or self._is_in(scope, row.node)) else None

    async def item(self, name: str, scope: Selector) -> Item | None:
        row, port = self.find(name, scope), self._port()
        if row is None or port is None:
            return None
        return row.item(self._clock.now(), port.revision)

    def named(self, rows: Iterable[Row]) -> dict[AttesterKey, Named]:
        """Attesters to their nodes, with what these say to the selectors of policies."""
        port = self._port()
        keys = sorted(asked_of_nodes(port.policies)) if port else []
        return {row.held.place: Named(node=row.node, said=self._said(row, keys)) for row in rows}

    def _said(self, row: Row, keys: Iterable[str]) -> dict[str, Said]:
        found = {key: self._table.look(row.held, row.node, row.labels, key) for key in keys}
        return {
            key: value if value is None or isinstance(value, str | int | float) else str(value)
            for key, value in found.items()
            if value is not MISSING
        }

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


class Table:
    """The rows of a whole hall, of which only what changed is made again."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rows: dict[AttesterKey, Row] = {}
        self._listed: list[Row] = []
        self._named: dict[str, Row] = {}
        self._state: tuple[object, ...] = ()
        self._policies: tuple[Policy, ...] = ()
        self._turns_at = 0.0
        self._moved = 0
        fleet.facts.on_change(self._note)

    def rows(self, port: Attests, *, now: float) -> Sequence[Row]:
        """By node, component and URI."""
        state = (port, port.revision, self._moved)
        if state == self._state and now < self._turns_at:
            return self._listed
        policies = tuple(port.policies)
        anew = policies != self._policies or now >= self._turns_at
        self._policies, self._state = policies, state
        self._make(port, now, anew=anew)
        return self._listed

    def find(self, name: str) -> Row | None:
        """As last made."""
        if not self._named:
            self._named = {row.id: row for row in self._listed}
        return self._named.get(name)

    def _make(self, port: Attests, now: float, *, anew: bool) -> None:
        before, self._rows = self._rows, {}
        names = {place: name for name, place in self._fleet.index().items()}
        labels: dict[tuple[str, str], Mapping[str, str]] = {}
        changed = False
        for held in port.appraisals():
            at = (held.endpoint, held.key)
            if (name := names.get(at)) is None:
                continue
            if at not in labels:
                labels[at] = self._labels(*at)
            row = before.get(held.place)
            same = row is not None and row.held is held and row.node == name
            if row is None or anew or not same or row.labels != labels[at]:
                row, changed = self._row(name, held, labels[at], now), True
            self._rows[held.place] = row
        if changed or len(before) != len(self._rows):
            self._listed = sorted(self._rows.values(), key=_order)
            self._named = {}
        self._turns_at = math.inf
        if any(each.spec.waivers for each in self._policies):
            turns = (row.decision.turns_at for row in self._listed)
            self._turns_at = min((at for at in turns if at is not None), default=math.inf)
            self._turns_at = min(self._turns_at, now + LOOK_AGAIN_S)

    def _note(self, topic: str, _: object) -> None:
        self._moved += topic in MOVES

    def _row(self, name: str, held: Appraisal, labels: Mapping[str, str], now: float) -> Row:
        decision = decide(
            held.verdict,
            self._policies,
            node=name,
            look=lambda key: self.look(held, name, labels, key),
            component=held.name,
            now=now,
        )
        return Row(name, held, labels, decision, kind_of(held.verdict, decision))

    def look(self, held: Appraisal, name: str, labels: Mapping[str, str], key: str) -> object:
        """Labels and fields of the node, which few policies ask for."""
        if key in labels:
            return labels[key]
        picture = self._fleet.picture(held.endpoint)
        view = next((v for v in picture.assets if v.name == name), None) if picture else None
        return lookup_of(view)(key) if view else MISSING

    def _labels(self, address: str, key: str) -> Mapping[str, str]:
        held = self._fleet.facts.held(address)
        asset = held.assets.get(key) if held else None
        return labels_of(held.target, asset) if held else {}


def kind_of(verdict: Verdict, decision: Decision) -> Kind:
    why = deciding(verdict)
    return Kind(
        summary=verdict.summary.value,
        standing=decision.standing.value,
        axes=tuple(axis.value if axis else "" for axis in verdict.axes),
        why=why.code if why else "",
    )


def deciding(verdict: Verdict) -> Finding | None:
    """The finding that says why a verdict is not good; None for a good one."""
    if verdict.summary in (Summary.TRUSTED, Summary.VERIFIED):
        return None
    return next((each for each in verdict.findings if each.code not in QUIET), None)


def _order(row: Row) -> tuple[str, str, str]:
    return row.node, row.held.name, row.held.uri


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
