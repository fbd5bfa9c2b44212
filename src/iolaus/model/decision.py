"""What counts of a verdict once an operator's policy was held against it.

A verdict is what was proved, and stays as it is. What somebody lets pass has a word of its own,
so that nobody reads trust where there is a waiver.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

Said: TypeAlias = str | int | float | bool | None


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A node by its name, and what it `said` to the selectors of policies (labels and fields; what
    it has not is left out), so that policy can be held against it where there is no fleet."""

    node: str
    said: Mapping[str, Said] = {}


class Standing(StrEnum):
    TRUSTED = "trusted"
    """It was proved, and nothing more is demanded."""
    WAIVED = "waived"
    """What was not proved is let pass by somebody, until a day."""
    VERIFIED = "verified"
    UNKNOWN = "unknown"
    UNTRUSTED = "untrusted"


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """What was let pass. `expires_at` is in seconds since 1970."""

    axis: str
    policy: str
    owner: str
    reason: str
    expires_at: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`open` are the axes (axis/value) that are not good and that nobody lets pass; `ended` are
    waivers that would have covered one and are over."""

    standing: Standing
    passes: tuple[Pass, ...] = ()
    open: tuple[str, ...] = ()
    ended: tuple[Pass, ...] = ()

    @property
    def turns_at(self) -> float | None:
        """When time alone changes it next, seconds since 1970; None: never."""
        return min((each.expires_at for each in self.passes), default=None)
