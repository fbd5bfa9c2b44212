"""Verdicts by place and by policy: in the API, the metrics and the pages' rows."""

from __future__ import annotations

import pytest

from iolaus.fleet.policies import read_policies
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.policy import Policy
from iolaus.model.select import parse_selector
from iolaus.north.context import Context
from iolaus.north.metrics import standing_lines
from iolaus.north.rolledup import BY, read_by, rolled_up
from tests.north import hall
from tests.north.attesting import Attesting
from tests.north.conftest import make_context

FIRST, SECOND, _ = (hall.place(number)[2] for number in range(3))


@pytest.fixture
def context(clock: JumpClock) -> Context:
    found = make_context(clock)
    found.attests = Attesting(found)
    return found


def lets_pass(node: str, expires: str = "2026-12-31") -> Policy:
    text = f"""\
apiVersion: iolaus.dev/v1
kind: Policy
metadata: {{name: hall}}
spec:
  require: {{identity: pinned}}
  waivers:
    - selector: {{expression: "{node}"}}
      axes: [reference/none, identity/unanchored]
      owner: ana
      reason: it is on its way out
      expires: "{expires}"
"""
    (found,) = read_policies(text, source="p.yaml")
    return found


@pytest.mark.parametrize("by", BY)
def test_every_attester_is_in_one_group_and_the_worst_word_is_the_word_of_all(
    context: Context, by: str
) -> None:
    rows = context.attestations.rows()
    found = rolled_up(rows, read_by(by), now=0.0)
    assert sum(each.components for each in found) == len(rows)
    for each in found:
        counts = [each.untrusted, each.unknown, each.verified, each.waived, each.trusted]
        words = ["untrusted", "unknown", "verified", "waived", "trusted"]
        assert each.standing == next(w for w, n in zip(words, counts, strict=True) if n)
        assert sum(counts) == each.components
        assert (FIRST in each.nodes_untrusted) == (each.untrusted > 0)


def test_nobody_counts_by_what_is_no_place() -> None:
    with pytest.raises(OperatorMust, match="not counted by"):
        read_by("colour")


def test_a_policy_changes_what_counts_and_not_what_was_proved(context: Context) -> None:
    port = context.attests
    assert isinstance(port, Attesting)
    before = [row.kind for row in context.attestations.rows()]
    port.policies, port.revision = [lets_pass(FIRST)], 2
    after = [row.kind for row in context.attestations.rows()]
    assert [kind.summary for kind in after] == [kind.summary for kind in before]
    assert [kind.standing for kind in after] == [kind.standing for kind in before]
    bad = context.attestations.find(f"{FIRST}:GPU_RoT", parse_selector(""))
    assert bad is not None
    assert bad.decision.standing.value == "untrusted"
    lines = list(standing_lines(context.attestations.rows(), now=0.0))
    assert any('by="all",name="all",standing="untrusted"} 1' in line for line in lines)
