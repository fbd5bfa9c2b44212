"""The bill of materials: judged by the schema that CycloneDX publishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.exposure import Assessor
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.fbom import fbom
from iolaus.model.advisory import Advisory
from tests.fleet.advisories import advisory, csaf
from tests.fleet.build import firmware, node

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
FIELDS = {"vendor": "Acme", "model": "Server M100", "serial": "S1", "rack": "r1"}


def document(nodes: list[NodeFacts], *advisories: Advisory, now: float = 0.0) -> dict[str, Any]:
    assessor = Assessor(advisories)
    found = [each for facts in nodes if (each := assessor.assess(facts))]
    told = fbom(nodes, found, advisories, site="hall", version="0.1.0", now=now)
    wrong = VALIDATOR.validate_str(json.dumps(told))
    assert wrong is None, str(wrong)[:500]
    return told


def bmc(version: str | None, **fields: Any) -> NodeFacts:
    held = (firmware("BMC", version, kind="bmc", vendor="Acme"), firmware("X", None))
    return node(firmware=held, fields=FIELDS, **fields)


def test_every_firmware_stands_within_its_device() -> None:
    (device,) = document([bmc("1.7")])["components"]
    assert (device["name"], device["manufacturer"]) == ("Server M100", {"name": "Acme"})
    first, second = device["components"]
    assert (first["type"], first["version"], first["bom-ref"]) == ("firmware", "1.7", "uid-n1/BMC")
    assert "version" not in second


def test_the_same_facts_give_the_same_document_but_for_its_time() -> None:
    one, two = document([bmc("1.7")]), document([bmc("1.7")], now=9e8)
    assert one["serialNumber"] == two["serialNumber"]
    assert one["metadata"]["timestamp"] != two["metadata"]["timestamp"]
    assert document([bmc("1.8")])["serialNumber"] != one["serialNumber"]


@pytest.mark.parametrize(
    ("version", "state", "status"),
    [
        ("1.7", "exploitable", "affected"),
        ("2.5", "resolved", "unaffected"),
        ("odd", "in_triage", "unknown"),
    ],
)
def test_the_overlay_says_what_an_advisory_means_here(
    version: str, state: str, status: str
) -> None:
    (found,) = document([bmc(version)], advisory(csaf()))["vulnerabilities"]
    assert (found["id"], found["analysis"]["state"]) == ("CVE-2026-0001", state)
    assert found["affects"] == [
        {"ref": "uid-n1/BMC", "versions": [{"version": version, "status": status}]}
    ]


def test_a_publishers_reason_is_translated() -> None:
    flaw = {"flags": [{"label": "vulnerable_code_not_present", "product_ids": ["old"]}]}
    vex = advisory(csaf(status={"known_not_affected": ["old"]}, flaw=flaw))
    (found,) = document([bmc("1.7")], vex)["vulnerabilities"]
    assert found["analysis"]["state"] == "not_affected"
    assert found["analysis"]["justification"] == "code_not_present"


def test_what_is_not_believed_now_is_in_triage() -> None:
    blind = bmc("1.7", blind="it does not answer")
    (found,) = document([blind], advisory(csaf()))["vulnerabilities"]
    assert found["analysis"]["state"] == "in_triage"


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_any_text_of_a_device_makes_a_valid_document(name: str, version: str, uid: str) -> None:
    held = (firmware("BMC", version or None, name=name, kind="bmc"),)
    document([node(uid=uid, firmware=held, fields={"model": name})], advisory(csaf()))
