"""Whether a certificate is as wanted, and what a plan says of one that is not."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.fleet.asked import plan_asked
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge import Judge
from iolaus.fleet.plan import Surroundings, make_plan
from iolaus.fleet.step_certificate import INSTALL, REQUEST
from iolaus.fleet.topology import topology_of
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import Certificate
from iolaus.model.authority import Authority
from iolaus.model.drift import Item, Outcome
from iolaus.model.plan import Asked, Fate, Plan, Step
from tests.fleet.planned import ABLE, NOW, base_of, changed, kept, tray
from tests.fleet.test_asked import reads_as

OURS = Authority(
    name="hall-ca",
    kind="local",
    certificate="",
    subject="CN=hall-ca,O=Example,C=DE",
    fingerprint="0" * 64,
    not_after=NOW * 2,
)
WANT = {"bmc": {"certificate": {"authority": "hall-ca", "renewBefore": "30d"}}}
GOOD: dict[str, Any] = {
    "uri": "/redfish/v1/Managers/1/NetworkProtocol/HTTPS/Certificates/1",
    "issuer": "C=DE,O=Example,CN=hall-ca",
    "not_after": "2027-06-01T00:00:00Z",
    "fingerprint": "a" * 64,
    "usage": ("Web",),
    "names": ("n1",),
    "key": "EC secp256r1",
}


def host(name: str = "n1", **changes: Any) -> NodeFacts:
    given = {**GOOD, "names": (name,), **changes}
    able = ABLE | {"certificates"}
    return tray(name, certificates=(Certificate(**given),), capabilities=able)


def judged(facts: NodeFacts, authorities: dict[str, Authority] | None = None) -> list[Item]:
    known = {"hall-ca": OURS} if authorities is None else authorities
    drift = Judge([base_of(**WANT)], known).judge(facts, now=NOW)
    assert drift is not None
    return list(drift.items)


@pytest.mark.parametrize(
    ("changes", "outcome", "why"),
    [
        ({"issuer": "CN=maker"}, Outcome.DRIFTED, "it is not signed by hall-ca"),
        ({"issuer": None}, Outcome.UNKNOWN, "does not say who signed"),
        ({"names": ("n2",)}, Outcome.DRIFTED, "it is not for n1"),
        ({"key": "RSA 1024"}, Outcome.DRIFTED, "its key is RSA 1024"),
        ({"not_after": "2026-12-01T00:00:00Z"}, Outcome.DRIFTED, "it ends in 12 days"),
        ({"not_after": "2026-01-01T00:00:00Z"}, Outcome.DRIFTED, "it ended"),
        ({"not_after": "soon"}, Outcome.UNKNOWN, "does not say when"),
        ({"usage": ("SSH",)}, Outcome.UNKNOWN, "no certificate of its web server"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told(
    changes: dict[str, Any], outcome: Outcome, why: str
) -> None:
    (item,) = judged(host(**changes))
    assert (item.subject, item.outcome) == ("bmc/certificate", outcome)
    assert why in item.reason
    assert item.desired == "signed by hall-ca"


def test_one_that_is_right_is_no_departure_and_names_may_be_missing() -> None:
    assert judged(host()) == []
    assert judged(host(names=())) == []


def test_an_authority_that_nobody_knows_is_unknown() -> None:
    (item,) = judged(host(), {})
    assert (item.outcome, item.reason) == (Outcome.UNKNOWN, "no authority is called hall-ca")


def test_one_asset_answers_for_an_endpoint() -> None:
    silent = tray("n1", answers=False)
    assert judged(silent) == []


def plan_of(*nodes: NodeFacts) -> Plan:
    base = base_of(**WANT, rollout={"waves": [{"name": "all"}]})
    judge = Judge([base], {"hall-ca": OURS})
    pairs = [(each, judge.judge(each, now=NOW)) for each in nodes]
    around = Surroundings(topology=topology_of(nodes))
    found = [(facts, drift) for facts, drift in pairs if drift is not None]
    return make_plan(kept(base), found, around, now=NOW, made_by="carol")


def test_a_plan_of_certificates_reads_well() -> None:
    able = host("n5", issuer="CN=n5")
    plan = plan_of(
        host("n1", issuer="CN=maker"),
        host("n2", issuer="CN=maker"),
        host("n3", not_after="2026-12-01T00:00:00Z"),
        host("n4"),
        tray("n6", certificates=able.certificates),
    )
    reads_as("certificates", plan)


def test_each_node_asks_for_its_own_name() -> None:
    plan = plan_of(host("n1", issuer="CN=maker"), host("n2", issuer="CN=maker"))
    names = [node.steps[0].action.arguments["names"] for node in plan.nodes]
    assert names == [["n1"], ["n2"]]
    steps: tuple[Step, ...] = plan.nodes[0].steps
    assert [step.undo for step in steps[:2]] == [None, None]


def test_a_new_one_may_be_asked_for_whatever_the_old_one_is() -> None:
    plain = tray("n2", capabilities=ABLE | {"certificates"})
    nodes = [host("n1"), plain, changed(plain, name="n3", uid="uid-n3", answers=False)]
    what = Asked(kind="certificate", arguments={"authority": "hall-ca"}, at=NOW)
    around = Surroundings(topology=topology_of(nodes))
    plan = plan_asked(what, nodes, around, now=NOW)
    assert [node.fate for node in plan.nodes] == [Fate.UPDATE, Fate.BLOCKED, Fate.NO_OP]
    assert [step.action.subject for step in plan.nodes[0].steps] == [REQUEST, INSTALL]
    with pytest.raises(OperatorMust, match="who is to sign"):
        plan_asked(Asked(kind="certificate"), nodes, around, now=NOW)
