"""Plans that say how firmware is proved, quarantines, and what of an appraisal is a proof."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iolaus.fleet.asked import plan_asked
from iolaus.fleet.plan import Surroundings
from iolaus.fleet.plan_text import plan_text
from iolaus.fleet.proving import judged
from iolaus.kernel.errors import OperatorMust
from iolaus.model.appraisal import Appraisal
from iolaus.model.desired import DrainWant, RolloutWant, WindowWant
from iolaus.model.plan import Asked, Fate, Plan, Step, Verb
from iolaus.model.proof import Provers, Release, Vouching
from iolaus.model.trust import Identity, Lifecycle, Reference
from tests.fleet.planned import NOW, base_of, image, parts, planned, tray, want
from tests.trust.test_policy import GOOD

NODE = tray("r1-u1", firmware=parts(bmc="1.7", nic="3.0"))
RELEASE = Release(part="Acme BMC", version="1.8", reference="Acme BMC 1.8", document="acme")
DRAIN = RolloutWant(
    drain=DrainWant(adapter="slurm"), window=WindowWant(cron="0 2 * * 2", duration="4h")
)


def provers(*releases: Release) -> Provers:
    mine = (Vouching(component="BMC", attester="RoT_0", part="Acme BMC"),)
    return Provers(links={NODE.uid: mine}, attesters={NODE.uid: 1}, releases={"Acme BMC": releases})


def plan(known: Provers | None, **attest: Any) -> Plan:
    more = {"security": {"attest": attest}} if attest else {}
    base = base_of(firmware={"components": [want("bmc", "1.8"), want("nic", "3.1")]}, **more)
    images = image("bmc-1.8.fwpkg", bmc="1.8"), image("nic-3.1.fwpkg", nic="3.1")
    return planned([NODE], base, *images, provers=known)


def proofs(found: Plan) -> list[Step]:
    return [each for each in found.nodes[0].steps if each.action.verb is Verb.ATTEST]


def test_what_a_reference_knows_is_proved_after_it_was_activated_and_before_it_is_well() -> None:
    found = plan(provers(RELEASE))
    (step,) = proofs(found)
    words = [each.id.partition("/")[2][3:] for each in found.nodes[0].steps]
    assert words.index("attest") > words.index("update-bmc")
    assert words[-1] == "wait-healthy"
    assert step.undo is None
    assert [each.subject for each in step.after] == ["attestation/RoT_0"]
    text = plan_text(found)
    assert "BMC: RoT_0 measures Acme BMC 1.8: 1 node" in text
    assert "NIC: by version only: no component vouches for it: 1 node" in text


@pytest.mark.parametrize(
    "known",
    [provers(), provers(msgspec.structs.replace(RELEASE, version="1.7"))],
    ids=["no reference", "another release's"],
)
def test_without_a_reference_of_the_new_release_the_version_alone_is_the_proof(
    known: Provers,
) -> None:
    found = plan(known)
    assert not proofs(found)
    assert "BMC: by version only: no reference values are known of Acme BMC 1.8" in plan_text(found)


def test_a_baseline_says_whose_references_count_how_old_evidence_is_and_what_a_failure_is() -> None:
    asked = plan(provers(RELEASE), referenceValues=["acme"], maxAge="2h", onFail="quarantine")
    first, last = proofs(asked)
    assert asked.nodes[0].steps[0] is first
    assert first.action.arguments["max_age_s"] == 7200.0
    assert [each.subject for each in first.after] == ["evidence/RoT_0"]
    assert last.action.arguments["wanted"][0]["references"] == ["Acme BMC 1.8"]
    assert asked.on_failure.proof == "quarantine"
    assert "stays drained as it is" in plan_text(asked)
    other = plan(provers(RELEASE), referenceValues=["another"])
    assert not proofs(other)
    assert "Acme BMC 1.8 in another" in " ".join(plan_text(other).split())


def test_where_nobody_attests_plans_are_as_they_were() -> None:
    found = plan(None)
    assert not proofs(found)
    assert "proved" not in plan_text(found)
    assert b"proof" not in msgspec.json.encode(found)


def appraisal(**axes: Any) -> Appraisal:
    return Appraisal(
        endpoint="e", uri="u", name="RoT_0", asset="a", key="S", protocol="SPDM", judged_at=NOW,
        since=NOW, asked_at=NOW, references=("Acme BMC 1.8", "Acme ROM A"),
        verdict=msgspec.structs.replace(GOOD, **axes),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "references", "word"),
    [
        ({}, {"Acme BMC 1.8"}, "proved"),
        ({"lifecycle": None}, {"Acme BMC 1.8"}, "proved"),
        ({"lifecycle": Lifecycle.KNOWN_VULNERABLE}, {"Acme BMC 1.8"}, "proved"),
        ({}, {"Acme BMC 1.9"}, "another release"),
        ({"reference": Reference.MISMATCH}, {"Acme BMC 1.8"}, "mismatch"),
        ({"reference": Reference.EXPIRED}, {"Acme BMC 1.8"}, "reference expired"),
        ({"reference": Reference.NONE}, {"Acme BMC 1.8"}, "reference none"),
        ({"identity": Identity.CHANGED}, {"Acme BMC 1.8"}, "changed"),
        ({"identity": Identity.UNANCHORED}, {"Acme BMC 1.8"}, "unanchored"),
        ({"lifecycle": Lifecycle.DEBUG}, {"Acme BMC 1.8"}, "debug"),
    ],
)
def test_only_the_wanted_release_by_a_known_identity_is_a_proof(
    axes: dict[str, Any], references: set[str], word: str
) -> None:
    assert judged(appraisal(**axes), [frozenset(references)]) == word


def quarantine(rules: RolloutWant | None, **arguments: Any) -> Plan:
    asked = Asked(kind="quarantine", arguments=arguments, at=NOW)
    return plan_asked(asked, [NODE], Surroundings(), rules=rules, now=NOW, made_by="carol")


def test_a_quarantine_drains_and_does_not_give_back_and_waits_for_no_window() -> None:
    found = quarantine(DRAIN)
    assert [each.action.verb for each in found.nodes[0].steps] == [Verb.DRAIN]
    assert found.window is None
    assert "does what was asked: quarantine" in plan_text(found)
    off = quarantine(DRAIN, power="off")
    assert [each.action.verb for each in off.nodes[0].steps] == [Verb.DRAIN, Verb.RESET]


def test_a_quarantine_that_could_do_nothing_says_so() -> None:
    (node,) = quarantine(None).nodes
    assert node.fate is Fate.BLOCKED
    assert "nobody who takes work away" in node.reason
    with pytest.raises(OperatorMust, match="takes no 'colour'"):
        quarantine(DRAIN, colour="red")
