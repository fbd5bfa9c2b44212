"""What counts now is the same, however little of it was looked at again."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.appraisal import Appraisal, AttesterKey
from iolaus.model.trust import Evidence, Signature, Verdict
from iolaus.trust.current import Current
from iolaus.trust.standing import aged

LASTS_S = 100.0
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["keep", "forget", "wait", "back"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 250),
    ),
    max_size=30,
)


def appraisal(number: int, asset: str, asked_at: float) -> Appraisal:
    return Appraisal(
        endpoint="https://bmc", uri=f"/{number}", name=f"R{number}", asset=asset, key="S",
        protocol="SPDM", judged_at=asked_at, since=asked_at, asked_at=asked_at,
        verdict=Verdict(evidence=Evidence.FRESH, signature=Signature.VALID),
    )  # fmt: skip


def counts(held: Appraisal, now: float) -> Appraisal:
    verdict = aged(held.verdict, asked_at=held.asked_at, now=now, max_age_s=LASTS_S)
    return held if verdict is held.verdict else msgspec.structs.replace(held, verdict=verdict)


@settings(max_examples=60)
@given(CHANGES)
def test_it_is_what_a_walk_over_all_would_give(changes: list[tuple[int, str, str, int]]) -> None:
    kept: dict[AttesterKey, Appraisal] = {}
    current, now = Current(lambda: kept, counts, lasts_s=LASTS_S), 1000.0
    for number, what, asset, by in changes:
        if what == "wait":
            now += by
        elif what == "back":
            now -= by
        else:
            held = appraisal(number, asset, now)
            kept[held.place] = held
            if what == "forget":
                del kept[held.place]
            current.changed([held.place])
        before, walked = current.revision, [counts(kept[p], now) for p in sorted(kept)]
        listed = current.all(now)
        assert list(listed) == walked
        assert {p: current.get(p, now) for p in kept} == {e.place: e for e in walked}
        for each in ("a", "b"):
            assert current.of_asset(each, now) == [e for e in walked if e.asset == each]
        again = current.revision
        assert current.all(now) is listed
        assert current.revision == again >= before


def test_what_did_not_change_stays_the_same_object() -> None:
    kept = {each.place: each for each in (appraisal(n, "a", 0.0) for n in range(3))}
    current = Current(lambda: kept, counts, lasts_s=LASTS_S)
    first = current.all(1.0)
    other = appraisal(1, "a", 1.0)
    kept[other.place] = other
    current.changed([other.place])
    assert [a is b for a, b in zip(first, current.all(2.0), strict=True)] == [True, False, True]
