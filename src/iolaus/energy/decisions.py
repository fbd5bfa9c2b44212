"""What the centre decided and why, and how its plant stands: values for whoever looks."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`action`: raise, lower, floor, hold, wait, short, lost, restored, derate, target, cap,
    policy or deposed; `subject` is a rack or a domain. `because` is a sentence for a person; times
    are the centre's monotonic seconds, powers watts (None: does not apply). `advised`: it would
    have been so, and nothing was done."""

    at_s: float
    subject: str
    action: str
    before_w: float | None = None
    after_w: float | None = None
    because: str = ""
    advised: bool = False


class DomainState(msgspec.Struct, frozen=True, kw_only=True):
    """`limit_w` is what may flow (None: unknown), after the guard `usable_w`. `charged_w` is what
    may be in force below it and `planned_w` what is aimed at, both with what has no cap."""

    name: str
    kind: str
    parent: str | None
    limit_w: float | None
    usable_w: float | None
    charged_w: float
    planned_w: float
    short_w: float = 0.0
    lost: bool = False


class RackState(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: unheard, fencing, silent, held (by a reflex), waiting (for others to shrink),
    limited, or met. `because` says what a waiting or a limited one gets no more for."""

    rack: str
    state: str
    budget_w: float | None
    planned_w: float
    charged_w: float
    demand_w: float
    floor_w: float
    measured_w: float | None
    age_s: float | None
    unreachable: tuple[str, ...] = ()
    latched: tuple[str, ...] = ()
    because: str = ""


class Decide(Protocol):
    """Writes a decision of the slow loop down; when, is known by whoever does it."""

    def __call__(
        self,
        subject: str,
        action: str,
        *,
        before_w: float | None = None,
        after_w: float | None = None,
        because: str,
        advised: bool = False,
    ) -> None: ...


class ActuatorState(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the slow loop acts with: `what` is battery, coolant or smoothing, `where` the
    rack or loop. `told` is what it was told last in `unit` (None: nothing), `reads` what it reads
    to be in `reads_unit` (None: unknown)."""

    what: str
    name: str
    where: str
    mode: str
    state: str
    told: float | None
    unit: str
    reads: float | None
    reads_unit: str
    why: str = ""
