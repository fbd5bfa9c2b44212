"""One map for each scope that somebody looks with: what is outside a scope is not on its map.

A scope may speak of things that move (`health=Critical`), and asking it of ten thousand assets
takes a second, so the answer for an endpoint is kept: until its inventory changes where the scope
speaks only of the operator's labels, else for some seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from iolaus.model.select import Selector
from iolaus.north.context import Context
from iolaus.north.fleet import Picture, visible
from iolaus.north.ui.hallmap import HallMap

RECHECK_S: Final = 10.0
SETTLE_S: Final = 0.9


def visible_names(picture: Picture, scope: Selector) -> set[str]:
    """The names at one endpoint that exist for this scope."""
    return {view.name for view in picture.assets if visible(view, scope)}


class Judged(NamedTuple):
    """A scope's answer for one endpoint, and what it was given for."""

    source: tuple[object, ...]
    until: float
    names: Mapping[str, str]


class Scoped:
    """The names that exist for one scope, as a map asks for them."""

    def __init__(self, context: Context, scope: Selector) -> None:
        self._context, self._scope = context, scope
        self._judged: dict[str, Judged] = {}

    def shape(self) -> object:
        moment = int(self._context.clock.now() // RECHECK_S) if self._scope else 0
        return (id(self._context.fleet.index()), moment)

    def names_of(self, address: str) -> Mapping[str, str]:
        names = self._context.fleet.names_of(address)
        held = self._context.facts.held(address)
        if not self._scope or held is None:
            return names
        now = self._context.clock.now()
        source = (held.target, held.report, names)
        kept = self._judged.get(address)
        if kept and now < kept.until and all(map(_same, kept.source, source)):
            return kept.names
        picture = self._context.fleet.picture(address)
        shown = visible_names(picture, self._scope) if picture else set()
        found = {key: name for key, name in names.items() if name in shown}
        is_steady = all(term.key in held.target.labels for term in self._scope.terms)
        until = float("inf") if is_steady and not self._scope.bare else now + RECHECK_S
        self._judged[address] = Judged(source, until, found)
        return found


def _same(before: object, after: object) -> bool:
    return before is after


class Maps:
    """The maps by scope. What they say of drift is as old as the last `settle`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._maps: dict[Selector, HallMap] = {}
        self._settled: tuple[float, int] | None = None

    def of(self, scope: Selector) -> HallMap:
        if scope not in self._maps:
            self._maps[scope] = HallMap(
                facts=self._context.facts,
                names=Scoped(self._context, scope),
                clock=self._context.clock,
                interval_s=self._context.interval_s,
                slow_interval_s=self._context.slow_interval_s,
                verdicts=self._context.desired.ledger,
            )
        return self._maps[scope]

    async def settle(self) -> None:
        """Judge what is due, once a second at most, and not at all where nothing is wanted."""
        ledger, baselines = self._context.desired.ledger, self._context.baselines
        now, revision, kept = self._context.clock.now(), baselines.revision, self._settled
        if kept and kept[1] == revision and 0 < now - kept[0] < SETTLE_S:
            return
        if baselines.all() or next(ledger.verdicts(), None) is not None:
            await ledger.settle()
        self._settled = (self._context.clock.now(), revision)
