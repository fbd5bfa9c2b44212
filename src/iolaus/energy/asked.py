"""Load targets that a person set for the whole site, and the file in which they outlive us.

A person's target is one more beside the grid's: the lowest counts, it is walked to with the same
ramps, and what is done about it is the policy's. It always ends by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

from iolaus.store.kept import KeptFile

LONGEST_S: Final = 30 * 86_400.0
MOST: Final = 100


class AskedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit_w` from `start` to `until` (seconds since 1970)."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    limit_w: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    start: float
    until: float
    by: str
    reason: str
    at: float


def asked_file(path: Path) -> KeptFile[AskedTarget]:
    return KeptFile(
        path,
        AskedTarget,
        word="targets",
        code="TargetsUnreadable",
        next_step="remove the file, and set the targets once more.",
    )
