"""Policy is monotonic: it demands more or lets pass what was not proved, and proves nothing."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.document import BadFile
from iolaus.fleet.policies import read_policies
from iolaus.model.decision import Decision, Standing
from iolaus.model.policy import Policy, Waivable
from iolaus.model.select import MISSING
from iolaus.model.trust import (
    HARD_NEGATIVE,
    Evidence,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Summary,
    Verdict,
)
from iolaus.trust.policy import decide
from tests.examples import examples

TEXT = """\
apiVersion: iolaus.dev/v1
kind: Policy
metadata: {name: hall}
spec:
  waivers:
    - selector: {matchLabels: {rack: r1}}
      component: "GPU_*"
      axes: [reference/expired, identity/unanchored]
      owner: ana
      reason: the maker has not renewed its certificate
      expires: "2026-12-31"
"""
NOW = 1_790_000_000.0
GOOD = Verdict(
    evidence=Evidence.FRESH,
    signature=Signature.VALID,
    identity=Identity.PINNED,
    reference=Reference.MATCH,
    lifecycle=Lifecycle.OK,
)
VERDICTS = st.builds(
    Verdict,
    evidence=st.none() | st.sampled_from(Evidence),
    signature=st.none() | st.sampled_from(Signature),
    identity=st.none() | st.sampled_from(Identity),
    reference=st.none() | st.sampled_from(Reference),
    lifecycle=st.none() | st.sampled_from(Lifecycle),
    findings=st.just(()),
)
WORDS = [*get_args(Waivable), "signature/invalid", "signature/unverified", "evidence/none",
         "evidence/stale", "reference/mismatch", "identity/changed", "lifecycle/debug"]  # fmt: skip


def policy(axes: list[str], expires: str = "2026-12-31", identity: str = "anchored") -> Policy:
    """Made past the reader, so that words which it refuses reach the judge."""
    (found,) = read_policies(TEXT, source="p.yaml")
    waiver = msgspec.structs.replace(
        found.spec.waivers[0], axes=axes, expires=expires, component="*"
    )
    require = msgspec.structs.replace(found.spec.require, identity=identity)
    spec = msgspec.structs.replace(found.spec, waivers=[waiver], require=require)
    return msgspec.structs.replace(found, spec=spec)


POLICIES = st.lists(
    st.builds(
        policy,
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=8),
        st.sampled_from(["2026-12-31", "2020-01-01", "2026-12-31T10:00:00Z"]),
        st.sampled_from(["anchored", "pinned"]),
    ),
    max_size=3,
)


def decided(verdict: Verdict, *policies: Policy, component: str = "GPU_0", **more: Any) -> Decision:
    labels = {"rack": "r1", **more.pop("labels", {})}
    return decide(
        verdict,
        policies,
        node="n1",
        look=lambda key: labels.get(key, MISSING),
        component=component,
        now=more.pop("now", NOW),
    )


@settings(max_examples=examples(120, 300), deadline=None)
@given(VERDICTS, POLICIES)
def test_no_policy_makes_anything_trusted(verdict: Verdict, policies: list[Policy]) -> None:
    standing = decided(verdict, *policies).standing
    if standing is Standing.TRUSTED:
        assert verdict.summary is Summary.TRUSTED
    if standing is Standing.VERIFIED:
        assert verdict.summary is Summary.VERIFIED


@settings(max_examples=examples(120, 300), deadline=None)
@given(VERDICTS, POLICIES)
def test_no_policy_lifts_a_hard_negative(verdict: Verdict, policies: list[Policy]) -> None:
    found = decided(verdict, *policies)
    bad = any(axis in HARD_NEGATIVE for axis in verdict.axes)
    assert (found.standing is Standing.UNTRUSTED) == bad
    if bad:
        assert found.passes == ()


@settings(max_examples=examples(120, 300), deadline=None)
@given(VERDICTS, POLICIES)
def test_what_is_waived_has_fresh_evidence_and_a_valid_signature(
    verdict: Verdict, policies: list[Policy]
) -> None:
    if decided(verdict, *policies).standing is Standing.WAIVED:
        assert verdict.evidence is Evidence.FRESH
        assert verdict.signature is Signature.VALID
        assert None not in verdict.axes


@settings(max_examples=examples(80, 200), deadline=None)
@given(VERDICTS, POLICIES)
def test_taking_an_axis_away_never_improves_a_decision(
    verdict: Verdict, policies: list[Policy]
) -> None:
    good = (Standing.TRUSTED, Standing.WAIVED)
    for name in ("evidence", "signature", "identity", "reference", "lifecycle"):
        less = msgspec.structs.replace(verdict, **{name: None})
        assert decided(less, *policies).standing not in good


def test_a_waiver_lets_pass_until_its_end_and_says_by_whom() -> None:
    (found,) = read_policies(TEXT, source="p.yaml")
    expired = msgspec.structs.replace(GOOD, reference=Reference.EXPIRED)
    told = decided(expired, found)
    assert told.standing is Standing.WAIVED
    assert (told.passes[0].owner, told.passes[0].policy) == ("ana", "hall")
    late = decided(expired, found, now=NOW + 366 * 86_400)
    assert (late.standing, len(late.ended)) == (Standing.UNKNOWN, 1)
    assert late.open == ("reference/expired",)
    assert decided(expired, found, labels={"rack": "r2"}).standing is Standing.UNKNOWN
    assert decided(expired, found, component="NIC_0").standing is Standing.UNKNOWN
    both = msgspec.structs.replace(expired, lifecycle=Lifecycle.RMA)
    assert decided(both, found).open == ("lifecycle/rma",)


def test_a_demand_is_met_or_stands_open() -> None:
    strict = policy(["identity/unanchored"], identity="pinned")
    assert decided(GOOD, strict).standing is Standing.TRUSTED
    anchored = msgspec.structs.replace(GOOD, identity=Identity.ANCHORED)
    assert decided(anchored).standing is Standing.TRUSTED
    assert decided(anchored, strict).open == ("identity/anchored",)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("reference/expired", "reference/mismatch", "8:", "reference/mismatch"),
        ("      owner: ana\n", "", "6:", "'owner' is missing"),
        ('      expires: "2026-12-31"\n', "", "6:", "'expires' is missing"),
        ("reason:", "reson:", "10:", "Did you mean 'reason'?"),
        ("2026-12-31", "2026-13-31", "11:", "there is no such day"),
        ('"2026-12-31"', "2026-12-31", "11:", "YAML reads it as a date"),
        ("{matchLabels: {rack: r1}}", "{}", "6:", "it selects no node"),
        ("kind: Policy", "kind: Polcy", "2:", "docs/policy.md"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(old: str, new: str, place: str, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_policies(TEXT.replace(old, new), source="p.yaml")
    lines = [line for line in caught.value.lines() if said in line]
    assert lines
    assert lines[0].startswith(f"p.yaml:{place}")
