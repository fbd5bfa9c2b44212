"""Reported versions looked up in packages: by what they are joined, and what is said of it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.asset import Firmware
from iolaus.model.claims import (
    IN_NO_PACKAGE,
    IN_PACKAGE,
    KIND,
    NUMBER,
    TOLD,
    VERSION,
    Packages,
    finding_of,
)
from iolaus.model.package import Packaged, PackagedImage, Review
from iolaus.model.reference import KeptReference, Provenance, SourceKind
from iolaus.model.trust import Identity, Signature

SHA384 = hashlib.sha384(b"image").digest()


def entry(version: str | None = "1.2.3", **more: Any) -> Firmware:
    given: dict[str, Any] = {"component": "FW_BMC_0", "vendor": "NVIDIA", "kind": "bmc", **more}
    return Firmware(name="BMC", version=version, asset="a", uri="/f", **given)


def package(version: str = "1.2.3", name: str = "bmc-1", **more: Any) -> KeptReference:
    image = PackagedImage(
        name="component 0",
        version=version,
        size=5,
        digests={"sha256": hashlib.sha256(b"image").digest(), "sha384": SHA384},
        identifier=more.pop("identifier", 0x10),
        makers=more.pop("makers", ("NVIDIA",)),
    )
    packaged = Packaged(form=more.pop("form", "pldm"), images=(image,), **more)
    return kept(name, package=packaged)


def kept(name: str, kind: SourceKind = SourceKind.PACKAGE, **more: Any) -> KeptReference:
    provenance = more.pop("provenance", Provenance(source=name, kind=kind))
    return KeptReference(name=name, data=b"", sets=(), provenance=provenance, by="ana", **more)


def review(*, genuine: bool = True, digest: bytes = SHA384) -> KeptReference:
    provenance = Provenance(
        source="r",
        kind=SourceKind.REVIEW,
        signature=Signature.VALID if genuine else Signature.UNVERIFIED,
        identity=Identity.ANCHORED if genuine else Identity.UNANCHORED,
    )
    held = Review(
        vendor="ACME",
        product="Trap",
        version="1.2.3",
        provider="Reviewers",
        completed="2026-01-01",
        issues=1,
        digests={"sha384": digest},
    )
    return kept("r", SourceKind.REVIEW, provenance=provenance, reviews=(held,))


@pytest.mark.parametrize(
    ("entered", "packed", "by"),
    [
        ({"software_id": "0x0010"}, {}, NUMBER),
        ({"software_id": "0x0011"}, {}, None),
        ({"software_id": "0x0010", "vendor": "HPE"}, {}, None),
        ({}, {"meant": ((None, "bmc"),)}, TOLD),
        ({}, {"meant": ((0x10, "FW_BMC_*"),)}, TOLD),
        ({}, {"meant": ((0x11, "FW_BMC_*"),)}, None),
        ({}, {"meant": ((None, "HGX_*"),)}, None),
        ({}, {"form": "openbmc", "kind": "bmc", "identifier": None}, KIND),
        ({}, {"form": "openbmc", "kind": "bios", "identifier": None}, None),
        ({}, {}, VERSION),
        ({"vendor": None}, {"makers": ()}, VERSION),
        ({"version": "1.2.4"}, {}, None),
        ({"version": None}, {}, None),
        ({"bank": "backup"}, {}, None),
    ],
)
def test_by_what_a_package_is_joined(
    entered: dict[str, Any], packed: dict[str, Any], by: str | None
) -> None:
    claim = Packages([package(**packed)]).claim(entry(**entered))
    assert (claim.by if claim else None) == by
    if claim:
        assert claim.certain == (by in (TOLD, NUMBER))
        told = finding_of(claim)
        assert (told.code, told.detail["label"]) == (IN_PACKAGE, "claimed")
        assert "no proof" in told.message


def test_a_version_that_no_package_of_its_component_holds_is_told() -> None:
    known = [package("1.2.0", "bmc-0"), package("1.2.1", "bmc-1")]
    claim = Packages(known).claim(entry("9.9", software_id="0x10"))
    assert claim is not None
    told = finding_of(claim)
    assert told.code == IN_NO_PACKAGE
    assert told.detail["known"] == ["1.2.0", "1.2.1"]
    assert told.detail["packages"] == ["bmc-0", "bmc-1"]
    assert "1.2.0, 1.2.1" in told.message
    assert Packages(known).claim(entry("9.9")) is None  # nobody says that they are for it


def test_the_surest_join_is_told_and_the_others_are_named() -> None:
    other = package(name="bmc-2", meant=((None, "bmc"),))
    claim = Packages([package(), other]).claim(entry())
    assert claim is not None
    assert claim.place is not None
    assert (claim.by, claim.place.document.name, claim.others) == (TOLD, "bmc-2", ("bmc-1",))
    assert finding_of(claim).detail["also_in"] == ["bmc-1"]


def test_a_review_joins_to_the_very_image_and_only_a_genuine_one() -> None:
    claim = Packages([package(), review()]).claim(entry())
    assert claim is not None
    told = finding_of(claim)
    assert "reviewed by Reviewers" in told.message
    assert told.detail["reviewed"] == ["ACME Trap 1.2.3 by Reviewers, 2026-01-01, 1 open issues"]
    for wrong in (review(genuine=False), review(digest=b"\0" * 48)):
        claim = Packages([package(), wrong]).claim(entry())
        assert claim is not None
        assert claim.reviews == ()


@given(
    st.text(max_size=8),
    st.sampled_from(["", "0x10", "0x0010", "16", "0x", "0x10000", "NVIDIA:FW", "0xZZ"]),
    st.sampled_from([None, "NVIDIA", "HPE"]),
)
def test_whatever_is_reported_is_looked_up(version: str, ident: str, vendor: str | None) -> None:
    reported = entry(version, software_id=ident, vendor=vendor)
    claim = Packages([package(), package("2", "p2", meant=((None, "x*"),))]).claim(reported)
    assert claim is None or finding_of(claim).detail["label"] == "claimed"
    assert claim == Packages([package(), package("2", "p2", meant=((None, "x*"),))]).claim(reported)
