"""Measurements against references: what is met, what differs, and that less is never better."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.reference import Digest, Provenance, ReferenceSet, ReferenceValue, SourceKind
from iolaus.model.trust import Identity, Measurement, Reference, Signature
from iolaus.trust.compare import Comparison, compare

AT = 1000.0


def digest(word: str) -> bytes:
    return hashlib.sha384(word.encode()).digest()


def measured(**words: str) -> list[Measurement]:
    """`i2="rom"`: at index 2 the digest of "rom"."""
    return [
        Measurement(index=int(key[1:]), kind="rom", value=digest(word), algorithm="sha384")
        for key, word in words.items()
    ]


def provenance(**more: Any) -> Provenance:
    given: dict[str, Any] = {
        "source": "file", "kind": SourceKind.RIM, "signature": Signature.VALID,
        "identity": Identity.ANCHORED, **more,
    }  # fmt: skip
    return Provenance(**given)


def expects(
    name: str, part: str = "part", *, by: dict[str, Any] | None = None, **words: str
) -> ReferenceSet:
    values = [
        ReferenceValue(
            index=int(key[1:]), digests=tuple(Digest("sha384", digest(w)) for w in word.split("|"))
        )
        for key, word in words.items()
    ]
    return ReferenceSet(
        name=name, part=part, values=tuple(values), provenance=provenance(**(by or {}))
    )


def judged(seen: Sequence[Measurement], *sets: ReferenceSet, **more: Any) -> Comparison:
    return compare(seen, sets, at=AT, **more)


def codes(found: Comparison) -> list[str]:
    return [each.code for each in found.findings]


def test_a_release_is_met_whole_and_by_any_alternative() -> None:
    one = expects("v1", i1="a", i2="b|c")
    assert judged(measured(i1="a", i2="b"), one) == Comparison(Reference.MATCH, (), ("v1",))
    assert judged(measured(i1="a", i2="c"), one).reference is Reference.MATCH


def test_what_differs_is_told_with_its_place() -> None:
    found = judged(measured(i1="a", i2="x", i3="y"), expects("v1", i1="a", i2="b", i3="c"))
    assert found.reference is Reference.MISMATCH
    assert codes(found) == ["measurement-differs", "measurement-differs"]
    detail = found.findings[0].detail
    assert (detail["index"], detail["reference"], detail["source"]) == (2, "v1", "file")
    assert detail["expected"] == [f"sha384:{digest('b').hex()}"]
    assert detail["seen"] == digest("x").hex()


def test_half_of_one_release_and_half_of_another_is_neither() -> None:
    old, new = expects("v1", i1="a1", i2="b1"), expects("v2", i1="a2", i2="b2")
    assert judged(measured(i1="a2", i2="b2"), old, new).met == ("v2",)
    mixed = judged(measured(i1="a1", i2="b2"), old, new)
    assert mixed.reference is Reference.MISMATCH


def test_parts_are_judged_each() -> None:
    board, driver = expects("b", "board", i1="a"), expects("d", "driver", i2="b")
    assert judged(measured(i1="a", i2="b"), board, driver).met == ("b", "d")
    assert judged(measured(i1="a", i2="x"), board, driver).reference is Reference.MISMATCH


def test_what_was_not_measured_differs() -> None:
    found = judged(measured(i1="a"), expects("v1", i1="a", i2="b"))
    assert (found.reference, codes(found)) == (Reference.MISMATCH, ["measurement-missing"])


def test_what_has_no_reference_is_told() -> None:
    found = judged(measured(i1="a", i2="b", i3="c"), expects("v1", i1="a"))
    assert found.reference is Reference.MATCH
    assert found.findings[0].code == "measurement-unreferenced"
    assert found.findings[0].detail == {"indices": [2, 3]}


def test_an_expired_reference_is_an_axis_value_of_its_own() -> None:
    old = expects("v1", by={"not_after": AT - 1}, i1="a")
    found = judged(measured(i1="a"), old)
    assert (found.reference, codes(found)) == (Reference.EXPIRED, ["reference-expired"])
    assert judged(measured(i1="x"), old).reference is Reference.MISMATCH
    new = expects("v1", by={"not_after": AT + 1}, i1="a")
    assert judged(measured(i1="a"), old, new) == Comparison(Reference.MATCH, (), ("v1",))
    assert judged(measured(i1="a"), old, expects("v2", i1="b")).reference is Reference.EXPIRED


@pytest.mark.parametrize(
    "by",
    [
        {"signature": Signature.INVALID},
        {"signature": Signature.UNVERIFIED},
        {"identity": Identity.UNANCHORED},
        {"kind": SourceKind.LEARNED},
    ],
)
def test_what_nobody_vouches_for_counts_for_nothing(by: dict[str, Any]) -> None:
    doubtful = expects("v1", by=by, i1="a")
    assert judged(measured(i1="a"), doubtful).reference is Reference.UNTRUSTED
    assert judged(measured(i1="x"), doubtful).reference is Reference.UNTRUSTED
    good = expects("v2", i1="b")
    assert judged(measured(i1="a"), doubtful, good).reference is Reference.MISMATCH


def test_learned_values_count_where_that_is_wanted_and_say_so() -> None:
    learned = expects("here", by={"kind": SourceKind.LEARNED}, i1="a")
    found = judged(measured(i1="a"), learned, accept_learned=True)
    assert (found.reference, codes(found)) == (Reference.MATCH, ["reference-learned"])


def test_without_references_there_is_nothing_to_say() -> None:
    found = judged(measured(i1="a"))
    assert (found.reference, codes(found)) == (Reference.NONE, ["no-reference"])
    idle = ReferenceSet(
        name="v", part="p", provenance=provenance(),
        values=(ReferenceValue(index=1, digests=(Digest("sha384", digest("b")),), active=False),),
    )  # fmt: skip
    assert judged(measured(i1="a"), idle).reference is Reference.NONE


def single(**value: Any) -> ReferenceSet:
    values = (ReferenceValue(index=1, **value),)
    return ReferenceSet(name="v", part="p", values=values, provenance=provenance())


def test_raw_values_are_compared_by_the_bits_that_count() -> None:
    raw = [Measurement(index=1, kind="config", value=b"\x12\x34", raw=True)]
    assert judged(raw, single(raw=b"\x12\x34")).reference is Reference.MATCH
    assert judged(raw, single(raw=b"\x12\0", mask=b"\xff\0")).reference is Reference.MATCH
    assert judged(raw, single(raw=b"\x12", mask=b"\0")).reference is Reference.MISMATCH
    hashed = single(digests=(Digest("sha256", hashlib.sha256(b"\x12\x34").digest()),))
    assert judged(raw, hashed).reference is Reference.MATCH
    assert judged(measured(i1="a"), single(raw=digest("a"))).reference is Reference.MISMATCH


def test_another_algorithm_and_a_short_digest_meet_nothing() -> None:
    seen = measured(i1="a")
    assert judged(seen, single(digests=(Digest("sha512", digest("a")),))).reference is (
        Reference.MISMATCH
    )
    short = single(digests=(Digest("sha256-32", digest("a")[:4]),))
    assert judged(seen, short).reference is Reference.MISMATCH


def test_a_demand_that_cannot_be_checked_is_never_met() -> None:
    found = judged(
        measured(i1="a"), single(digests=(Digest("sha384", digest("a")),), unsupported=("flags",))
    )
    assert (found.reference, codes(found)) == (Reference.MISMATCH, ["reference-unsupported"])


RANK = {
    Reference.MATCH: 4, Reference.EXPIRED: 3, Reference.UNTRUSTED: 2, Reference.NONE: 2,
    Reference.MISMATCH: 1,
}  # fmt: skip
words = st.sampled_from("abc")
measuring = st.dictionaries(st.integers(1, 4), words, max_size=4)
demands = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 4), words, min_size=1, max_size=3),
        st.sampled_from(["board", "driver"]),
        st.sampled_from([{}, {"not_after": 1.0}, {"identity": Identity.UNANCHORED}]),
    ),
    max_size=4,
)


def made(listed: list[tuple[dict[int, str], str, dict[str, Any]]]) -> list[ReferenceSet]:
    return [
        expects(f"v{n}", part, by=by, **{f"i{i}": word for i, word in values.items()})
        for n, (values, part, by) in enumerate(listed)
    ]


@given(measuring, demands, st.integers(1, 4))
def test_a_measurement_left_out_never_improves(
    seen: dict[int, str], listed: list[tuple[dict[int, str], str, dict[str, Any]]], gone: int
) -> None:
    sets = made(listed)
    whole = judged(measured(**{f"i{i}": w for i, w in seen.items()}), *sets)
    less = judged(measured(**{f"i{i}": w for i, w in seen.items() if i != gone}), *sets)
    assert RANK[less.reference] <= RANK[whole.reference]


@given(measuring, demands)
def test_what_nobody_vouches_for_never_changes_the_outcome(
    seen: dict[int, str], listed: list[tuple[dict[int, str], str, dict[str, Any]]]
) -> None:
    sets, shown = made(listed), measured(**{f"i{i}": w for i, w in seen.items()})
    genuine = [each for each in sets if each.provenance.genuine]
    if genuine:
        assert judged(shown, *sets).reference is judged(shown, *genuine).reference
    else:
        assert judged(shown, *sets).reference in (Reference.NONE, Reference.UNTRUSTED)
