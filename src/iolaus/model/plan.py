"""Plans: immutable, hashed, parent-linked; nothing in them is left to decide.

A plan says for every node of its scope what will be done with it and why not, in which order,
wave and company. Steps are data: which verb, on what, what must be so before, what must be read
back after, how to undo it and what to try when it does not come true. Whoever executes a plan
knows no room: it looks, journals, does and looks again. The hash is over everything that matters
to a reviewer, so what was approved is what runs.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import msgspec

PLAN_ID_LENGTH: Final = 12
Json = Any
"""What JSON can hold: str, int, float, bool, None, lists and objects of these."""


class Verb(StrEnum):
    """What a step does. Each is idempotent by what is read back after it."""

    DRAIN = "drain"
    UNDRAIN = "undrain"
    UPDATE = "update-firmware"
    ACTIVATE = "activate-firmware"
    RESET = "reset"
    RESET_MANAGER = "reset-manager"
    SWITCH_BANK = "switch-bank"
    SET_BIOS = "set-bios"
    SET_MANAGER = "set-manager"
    SET_BOOT = "set-boot"
    ROTATE_CREDENTIAL = "rotate-credential"
    RENEW_CERTIFICATE = "renew-certificate"
    WAIT_HEALTHY = "wait-healthy"
    ATTEST = "attest"
    WIPE = "wipe"
    GATHER = "gather-evidence"
    RECOVER = "recover"
    """One rung of a ladder of recovery; which one is its subject."""


class Op(StrEnum):
    """How an expectation is compared with what is read."""

    IS = "is"
    IS_NOT = "is-not"
    SATISFIES = "satisfies"
    """A version that satisfies the constraint in `value`."""
    CHANGED = "changed"
    """Another value than the one read before the step began."""


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on one subject, e.g. ("firmware/BMC", SATISFIES, "25.08-9"). Unknown is
    neither met nor unmet. `scheme` is how versions of it are ordered, where that was named."""

    subject: str
    op: Op
    value: Json = None
    scheme: str = ""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One effect on a device. `budget` names the fleet-wide budget it draws on (empty: none)."""

    verb: Verb
    subject: str = ""
    arguments: Mapping[str, Json] = {}
    budget: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is unique in the plan. All of `before` must hold when it begins, all of `after` on
    `reads` agreeing fresh reads, within `timeout_s` of its begin, for it to be done; where the
    sending used that up, it is looked at for so much more, a minute at most. `attempts` bounds
    how often the action is sent; `escalate` is tried in order when `after` does not come true.
    With `rung` it is one try of several: where it fails, the next step is taken all the same."""

    id: str
    action: Action
    text: str
    before: tuple[Expect, ...] = ()
    after: tuple[Expect, ...] = ()
    timeout_s: float = 600.0
    reads: int = 2
    attempts: int = 2
    escalate: tuple[Action, ...] = ()
    undo: Action | None = None
    undo_after: tuple[Expect, ...] = ()
    rung: str | msgspec.UnsetType = msgspec.UNSET


class Fate(StrEnum):
    """What a plan has in store for a node."""

    UPDATE = "update"
    NO_OP = "no-op"
    NO_IMAGE = "no-image"
    BLOCKED = "blocked"


class Domain(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A failure domain that a node stands in: ("rack", "h1-r07"), ("feed", "h1-a"), ("cdu", ...),
    ("nvlink", ...), ("leaf", ...)."""

    kind: str
    name: str


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """`facts` is the digest of what was compared: another digest at apply is another world.
    `reason` says why nothing is done, or what is wrong; `away` is how long it will be gone."""

    uid: str
    name: str
    endpoint: str
    fate: Fate
    facts: str
    reason: str = ""
    steps: tuple[Step, ...] = ()
    domains: tuple[Domain, ...] = ()
    drains: bool = False
    estimate_s: float | None = None


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` are uids, in the order in which they start; `batch` bounds how many at once."""

    name: str
    nodes: tuple[str, ...]
    soak_s: float = 0.0
    batch: int | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute numbers: percentages were resolved when the plan was made. `per_domain` is how
    many nodes of one domain of a kind may be away together; `atomic` kinds go together or not
    at all. `max_dark_racks` counts racks with all their nodes away. None: no limit."""

    max_unavailable: int | None = None
    max_dark_racks: int | None = None
    per_domain: Mapping[str, int] = {}
    atomic: tuple[str, ...] = ()
    keep_power_redundancy: str | None = None
    bricks: int = 1
    """How many nodes may be lost (no answer after a change) before the roll-out stops."""


class OnFailure(msgspec.Struct, frozen=True, kw_only=True):
    """`node`: "rollback" or "leave"; `wave`: "pause", "continue" or "abort". `proof` is of a node
    that did not prove what it runs: "pause" (the roll-out stops, whatever `wave` says) or
    "quarantine" (that, and the node stays drained as it is); unset: as any failure."""

    node: str = "rollback"
    wave: str = "pause"
    proof: str | msgspec.UnsetType = msgspec.UNSET


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """So many members of a group must approve, and nobody approves what they made."""

    group: str
    count: int = 1


class GateRule(msgspec.Struct, frozen=True, kw_only=True):
    """A condition between waves: an expression over the roll-out's numbers, or a command."""

    name: str
    expr: str = ""
    command: tuple[str, ...] = ()
    timeout_s: float = 60.0


class WindowRule(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance window: it opens by `cron` in `tz` and stays open for `duration_s`."""

    cron: str
    duration_s: float
    tz: str = "UTC"


class DrainRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who drains, for how long at most, and what then: "skip" or "fail" the node."""

    adapter: str
    timeout_s: float = 3600.0
    on_timeout: str = "skip"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked of nodes, where no baseline says it: `kind` is one of `fleet.asked`,
    `arguments` are that kind's own words. `rules` is the baseline whose window, limits, drain and
    approvals hold (empty: none's). `at` is when: the same asked twice is two plans."""

    kind: str
    arguments: Mapping[str, Json] = {}
    rules: str = ""
    at: float = 0.0


class Plan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """`parent` is the plan that it replaces. `made_at` and `made_by` do not enter the hash. With
    `asked` the plan is of no baseline: `baseline` is empty, and `generation` that of the rules."""

    baseline: str
    generation: int
    nodes: tuple[NodePlan, ...]
    waves: tuple[Wave, ...]
    limits: Limits = Limits()
    gates: tuple[GateRule, ...] = ()
    approvals: tuple[Approval, ...] = ()
    window: WindowRule | None = None
    drain: DrainRule | None = None
    on_failure: OnFailure = OnFailure()
    parent: str | None = None
    made_at: float = 0.0
    made_by: str = ""
    asked: Asked | msgspec.UnsetType = msgspec.UNSET

    @property
    def id(self) -> str:
        return self.digest[:PLAN_ID_LENGTH]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the whole plan in sorted JSON, without who made it and when. Reckoned
        once: of a large hall's plan it takes most of a second."""
        same = msgspec.structs.replace(self, made_at=0.0, made_by="")
        return hashlib.sha256(msgspec.json.encode(same, order="sorted")).hexdigest()

    def node(self, uid: str) -> NodePlan:
        """Raises `KeyError` for a node that is not in it."""
        return {each.uid: each for each in self.nodes}[uid]


def takes_s(times: Sequence[float | None], *, at_once: int) -> float | None:
    """Seconds until the last is done when `at_once` go together, in this order; None if one of
    them is not known."""
    free = [0.0] * max(1, min(at_once, len(times)))
    for each in times:
        if each is None:
            return None
        heapq.heapreplace(free, free[0] + each)
    return max(free)
