"""Roots of trust that lie, each in one way only: `sim/roots/lies.py` by its presets' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iolaus.sim.catalogue.entry import Argument, Entry, Given
from iolaus.sim.catalogue.rules import armed
from iolaus.sim.presets import PRESETS
from iolaus.sim.roots.lies import LIES

PATH: Final = Argument(name="path", what="glob of ComponentIntegrity URIs", usual="*")
WHOSE: Final = Argument(name="of", what="the device whose identity is taken", usual="")
SEEN: Final = {
    "spdm": "The signed measurements of a SPDMGetSignedMeasurements do not verify, or say so.",
    "tpm": "The quote of a TPMGetSignedMeasurements, or its event log, does not verify.",
}


def _tells(lie: str) -> Callable[[Given], list[dict[str, Any]]]:
    def make(given: Given) -> list[dict[str, Any]]:
        names = [given["of"]] if given.get("of") else []
        return [{"effect": "lie", "lie": lie, "names": names, "select": {"path": given["path"]}}]

    return make


def _entry(lie: str) -> Entry:
    name = lie.replace("_", "-")
    protocol, _, kind = name.partition("-")
    what = PRESETS[name].what
    return Entry(
        name=name,
        title=f"{protocol.upper()}: {kind.replace('-', ' ')}",
        what=f"{what} Everything else that the root of trust says stays honest.",
        room="trust",
        strike=armed(_tells(lie)),
        arguments=(PATH, WHOSE) if "swapped" in lie else (PATH,),
        fits="devices with ComponentIntegrity",
        suits=lambda persona: bool(persona.roots),
        seen=SEEN[protocol],
        oracle="GET /devices/NAME/roots: who signs, what really runs, what is lied about.",
    )


FAULTS: Final = tuple(_entry(lie) for lie in LIES)
