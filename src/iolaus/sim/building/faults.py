"""What goes wrong on the building side, by name, on and off at run time.

A fault strikes things by glob, and within them registers, points or protocols by a second glob
(`what`). `share` lets it strike only so often, from a seeded source. Those who speak a protocol
ask `strikes` at the moment it matters; nothing here knows a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from random import Random
from typing import Final

from iolaus.kernel.errors import OperatorMust

CATALOGUE: Final[Mapping[str, str]] = {
    "link-loss": "no answer and no message any more; `what` is modbus, mqtt or snmp",
    "stale-values": "values stay as they were, with fresh time stamps",
    "bad-quality": "values are published with a quality that is not good",
    "no-value": "values are published as null, with bad quality",
    "stuck-register": "the registers that `what` names stay as they were",
    "crc-errors": "answers on the serial line are garbled; through a gateway, no answer",
    "busy": "Modbus units answer that they are busy",
    "late-heartbeat": "the building system's heartbeat stops while values go on",
    "deaf": "the building system ignores requests and says so nowhere",
    "wrong-key": "load targets are signed with a key that nobody published",
    "tampered": "load targets are changed after they were signed",
    "unsigned": "load targets say that they need no signature",
    "replayed": "each load target is followed by the one sent first, once more",
    "expired": "load targets are an hour old, and so is the window they are for",
}
"""Standing faults. `broker-restart` is an act, not a state: `Building.restart_broker`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    name: str
    thing: str = "*"
    what: str = "*"
    share: float = 1.0
    id: str = ""


@dataclass(slots=True)
class Faults:
    """What is armed. `struck` counts by fault id."""

    seed: int = 0
    armed: list[Fault] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    _random: Random = field(init=False)
    _count: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._random = Random(f"{self.seed}/building")  # noqa: S311  a simulation

    def arm(
        self, name: str, *, thing: str = "*", what: str = "*", share: float = 1.0, key: str = ""
    ) -> Fault:
        """Raises OperatorMust for a name that is not in the catalogue."""
        if name not in CATALOGUE:
            raise OperatorMust(
                f"no fault is named {name!r}",
                operation="arm fault",
                subject="building side",
                code="BadFaultRule",
                next_step=f"Use one of {', '.join(CATALOGUE)}.",
            )
        fault = Fault(
            name=name, thing=thing, what=what, share=share, id=key or f"{name}-{next(self._count)}"
        )
        self.armed.append(fault)
        return fault

    def disarm(self, word: str | None = None) -> Sequence[Fault]:
        """Take back the faults of this id or name (None: all); which there were."""
        gone = [fault for fault in self.armed if word in (None, fault.id, fault.name)]
        self.armed = [fault for fault in self.armed if fault not in gone]
        return gone

    def strikes(self, name: str, thing: str, what: str = "") -> bool:
        for fault in self.armed:
            hits = (
                fault.name == name
                and fnmatchcase(thing, fault.thing)
                and fnmatchcase(what, fault.what)
            )
            if hits and (fault.share >= 1.0 or self._random.random() < fault.share):
                self.struck[fault.id] = self.struck.get(fault.id, 0) + 1
                return True
        return False
