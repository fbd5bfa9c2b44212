"""The summary over the five axes, for every combination of their values."""

from __future__ import annotations

from itertools import product

from iolaus.model.trust import (
    Evidence,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Summary,
    Verdict,
)

GOOD = {"fresh", "valid", "anchored", "pinned", "match", "ok"}
HARD = {"invalid", "changed", "duplicate", "mismatch", "debug"}
RANK = {Summary.UNTRUSTED: 0, Summary.UNKNOWN: 1, Summary.VERIFIED: 2, Summary.TRUSTED: 3}

EVERY = [
    Verdict(evidence=e, signature=s, identity=i, reference=r, lifecycle=c)
    for e, s, i, r, c in product(
        (None, *Evidence), (None, *Signature), (None, *Identity), (None, *Reference),
        (None, *Lifecycle),
    )
]  # fmt: skip


def test_trusted_needs_all_five_and_a_hard_negative_is_never_outweighed() -> None:
    for verdict in EVERY:
        words = [None if axis is None else axis.value for axis in verdict.axes]
        judged = [word for word in words if word is not None]
        if HARD & set(judged):
            assert verdict.summary is Summary.UNTRUSTED
        elif judged and set(judged) <= GOOD:
            full = None not in words
            assert verdict.summary is (Summary.TRUSTED if full else Summary.VERIFIED)
        else:
            assert verdict.summary is Summary.UNKNOWN


def test_the_words_of_the_axes() -> None:
    assert [each.value for each in Evidence] == [
        "none", "unreachable", "malformed", "stale", "fresh",
    ]  # fmt: skip
    assert [each.value for each in Signature] == ["unverified", "invalid", "valid"]
    assert [each.value for each in Identity] == [
        "unanchored", "anchored", "pinned", "changed", "duplicate",
    ]  # fmt: skip
    assert [each.value for each in Reference] == [
        "none", "untrusted", "expired", "mismatch", "match",
    ]  # fmt: skip
    assert [each.value for each in Lifecycle] == [
        "debug", "rma", "manufacturing", "svn-below-floor", "known-vulnerable", "ok",
    ]  # fmt: skip


def test_leaving_out_an_axis_never_makes_a_verdict_trusted() -> None:
    whole = Verdict(
        evidence=Evidence.FRESH,
        signature=Signature.VALID,
        identity=Identity.PINNED,
        reference=Reference.MATCH,
        lifecycle=Lifecycle.OK,
    )
    assert whole.summary is Summary.TRUSTED
    without = Verdict(evidence=whole.evidence, signature=whole.signature, identity=whole.identity)
    assert RANK[without.summary] < RANK[whole.summary]
