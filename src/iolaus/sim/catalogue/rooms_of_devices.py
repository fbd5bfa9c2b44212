"""Rooms of a device's own (firmware, manners) whose faults strike one device at a time.

Such a room has a module `faults` with `CATALOGUE`: name -> an object with `title`, `what`,
`source`, `strike(device, **given)` and `mend(device, **given)`, and, if it takes any,
`arguments`. It needs to know nothing of this catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

from iolaus.sim.catalogue.entry import Argument, Entry, Mend, Scene, Strike

ROOMS: Final = ("firmware", "manners")
_SOURCE: Final = re.compile(r"^(\d+|energy): \S")


class Flaw(Protocol):
    """What such a room must give of each fault."""

    @property
    def title(self) -> str: ...

    @property
    def what(self) -> str: ...

    def strike(self, device: Any, **given: Any) -> None: ...

    def mend(self, device: Any, **given: Any) -> None: ...


def device_rooms() -> Iterator[Entry]:
    """The entries of the rooms that this build has."""
    for room in ROOMS:
        name = f"iolaus.sim.{room}.faults"
        if find_spec(f"iolaus.sim.{room}") is None or find_spec(name) is None:
            continue
        found: Mapping[str, Flaw] = getattr(import_module(name), "CATALOGUE", {})
        for fault, flaw in found.items():
            yield entry_of(fault, flaw, room=room)


def entry_of(name: str, flaw: Flaw, *, room: str) -> Entry:
    said: Any = getattr(flaw, "sources", None) or getattr(flaw, "source", ())
    sources = (said,) if isinstance(said, str) else tuple(said)
    return Entry(
        name=name,
        title=flaw.title,
        what=flaw.what,
        room=room,
        strike=_striking(flaw),
        sources=[each for each in sources if _SOURCE.match(each)],
        arguments=_arguments(getattr(flaw, "arguments", ())),
        fits=getattr(flaw, "fits", "") or "devices that have it",
        kinds=frozenset(getattr(flaw, "kinds", ())),
        seen=getattr(flaw, "seen", "") or flaw.what,
        oracle=getattr(flaw, "oracle", "") or "GET /truth/NAME says what is really so.",
    )


def _striking(flaw: Flaw) -> Strike:
    async def strike(scene: Scene) -> Mend:
        given = {name: value for name, value in scene.given.items() if value is not None}
        for place in scene.places:
            flaw.strike(place.device, **given)

        async def mend() -> None:
            for place in scene.places:
                flaw.mend(place.device, **given)

        return mend

    return strike


def _arguments(said: Any) -> Sequence[Argument]:
    """Arguments as they are, or made of name -> usual value."""
    if isinstance(said, Mapping):
        return [
            Argument(name=str(name), what=str(name).replace("_", " "), usual=usual)
            for name, usual in said.items()
        ]
    return [each for each in said if isinstance(each, Argument)]
