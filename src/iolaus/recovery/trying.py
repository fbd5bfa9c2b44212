"""One try of a rung as a step of a plan. Pure."""

from __future__ import annotations

from typing import Any

from iolaus.model.plan import Action, Expect, Step, Verb
from iolaus.model.reach import Verdict
from iolaus.recovery.rungs import Rung


def trying(
    rung: Rung,
    *,
    after: tuple[Expect, ...],
    verdict: Verdict,
    before: tuple[Expect, ...] = (),
    timeout_s: float | None = None,
    subject: str = "",
    text: str = "",
    attempts: int = 1,
    **arguments: Any,
) -> Step:
    """Sent at most once: a second reset, because the first was slow to show, does harm."""
    return Step(
        id="",
        action=Action(
            verb=Verb.RECOVER,
            subject=subject or rung.name.value,
            arguments={"class": verdict.value, "rung": rung.name.value, **arguments},
        ),
        text=text or rung.text,
        before=before,
        after=after,
        timeout_s=rung.timeout_s if timeout_s is None else timeout_s,
        attempts=attempts,
        rung=rung.name.value,
    )
