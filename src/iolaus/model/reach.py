"""How a node is reached, and what its silence means: several paths, one judgement.

A controller that does not answer says one thing alone: that it did not answer. Whether it is the
controller, its power, the rack's network or ourselves is told by the other paths to the same
machine, so each path keeps what it said and when, and the judgement keeps them as its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Way(StrEnum):
    """A path to a node, or to what tells of it."""

    CONTROLLER = "controller"
    BESIDE = "beside"
    """Another controller of the same machine or rack: a DPU, a rack manager."""
    OUTLET = "outlet"
    HOST = "host"
    """What an agent, a scheduler or a monitor in band says of the host."""
    PROOF = "proof"
    """Whether what runs was proved."""
    RACK = "rack"
    SWITCH = "switch"
    OURSELVES = "ourselves"


class Controller(StrEnum):
    """What the management controller did when it was asked."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    """It does not take our login."""
    CROWDED = "crowded"
    """It takes the login, and has no session left to give."""
    HALF = "half"
    """It answers, and its way to the host is dead."""
    SILENT = "silent"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    WELL = "well"
    HOST_OFF = "host-off"
    HOST_HUNG = "host-hung"
    HOST_PATH_DEAD = "host-path-dead"
    CONTROLLER_DEAD = "controller-dead"
    LOGIN_LOST = "login-lost"
    SESSIONS_FULL = "sessions-full"
    UPDATE_WEDGED = "update-wedged"
    FIRMWARE_BROKEN = "firmware-broken"
    POWER_GONE = "power-gone"
    NODE_SILENT = "node-silent"
    """Its controller or its power: nothing tells the two apart."""
    SUPPLY_FAILED = "supply-failed"
    RACK_NETWORK = "rack-network"
    RACK_POWER = "rack-power"
    RACK_SILENT = "rack-silent"
    SWITCH_SILENT = "switch-silent"
    """So are those behind it; it is the switch, and not they."""
    CUT_OFF = "cut-off"
    """We are."""
    COMPROMISED = "compromised"
    UNKNOWN = "unknown"

    @property
    def of_many(self) -> bool:
        """The finding is of a rack, or of us, and not of the node."""
        return self in OF_MANY


OF_MANY: Final = frozenset(
    {
        Verdict.RACK_NETWORK,
        Verdict.RACK_POWER,
        Verdict.RACK_SILENT,
        Verdict.SWITCH_SILENT,
        Verdict.CUT_OFF,
    }
)


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """What one path says: `good` True (it works), False (it does not), None (not known). `at` is
    when it said so, by our receive time; None where it never did."""

    way: Way
    subject: str
    good: bool | None
    detail: str
    at: float | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`finding` is what the verdict is of ("node/UID", "rack/NAME", "hall"): nodes that share a
    cause share a finding. `why` and `next_step` are sentences for a person."""

    verdict: Verdict
    finding: str
    why: str
    next_step: str
    evidence: tuple[Path, ...] = ()


class OutletSight(msgspec.Struct, frozen=True, kw_only=True):
    """An outlet that feeds the node, as the strip says: `on` and `watts` None where not known."""

    name: str
    on: bool | None = None
    watts: float | None = None
    at: float | None = None


class HostSight(msgspec.Struct, frozen=True, kw_only=True):
    """What was last said of the host in band. `alive` None: nobody said it, or too long ago."""

    alive: bool | None = None
    source: str = ""
    detail: str = ""
    at: float | None = None


class NodeSight(msgspec.Struct, frozen=True, kw_only=True):
    """All that is seen of a node. `on` is its host's power by the controller; `beside` are other
    controllers by name (True: it answers), `gate` is whether the switch that it hangs on answers
    itself; `attested` False: what runs was disproved; `wedged` is the update that never ends,
    `broken` the firmware that is, `supplies` those that failed."""

    uid: str
    name: str
    controller: Controller
    since: float | None = None
    said: str = ""
    at: float | None = None
    rack: str = ""
    switch: str = ""
    gate: bool | None = None
    on: bool | None = None
    outlets: tuple[OutletSight, ...] = ()
    host: HostSight = HostSight()
    beside: Mapping[str, bool | None] = {}
    attested: bool | None = None
    wedged: str = ""
    broken: tuple[str, ...] = ()
    supplies: tuple[str, ...] = ()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Of a rack, a switch or the hall: how many controllers are silent, and how many answer. Of a
    rack also how many hosts are alive, and whether any power flows (None: not known)."""

    silent: int = 0
    answering: int = 0
    alive: int = 0
    power: bool | None = None

    @property
    def known(self) -> int:
        return self.silent + self.answering


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around a node, itself counted. `ourselves`: our own way out works (None: not
    known); the rest of the hall is `hall`."""

    rack: Share = Share()
    switch: Share = Share()
    hall: Share = Share()
    ourselves: bool | None = None
