"""How a node departs from what is wanted: values of one comparison, and causes over many nodes.

Only departures are kept; what is right is counted. Unknown is an outcome of its own: it is neither
right nor wrong, it is never acted upon, and its reason says what would make it known.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

Scalar = str | int | float | bool


class Outcome(StrEnum):
    DRIFTED = "drifted"
    STAGED = "staged"
    """The right value waits for a reset."""
    UNKNOWN = "unknown"
    EXCUSED = "excused"
    """An exception with an owner and a day covers it."""
    CONFLICT = "conflict"
    """Two baselines want different things."""
    ABSENT = "absent"
    """The node has no such component; nothing is wrong with that."""


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One departure. `subject` is "firmware/<word>", "bios/<attribute>", "bmc/<setting>" or
    "security/..."; `part` is the component or attribute as the device names it, `uri` its
    resource. `desired`, `applied` and `staged` are as text, None where there is none."""

    subject: str
    outcome: Outcome
    baseline: str
    desired: str
    applied: str | None = None
    staged: str | None = None
    reason: str = ""
    part: str = ""
    uri: str = ""


class NodeDrift(msgspec.Struct, frozen=True, kw_only=True):
    """What judging one node gave. `compared` counts all comparisons, `baselines` are those that
    select it; `facts` is the digest of what was compared; `judged_at` is our clock's."""

    uid: str
    name: str
    baselines: tuple[str, ...]
    items: tuple[Item, ...] = ()
    compared: int = 0
    facts: str = ""
    observed_at: float | None = None
    judged_at: float = 0.0

    @property
    def state(self) -> str:
        """The worst outcome: "drifted", "unknown", "staged", "excused" or "in-sync"."""
        found = {item.outcome for item in self.items}
        order = (Outcome.CONFLICT, Outcome.DRIFTED, Outcome.UNKNOWN, Outcome.STAGED,
                 Outcome.EXCUSED)  # fmt: skip
        worst = next((each for each in order if each in found), None)
        return worst.value if worst else "in-sync"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for departures, and every node that has it (names in order)."""

    baseline: str
    subject: str
    outcome: Outcome
    desired: str
    applied: str | None
    reason: str
    nodes: tuple[str, ...]
    parts: int
    """How many components or settings in all; more than nodes where a node has several."""

    @property
    def key(self) -> str:
        """Stable over nodes and time."""
        return f"{self.baseline}:{self.subject}:{self.outcome}:{self.desired}:{self.applied}"
