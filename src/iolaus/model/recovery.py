"""How nodes are brought back: what an operator decides of it, as values.

Without a policy a person starts every recovery, and each rung has the budget that stands in
`recovery.rungs`. A policy narrows or widens that; it never lets a host be stopped that is known to
be alive unless it says so, and never lets a compromised one start.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from iolaus.model.desired import Duration, Metadata, NodeSelector, Wanted

ASKED: Final = "recover"
"""The kind of `Asked` that a plan of recovery has."""


class RungName(StrEnum):
    """The rungs, from soft to hard."""

    WAIT = "wait"
    SETTLE_LOGIN = "settle-login"
    CLOSE_SESSIONS = "close-sessions"
    RESET_MANAGER = "reset-manager"
    NMI = "nmi"
    RESTART = "restart"
    FORCE_RESTART = "force-restart"
    POWER_ON = "power-on"
    POWER_CYCLE = "power-cycle"
    SWITCH_BANK = "switch-bank"
    REFLASH = "reflash"
    MAINS = "mains"
    OUTLET = "outlet"
    SLOT = "slot"
    RESCUE = "rescue"
    ISOLATE = "isolate"
    REJOIN = "rejoin"
    HOLD_OFF = "hold-off"


AUTOMATIC: Final = ("host-hung", "sessions-full", "login-lost", "update-wedged", "host-path-dead")
"""Classes that a policy may have recovered without a person."""
Class = Literal["host-hung", "sessions-full", "login-lost", "update-wedged", "host-path-dead"]
Few = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


Outcome = Literal["done", "not-needed", "no-help", "passed-over", "under-way"]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a recovery as it went, by its id in the plan. `outcome`: "done", "not-needed" (it
    was so already), "no-help", "passed-over" (it was not begun), "under-way". `at` is when it was
    begun, or looked at last."""

    step: str
    outcome: Outcome
    why: str = ""
    at: float = 0.0
    took_s: float | None = None


class RungWant(Wanted, frozen=True, kw_only=True):
    """`use` False: never. `timeout` is how long it may take until the node is back, `cool_down`
    how long it is not tried again at the same node. `per_hour` and `per_rack_hour` bound the
    fleet; what is not said is as usual."""

    use: bool = True
    timeout: Duration | None = None
    cool_down: Duration | None = None
    per_hour: Few | None = None
    per_rack_hour: Few | None = None


class AutomaticWant(Wanted, frozen=True, kw_only=True):
    """What is done without a person: for which findings, at whom (only endpoints that are
    managed), with which rungs, once the finding stood for `after`."""

    classes: list[Class] = []
    selector: NodeSelector = msgspec.field(default_factory=NodeSelector)
    rungs: list[RungName] = []
    after: Duration = "10m"


class TogetherWant(Wanted, frozen=True, kw_only=True):
    """So many nodes of one rack in trouble, and this share of it: then it is a rack's problem, and
    none of them is touched."""

    least: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 3
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5


class RescueWant(Wanted, frozen=True, kw_only=True):
    """What a host starts from when nothing else helped: an image that the controller puts into a
    drive (`boot` Cd or Usb), one that the host fetches itself (UefiHttp; without an image DHCP
    says what), what a boot server gives it (Pxe; no image), or the recovery image that the machine
    has itself (Recovery; no image)."""

    boot: Literal["Cd", "Usb", "UefiHttp", "Pxe", "Recovery"] = "Cd"
    image: Annotated[str, msgspec.Meta(max_length=2048)] = ""


class ReflashWant(Wanted, frozen=True, kw_only=True):
    """Pushing the last good image again. `signed`: only packages with a signature of a key among
    the hall's anchors. `source` is where controllers find the files of the image folder by their
    names, for those that fetch an image and take none."""

    signed: bool = False
    source: Annotated[str, msgspec.Meta(max_length=2048)] = ""


class IsolateWant(Wanted, frozen=True, kw_only=True):
    """`use`: a compromised host is cut off from its networks before anything else is done to it;
    `power`: its power is taken afterwards (its memory goes with that)."""

    use: bool = False
    power: bool = True


class RecoverySpec(Wanted, frozen=True, kw_only=True):
    """`host_may_stop`: a host that is known to be alive may be stopped to bring its controller
    back. `silent_for` is how long a controller must be silent before that means anything,
    `wedged_after` how long an update may run, `signals_for` how long a host's signal counts."""

    automatic: AutomaticWant = msgspec.field(default_factory=AutomaticWant)
    rungs: dict[RungName, RungWant] = {}
    together: TogetherWant = msgspec.field(default_factory=TogetherWant)
    rescue: RescueWant | None = None
    reflash: ReflashWant = msgspec.field(default_factory=ReflashWant)
    isolate: IsolateWant = msgspec.field(default_factory=IsolateWant)
    host_may_stop: bool = False
    silent_for: Duration = "60s"
    wedged_after: Duration = "1h"
    signals_for: Duration = "90s"


class RecoveryPolicy(Wanted, frozen=True, kw_only=True):
    """`RecoveryPolicy`: one of a hall."""

    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["RecoveryPolicy"]
    metadata: Metadata
    spec: RecoverySpec
