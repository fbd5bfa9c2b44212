"""What was tried on a node, and what came of it, as the journal tells. Pure.

A person who is called reads this first: which rungs were used, which were passed over and why, so
that nothing is done by hand that was done already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from iolaus.model.recovery import Outcome, Tried
from iolaus.model.rollout import Entry, EntryKind

NEED: Final = "A person is needed: "
"""Between why a node is not back and what is to be done by hand."""


def tried(entries: Iterable[Entry]) -> dict[str, list[Tried]]:
    """By uid, in the order in which it was begun."""
    found: dict[str, dict[str, Tried]] = {}
    for entry in entries:
        if entry.node is None or entry.step is None:
            continue
        steps = found.setdefault(entry.node, {})
        if (now := _after(steps.get(entry.step), entry)) is not None:
            steps[entry.step] = now
    return {uid: list(steps.values()) for uid, steps in found.items()}


def _after(before: Tried | None, entry: Entry) -> Tried | None:
    """How the step stands after this entry; None where it tells nothing of that."""
    if entry.kind is EntryKind.STARTED:
        return before or Tried(step=entry.step or "", outcome="under-way", at=entry.at)
    if entry.kind not in (EntryKind.DONE, EntryKind.FAILED):
        return None
    why = without_need(str(entry.doc.get("reason", "")))
    if before is None:
        outcome: Outcome = "not-needed" if entry.kind is EntryKind.DONE else "passed-over"
        return Tried(step=entry.step or "", outcome=outcome, why=why, at=entry.at)
    return msgspec.structs.replace(
        before,
        outcome="done" if entry.kind is EntryKind.DONE else "no-help",
        why=why,
        took_s=max(0.0, entry.at - before.at),
    )


def without_need(reason: str) -> str:
    return reason.partition(NEED)[0].strip().rstrip(".")
