"""Packages judged: what is odd about them, and who signed an archive."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from iolaus.model.trust import Evidence, Identity, Signature, Summary
from iolaus.sim.firmware import pldm as simulated
from iolaus.sim.firmware.build import Part, pldm_package
from iolaus.trust.packages import Opened, judge_archive, judge_package
from iolaus.trust.signing import PublicKey
from iolaus.wire.tarball import read_archive
from tests.wire.pldm.test_package import IANA, OWN, built, resealed
from tests.wire.tarball.test_archive import FILES, MANIFEST, tar

PEM = serialization.Encoding.PEM
INFO = serialization.PublicFormat.SubjectPublicKeyInfo


def codes(found: Opened) -> list[str]:
    return [each.code for each in found.verdict.findings]


@pytest.mark.parametrize("revision", [1, 2, 3, 4])
def test_a_whole_package_has_no_oddity_but_that_nobody_signed_it(revision: int) -> None:
    data = built(revision)
    found = judge_package(data, source="p")
    assert found.verdict.summary is Summary.VERIFIED
    assert found.verdict.signature is None
    assert codes(found) == ["not-signed"]
    assert found.images[0].digests["sha384"] == hashlib.sha384(b"bmc" * 50).digest()


def test_bytes_that_nobody_claims_and_things_twice_are_told() -> None:
    parts = [
        Part(image=b"a" * 9, identifier=7, version="1"),
        Part(image=b"b" * 9, identifier=7, version="2"),
    ]
    records = [simulated.Record(descriptors=[IANA, OWN], components=[0], version="s")] * 2
    data = pldm_package(parts, records, version="p", revision=1) + b"hidden"
    found = judge_package(data, source="p")
    assert found.verdict.evidence is Evidence.FRESH
    assert codes(found)[1:] == [
        "duplicate-device", "duplicate-component", "component-for-nobody", "unclaimed-bytes",
    ]  # fmt: skip
    assert found.verdict.findings[-1].detail == {"offset": len(data) - 6}


@pytest.mark.parametrize(
    ("change", "code"),
    [(1 << 20, "image-out-of-range"), (1, "images-overlap")],
)
def test_images_that_cannot_be_are_findings(change: int, code: str) -> None:
    data = bytearray(built())
    found = judge_package(bytes(data), source="p")
    first = found.facts["components"][0]  # type: ignore[index]
    at = data.index(struct.pack("<II", first["offset"], first["size"]))
    data[at : at + 4] = struct.pack("<I", first["offset"] + change)
    broken = judge_package(resealed(data), source="p")
    assert (broken.verdict.evidence, codes(broken)) == (Evidence.MALFORMED, [code])


def test_wrong_checksums_are_findings() -> None:
    data = bytearray(built(4))
    data[-1] ^= 1
    assert codes(judge_package(bytes(data), source="p")) == ["payload-checksum-wrong"]
    data[36] ^= 1
    assert codes(judge_package(bytes(data), source="p")) == ["header-checksum-wrong"]


@pytest.mark.shared
@pytest.mark.parametrize("revision", [1, 2, 3])
def test_the_published_packages_are_what_their_metadata_says(shared: Path, revision: int) -> None:
    folder = shared / "trust" / "pldm"
    found = judge_package((folder / f"pkg-v{revision}.pldm").read_bytes(), source="p")
    stated = json.loads((folder / f"metadata-v{revision}.json").read_bytes())
    head, facts = stated["PackageHeaderInformation"], found.facts
    assert found.verdict.evidence is Evidence.FRESH
    assert facts["version"] == head["PackageVersionString"]
    components = facts["components"]
    assert isinstance(components, list)
    wanted = stated["ComponentImageInformationArea"]
    assert [each["version"] for each in components] == [e["ComponentVersionString"] for e in wanted]
    assert [each["identifier"] for each in components] == [e["ComponentIdentifier"] for e in wanted]
    for number, each in enumerate(components, 1):
        image = (folder / f"comp{number}.bin").read_bytes()
        assert each["sha256"] == hashlib.sha256(image).hexdigest()
    devices = facts["devices"]
    assert isinstance(devices, list)
    records = [
        *stated["FirmwareDeviceIdentificationArea"],
        *stated.get("DownstreamDeviceIdentificationArea", []),
    ]
    assert [each["components"] for each in devices] == [r["ApplicableComponents"] for r in records]
    assert [len(each["descriptors"]) for each in devices] == [
        len(r["Descriptors"]) for r in records
    ]


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP384R1())
BODY = {"MANIFEST": MANIFEST + b"HashType=RSA-SHA256\n", "image-kernel": FILES["image-kernel"]}


def sign(data: bytes, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def firmware(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **more: bytes
) -> dict[str, bytes]:
    files = {**BODY, **more}
    return {**files, **{f"{name}.sig": sign(data, key) for name, data in files.items()}}


def opened(files: dict[str, bytes], *keys: PublicKey) -> Opened:
    return judge_archive(read_archive(io.BytesIO(tar(files))), [("k", each) for each in keys])


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ecdsa"])
def test_an_archive_is_signed_file_by_file(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    files = firmware(key)
    found = opened(files, key.public_key())
    assert found.verdict.summary is Summary.VERIFIED
    assert found.images[0].version == "2.18"
    files["image-kernel"] += b"x"
    broken = opened(files, key.public_key())
    assert (broken.verdict.signature, codes(broken)) == (Signature.INVALID, ["signature-invalid"])
    assert broken.verdict.identity is Identity.UNANCHORED


def test_a_file_without_signature_and_no_key_verify_nothing() -> None:
    files = firmware(RSA)
    assert opened(files).verdict.signature is Signature.UNVERIFIED
    del files["image-kernel.sig"]
    found = opened(files, RSA.public_key())
    assert (found.verdict.signature, codes(found)) == (Signature.UNVERIFIED, ["signature-missing"])


def test_a_key_in_the_archive_counts_once_ours_has_signed_it() -> None:
    inner = RSA.public_key().public_bytes(PEM, INFO)
    files = firmware(RSA, publickey=inner)
    theirs = opened(files, EC.public_key())
    assert theirs.verdict.signature is Signature.INVALID
    assert "key-untrusted" in codes(theirs)
    files["publickey.sig"] = sign(inner, EC)
    assert opened(files, EC.public_key()).verdict.summary is Summary.VERIFIED
    assert opened(files).verdict.signature is Signature.UNVERIFIED


def test_the_signature_over_all_signatures_counts() -> None:
    files = firmware(RSA)
    joined = b"".join(files[name] for name in sorted(n for n in files if n.endswith(".sig")))
    files["image-full.sig"] = sign(joined, RSA)
    assert opened(files, RSA.public_key()).verdict.summary is Summary.VERIFIED
    files["image-full.sig"] = sign(joined + b"x", RSA)
    assert opened(files, RSA.public_key()).verdict.signature is Signature.INVALID
