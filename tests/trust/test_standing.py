"""What is withheld, garbled or replayed improves nothing; identities are known over the fleet."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.appraisal import Pin
from iolaus.model.trust import (
    Evidence,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Summary,
    Verdict,
)
from iolaus.trust.standing import Identities, after, aged, enrols, identified, is_good, roll_up

RANK = {Summary.UNTRUSTED: 0, Summary.UNKNOWN: 1, Summary.VERIFIED: 2, Summary.TRUSTED: 3}
verdicts = st.builds(
    Verdict,
    evidence=st.sampled_from(Evidence),
    signature=st.sampled_from(Signature),
    identity=st.sampled_from(Identity),
    reference=st.sampled_from(Reference),
    lifecycle=st.none() | st.sampled_from(Lifecycle),
)
GOOD = Verdict(
    evidence=Evidence.FRESH, signature=Signature.VALID, identity=Identity.ANCHORED,
    reference=Reference.MATCH, lifecycle=Lifecycle.OK,
)  # fmt: skip


@given(verdicts, verdicts)
def test_only_good_evidence_makes_a_verdict_better(before: Verdict, new: Verdict) -> None:
    stands = after(before, new)
    if not is_good(new):
        assert RANK[stands.summary] <= RANK[before.summary] or before.summary is Summary.UNKNOWN
        assert stands.summary is not Summary.TRUSTED
    if before.summary is Summary.UNTRUSTED and not is_good(new):
        assert stands.summary is Summary.UNTRUSTED


@given(st.lists(verdicts, max_size=5))
def test_no_row_of_bad_answers_ends_in_trust(answers: list[Verdict]) -> None:
    stands: Verdict | None = None
    for new in answers:
        stands = after(stands, new)
        assert is_good(new) or stands.summary is not Summary.TRUSTED


@given(verdicts)
def test_growing_old_improves_nothing(verdict: Verdict) -> None:
    old = aged(verdict, asked_at=0.0, now=1e6, max_age_s=3600.0)
    assert RANK[old.summary] <= RANK[verdict.summary]
    assert old.summary is not Summary.TRUSTED
    assert aged(verdict, asked_at=0.0, now=60.0, max_age_s=3600.0) is verdict


def pin(asset: str, identity: str, name: str = "gpu") -> Pin:
    return Pin(asset=asset, name=name, identity=identity, at=0.0, by="first contact")


@given(verdicts, st.sampled_from(["", "k1", "k2"]), st.booleans())
def test_an_enrolled_identity_improves_no_verdict(
    verdict: Verdict, identity: str, elsewhere: bool
) -> None:
    places = ("gpu of other",) if elsewhere else ()
    found = identified(verdict, identity, pin=pin("a", "k1"), elsewhere=places)
    assert RANK[found.summary] <= RANK[verdict.summary]
    if verdict.signature is Signature.VALID and identity == "k2":
        assert found.identity is Identity.CHANGED


def test_one_key_at_two_places_is_a_duplicate_and_an_exchange_ends_it() -> None:
    held = Identities({("a", "gpu"): pin("a", "k1")})
    assert held.elsewhere("a", "gpu", "k1") == ()
    held.enrol(pin("b", "k1"))
    assert held.elsewhere("a", "gpu", "k1") == (("b", "gpu"),)
    held.enrol(pin("b", "k2"))
    assert held.elsewhere("a", "gpu", "k1") == ()
    found = identified(GOOD, "k1", pin=None, elsewhere=["gpu of b"])
    assert found.identity is Identity.DUPLICATE
    assert found.summary is Summary.UNTRUSTED


def test_only_good_anchored_evidence_enrols() -> None:
    assert enrols(GOOD, "k")
    for evidence, signature, identity in itertools.product(Evidence, Signature, Identity):
        one = Verdict(evidence=evidence, signature=signature, identity=identity)
        good = (evidence, signature, identity) == GOOD.axes[:3]
        assert enrols(one, "k") is good
    assert not enrols(GOOD, "")


@given(st.lists(verdicts, min_size=1, max_size=6), verdicts)
def test_a_further_component_improves_no_node(found: list[Verdict], more: Verdict) -> None:
    one, both = roll_up(found), roll_up([*found, more])
    assert one is not None
    assert both is not None
    assert RANK[both.summary] <= RANK[one.summary]
    assert sum(both.counts.values()) == len(found) + 1
    assert roll_up([]) is None
