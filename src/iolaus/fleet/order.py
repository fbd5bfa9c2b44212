"""In which order components are brought to their versions, and what keeps them from one.

`after` names words; a word means every wanted component that is called so, whoever's make it is
for. The order is that of the baseline wherever `after` leaves it free, so the same baseline gives
the same order for ever. Who checks a file and who plans find the same knots, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from iolaus.fleet.judge import Subject
from iolaus.kernel.errors import OperatorMust


class Knot(NamedTuple):
    """Why there is no order. `at` is a subject's index, `place` the entry of its `after` that
    nothing is called by; None: subjects wait for each other, of which `at` is one."""

    at: int
    place: int | None
    message: str
    next_step: str


def order_of(subjects: Sequence[Subject], *, baseline: str) -> tuple[int, ...]:
    """Indices of the subjects, each after all that it names in `after`. Raises `OperatorMust` for
    the first knot."""
    for knot in knots(subjects):
        raise OperatorMust(
            knot.message,
            operation="plan",
            subject=baseline,
            code="AfterCircle" if knot.place is None else "AfterUnknown",
            next_step=knot.next_step,
        )
    return _placed(_before(subjects))


def knots(subjects: Sequence[Subject]) -> Iterator[Knot]:
    """Everything that keeps the subjects from an order: words that nothing is called, and a
    circle."""
    for at, subject in enumerate(subjects):
        for place, word in enumerate(subject.want.after):
            if not any(answers_to(each, word) for each in subjects):
                yield Knot(at, place, *_nobody(word, subject, subjects))
    before = _before(subjects)
    placed = set(_placed(before))
    left = [at for at in range(len(subjects)) if at not in placed]
    if left:
        told = " after ".join(subjects[at].word for at in _circle(left[0], before, placed))
        message = f"components wait for each other: {told}"
        yield Knot(left[0], None, message, "take one of them out of `after`")


def answers_to(subject: Subject, word: str) -> bool:
    """The whole word of a match, or one of several that it is made of."""
    return word == subject.word or word in subject.word.split("+")


def _before(subjects: Sequence[Subject]) -> list[set[int]]:
    return [
        {at for at, each in enumerate(subjects) for word in s.want.after if answers_to(each, word)}
        for s in subjects
    ]


def _placed(before: Sequence[set[int]]) -> tuple[int, ...]:
    """As many as can be placed."""
    placed: list[int] = []
    while free := [at for at in range(len(before)) if at not in placed and before[at] <= {*placed}]:
        placed.append(free[0])
    return tuple(placed)


def _circle(at: int, before: Sequence[set[int]], placed: set[int]) -> list[int]:
    path = [at]
    while path.count(path[-1]) == 1:
        path.append(min(before[path[-1]] - placed))
    return path[path.index(path[-1]) :]


def _nobody(word: str, subject: Subject, subjects: Sequence[Subject]) -> tuple[str, str]:
    words = [each.word for each in subjects]
    near = get_close_matches(word, words, 1)
    step = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(words)}"
    return f"{subject.word} comes after {word!r}, and nothing is called so", step
