"""Packages and reviews imported: what is kept of them, what is refused, and what people see."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.app.test_references import NOW, a_context, body, problem
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, serving
from tests.trust.test_packages import RSA, firmware
from tests.trust.test_reviews import IMAGE, KEY
from tests.trust.test_reviews import signed as report
from tests.wire.pldm.test_package import built
from tests.wire.tarball.test_archive import tar

from iolaus.app.importing import package_of, read_meant
from iolaus.app.references import kept_of
from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.north.context import PackageOrder, ReferenceOrder
from iolaus.sim.firmware import pldm as simulated
from iolaus.sim.firmware.build import Part, pldm_package

OCTETS = {"Content-Type": "application/octet-stream"}
PATH = "/api/v1/references/package"


def pem(key: object) -> bytes:
    assert hasattr(key, "public_key")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    data: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return data


MAKER = ("maker.pem", pem(RSA))
OTHER = ("other.pem", pem(ec.generate_private_key(ec.SECP384R1())))


def order(folder: Path, data: bytes, *anchors: tuple[str, bytes], **more: object) -> PackageOrder:
    path = folder / "held"
    path.write_bytes(data)
    return PackageOrder(source="new.fwpkg", path=path, anchors=anchors, **more)  # type: ignore[arg-type]


def test_a_package_is_kept_by_what_it_holds(tmp_path: Path) -> None:
    kept = package_of(order(tmp_path, built(2), meant=("7=FW_BMC_*",)), by="ana", at=NOW)
    assert (kept.data, kept.sets, kept.provenance.imported_at) == (b"", (), NOW)
    assert kept.package is not None
    bmc, gpu, nic = kept.package.images
    assert (bmc.identifier, bmc.version, bmc.makers) == (7, "1.2.3", ("NVIDIA",))
    assert gpu.descriptors[:2] == ("pci-vendor=0x10de", "pci-device=0x2941")
    assert kept.package.meant == ((7, "FW_BMC_*"),)
    assert nic.size == 3
    assert not kept.provenance.genuine  # a checksum is no signature


def test_an_archive_is_its_makers_or_is_not_kept(tmp_path: Path) -> None:
    good = tar(firmware(RSA))
    kept = package_of(order(tmp_path, good, MAKER), by="ana", at=NOW)
    assert kept.provenance.genuine
    assert kept.package is not None
    assert (kept.package.kind, kept.package.version) == ("bmc", "2.18")
    with pytest.raises(Unverified) as caught:
        package_of(order(tmp_path, good, OTHER, accept_unverified=True), by="ana", at=NOW)
    assert (caught.value.code, caught.value.exit_code) == ("SignatureInvalid", 5)
    bare = {name: data for name, data in firmware(RSA).items() if name != "MANIFEST.sig"}
    with pytest.raises(Unverified) as caught:
        package_of(order(tmp_path, tar(bare), MAKER), by="ana", at=NOW)
    assert caught.value.code == "NotVouchedFor"
    assert not package_of(order(tmp_path, good), by="ana", at=NOW).provenance.genuine


@pytest.mark.parametrize("data", [b"", b"hello", built()[:-9], tar()[:700]])
def test_what_is_no_package_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(OperatorMust) as caught:
        package_of(order(tmp_path, data), by="ana", at=NOW)
    assert caught.value.code == "PackageMalformed"


@pytest.mark.parametrize("text", ["", "=", "7=", "x=bmc", "0x10000=bmc", "-1=bmc"])
def test_a_component_that_is_none_is_told(text: str) -> None:
    with pytest.raises(OperatorMust, match="names no component"):
        read_meant(text)


def test_a_component_that_is_not_in_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorMust, match="no image for component 0x0070") as caught:
        package_of(order(tmp_path, built(), meant=("0x70=bmc",)), by="ana", at=NOW)
    assert "0x0007, 0x0008" in caught.value.next_step


def test_a_review_is_its_providers(tmp_path: Path) -> None:
    def take(name: str, data: bytes) -> object:
        key = (f"{name}/key.pem", data)
        given = ReferenceOrder(source="trap.jws", data=report(), anchors=(key,))
        return kept_of(given, by="ana", at=NOW)

    kept = take("Reviewers", pem(KEY))
    assert kept.provenance.genuine  # type: ignore[attr-defined]
    assert kept.reviews[0].issues == 1  # type: ignore[attr-defined]
    with pytest.raises(Unverified) as caught:
        take("Reviewers", OTHER[1])
    assert caught.value.code == "SignatureInvalid"
    with pytest.raises(Unverified) as caught:
        take("Somebody", pem(KEY))
    assert caught.value.code == "NotVouchedFor"


async def test_the_api_takes_a_package_as_it_is() -> None:
    async with client_of(a_context()) as api:
        data = built()
        dry = await api.post(
            PATH, content=data, headers=OCTETS, params={"name": "n", "dryRun": "All"}
        )
        assert dry.status_code == 200, dry.text
        assert (await api.get("/api/v1/references")).json()["items"] == []
        params = {"name": "new.fwpkg", "for": "7=FW_BMC_*"}
        status = (await api.post(PATH, content=data, headers=OCTETS, params=params)).json()[
            "status"
        ]
        assert (status["type"], status["state"]) == ("package", "claims")
        assert status["images"][0]["identifier"] == "0x0007"
        assert status["meant"] == ["0x0007=FW_BMC_*"]
        assert problem(await api.post(PATH, json={}, params=params)) == "WrongMediaType"
        wrong = await api.post(PATH, content=b"x", headers=OCTETS, params=params)
        assert problem(wrong) == "PackageMalformed"
        key = {**params, "anchor": "%%"}
        wrong = await api.post(PATH, content=data, headers=OCTETS, params=key)
        assert problem(wrong) == "AnchorMalformed"
        held = await api.post("/api/v1/references", json=body(data))
        assert problem(held) == "PackageGiven"
        huge = {**OCTETS, "Content-Length": str(1 << 40)}
        assert (await api.post(PATH, content=b"x", headers=huge, params=params)).status_code == 413


async def test_a_signed_archive_with_its_key_over_the_api() -> None:
    async with client_of(a_context()) as api:
        params = {"name": "bmc.tar", "anchor": base64.urlsafe_b64encode(MAKER[1]).decode()}
        data = tar(firmware(RSA))
        status = (await api.post(PATH, content=data, headers=OCTETS, params=params)).json()[
            "status"
        ]
        assert (status["signature"], status["identity"]) == ("valid", "anchored")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(a_context()) as address:
        monkeypatch.setenv("IOLAUS_URL", address)
        yield address


def test_a_person_imports_a_package_and_its_review(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    record = simulated.Record(
        descriptors=[simulated.Descriptor(simulated.IANA, b"\x47\x16\0\0")], components=[0]
    )
    part = Part(image=IMAGE, identifier=0x10, version="1.2")
    data = pldm_package([part], [record], version="p", revision=1)
    (folder / "trap.fwpkg").write_bytes(data)
    (folder / "trap.jws").write_bytes(report())
    keys = tmp_path / "Reviewers"
    keys.mkdir()
    (keys / "key.pem").write_bytes(pem(KEY))
    told = run(f"reference import {folder} --anchor {keys / 'key.pem'}")
    assert told.endswith("--- exit code 0\n"), told
    assert "1 images, 1.2, claims" in told
    assert "1 open issues, current" in told
    listed = run("get references")
    assert "package" in listed
    assert "review" in listed
    name = next(w for w in told.split() if w.startswith("reference/trap-")).rstrip(":")
    shown = run(f"describe {name}")
    assert "0x0010" in shown
    assert "by Reviewers" in shown
    assert "no image for component" in run(f"reference import {folder / 'trap.fwpkg'} --for 3=bmc")
    (folder / "cut.fwpkg").write_bytes(data[:-3])
    assert run(f"reference import {folder / 'cut.fwpkg'}").endswith("--- exit code 2\n")
    assert run("reference import /none").endswith("--- exit code 2\n")
