"""Sensors that cross their thresholds: an entry in the log, an event, and the sensor's health.

A controller looks at its sensors by itself while somebody listens to its events (`LOOK_S`, each
device at its own moment), and whenever one of its logs is read; nothing runs where nobody would
see it. A level is left only when the reading is clear of it by a dead band, so that a reading on
the edge is told once. Thresholds are those that the resources show, changed ones too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet, attentive
from iolaus.sim.hall_life import Life
from iolaus.sim.personas.persona import Persona
from iolaus.sim.personas.sketch import CLOSE, OPEN
from iolaus.sim.tree import Resource

LOOK_S: Final = 30.0
DEAD_BAND: Final = 0.02
GOOD: Final = ""
WORDS: Final = (
    "UpperFatal", "LowerFatal", "UpperCritical", "LowerCritical", "UpperCaution", "LowerCaution",
)  # fmt: skip
"""The worst first."""


class Probe(NamedTuple):
    """One sensor: the name of its live value, and its thresholds by word, the worst first."""

    value: str
    bounds: tuple[tuple[str, float], ...]


class Thresholds(Quiet):
    """`levels` are what sensors are over or under now, by path; `own` are sensors whose thresholds
    were changed."""

    __slots__ = ("_looks", "levels", "own")

    def __init__(self) -> None:
        self.levels: dict[str, str] = {}
        self.own: dict[str, Probe | None] = {}
        self._looks = False

    def listened(self, device: Device) -> None:
        if not self._looks and isinstance(device.live, Life):
            self._looks = True
            device.later(LOOK_S * device.random.random(), lambda: self._again(device))

    def consulted(self, device: Device, path: str) -> None:
        del path
        self.look(device)

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        del device
        told = (after or {}).get("Thresholds")
        if before is not None and after is not None and before.get("Thresholds") != told:
            self.own[path] = probe_of(after)

    def look(self, device: Device) -> None:
        """Tell of every sensor that is at another level than at the last look."""
        life = device.live
        if not isinstance(life, Life):
            return
        drawn, t = _probes(life.persona, device), device.clock.now()
        probes = {**drawn, **self.own} if self.own else drawn
        for path, probe in probes.items():
            reading = life.value(probe.value, t) if probe is not None else None
            before = self.levels.get(path, GOOD)
            now = level_of(probe.bounds, reading, before) if probe is not None else GOOD
            if now != before and device.kept(path) is not None:
                self.levels[path] = now
                _tell(device, path, now, reading)

    def truth(self, device: Device) -> Resource:
        del device
        beyond = {path: level for path, level in self.levels.items() if level}
        return {"beyond": beyond} if beyond else {}

    def _again(self, device: Device) -> None:
        self._looks = device.events.is_heard
        if self._looks:
            self.look(device)
            device.later(LOOK_S, lambda: self._again(device))


def level_of(bounds: tuple[tuple[str, float], ...], reading: Any, before: str) -> str:
    """The worst threshold that is crossed; one that was crossed stays so within the dead band."""
    if not isinstance(reading, int | float):
        return GOOD
    for word, bound in bounds:
        slack = DEAD_BAND * abs(bound) if word == before else 0.0
        crossed = reading > bound - slack if word.startswith("Upper") else reading < bound + slack
        if crossed:
            return word
    return GOOD


def _tell(device: Device, path: str, now: str, reading: Any) -> None:
    health = "OK" if not now else "Warning" if now.endswith("Caution") else "Critical"
    held = device.patch(path, {"Status": {"Health": health}})
    name, unit = str(held.get("Name")), str(held.get("ReadingUnits"))
    side = "above its upper" if now.startswith("Upper") else "below its lower"
    word = now.removeprefix("Upper").removeprefix("Lower").lower()
    bound = ((held.get("Thresholds") or {}).get(now) or {}).get("Reading")
    where = f"{side} {word} threshold of {bound}" if now else "within its normal range"
    shown = "unknown" if reading is None else f"{reading:.1f} {unit}"
    text = f"{name} reads {shown}, {where}."
    args = [name, shown.partition(" ")[0], unit, *([str(bound)] if now else [])]
    more = {"MessageId": f"SensorEvent.1.1.{_message(now)}", "MessageArgs": args}
    attentive(device.effects).noted(device, health, text, path, more)
    about = {"Severity": health, "Message": text, "OriginOfCondition": {"@odata.id": path}}
    device.emit({"EventType": "Alert", **about, **more})


def _message(now: str) -> str:
    if not now:
        return "SensorReadingNormalRange"
    return f"Reading{'Above' if now.startswith('Upper') else 'Below'}{now}Threshold"


def _probes(persona: Persona, device: Device) -> Mapping[str, Probe | None]:
    """Alike for all devices of a persona, so the first that looks finds them for all."""
    found = _KNOWN.get(persona)
    if found is None:
        found = _KNOWN[persona] = dict(_drawn(device))
    return found


_KNOWN: Final[dict[Persona, Mapping[str, Probe | None]]] = {}


def _drawn(device: Device) -> Iterator[tuple[str, Probe]]:
    for path in device.tree.paths():
        if "/Sensors/" in path and (probe := probe_of(device.tree.get(path) or {})) is not None:
            yield path, probe


def probe_of(sensor: Resource) -> Probe | None:
    """What is to be looked at of a sensor; None where it has no thresholds or does not move."""
    told, marker = sensor.get("Thresholds"), str(sensor.get("Reading"))
    if not isinstance(told, dict) or not marker.startswith(f"{OPEN}=live|"):
        return None
    bounds = tuple(
        (word, float(held["Reading"]))
        for word in WORDS
        if isinstance(held := told.get(word), dict) and isinstance(held.get("Reading"), int | float)
    )
    value = marker.removesuffix(CLOSE).split("|")[1]
    return Probe(value, bounds) if bounds else None
