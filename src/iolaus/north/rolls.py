"""Plans and roll-outs as lists of objects, beside those of the hall.

What is behind the port keeps plans; here they become views. A principal with a scope sees the
plans of which every node is within it: half a plan would be a lie about the other half.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Plan
from iolaus.model.recovery import ASKED as RECOVER
from iolaus.model.recovery import Tried
from iolaus.model.rollout import Progress
from iolaus.model.select import Selector
from iolaus.north.dto.make_rolls import Sheet, plan_view, rollout_view
from iolaus.north.dto.rolls import RolloutView
from iolaus.north.dto.views import View
from iolaus.north.fleet import Fleet, Item, visible

if TYPE_CHECKING:
    from iolaus.north.context import Recovers, Rolls, Standing

SHEETS: Final = 64
AGES_S: Final = 1e11
"""Later than any time; what is left until then orders the newest first."""


class PlanShelf:
    """`rolls` gives the port, or None where this server plans nothing; `recovers` that of
    recoveries."""

    def __init__(
        self,
        rolls: Callable[[], Rolls | None],
        recovers: Callable[[], Recovers | None],
        *,
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self._rolls, self._recovers, self._fleet, self._clock = rolls, recovers, fleet, clock
        self._sheets: OrderedDict[int, Sheet] = OrderedDict()

    async def plan_items(self, scope: Selector) -> AsyncIterator[Item]:
        """Every plan that is kept, newest first."""
        for item in sorted(map(self.plan_item, await self._all(scope)), key=lambda each: each.key):
            yield item

    async def rollout_items(self, scope: Selector) -> AsyncIterator[Item]:
        """Every plan that was applied, the newest plan first."""
        found = [
            self._rollout_item(each, each.progress)
            for each in await self._all(scope)
            if each.progress is not None
        ]
        for item in sorted(found, key=lambda each: each.key):
            yield item

    async def recovery_items(self, scope: Selector) -> AsyncIterator[Item]:
        """Every plan of recovery that was applied, the newest first."""
        async for item in self.rollout_items(scope):
            if isinstance(item.view, RolloutView) and item.view.asked.startswith(RECOVER):
                yield _as_recovery(item)

    async def recovery(self, name: str, scope: Selector) -> Item | None:
        """With what was tried on each node."""
        standing = await self._standing(name, scope)
        if standing is None or standing.progress is None or not _is_recovery(standing.plan):
            return None
        port = self._recovers()
        tried = await port.tried(standing.plan.id) if port else {}
        return _as_recovery(
            self._rollout_item(standing, standing.progress, whole=True, tried=tried)
        )

    async def plan(self, name: str, scope: Selector) -> Item | None:
        standing = await self._standing(name, scope)
        return self.plan_item(standing, whole=True) if standing else None

    async def rollout(self, name: str, scope: Selector) -> Item | None:
        standing = await self._standing(name, scope)
        if standing is None or standing.progress is None:
            return None
        return self._rollout_item(standing, standing.progress, whole=True)

    def plan_item(self, standing: Standing, *, whole: bool = False) -> Item:
        """Also for a plan that is only looked at."""
        sheet, progress = self.sheet(standing.plan), standing.progress
        view = plan_view(
            sheet,
            progress=progress,
            given=standing.approvals,
            now=self._clock.now(),
            text=standing.text,
            whole=whole,
        )
        return _item("plan", standing, view)

    def sheet(self, plan: Plan) -> Sheet:
        """Kept by identity, because a plan's hash takes longer than everything else."""
        known = self._sheets.get(id(plan))
        if known is None or known.plan is not plan:
            known = self._sheets[id(plan)] = Sheet(plan)
        self._sheets.move_to_end(id(plan))
        while len(self._sheets) > SHEETS:
            self._sheets.popitem(last=False)
        return known

    async def outside(self, plan: Plan, scope: Selector) -> list[str]:
        """Names of the plan's nodes that do not exist for this scope."""
        if not scope:
            return []
        seen = await self._within(scope)
        return sorted(node.name for node in plan.nodes if node.uid not in seen)

    def _rollout_item(
        self,
        standing: Standing,
        progress: Progress,
        *,
        whole: bool = False,
        tried: Mapping[str, Sequence[Tried]] = MappingProxyType({}),
    ) -> Item:
        sheet = self.sheet(standing.plan)
        view = rollout_view(
            sheet, progress, holds=standing.holds, now=self._clock.now(), whole=whole, tried=tried
        )
        return _item("rollout", standing, view)

    async def _all(self, scope: Selector) -> list[Standing]:
        rolls = self._rolls()
        found = await rolls.all() if rolls else ()
        if not scope:
            return list(found)
        seen = await self._within(scope)
        return [each for each in found if all(n.uid in seen for n in each.plan.nodes)]

    async def _standing(self, name: str, scope: Selector) -> Standing | None:
        rolls = self._rolls()
        if rolls is None:
            return None
        try:
            standing = await rolls.standing(name)
        except OperatorMust:
            return None
        return None if await self.outside(standing.plan, scope) else standing

    async def _within(self, scope: Selector) -> Collection[str]:
        return {
            picture.uid_of(view.name)
            async for picture in self._fleet.pictures()
            for view in picture.assets
            if visible(view, scope)
        }


def _is_recovery(plan: Plan) -> bool:
    return plan.asked is not UNSET and plan.asked.kind == RECOVER


def _as_recovery(item: Item) -> Item:
    view = msgspec.structs.replace(item.view, kind="recovery")
    return msgspec.structs.replace(item, origin=f"recovery/{item.name}", view=view)


def _item(word: str, standing: Standing, view: View) -> Item:
    last = standing.progress.last if standing.progress else 0
    return Item(
        name=view.name,
        origin=f"{word}/{view.name}",
        key=(f"{AGES_S - standing.plan.made_at:018.6f}", view.name),
        revision=1 + last + len(standing.approvals),
        view=view,
    )
