"""Firmware packages: are they whole, what do they hold, and who signed that.

A PLDM package has checksums and no signature; that is said, and no axis is made of it: what makes
an image trusted is the component's own check, a signed digest or a review. An OpenBMC archive is
signed file by file, with a key that may come in the archive itself; such a key counts only once
one of ours has signed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from iolaus.model.package import Packaged
from iolaus.model.trust import Evidence, Finding, Identity, Signature, Verdict
from iolaus.trust.packaging import of_archive, of_package
from iolaus.trust.reviews import Image
from iolaus.trust.signing import MIN_RSA_BITS, PublicKey, read_key
from iolaus.wire.pldm import Package, PackageMalformed
from iolaus.wire.pldm.oddities import oddities
from iolaus.wire.pldm.parse import Bytes, parse_package
from iolaus.wire.tarball import Archive, Held

_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
FULL: Final = "image-full.sig"
"""A signature over all other signatures, in the order of their names."""
UNSIGNED: Final = frozenset(("image-full", FULL))


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A package as it was judged. `facts` are for a person or a program to read; `packaged` is
    what is kept of it (None: it cannot be read)."""

    verdict: Verdict
    images: tuple[Image, ...] = ()
    facts: Mapping[str, object] = {}
    packaged: Packaged | None = None


def judge_package(data: Bytes, *, source: str) -> Opened:
    """A PLDM package. What is wrong with it is a finding, never an error."""
    try:
        package = parse_package(data, subject=source)
    except PackageMalformed as wrong:
        finding = Finding(code=wrong.reason, message=wrong.message, detail={"offset": wrong.offset})
        return Opened(verdict=Verdict(evidence=Evidence.MALFORMED, findings=(finding,)))
    findings = [
        Finding(code="not-signed", message="the format has checksums only; they prove no maker")
    ]
    findings += [
        Finding(code=each.code, message=each.message, detail={"offset": each.offset})
        for each in oddities(package)
    ]
    with memoryview(data) as view:
        images = tuple(_images(package, view))
    verdict = Verdict(evidence=Evidence.FRESH, findings=tuple(findings))
    packaged = of_package(package, images)
    return Opened(verdict=verdict, images=images, facts=facts_of(package), packaged=packaged)


def _images(package: Package, view: memoryview) -> Iterator[Image]:
    for each in package.components:
        with view[each.offset : each.offset + each.size] as piece:
            digests = {word: hashlib.new(word, piece).digest() for word in _HASHES}
        name = f"component {each.index} ({each.identifier:#06x})"
        yield Image(name=name, digests=digests, version=each.version)


def image_of(name: str, data: Bytes) -> Image:
    """An image that stands by itself."""
    digests = {word: hashlib.new(word, data).digest() for word in _HASHES}
    return Image(name=name, digests=digests)


def facts_of(package: Package) -> dict[str, object]:
    """What it says of itself, in plain values."""
    return {
        "format": f"PLDM (DSP0267) revision {package.revision}",
        "version": package.version,
        "released": package.released,
        "devices": [
            {
                "descriptors": [str(each) for each in record.descriptors],
                "components": list(record.components),
                "version": record.version,
                "downstream": record.downstream,
                "referenceManifest": hashlib.sha256(record.reference_manifest).hexdigest()
                if record.reference_manifest
                else None,
            }
            for record in package.records
        ],
        "components": [
            {
                "classification": each.classification,
                "identifier": each.identifier,
                "version": each.version,
                "offset": each.offset,
                "size": each.size,
                "sha256": each.sha256,
                "comparisonStamp": each.comparison_stamp,
            }
            for each in package.components
        ],
    }


def judge_archive(archive: Archive, keys: Sequence[tuple[str, PublicKey]]) -> Opened:
    """An OpenBMC archive under the keys (by name) that we trust."""
    findings: list[Finding] = []
    trusted = list(keys)
    own = archive.files.get("publickey")
    if own and own.content and (key := read_key(own.content)) is not None:
        if _signed(archive, own, keys, archive.manifest.get("HashType", "")):
            trusted.append(("publickey", key))
        elif keys:
            told = "the key in the archive is not signed by a key of ours, and counts for nothing"
            findings.append(Finding(code="key-untrusted", message=told))
    signature = _signature(archive, trusted, findings)
    verdict = Verdict(
        evidence=Evidence.FRESH,
        signature=signature,
        identity=Identity.ANCHORED if signature is Signature.VALID else Identity.UNANCHORED,
        findings=tuple(findings),
    )
    images = tuple(
        Image(name=e.name, digests=e.digests, version=archive.manifest.get("version", ""))
        for e in archive.images
    )
    return Opened(
        verdict=verdict, images=images, facts=archive_facts(archive), packaged=of_archive(archive)
    )


def _signature(
    archive: Archive, keys: Sequence[tuple[str, PublicKey]], findings: list[Finding]
) -> Signature:
    """Every file that is no signature must have one that is right."""
    hash_type = archive.manifest.get("HashType", "")
    wanted = [n for n in archive.files if not n.endswith(".sig") and n not in UNSIGNED]
    missing = [name for name in wanted if f"{name}.sig" not in archive.files]
    if missing:
        told = f"no signature beside: {', '.join(missing[:8])}"
        findings.append(Finding(code="signature-missing", message=told, detail={"files": missing}))
    if not keys:
        told = "no key to verify it with: give its maker's with --keys"
        findings.append(Finding(code="key-unknown", message=told))
        return Signature.UNVERIFIED
    signed = [archive.files[name] for name in wanted if name not in missing]
    wrong = [each.name for each in signed if not _signed(archive, each, keys, hash_type)]
    if FULL in archive.files and not _signed_together(archive, keys, hash_type):
        wrong.append(FULL)
    if wrong:
        told = f"not signed by a key of ours as they are: {', '.join(wrong[:8])}"
        findings.append(Finding(code="signature-invalid", message=told, detail={"files": wrong}))
        return Signature.INVALID
    return Signature.UNVERIFIED if missing else Signature.VALID


def _signed(
    archive: Archive, file: Held, keys: Sequence[tuple[str, PublicKey]], hash_type: str
) -> bool:
    beside = archive.files.get(f"{file.name}.sig")
    if beside is None or beside.content is None:
        return False
    return any(
        verifies_digest(key, file.digests, beside.content, hash_type=hash_type) for _, key in keys
    )


def _signed_together(
    archive: Archive, keys: Sequence[tuple[str, PublicKey]], hash_type: str
) -> bool:
    names = sorted(n for n in archive.files if n.endswith(".sig") and n != FULL)
    joined = b"".join(archive.files[name].content or b"" for name in names)
    digests = {word: hashlib.new(word, joined).digest() for word in _HASHES}
    signature = archive.files[FULL].content or b""
    return any(verifies_digest(k, digests, signature, hash_type=hash_type) for _, k in keys)


def verifies_digest(
    key: PublicKey, digests: Mapping[str, bytes], signature: bytes, *, hash_type: str = ""
) -> bool:
    """Is it the key's signature over what has these digests? `hash_type` is the archive's word
    ("RSA-SHA256"), "" for SHA-256; RSASSA-PKCS1-v1_5 or ECDSA in DER, as OpenSSL's dgst signs."""
    word = hash_type.upper().rpartition("-")[2].lower() or "sha256"
    algorithm = _HASHES.get(word)
    if algorithm is None:
        return False
    hashed = utils.Prehashed(algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            key.verify(signature, digests[word], padding.PKCS1v15(), hashed)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digests[word], ec.ECDSA(hashed))
            return True
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return False


def archive_facts(archive: Archive) -> dict[str, object]:
    """What it says of itself, in plain values."""
    files = [
        {"name": each.name, "size": each.size, "sha256": each.digests["sha256"].hex()}
        for each in archive.files.values()
    ]
    return {"format": "OpenBMC archive", "manifest": dict(archive.manifest), "files": files}
