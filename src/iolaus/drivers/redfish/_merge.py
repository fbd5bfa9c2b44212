"""Which sightings are of the same sensor.

A Sensor's URI is its identity, and an excerpt names it in `DataSourceUri`. Three things break
that. An excerpt may point at a Sensor that does not exist under that path but, with the same last
segment, elsewhere. An excerpt may give no source at all. And the legacy `Thermal` and `Power` know
nothing of Sensors. These are matched by place, quantity and name; and where a chassis shows at
least as many modern sensors of a quantity as its legacy array has entries, the array is the same
thing in old words, even if its names differ, and what did not match is left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from iolaus.drivers.redfish._roles import is_whole_by_name, place_of
from iolaus.drivers.redfish._sightings import LEGACY, SENSOR, Sighting
from iolaus.drivers.redfish._text import REMEMBERED, tail
from iolaus.model.asset import Reading

Groups = dict[str, list[Sighting]]
_WORD: Final = re.compile(r"[a-z]+|\d+")
_FILLER: Final = frozenset(
    ("temperature", "temp", "voltage", "volt", "current", "power", "sensor", "reading", "speed")
)
_FANS: Final = ("Rotational", "Percent")
_TELLING: Final = re.compile(r"^(?=.*\d).{5,}$")
"""A last segment that is no common word ("FAN_1_F"), so that it may stand for a Sensor."""


def _family(quantity: str) -> str:
    return "fan" if quantity in _FANS else quantity


@lru_cache(maxsize=REMEMBERED)
def plain(name: str) -> str:
    """A name without its quantity words, punctuation and case."""
    return " ".join(word for word in _WORD.findall(name.lower()) if word not in _FILLER)


class Index:
    """Finds the sensor that a sighting is of. A name that two sensors of one place and quantity
    share finds neither. Names are taken apart when a URI alone does not find it."""

    def __init__(self) -> None:
        self._unread: list[tuple[str, Iterable[str], str]] = []
        self._by_name: dict[tuple[str, str, str], str | None] = {}
        self._by_tail: dict[str, str | None] = {}
        self._by_place: dict[tuple[str, str, str], str] = {}
        self._quantities: dict[str, str] = {}

    def add(self, *, key: str, names: Iterable[str], quantity: str) -> None:
        self._quantities[key] = quantity
        self._unread.append((key, names, quantity))

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for key, names, quantity in unread:
            self._name(key, names, quantity)

    def _name(self, key: str, names: Iterable[str], quantity: str) -> None:
        last = tail(key)
        self._by_tail[last] = None if last in self._by_tail else key
        self._by_place[place_of(key), _family(quantity), last] = key
        for name in {plain(each) for each in names}:
            slot = (place_of(key), _family(quantity), name)
            clash = slot in self._by_name and self._by_name[slot] != key
            self._by_name[slot] = None if clash else key

    def find(self, sighting: Sighting) -> str:
        """The key of the sensor this is a sighting of; its own key where none is known."""
        key = sighting.key
        if key in self._quantities:
            return key
        self._read()
        if "#" not in key:
            telling = _TELLING.search(tail(key))
            return (telling and self._by_tail.get(tail(key))) or key
        place, family = place_of(sighting.source), _family(sighting.quantity)
        if sighting.kind == "Fan" and (place, family, tail(sighting.source)) in self._by_place:
            return self._by_place[place, family, tail(sighting.source)]
        for quantity in (family, ""):
            held = self._by_name.get((place, quantity, plain(sighting.name)))
            if held:
                return held
        return key

    def resolve(self, sighting: Sighting) -> str:
        """The key of the reading this becomes. A fan's rpm beside its per cent is a reading of
        its own, unless the Sensor itself counts rpm."""
        base = self.find(sighting)
        if not sighting.side:
            return base
        itself = sighting.side == "SpeedRPM" and self._quantities.get(base) == "Rotational"
        return base if itself else f"{base}{'/' if '#' in base else '#/'}{sighting.side}"


def index_of(readings: Iterable[Reading]) -> Index:
    """The same matching against readings that are already known (for the hot pass)."""
    index = Index()
    for reading in readings:
        index.add(key=reading.uri, names=(reading.name,), quantity=reading.quantity)
    return index


def _index_sensors(sightings: Iterable[Sighting]) -> Index:
    index = Index()
    for each in sightings:
        if each.rank == SENSOR and not each.side:
            names = (each.name, f"{each.name} {each.subcontext}")
            index.add(key=each.key, names=names, quantity=each.quantity)
    return index


def _is_whole(sighting: Sighting) -> bool:
    """Whether it shows what its chassis draws in all. A place has one such value; where the
    device does not say that two of these are the same sensor, they still are."""
    if sighting.kind == "Sensor":
        return is_whole_by_name(sighting)
    if sighting.kind == "PowerControl":
        return sighting.pointer.startswith("/PowerControl/0/")
    return sighting.kind == "EnvironmentMetrics" and sighting.pointer == "/PowerWatts"


def group(sightings: Iterable[Sighting]) -> Groups:
    """Sensor key -> its sightings, the most modern first."""
    seen = sorted(sightings, key=lambda each: each.rank)
    index, groups = _index_sensors(seen), defaultdict[str, list[Sighting]](list)
    whole: dict[str, str] = {}
    for each in seen:
        key, place = index.resolve(each), place_of(each.source)
        if _is_whole(each):
            key = whole.setdefault(place, key) if "#" in key else key
            whole.setdefault(place, key)
        groups[key].append(each)
    return _without_echo(groups)


def _slot(sighting: Sighting) -> tuple[str, str, bool]:
    if sighting.rank == LEGACY:
        supply = sighting.kind == "PowerSupplies"
    else:
        supply = sighting.kind == "PowerSupplyMetrics" or sighting.context == "PowerSupply"
    return place_of(sighting.source), _family(sighting.quantity), supply


def _modern_slots(held: list[Sighting]) -> list[tuple[str, str, bool]]:
    """A power supply's voltage counts both as the supply's and as one of the chassis."""
    place, family, _ = _slot(held[0])
    supply = any(_slot(each)[2] for each in held if each.rank != LEGACY)
    return [(place, family, True), (place, family, False)] if supply else [(place, family, False)]


def _without_echo(groups: Groups) -> Groups:
    """Drop the legacy entries that modern sensors of the same place and quantity cover."""
    modern, legacy = Counter[tuple[str, str, bool]](), Counter[tuple[str, str, bool]]()
    for held in groups.values():
        if held[0].rank != LEGACY and not held[0].side:
            modern.update(_modern_slots(held))
        legacy.update({_slot(each) for each in held if each.rank == LEGACY})
    return {key: held for key, held in groups.items() if not _is_echo(held[0], modern, legacy)}


def _is_echo(
    first: Sighting,
    modern: Mapping[tuple[str, str, bool], int],
    legacy: Mapping[tuple[str, str, bool], int],
) -> bool:
    slot = _slot(first)
    covered = modern.get(slot, 0) >= legacy.get(slot, 0)
    return first.rank == LEGACY and first.kind != "PowerControl" and covered
