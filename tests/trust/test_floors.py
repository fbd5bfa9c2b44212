"""Old firmware stays signed for ever; its security version says that it should run no more."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.policies import read_policies
from iolaus.model.reference import Provenance, ReferenceSet, ReferenceValue, SourceKind
from iolaus.model.trust import Lifecycle, Measurement, Summary, Verdict
from iolaus.trust.appraise import Rules
from iolaus.trust.demands import rules_of
from iolaus.trust.floors import Floor, floored
from iolaus.trust.standing import exposed
from tests.trust.test_policy import GOOD, VERDICTS

RANK = (Summary.UNTRUSTED, Summary.UNKNOWN, Summary.VERIFIED, Summary.TRUSTED)


def measured(svn: int, index: int = 16) -> Measurement:
    return Measurement(index=index, kind="svn", value=svn.to_bytes(8, "little"), raw=True)


def release(svn: int | None, part: str = "Acme BMC") -> ReferenceSet:
    source = Provenance(source="x", kind=SourceKind.CORIM)
    value = ReferenceValue(svn=svn)
    return ReferenceSet(name=f"{part} 1", part=part, values=(value,), provenance=source)


def judged(floor: Floor, *, svn: int | None = None, of: int | None = None) -> Verdict:
    blocks = [] if svn is None else [measured(svn)]
    met = [] if of is None else [release(of)]
    return floored(GOOD, blocks, met, name="GPU_0", floors=[floor])


def test_a_security_version_below_its_floor_is_found_and_one_at_it_is_not() -> None:
    below = judged(Floor(least=5), svn=4)
    assert below.lifecycle is Lifecycle.SVN_BELOW_FLOOR
    assert below.findings[0].detail == {"of": "measurement 16", "seen": 4, "least": 5}
    assert judged(Floor(least=5), svn=5) == GOOD
    assert judged(Floor(least=5, component="NIC_*"), svn=4) == GOOD
    assert judged(Floor(least=5, part="Acme *"), of=4).lifecycle is Lifecycle.SVN_BELOW_FLOOR
    assert judged(Floor(least=5, part="Acme *"), of=5) == GOOD
    assert judged(Floor(least=5, part="Other *"), of=4) == GOOD


def test_what_nothing_says_does_not_meet_the_demand() -> None:
    for floor in (Floor(least=1), Floor(least=1, index=17)):
        found = floored(GOOD, [measured(9)] if floor.index else [], [], name="G", floors=[floor])
        assert found.lifecycle is None
        assert found.findings[0].code == "svn-not-said"
    digest = Measurement(index=16, kind="svn", value=b"\xff" * 32)
    assert floored(GOOD, [digest], [], name="G", floors=[Floor(least=1)]).lifecycle is None
    bare = floored(GOOD, [], [release(None)], name="G", floors=[Floor(least=1, part="*")])
    assert bare.lifecycle is None


@given(VERDICTS, st.lists(st.integers(0, 9), max_size=3), st.integers(0, 9), st.booleans())
def test_neither_floors_nor_advisories_improve_a_verdict(
    verdict: Verdict, svns: list[int], least: int, advised: bool
) -> None:
    blocks = [measured(svn, 16 + at) for at, svn in enumerate(svns)]
    found = floored(verdict, blocks, [], name="G", floors=[Floor(least=least)])
    found = exposed(found, ["A-1"] if advised else [])
    if verdict.summary in (Summary.TRUSTED, Summary.UNTRUSTED) or verdict.lifecycle:
        assert RANK.index(found.summary) <= RANK.index(verdict.summary)
    assert found.summary is not Summary.TRUSTED or found == verdict
    assert found.axes[:4] == verdict.axes[:4]


TEXT = """\
apiVersion: iolaus.dev/v1
kind: Policy
metadata: {name: %s}
spec:
  require: {maxAge: %s, svn: [{part: "Acme *", least: %d}]}
"""


def test_of_several_policies_the_strictest_holds() -> None:
    policies = [
        *read_policies(TEXT % ("b", "2h", 3), source="p"),
        *read_policies(TEXT % ("a", "1h", 4), source="p"),
    ]
    usual = Rules(max_age_s=5400.0)
    found = rules_of(policies, usual)
    assert found.max_age_s == 3600.0
    assert found.floors == (Floor(least=4, part="Acme *"), Floor(least=3, part="Acme *"))
    assert rules_of(policies, msgspec.structs.replace(usual, max_age_s=60.0)).max_age_s == 60.0
    assert rules_of([], usual) == usual
