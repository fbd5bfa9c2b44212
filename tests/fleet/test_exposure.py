"""Which advisories a node's firmware is exposed to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.exposure import Assessor
from iolaus.fleet.products import kind_of, product_of
from iolaus.model.advisory import Advisory, Exposure
from iolaus.model.matching import Mapped
from tests.fleet.advisories import advisory, csaf, osv
from tests.fleet.build import firmware, node


def exposures(*advisories: Advisory, mapped: tuple[Mapped, ...] = (), **fields: Any) -> Any:
    """Of one node; fields of its one firmware beside `version`."""
    given_ = {"version": "1.7", "kind": "bmc", "component": "BMC", **fields}
    names = ("model", "vendor", "sku")
    about = {
        "vendor": "Acme",
        "model": "Server M100",
        **{n: given_.pop(n) for n in names if n in given_},
    }
    facts = node(
        firmware=(firmware(given_.pop("component"), given_.pop("version"), **given_),), fields=about
    )
    found = Assessor(advisories, mapped).assess(facts)
    return found.items if found else ()


def one(*advisories: Advisory, **fields: Any) -> Exposure:
    found = exposures(*advisories, **fields)
    assert len(found) == 1
    item: Exposure = found[0]
    return item


@pytest.mark.parametrize("document", [csaf(), osv()], ids=["csaf", "osv"])
@pytest.mark.parametrize(
    ("version", "outcome"),
    [("1.7", "affected"), ("2.4.9", "affected"), ("R2x", "unknown"), (None, "unknown")],
)
def test_a_version_below_the_fixed_one_is_affected(
    document: dict[str, Any], version: str | None, outcome: str
) -> None:
    item = one(advisory(document), version=version)
    assert item.outcome == outcome
    assert item.flaws == ("CVE-2026-0001",)
    assert item.fixed == "2.5"
    assert bool(item.reason) == (outcome == "unknown")


def test_the_fixed_version_is_fixed_and_a_later_one_is_not_named() -> None:
    found = one(advisory(csaf()), version="2.5")
    assert (found.outcome, found.reason) == ("fixed", "ACME-SA-1 says so")
    assert exposures(advisory(csaf()), version="2.6") == ()


@pytest.mark.parametrize(
    ("product", "vendor", "node_fields", "outcome"),
    [
        ("M100 BMC", "Acme", {}, "affected"),
        ("Server M100 Management Controller", "Acme", {}, "affected"),
        ("BMC", "Acme", {}, "affected"),
        ("M200 BMC", "Acme", {}, None),
        ("M100 BIOS", "Acme", {}, None),
        ("M100 BMC", "Other", {}, None),
        ("Server M100", "Acme", {}, "unknown"),
        ("Some Server", "Acme", {}, None),
        ("M100 BMC", "", {}, "affected"),
        ("BMC", "", {}, "unknown"),
        ("M100 BMC", "Acme", {"model": None}, "unknown"),
    ],
)
def test_a_product_is_matched_by_maker_class_and_model(
    product: str, vendor: str, node_fields: dict[str, Any], outcome: str | None
) -> None:
    found = advisory(csaf(product=product, vendor=vendor or "unknown"))
    if not vendor:
        statements = tuple(_without_vendor(s) for s in found.statements)
        found = _replace(found, statements=statements)
    items = exposures(found, **node_fields)
    assert [item.outcome for item in items] == ([outcome] if outcome else [])


def test_an_operator_says_what_a_product_is() -> None:
    vague = advisory(csaf(product="Platform software"))
    assert exposures(vague) == ()
    mapped = (Mapped(product="platform*", kinds=("bmc",), models=("*M100",)),)
    assert one(vague, mapped=mapped).outcome == "affected"
    assert exposures(vague, mapped=mapped, model="M200") == ()
    lettered = advisory(csaf(product="Platform software", versions={"old": "<1.3a", "new": "1.3a"}))
    suffixed = (Mapped(product="platform*", kinds=("bmc",), scheme="suffix"),)
    assert one(lettered, mapped=suffixed, version="1.2b").outcome == "affected"


def test_a_publisher_clears_its_own_and_nobody_elses() -> None:
    flaw = {"flags": [{"label": "vulnerable_code_not_present", "product_ids": ["old"]}]}
    vex = csaf("ACME-VEX-1", status={"known_not_affected": ["old"]}, flaw=flaw)
    cleared = exposures(advisory(csaf()), advisory(vex))
    assert {(i.outcome, i.reason) for i in cleared} == {
        ("not-affected", "vulnerable_code_not_present")
    }
    other = exposures(advisory(csaf()), advisory({**vex, **csaf_by("Somebody", vex)}))
    assert [i.outcome for i in other] == ["affected", "not-affected"]


def test_what_is_looked_into_and_what_is_not_understood_is_unknown() -> None:
    looked = csaf(status={"under_investigation": ["old"]})
    assert one(advisory(looked)).reason == "its maker has not finished looking into it"
    odd = csaf(versions={"old": "vers:generic/>=1|>=2"}, status={"known_affected": ["old"]})
    found = advisory(odd)
    assert "not understood" in one(found).reason
    assert found.ignored == ("the range 'vers:generic/>=1|>=2' is not understood",)


def test_a_firmware_within_a_machine_has_the_names_of_both() -> None:
    document = csaf(
        versions={"fw": "<2.5"},
        status={"known_affected": ["both"]},
        full_product_names=[{"name": "Server M100", "product_id": "hw"}],
        relationships=[
            {
                "category": "installed_on",
                "full_product_name": {"name": "BMC on M100", "product_id": "both"},
                "product_reference": "fw",
                "relates_to_product_reference": "hw",
            }
        ],
        product="Controller firmware BMC",
    )
    assert one(advisory(document)).outcome == "affected"
    assert exposures(advisory(document), model="M200") == ()


def test_remarks_name_what_was_not_used() -> None:
    document = csaf(status={"known_affected": ["old", "nowhere"]})
    assert advisory(document).ignored == ("product 'nowhere' is named and not defined",)
    git = osv(
        affected=[{"package": {"ecosystem": "x", "name": "M1 BMC"}, "ranges": [{"type": "GIT"}]}]
    )
    found = advisory(git)
    assert found.statements[0].versions is None
    assert len(found.ignored) == 2


def test_withdrawn_advisories_and_other_banks_are_not_judged() -> None:
    assert exposures(advisory(osv(withdrawn="2026-03-01T00:00:00Z"))) == ()
    assert exposures(advisory(osv()), bank="backup") == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("iDRAC9", "bmc"), ("Integrated Lights-Out 6", "bmc"), ("System BIOS", "bios"),
     ("ConnectX-7", "nic"), ("Rack", "")],
)  # fmt: skip
def test_a_products_name_tells_its_class(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_package_urls_and_cpe_names_add_what_they_say() -> None:
    assert product_of("x", purl="pkg:generic/dell%20inc/r760-bios@1.2").vendor == "Dell"
    by_cpe = product_of("x", cpe=r"cpe:2.3:o:supermicro:x13sew-f_firmware:1.0:*:*:*:*:*:*:*")
    assert (by_cpe.vendor, by_cpe.names[-1]) == ("Supermicro", "x13sew-f firmware")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12), st.sampled_from(["<2.5", "vers:x/<2.5", "vers:x/2.4"]))
def test_an_odd_version_never_counts_as_not_affected(version: str, said: str) -> None:
    found = advisory(csaf(versions={"old": said}, status={"known_affected": ["old"]}))
    ordered = all(char.isdigit() or char in ".- " for char in version)
    items = exposures(found, version=version)
    if not ordered and not any(char.isdigit() for char in version):
        assert [item.outcome for item in items] == ["unknown"]


def _replace(found: Advisory, **fields: Any) -> Advisory:
    return msgspec.structs.replace(found, **fields)


def _without_vendor(statement: Any) -> Any:
    product = msgspec.structs.replace(statement.product, vendor="")
    return msgspec.structs.replace(statement, product=product)


def csaf_by(publisher: str, document: dict[str, Any]) -> dict[str, Any]:
    head = {**document["document"]}
    head["publisher"] = {**head["publisher"], "name": publisher}
    return {"document": head}
