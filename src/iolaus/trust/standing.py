"""Which verdict stands: evidence over time, and identities over the fleet.

Evidence can be withheld, replayed or garbled, and none of that may improve anything. So a hard
negative stands until fresh evidence with a valid signature says otherwise, and a good verdict that
was not renewed is good no longer. An identity is pinned by the first good evidence; another one at
the same place has changed, and one pinned at two places is a duplicate at both. All pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.model.appraisal import Pin
from iolaus.model.trust import (
    HARD_NEGATIVE,
    Evidence,
    Finding,
    Identity,
    Lifecycle,
    Signature,
    Summary,
    Verdict,
)

UNANSWERED: Final = frozenset((Evidence.NONE, Evidence.UNREACHABLE))
FIRST_CONTACT: Final = "first contact"


def is_good(verdict: Verdict) -> bool:
    """Fresh evidence with a valid signature: what may replace whatever stood."""
    return verdict.evidence is Evidence.FRESH and verdict.signature is Signature.VALID


def after(before: Verdict | None, new: Verdict) -> Verdict:
    """What stands when `new` was judged and `before` stood. Pure."""
    if before is None or is_good(new):
        return new
    if new.evidence in UNANSWERED and before.signature is not None and _was_answered(before):
        kept = [each for each in before.findings if each.code not in _codes(new)]
        return msgspec.structs.replace(
            before, evidence=new.evidence, findings=(*new.findings, *kept)
        )
    axes = ("signature", "identity", "reference", "lifecycle")
    stays = {name: held for name in axes if (held := getattr(before, name)) in HARD_NEGATIVE}
    stays = {name: held for name, held in stays.items() if getattr(new, name) is not held}
    if not stays:
        return new
    told = Finding(
        code="stands-from-before",
        message="Worse was proved before, and no good evidence has taken it back.",
        detail={name: str(held) for name, held in stays.items()},
    )
    return msgspec.structs.replace(new, **stays, findings=(*new.findings, told))


def _was_answered(verdict: Verdict) -> bool:
    return verdict.signature is not Signature.UNVERIFIED


def _codes(verdict: Verdict) -> frozenset[str]:
    return frozenset(each.code for each in verdict.findings)


def aged(verdict: Verdict, *, asked_at: float | None, now: float, max_age_s: float) -> Verdict:
    """The verdict as it counts now: fresh evidence that grew old is stale."""
    if verdict.evidence is not Evidence.FRESH or asked_at is None or now - asked_at <= max_age_s:
        return verdict
    told = Finding(
        code="evidence-old",
        message=f"It was asked longer ago than policy lets evidence count ({max_age_s / 3600:.1f} "
        "h). Ask again with: iolaus attest",
        detail={"max_age_s": max_age_s},
    )
    return msgspec.structs.replace(
        verdict, evidence=Evidence.STALE, findings=(*verdict.findings, told)
    )


def exposed(verdict: Verdict, advisories: Sequence[str]) -> Verdict:
    """The verdict where advisories say that what runs is vulnerable; it never improves."""
    if not advisories:
        return verdict
    told = Finding(
        code="known-vulnerable",
        message=f"Advisories say of what it runs that it is vulnerable: {', '.join(advisories)}. "
        f"See what mends it with: iolaus describe advisory {advisories[0]}",
        detail={"advisories": list(advisories)},
    )
    good = verdict.lifecycle in (None, Lifecycle.OK)
    state = Lifecycle.KNOWN_VULNERABLE if good else verdict.lifecycle
    return msgspec.structs.replace(verdict, lifecycle=state, findings=(*verdict.findings, told))


def claimed(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    """The verdict with what is known of reported versions beside it; no axis moves."""
    if not findings:
        return verdict
    return msgspec.structs.replace(verdict, findings=(*verdict.findings, *findings))


def identified(
    verdict: Verdict, identity: str, *, pin: Pin | None, elsewhere: Iterable[str] = ()
) -> Verdict:
    """The identity axis against what was enrolled. `elsewhere` names places where the same
    identity is enrolled. A signature that does not verify says nothing of whose key it is."""
    if not identity or verdict.signature is not Signature.VALID:
        return verdict
    others = tuple(elsewhere)
    if pin is not None and pin.identity != identity:
        told = Finding(
            code="identity-changed",
            message=f"Another key answers than the one that was enrolled ({pin.by}). If the part "
            "was exchanged, let it be enrolled anew with: iolaus attest --enrol",
            detail={"expected": pin.identity, "seen": identity},
        )
        return _identity(verdict, Identity.CHANGED, told)
    if others:
        told = Finding(
            code="identity-duplicate",
            message="The same key is enrolled at several places: one of them is not what it says.",
            detail={"also_at": list(others)[:16]},
        )
        return _identity(verdict, Identity.DUPLICATE, told)
    if pin is not None and verdict.identity is Identity.ANCHORED:
        return msgspec.structs.replace(verdict, identity=Identity.PINNED)
    return verdict


def _identity(verdict: Verdict, identity: Identity, told: Finding) -> Verdict:
    return msgspec.structs.replace(verdict, identity=identity, findings=(*verdict.findings, told))


def enrols(verdict: Verdict, identity: str) -> bool:
    """Good evidence of an anchored identity is what a first contact pins."""
    return bool(identity) and is_good(verdict) and verdict.identity is Identity.ANCHORED


class Identities:
    """Who is enrolled where, both ways round: one change looks at one identity."""

    def __init__(self, pins: Mapping[tuple[str, str], Pin]) -> None:
        self._places: dict[str, set[tuple[str, str]]] = {}
        self._pins: dict[tuple[str, str], Pin] = {}
        for pin in pins.values():
            self.enrol(pin)

    def enrol(self, pin: Pin) -> None:
        place = (pin.asset, pin.name)
        if (old := self._pins.get(place)) is not None:
            self._places[old.identity].discard(place)
        self._pins[place] = pin
        self._places.setdefault(pin.identity, set()).add(place)

    def pin(self, asset: str, name: str) -> Pin | None:
        return self._pins.get((asset, name))

    def elsewhere(self, asset: str, name: str, identity: str) -> tuple[tuple[str, str], ...]:
        """Other places where this identity is enrolled."""
        return tuple(sorted(self._places.get(identity, set()) - {(asset, name)}))


class RolledUp(msgspec.Struct, frozen=True, kw_only=True):
    """Many attesters as one: the worst word, and how many have which."""

    summary: Summary
    counts: Mapping[str, int]


_WORST: Final = (Summary.UNTRUSTED, Summary.UNKNOWN, Summary.VERIFIED, Summary.TRUSTED)


def roll_up(found: Iterable[Verdict]) -> RolledUp | None:
    """Untrusted if one is, else unknown if one is; trusted only if all are. None of nobody."""
    counts: dict[str, int] = {}
    summaries = [each.summary for each in found]
    for word in summaries:
        counts[word.value] = counts.get(word.value, 0) + 1
    worst = next((word for word in _WORST if word in summaries), None)
    return None if worst is None else RolledUp(summary=worst, counts=counts)
