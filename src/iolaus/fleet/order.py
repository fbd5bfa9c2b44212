"""In which order components are brought to their versions.

`after` names words; a word means every wanted component that is called so, whoever's make it is
for. The order is that of the baseline wherever `after` leaves it free, so the same baseline gives
the same order for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from iolaus.fleet.judge import Subject
from iolaus.kernel.errors import OperatorMust


def order_of(subjects: Sequence[Subject], *, baseline: str) -> tuple[int, ...]:
    """Indices of the subjects, each after all that it names in `after`. Raises `OperatorMust` for
    a word that nothing is called, and for components that wait for each other in a circle."""
    before = [_before(subject, subjects, baseline) for subject in subjects]
    placed: list[int] = []
    while len(placed) < len(subjects):
        free = [i for i in range(len(subjects)) if i not in placed and before[i] <= set(placed)]
        if not free:
            raise _circle(subjects, before, set(placed), baseline)
        placed.append(free[0])
    return tuple(placed)


def answers_to(subject: Subject, word: str) -> bool:
    """The whole word of a match, or one of several that it is made of."""
    return word == subject.word or word in subject.word.split("+")


def _before(subject: Subject, subjects: Sequence[Subject], baseline: str) -> set[int]:
    found: set[int] = set()
    for word in subject.want.after:
        called = {i for i, each in enumerate(subjects) if answers_to(each, word)}
        if not called:
            raise _nobody(word, subject, subjects, baseline)
        found |= called
    return found


def _nobody(
    word: str, subject: Subject, subjects: Sequence[Subject], baseline: str
) -> OperatorMust:
    words = [each.word for each in subjects]
    near = get_close_matches(word, words, 1)
    return OperatorMust(
        f"{subject.word} comes after {word!r}, and nothing is called so",
        operation="plan",
        subject=baseline,
        code="AfterUnknown",
        next_step=f"did you mean {near[0]!r}?" if near else f"known are {', '.join(words)}",
    )


def _circle(
    subjects: Sequence[Subject], before: Sequence[set[int]], placed: set[int], baseline: str
) -> OperatorMust:
    at = next(i for i in range(len(subjects)) if i not in placed)
    path = [at]
    while path.count(path[-1]) == 1:
        path.append(min(before[path[-1]] - placed))
    circle = path[path.index(path[-1]) :]
    told = " after ".join(subjects[i].word for i in circle)
    return OperatorMust(
        f"components wait for each other: {told}",
        operation="plan",
        subject=baseline,
        code="AfterCircle",
        next_step="take one of them out of `after`",
    )
