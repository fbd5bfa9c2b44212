"""Eyes and hands of steps of proof: evidence is asked for, and judged by somebody else.

What counts is evidence that was asked for after the step was begun. When that was is held in memory
only: after a crash it is asked again, which costs a question and never a wrong answer. A component
that did not answer is asked again after a while, because controllers that were just restarted are
slow to find their roots of trust; what answered and differs is asked again, too, until the step's
time is over, and never called proved before it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from iolaus.fleet.step_attest import ASKED, FRESH, MEASURES, PROVED
from iolaus.kernel.clock import Clock
from iolaus.model.appraisal import Appraisal
from iolaus.model.plan import Action, NodePlan, Step
from iolaus.model.trust import (
    HARD_NEGATIVE,
    POSITIVE,
    Evidence,
    Lifecycle,
    Reference,
    Signature,
    Verdict,
)

AGAIN_S: Final = 20.0
QUIET: Final = "measurement-unreferenced"
"""A finding that is no reason for anything."""
Key = tuple[str, str]
"""(node's uid, step's id)."""


class Proves(Protocol):
    """Has components asked, and knows what was proved of them."""

    def order(self, address: str) -> None:
        """Ask everybody at an endpoint now."""
        ...

    def of_asset(self, asset: str) -> Iterable[Appraisal]: ...


class Proving:
    """`proves` is asked for when it is needed."""

    def __init__(self, proves: Callable[[], Proves], *, clock: Clock) -> None:
        self._proves, self._clock = proves, clock
        self._since: dict[Key, float] = {}
        self._asked: dict[Key, float] = {}

    def ask(self, node: NodePlan, step: Step, address: str) -> None:
        """From now on only what is asked from now on counts."""
        self._since[node.uid, step.id] = self._clock.now()
        self._order(node, step, address)

    def look(
        self,
        node: NodePlan,
        step: Step,
        subjects: Iterable[str],
        address: str,
        values: dict[str, Any],
        reasons: dict[str, str],
    ) -> str:
        """What was proved, into `values` and `reasons`; a sentence about what was not."""
        held = {each.name: each for each in self._proves().of_asset(node.uid)}
        told, waits = list[str](), False
        for subject in subjects:
            name = subject.partition("/")[2]
            found = held.get(name)
            if found is None:
                reasons[subject] = "it is not known any more as something that attests"
                continue
            values[f"verdict/{name}"] = verdict_words(found)
            word = self._word(subject, node, step, found, address)
            if not word:
                reasons[subject] = "it was asked, and has not answered yet"
                waits = True
                continue
            values[subject] = word
            if word not in (PROVED, FRESH):
                waits = True
                told += [f.message for f in found.verdict.findings if f.code != QUIET][:1]
        if waits and self._clock.now() - self._asked.get((node.uid, step.id), 0.0) >= AGAIN_S:
            self._order(node, step, address)
        return " ".join(told)

    def _word(self, subject: str, node: NodePlan, step: Step, held: Appraisal, address: str) -> str:
        arguments = step.action.arguments
        if subject.startswith(ASKED):
            oldest = self._clock.now() - float(arguments["max_age_s"])
            return FRESH if _is_good(held.verdict) and (held.asked_at or 0.0) >= oldest else ""
        key = (node.uid, step.id)
        if key not in self._since:
            self.ask(node, step, address)
        if (held.asked_at or 0.0) < self._since[key] or not _is_answer(held.verdict):
            return ""
        return judged(held, wanted_of(step.action, held.name))

    def _order(self, node: NodePlan, step: Step, address: str) -> None:
        self._asked[node.uid, step.id] = self._clock.now()
        self._proves().order(address)


def wanted_of(action: Action, attester: str) -> list[frozenset[str]]:
    """Of each part that an attester must prove, the references any of which is right."""
    found = action.arguments.get("wanted", ())
    return [frozenset(each["references"]) for each in found if each["attester"] == attester]


def judged(held: Appraisal, wanted: Iterable[frozenset[str]]) -> str:
    """ "proved", or the word of the axis that says why it is not. What advisories say of a version
    is no question of proof: the update that ends one would wait for the inventory to say so.
    Pure."""
    axes = [axis for axis in held.verdict.axes if axis is not Lifecycle.KNOWN_VULNERABLE]
    bad = [axis for axis in axes if axis in HARD_NEGATIVE]
    if bad:
        return str(bad[0])
    if held.verdict.reference is not Reference.MATCH:
        return f"reference {held.verdict.reference}"
    if not all(axis in POSITIVE for axis in axes if axis is not None):
        return str(next(axis for axis in axes if axis is not None and axis not in POSITIVE))
    if any(each.isdisjoint(held.references) for each in wanted):
        return "another release"
    return PROVED


def _is_answer(verdict: Verdict) -> bool:
    """Something was answered to the last question, good or bad."""
    return verdict.evidence not in (None, Evidence.NONE, Evidence.UNREACHABLE)


def _is_good(verdict: Verdict) -> bool:
    return verdict.evidence is Evidence.FRESH and verdict.signature is Signature.VALID


def verdict_words(held: Appraisal) -> Mapping[str, Any]:
    """For the journal."""
    verdict = held.verdict
    names = ("evidence", "signature", "identity", "reference", "lifecycle")
    axes = zip(names, verdict.axes, strict=True)
    return {
        "summary": verdict.summary.value,
        **{name: axis.value if axis else None for name, axis in axes},
        "references": list(held.references),
        "asked_at": held.asked_at,
        "exhibit": held.exhibit,
        "findings": [each.code for each in verdict.findings],
    }


def is_proof(subject: str) -> bool:
    return subject.startswith((MEASURES, ASKED))
