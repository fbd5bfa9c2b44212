"""What is not as it should be with one device: the natural imperfections of a hall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """`off_hosts` are switched off; `leaks` maps a detector's number to its state;
    `clock_offset_s` is how wrong its clock is; `dead_psus` deliver nothing; `changes` are merge
    patches on its resources."""

    off_hosts: frozenset[int] = frozenset()
    leaks: Mapping[int, str] = field(default_factory=dict)
    clock_offset_s: float = 0.0
    dead_psus: frozenset[int] = frozenset()
    changes: Mapping[str, Any] = field(default_factory=dict)


def imperfections(spots: object) -> Mapping[str, Wear]:
    del spots
    return {}
