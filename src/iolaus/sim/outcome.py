"""What a write, a login or an action came to, before it is HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iolaus.sim.tree import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`message` is the name of a message in the Base registry, `args` what it speaks of."""

    status: int = 204
    body: Resource | None = None
    message: str = ""
    args: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
