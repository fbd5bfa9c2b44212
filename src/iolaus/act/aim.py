"""A step as it is pursued: forth, or back when it is undone. The same discipline for both."""

from __future__ import annotations

import msgspec

from iolaus.act.fold import Phase, Way
from iolaus.model.plan import Action, Expect, Op, Step
from iolaus.model.rollout import EntryKind


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """`look_first`: what was begun may never have taken effect, so it may be so already."""

    step: Step
    way: Way
    action: Action
    after: tuple[Expect, ...]
    before: tuple[Expect, ...] = ()
    escalate: tuple[Action, ...] = ()
    look_first: bool = False

    @property
    def changes(self) -> frozenset[str]:
        """Subjects whose value before must be known to tell whether they changed."""
        return frozenset(each.subject for each in self.after if each.op is Op.CHANGED)

    @property
    def began(self) -> EntryKind:
        return EntryKind.STARTED if self.way is Way.FORTH else EntryKind.UNDO_STARTED

    @property
    def done(self) -> EntryKind:
        return EntryKind.DONE if self.way is Way.FORTH else EntryKind.UNDO_DONE

    @property
    def failed(self) -> EntryKind:
        return EntryKind.FAILED if self.way is Way.FORTH else EntryKind.UNDO_FAILED

    def effect(self, plan: str, attempt: int) -> str:
        """Unique for each sending, in this life and the next."""
        back = "undo/" if self.way is Way.BACK else ""
        return f"{plan}/{self.step.id}/{back}{attempt}"


def forth(step: Step) -> Aim:
    return Aim(
        step=step,
        way=Way.FORTH,
        action=step.action,
        before=step.before,
        after=step.after,
        escalate=step.escalate,
    )


def back(step: Step, undo: Action, *, phase: Phase) -> Aim:
    """`phase` is how far it came forth."""
    return Aim(
        step=step,
        way=Way.BACK,
        action=undo,
        after=step.undo_after,
        look_first=phase is not Phase.DONE and bool(step.undo_after),
    )
