"""Drains as objects: named by their node, and a roll-out's by its plan where a person has one too.

What does not exist for a scope is not shown: a drain is seen by whoever sees its node.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from iolaus.model.endpoint import Condition
from iolaus.model.select import Selector
from iolaus.north.dto.drains import DrainView
from iolaus.north.dto.make import when
from iolaus.north.fleet import Fleet, Item, visible
from iolaus.north.kinds import BY_NAME

if TYPE_CHECKING:
    from iolaus.kernel.clock import Clock
    from iolaus.north.context import DrainsNodes, StandingDrain


class DrainShelf:
    """`drains` gives the port, or None where this server drains nothing."""

    def __init__(
        self, drains: Callable[[], DrainsNodes | None], *, fleet: Fleet, clock: Clock
    ) -> None:
        self._drains, self._fleet, self._clock = drains, fleet, clock

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        """By name."""
        port = self._drains()
        found = sorted(await port.all(), key=lambda each: (each.node, each.at)) if port else []
        named: set[str] = set()
        for each in found:
            name = f"{each.node}:{each.by}" if each.node in named else each.node
            labels = await self._labels(each.node, scope)
            if labels is None:
                continue
            named.add(name)
            view = _view(each, name, labels, now=self._clock.now())
            yield Item(name=name, origin=f"drain/{name}", key=(name,), revision=1, view=view)

    def condition(self, asset: str) -> Condition | None:
        """ "Drained" of an asset by uid; None where nobody had it drained through here."""
        port = self._drains()
        drain = port.of(asset) if port else None
        if drain is None:
            return None
        return Condition(
            type="Drained",
            status={"drained": "True", "unknown": "Unknown"}.get(drain.phase, "False"),
            reason=drain.phase.capitalize(),
            message=f"by {drain.by}: {drain.reason}" + (f"; {drain.detail}" * bool(drain.detail)),
            next_step=f"see it with: iolaus describe drain/{drain.node}",
            since=drain.since or drain.at,
        )

    async def _labels(self, node: str, scope: Selector) -> dict[str, str] | None:
        """None: the node does not exist for this scope."""
        item = await self._fleet.find(BY_NAME["node"], node)
        if item is None:
            return None if scope else {}
        return dict(item.view.labels) if visible(item.view, scope) else None


def _view(drain: StandingDrain, name: str, labels: dict[str, str], *, now: float) -> DrainView:
    return DrainView(
        name=name,
        kind="drain",
        labels=labels,
        node=drain.node,
        state=drain.phase,
        adapter=drain.adapter,
        by=drain.by,
        reason=drain.reason,
        detail=drain.detail,
        remaining=drain.remaining,
        began_at=when(drain.at),
        since=when(drain.since or drain.at),
        age_s=round(max(0.0, now - drain.at), 3),
    )
