"""What a controller does by itself when a detector finds a leak: nothing, a shutdown, or off.

A detector has a reaction for a warning and one for a critical state, and a delay in which the leak
may turn out to be none. Only detectors with a reaction are watched, once a second; the state is
read as a client reads it, whatever made it wet. A reaction happens once until it is dry again.
"""

from __future__ import annotations

from typing import Final

from iolaus.sim import actions
from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource

NONE: Final = "None"
REACTIONS: Final = (NONE, "ForceOff", "GracefulShutdown")
POLICY: Final[Resource] = {
    "WarningReactionType": NONE,
    "CriticalReactionType": NONE,
    "ReactionDelaySeconds": 0,
}
WATCH_S: Final = 1.0
MOST_DELAY_S: Final = 3600


class Leaks(Quiet):
    """`watched` are detectors with a reaction, `reacted` those to which the device has reacted."""

    __slots__ = ("reacted", "watched")

    def __init__(self) -> None:
        self.watched: set[str] = set()
        self.reacted: set[str] = set()

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        named = ask.body.keys() & POLICY.keys()
        if ask.method != "PATCH" or not named or len(named) < len(ask.body):
            return None
        if "CriticalReactionType" not in (device.kept(ask.path) or {}):
            return None
        for name in sorted(named):
            if not _is_fit(name, ask.body[name]):
                word = "OutOfRange" if name == "ReactionDelaySeconds" else "NotInList"
                return refused(400, f"PropertyValue{word}", str(ask.body[name])[:80], name)
        after = device.patch(ask.path, ask.body)
        self._follow(device, ask.path, after)
        return Outcome(status=200, body=after)

    def truth(self, device: Device) -> Resource:
        del device
        return {"reacted_to": sorted(self.reacted)} if self.reacted else {}

    def _follow(self, device: Device, path: str, held: Resource) -> None:
        reacts = any(held.get(f"{level}ReactionType") != NONE for level in ("Warning", "Critical"))
        if not reacts:
            self.watched.discard(path)
        elif path not in self.watched:
            self.watched.add(path)
            self._look(device, path)

    def _look(self, device: Device, path: str) -> None:
        if path not in self.watched:
            return
        held = device.get(path) or {}
        if _reaction(held) == NONE:
            self.reacted.discard(path)
        elif path not in self.reacted:
            self.reacted.add(path)
            delay_s = float(held.get("ReactionDelaySeconds") or 0)
            device.later(delay_s, lambda: self._react(device, path))
        device.later(WATCH_S, lambda: self._look(device, path))

    def _react(self, device: Device, path: str) -> None:
        kind = _reaction(device.get(path) or {})
        if kind == NONE or path not in self.watched:
            self.reacted.discard(path)
            return
        device.emit({"EventType": "Alert", "Severity": "Critical",
                     "Message": f"Leak: {kind} by {path.rpartition('/')[2]}.",
                     "OriginOfCondition": {"@odata.id": path}})  # fmt: skip
        for system in list(device.paths()):
            if "SystemType" in (device.kept(system) or {}):
                actions.act(device, system, "ComputerSystem.Reset", {"ResetType": kind})


def _reaction(detector: Resource) -> str:
    """What its state asks for."""
    state = detector.get("DetectorState")
    found = detector.get(f"{state}ReactionType") if state in ("Warning", "Critical") else None
    return str(found) if found in REACTIONS else NONE


def _is_fit(name: str, value: object) -> bool:
    if name != "ReactionDelaySeconds":
        return value in REACTIONS
    return isinstance(value, int | float) and 0 <= value <= MOST_DELAY_S
