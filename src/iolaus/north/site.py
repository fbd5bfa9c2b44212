"""The site as it is asked for from outside: one object, of its slow loop and of its watts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from iolaus.energy.asked import AskedTarget
from iolaus.energy.decisions import ActuatorState, Decision
from iolaus.energy.efficiency import Efficiency
from iolaus.energy.hindsight import Past
from iolaus.energy.signals import Signal
from iolaus.energy.site import SiteState
from iolaus.kernel.errors import WeErred
from iolaus.model.select import Selector
from iolaus.north.dto.site import site_view
from iolaus.north.fleet import Item


class SeesSite(Protocol):
    def site(self) -> SiteState: ...

    def efficiency(self) -> Efficiency: ...

    def actuators(self) -> Sequence[ActuatorState]:
        """Batteries, coolant units and what smooths, as the slow loop saw them last."""
        ...

    def past(self) -> Mapping[str, Past]:
        """By domain."""
        ...

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        """Of the slow loop, newest first, with seconds since 1970."""
        ...

    def ask_less(
        self, name: str, limit_w: float, *, start: float, until: float, by: str, reason: str
    ) -> AskedTarget:
        """The site draws no more than this for a while. Raises `OperatorMust`."""
        ...

    def ask_no_more(self, name: str) -> AskedTarget:
        """Raises `OperatorMust` where there is none."""
        ...

    def say(self, signal: Signal) -> None:
        """Raises `OperatorMust`."""
        ...


class SiteShelf:
    """`sees()` is None on a server that holds no racks. A scope sees none of it."""

    def __init__(self, sees: Callable[[], SeesSite | None]) -> None:
        self._sees = sees

    @property
    def seen(self) -> SeesSite:
        """Raises `WeErred` where there is none."""
        if (sees := self._sees()) is None:
            raise WeErred(
                "this server holds no racks",
                operation="ask of the site",
                subject="site",
                code="NotOffered",
                next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
            )
        return sees

    def past(self) -> Mapping[str, Past]:
        sees = self._sees()
        return sees.past() if sees else {}

    async def items(self, scope: Selector) -> AsyncIterator[Item]:
        sees = None if scope else self._sees()
        if sees is not None:
            view = site_view(sees.site(), sees.efficiency(), sees.actuators())
            yield Item(
                name=view.name, origin="sitepower/site", key=(view.name,), revision=1, view=view
            )
