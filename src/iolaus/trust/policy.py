"""What an operator's policy makes of a verdict: trusted, waived, unknown or untrusted. Pure.

Monotonic: a policy never improves what was proved. "Trusted" is said only of a verdict that is
trusted without it; what a waiver lets pass is called "waived", by whom and until when, and counts
no more once it has ended. Evidence and signatures cannot be waived, and a hard negative stays
untrusted whatever a policy says: the words for that are not in the language of waivers, and are
refused here once more, because whoever decides must not rest on who parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from iolaus.model.decision import Decision, Pass, Standing
from iolaus.model.desired import NodeSelector
from iolaus.model.policy import Policy, Waiver
from iolaus.model.select import MISSING, Lookup, parse_selector
from iolaus.model.trust import (
    HARD_NEGATIVE,
    POSITIVE,
    Evidence,
    Identity,
    Signature,
    Summary,
    Verdict,
)

NEVER: Final = (Evidence, Signature)
"""Axes of which nothing can be waived."""
PINNED_DEMANDED: Final = "identity/anchored"


def decide(
    verdict: Verdict,
    policies: Iterable[Policy],
    *,
    node: str,
    look: Lookup,
    component: str,
    now: float,
) -> Decision:
    """What counts for one component of one node; `look` gives the node's labels and fields."""
    kept = sorted(policies, key=lambda p: p.name)
    negatives = dict(_negatives(verdict, kept))
    if verdict.summary is Summary.UNTRUSTED:
        return Decision(standing=Standing.UNTRUSTED, open=tuple(negatives))
    passes: list[Pass] = []
    ended: list[Pass] = []
    for axis, waivable in negatives.items():
        found = _waivers(kept, axis, node, look, component) if waivable else ()
        for each in found:
            (passes if now < each.expires_at else ended).append(each)
    covered = {each.axis for each in passes}
    left = tuple(axis for axis in negatives if axis not in covered)
    if not negatives:
        return Decision(standing=Standing(verdict.summary.value))
    whole = all(axis is not None for axis in verdict.axes)
    standing = Standing.WAIVED if not left and whole else Standing.UNKNOWN
    return Decision(standing=standing, passes=tuple(passes), open=left, ended=tuple(ended))


def asked_of_nodes(policies: Iterable[Policy]) -> frozenset[str]:
    """The labels and fields of a node that waivers may ask for."""
    found = set[str]()
    for policy in policies:
        for waiver in policy.spec.waivers:
            found.update(waiver.selector.match_labels)
            if waiver.selector.expression:
                parsed = parse_selector(waiver.selector.expression)
                found.update(term.key for term in parsed.terms)
                found.update(parsed.bare)
    return frozenset(found)


def _negatives(verdict: Verdict, policies: Iterable[Policy]) -> Iterator[tuple[str, bool]]:
    """(axis/value, whether it may be waived) of everything that is not good."""
    pinned = any(each.spec.require.identity == "pinned" for each in policies)
    names = ("evidence", "signature", "identity", "reference", "lifecycle")
    for name, axis in zip(names, verdict.axes, strict=True):
        if axis is None:
            continue
        if axis is Identity.ANCHORED and pinned:
            yield PINNED_DEMANDED, False
        elif axis not in POSITIVE:
            may = axis not in HARD_NEGATIVE and not isinstance(axis, NEVER)
            yield f"{name}/{axis.value}", may


def _waivers(
    policies: Iterable[Policy], axis: str, node: str, look: Lookup, component: str
) -> Iterator[Pass]:
    for policy in policies:
        for waiver in policy.spec.waivers:
            named = fnmatchcase(component, waiver.component)
            if axis in waiver.axes and named and _selects(waiver.selector, node, look):
                yield _pass(axis, policy, waiver)


def _pass(axis: str, policy: Policy, waiver: Waiver) -> Pass:
    return Pass(
        axis=axis,
        policy=policy.name,
        owner=waiver.owner,
        reason=waiver.reason,
        expires_at=_end_of(waiver.expires),
    )


def _selects(selector: NodeSelector, node: str, look: Lookup) -> bool:
    """An empty selector selects nothing: a forgotten one lets nothing pass."""
    labels: Mapping[str, str] = selector.match_labels
    if not labels and not selector.expression:
        return False
    for key, value in labels.items():
        held = look(key)
        if held is MISSING or held is None or str(held).casefold() != value.casefold():
            return False
    return not selector.expression or parse_selector(selector.expression).matches(node, look)


def _end_of(text: str) -> float:
    """The end of the day, or the moment, in seconds since 1970."""
    if "T" in text:
        return datetime.fromisoformat(text).timestamp()
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() + 86_400
