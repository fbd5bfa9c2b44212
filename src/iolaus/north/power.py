"""The room of power as it is asked from outside: edges and caps as objects, and what people say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol

from iolaus.energy.decisions import Decision, DomainState, RackState
from iolaus.energy.holding import HeldCap
from iolaus.energy.keeping import Keeping, by_rack, keepings
from iolaus.energy.ports import Latch
from iolaus.energy.standing import EdgeStanding
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import WeErred
from iolaus.model.select import Selector
from iolaus.north.dto.edges import PowerCapView, cap_view, edge_view
from iolaus.north.dto.views import View
from iolaus.north.fleet import Item, visible


class PowerRoom(Protocol):
    """Every method that changes something raises `OperatorMust` for what is not there and
    `PolicyRefused` for what may not be."""

    def edges(self) -> Sequence[EdgeStanding]: ...

    def unheard(self) -> str:
        """Why racks may be missing at this moment; empty where all are known."""
        ...

    def domains(self) -> Sequence[DomainState]:
        """Empty where no centre runs here."""
        ...

    def racks(self) -> Sequence[RackState]: ...

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        """Newest first, with seconds since 1970."""
        ...

    def caps(self) -> Sequence[HeldCap]: ...

    async def release(self, subject: str, *, by: str, reason: str) -> Sequence[Latch]:
        """End what is latched in a rack, or of a node alone."""
        ...

    async def hold(
        self, subject: str, watts: float, *, for_s: float, by: str, reason: str
    ) -> HeldCap:
        """A node or a rack draws no more than this for a while."""
        ...

    async def clear(self, subject: str, *, restore: bool = True) -> HeldCap:
        """`restore`: whether what was in force before is put back where no loop holds it."""
        ...

    async def isolate(self, rack: str, *, by: str, reason: str) -> bool:
        """Whether the building confirmed it."""
        ...

    async def unisolate(self, rack: str, *, by: str, reason: str) -> bool:
        """Whether the building confirmed that it is given back. Switches nothing on."""
        ...


class PowerShelf:
    """`room()` is None on a server without edges."""

    def __init__(self, room: Callable[[], PowerRoom | None], *, clock: Clock) -> None:
        self._room, self._clock = room, clock

    @property
    def room(self) -> PowerRoom:
        """Raises `WeErred` where there is none."""
        if (room := self._room()) is None:
            raise WeErred(
                "this server holds no racks",
                operation="ask of power",
                subject="edges",
                code="NotOffered",
                next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
            )
        return room

    async def edges(self, scope: Selector) -> AsyncIterator[Item]:
        """By rack."""
        room = self._room()
        shared = {each.rack: each for each in room.racks()} if room else {}
        held = by_rack(self.keepings())
        views = [
            edge_view(each, shared.get(each.rack), held=held.get(each.rack, ()))
            for each in (room.edges() if room else ())
        ]
        for item in _items("edge", views, scope):
            yield item

    async def caps(self, scope: Selector) -> AsyncIterator[Item]:
        """By name."""
        for item in _items("cap", self.cap_views(), scope):
            yield item

    def cap_views(self) -> list[PowerCapView]:
        now = self._clock.now()
        return [cap_view(each, now=now) for each in self.keepings()]

    def keepings(self) -> list[Keeping]:
        """Of all that people hold, whether it is kept; empty on a server without edges."""
        room = self._room()
        caps = room.caps() if room else ()
        return keepings(caps, room.edges(), now=self._clock.now()) if room and caps else []


def _items(word: str, views: Iterable[View], scope: Selector) -> Iterable[Item]:
    for view in sorted(views, key=lambda each: each.name):
        if visible(view, scope):
            origin = f"{word}/{view.name}"
            yield Item(name=view.name, origin=origin, key=(view.name,), revision=1, view=view)
