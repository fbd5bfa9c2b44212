"""How long steps took, from what roll-outs journalled: what a plan expects of the next one. Pure.

A step counts from when it was first begun until it was seen to be so, on its way forth; what was so
already took no time and says nothing. The middle value stands for all: one device that hung for an
hour says nothing of the others. What was seen too seldom is left to the usual times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Final, NamedTuple

from iolaus.model.plan import Plan, Step

LEAST: Final = 3
"""So many steps at least make a time to be expected."""


class Span(NamedTuple):
    """When a step was first begun and when it was done, seconds since 1970."""

    step: str
    begun_at: float
    done_at: float


def durations_of(spans: Iterable[tuple[Plan, Iterable[Span]]]) -> dict[tuple[str, str], float]:
    """(verb, class of the component or "") -> whole seconds. The spans are of plans' steps; one
    that its plan does not know is left out."""
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plan, found in spans:
        steps = {step.id: step for node in plan.nodes for step in node.steps}
        for span in found:
            if span.step in steps:
                seen[kind_of(steps[span.step])].append(max(0.0, span.done_at - span.begun_at))
    return {kind: float(round(median(each))) for kind, each in seen.items() if len(each) >= LEAST}


def kind_of(step: Step) -> tuple[str, str]:
    """What is observed of one is expected of all that are alike."""
    return step.action.verb.value, str(step.action.arguments.get("kind", ""))


def told(durations: Mapping[tuple[str, str], float], step: Step) -> float | None:
    """What is expected of this step; None: it was not seen often enough."""
    verb, word = kind_of(step)
    found = durations.get((verb, word))
    return durations.get((verb, "")) if found is None else found
