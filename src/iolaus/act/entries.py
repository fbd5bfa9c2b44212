"""What each kind of journal entry says: written and read through these values only.

A document that an older version wrote still reads here (every field that came later has a
default), and one that cannot be read is an error and never a guess: it could repeat an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from iolaus.kernel.errors import WeErred
from iolaus.model.plan import Json
from iolaus.model.rollout import Entry, EntryKind, NodeState, RolloutState

S = TypeVar("S", bound="Said")


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document of the journal."""


class PlanSaid(Said, frozen=True, kw_only=True):
    """`intent` is what it answers; `ignored` says why the intent changes nothing."""

    state: RolloutState | None = None
    reason: str = ""
    intent: int | None = None
    by: str = ""
    ignored: str = ""


class WaveSaid(Said, frozen=True, kw_only=True):
    name: str
    state: str


class NodeSaid(Said, frozen=True, kw_only=True):
    """`into` is what a node that rolls back becomes (none: rolled back)."""

    state: NodeState
    reason: str = ""
    into: NodeState | None = None


class Began(Said, frozen=True, kw_only=True):
    """Before an effect. `seen` is what was read before the first one, the step's baseline."""

    attempt: int
    effect: str
    verb: str
    subject: str = ""
    budget: str = ""
    seen: Mapping[str, Json] = {}


class Sent(Said, frozen=True, kw_only=True):
    """After it: a receipt, a refusal (`passing`: it does not count; `wait_s`: the device's wish;
    `held`: ours, nothing was sent so that no account is locked), or silence: not known."""

    attempt: int
    outcome: Literal["receipt", "refused", "silent"]
    undo: bool = False
    passing: bool = False
    held: bool = False
    wait_s: float = 0.0
    detail: str = ""
    receipt: Mapping[str, Json] = {}


class Ended(Said, frozen=True, kw_only=True):
    """`already`: it was so before anything was sent. `silent`: the device did not answer."""

    seen: Mapping[str, Json] = {}
    already: bool = False
    reason: str = ""
    silent: bool = False


TYPES: Final[Mapping[EntryKind, type[Said]]] = {
    EntryKind.PLAN_STATE: PlanSaid,
    EntryKind.WAVE: WaveSaid,
    EntryKind.NODE_STATE: NodeSaid,
    EntryKind.STARTED: Began,
    EntryKind.ESCALATED: Began,
    EntryKind.UNDO_STARTED: Began,
    EntryKind.SENT: Sent,
    EntryKind.DONE: Ended,
    EntryKind.FAILED: Ended,
    EntryKind.UNDO_DONE: Ended,
    EntryKind.UNDO_FAILED: Ended,
}


def entry(
    plan: str,
    kind: EntryKind,
    said: Said,
    *,
    at: float,
    node: str | None = None,
    step: str | None = None,
) -> Entry:
    """Its number and epoch are given when it is kept."""
    doc = _as_kept(said)
    return Entry(plan=plan, number=0, kind=kind, at=at, epoch=0, node=node, step=step, doc=doc)


def _as_kept(said: Said) -> dict[str, Any]:
    """As it will be read again: lists for tuples. What cannot be kept as it is (half a character
    from a device) the journal makes good when it writes."""
    try:
        kept: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(said))
    except (ValueError, OverflowError):
        kept = msgspec.to_builtins(said)
    return kept


def said_in(each: Entry) -> Said:
    """Raises `WeErred` (code JournalDamaged) for a document that is none of ours."""
    try:
        return msgspec.convert(each.doc, TYPES[each.kind])
    except msgspec.ValidationError as error:
        raise WeErred(
            f"entry {each.number} ({each.kind}) cannot be read: {error}",
            operation="read the journal",
            subject=each.plan,
            code="JournalDamaged",
            next_step="put back a copy of the state database.",
        ) from error
