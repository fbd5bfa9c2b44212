"""Whether what was read is what a step expects. Pure.

Unknown is neither met nor unmet. A device that keeps no time of its last start cannot say that it
was started; then the other expectations of the step must carry the proof, and the step says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from iolaus.fleet.judge import say
from iolaus.model.plan import Expect, Op
from iolaus.model.rollout import Sight
from iolaus.model.version import Verdict, parse_constraint, same, satisfies

MARKERS: Final = frozenset({"boot/count-or-time", "manager/count-or-time"})
FIRMWARE: Final = "firmware/"


def sight_of(
    expects: Iterable[Expect],
    *,
    values: Mapping[str, Any],
    reasons: Mapping[str, str],
    baseline: Mapping[str, Any],
) -> Sight:
    """The verdict over all expectations: unmet if one is, else unknown if one is, else met."""
    unmet: list[str] = []
    unknown: list[str] = []
    for expect in expects:
        subject = expect.subject
        if subject not in values:
            unknown.append(f"{subject}: {reasons.get(subject, 'not read')}")
            continue
        verdict = _holds(expect, values[subject], baseline)
        if verdict is Verdict.NO:
            unmet.append(_different(expect, values[subject]))
        elif verdict is Verdict.UNKNOWN:
            unknown.append(f"{subject} is {say(values[subject])}, which cannot be compared")
    detail = "; ".join([*unmet, *unknown])
    verdict_word = "unmet" if unmet else "unknown" if unknown else "met"
    return Sight(verdict=verdict_word, seen=dict(values), detail=detail)  # type: ignore[arg-type]


def _holds(expect: Expect, value: Any, baseline: Mapping[str, Any]) -> Verdict:
    if expect.op is Op.SATISFIES:
        constraint = parse_constraint(str(expect.value))
        return satisfies(str(value), constraint, scheme=expect.scheme)
    if expect.op is Op.CHANGED:
        before = baseline.get(expect.subject)
        if before is None:
            return Verdict.YES if expect.subject in MARKERS else Verdict.UNKNOWN
        return Verdict.YES if before != value else Verdict.NO
    equal = _equal(expect, value)
    return Verdict.YES if equal == (expect.op is Op.IS) else Verdict.NO


def _equal(expect: Expect, value: Any) -> bool:
    if expect.subject.startswith(FIRMWARE):
        return same(str(value), str(expect.value), scheme=expect.scheme)
    if isinstance(value, list) and isinstance(expect.value, list):
        if expect.subject.partition("@")[0] == "bmc/accounts":
            return sorted(value) == sorted(expect.value)
        return value == expect.value
    return type(value) is type(expect.value) and bool(value == expect.value)


def _different(expect: Expect, value: Any) -> str:
    words = {
        Op.IS: f"and {say(expect.value)} is expected",
        Op.IS_NOT: "and that it should not be",
        Op.SATISFIES: f"and {say(expect.value)} is expected",
        Op.CHANGED: "as before",
    }
    return f"{expect.subject} is {say(value)}, {words[expect.op]}"
