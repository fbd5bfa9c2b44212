"""Policies of power as they are asked for from outside: what counts, and changes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import WeErred
from iolaus.model.ruling import PowerChange, PowerDocuments
from iolaus.model.select import Selector
from iolaus.north.dto.ruling import change_view, policy_view
from iolaus.north.fleet import Item
from iolaus.north.rolls import AGES_S


class RulesPower(Protocol):
    """Every method that changes something raises `OperatorMust` for what is wrong or not there and
    `PolicyRefused` for what may not be."""

    def documents(self) -> PowerDocuments: ...

    def changes(self) -> Sequence[PowerChange]:
        """Newest first."""
        ...

    def change(self, name: str) -> PowerChange: ...

    async def propose(
        self, documents: Sequence[Mapping[str, Any]], *, by: str, source: str, keep: bool
    ) -> PowerChange:
        """`keep` False: only looked at."""
        ...

    async def approve(self, name: str, *, by: str, groups: Sequence[str]) -> PowerChange: ...

    async def apply(self, name: str, *, by: str) -> PowerChange: ...

    async def withdraw(self, name: str, *, by: str) -> PowerChange: ...


class RulingShelf:
    """`rules()` is None on a server that holds no racks. It concerns the whole hall, so a scope
    sees none of it."""

    def __init__(self, rules: Callable[[], RulesPower | None], *, clock: Clock) -> None:
        self._rules, self._clock = rules, clock

    @property
    def rules(self) -> RulesPower:
        """Raises `WeErred` where there is none."""
        if (rules := self._rules()) is None:
            raise WeErred(
                "this server holds no racks",
                operation="ask of power",
                subject="policies",
                code="NotOffered",
                next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
            )
        return rules

    async def policies(self, scope: Selector) -> AsyncIterator[Item]:
        rules = None if scope else self._rules()
        views = [policy_view(e, msgspec.to_builtins(e)) for e in rules.documents()] if rules else []
        for view in sorted(views, key=lambda each: each.name):
            origin = f"powerpolicy/{view.name}"
            yield Item(name=view.name, origin=origin, key=(view.name,), revision=1, view=view)

    async def changes(self, scope: Selector) -> AsyncIterator[Item]:
        """The newest first."""
        rules = None if scope else self._rules()
        for change in rules.changes() if rules else ():
            yield self.item(change)

    def item(self, change: PowerChange) -> Item:
        view = change_view(change, now=self._clock.now())
        origin = f"powerchange/{view.name}"
        key = (f"{AGES_S - change.at:016.3f}", view.name)
        return Item(name=view.name, origin=origin, key=key, revision=1, view=view)
