"""What an operator's word does to a roll-out: one table, and a sentence for what it does not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.act.entries import PlanSaid
from iolaus.act.ports import Intent
from iolaus.model.rollout import RolloutState as State

APPLY, PAUSE, RESUME, ABORT, UNDO = "apply", "pause", "resume", "abort", "undo"
WORDS: Final = (APPLY, PAUSE, RESUME, ABORT, UNDO)

ANSWERS: Final[Mapping[tuple[State | None, str], State]] = {
    (None, APPLY): State.WAITING,
    (State.WAITING, ABORT): State.ABORTED,
    (State.RUNNING, PAUSE): State.PAUSED,
    (State.RUNNING, ABORT): State.ABORTING,
    (State.PAUSED, RESUME): State.RUNNING,
    (State.PAUSED, ABORT): State.ABORTING,
    (State.DONE, UNDO): State.UNDOING,
    (State.ABORTED, UNDO): State.UNDOING,
    (State.UNDOING, ABORT): State.ABORTED,
}
"""By the roll-out's state (None: not applied yet) and the word."""


def answer(state: State | None, intent: Intent) -> PlanSaid:
    """Pure. The entry that answers it, whether it changes anything or not."""
    after = ANSWERS.get((state, intent.what))
    if after is None:
        why = f"{intent.what!r} does nothing to a roll-out that is {state or 'not applied'}"
        return PlanSaid(state=state, intent=intent.number, by=intent.by, ignored=why)
    reason = f"{intent.by}: {intent.what}" if intent.by else intent.what
    return PlanSaid(state=after, reason=reason, intent=intent.number, by=intent.by)
