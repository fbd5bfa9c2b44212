"""What an edge hears, what it asks for, and the few doors through which it reaches the world.

The core of the room does no I/O and reads no clock: it is told events and the results of what it
asked for, and returns commands. So the very same code runs in `iolaus edge`, in `iolaus up` and
in virtual time on the bench. Whoever drives it carries a command to a device and brings back what
the device says, never what was hoped for: a cap counts from its read-back, and one that could not
be read back is None.

A ticket names one command. Results may be late, doubled or lost; a result whose ticket is not the
last one sent for a node can make the edge more careful, and never less.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec


class Sense(StrEnum):
    """What an event is about. `subject` is: the feed or shelf, the detector or leak zone, the
    loop, unit or node of a temperature, the building link, the battery, the rack."""

    FEED = "feed"
    REDUNDANCY = "redundancy"
    LEAK = "leak"
    FLOW = "flow"
    COOLANT = "coolant"
    DIE = "die"
    BUILDING = "building"
    BATTERY = "battery"
    RACK_POWER = "rack-power"


class Grade(StrEnum):
    """UNKNOWN is a sensor at fault or silent: neither good nor bad, and it clears nothing. For a
    feed, a redundancy or a link CRITICAL is its loss."""

    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


WIDE: Final = "loop "
"""A leak whose subject begins so is of what serves several racks: nobody's liquid is cut off before
his nodes are off."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a sensor says. `value` is in the sense's own unit: L/min for FLOW, degrees
    Celsius for COOLANT and DIE, state of charge 0..1 for BATTERY (discharging from WARNING on),
    watts for RACK_POWER; None where there is none. With a value and no grade of its own
    (UNKNOWN and a `value`) the rules of the reflexes grade it."""

    sense: Sense
    subject: str
    grade: Grade
    value: float | None = None
    because: str = ""


class Medium(StrEnum):
    """What a rack is cut from; electrical goes first."""

    ELECTRICAL = "electrical"
    LIQUID = "liquid"


class CapRead(msgspec.Struct, frozen=True, kw_only=True):
    """Read a node's cap. Answer with `Edge.written`."""

    node: str
    ticket: int


class CapWrite(msgspec.Struct, frozen=True, kw_only=True):
    """Set a node's cap and read it back. Answer with `Edge.written`. `safety` goes before
    everything else in the node's lane; `reflex` where a reflex and not a budget asks."""

    node: str
    watts: float
    ticket: int
    safety: bool = False
    reflex: bool = False
    because: str = ""


class PowerOff(msgspec.Struct, frozen=True, kw_only=True):
    """Cut a node's power at once (ForceOff). Asked again until `Edge.powered` says it is off."""

    node: str
    because: str = ""


class IsolationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the building to cut a rack off. Asked again until `Edge.isolated` confirms it."""

    rack: str
    medium: Medium
    because: str = ""


Command = CapRead | CapWrite | PowerOff | IsolationRequest


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """A reflex that has struck. It outlives its cause and the process; it ends when a person
    releases it. `cap_fraction` is of nameplate (None: the floor); `off` cuts power, `isolate`
    also asks the building (`after_off`: once every node was read to be off); `drain` asks that no
    new work comes."""

    name: str
    sense: Sense
    subject: str
    grade: Grade
    nodes: tuple[str, ...]
    cap_fraction: float | None = None
    off: bool = False
    isolate: bool = False
    after_off: bool = False
    drain: bool = False
    because: str = ""


class CapsNodes(Protocol):
    """The caps of a rack's nodes, each through its device's lane."""

    async def read_cap(self, node: str) -> float | None:
        """Watts in force; None where that could not be read. Raises nothing of a device's."""
        ...

    async def write_cap(self, node: str, watts: float, *, safety: bool) -> float | None:
        """Set, and read back. None where nobody knows what is in force now."""
        ...


class CutsPower(Protocol):
    async def power_off(self, node: str) -> bool | None:
        """ForceOff. Whether the node was read to be off afterwards; None is unknown."""
        ...


class AsksBuilding(Protocol):
    """The building's side of an isolation (DSX: electrical, then liquid)."""

    async def isolate(self, request: IsolationRequest) -> bool:
        """Publish the request. True once the building has confirmed that it is so."""
        ...


class HearsEvents(Protocol):
    """Whoever holds the racks' edges: gear on a bus and the building tell it what they say."""

    def event(self, rack: str, event: Event) -> None:
        """To the edge of one rack, or to all of them ("*"); one that is not there hears nothing."""
        ...


class TakesTargets(Protocol):
    """The part of the centre that the grid's targets move. A limit of None is lifted. Both raise
    `OperatorMust` for what the plant does not have."""

    def target(self, limit_w: float | None) -> None: ...

    def derate(self, domain: str, limit_w: float | None) -> None: ...


class KeepsLatches(Protocol):
    """Where latches outlive the process. `save` is durable when it returns."""

    def load(self) -> Sequence[Latch]: ...

    def save(self, latches: Sequence[Latch]) -> None: ...
