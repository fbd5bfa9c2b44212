"""Who signed a document: keys and algorithms as JOSE and COSE name them, and anchors of ours.

A certificate that comes with a document proves nothing by coming with it: only a chain to an
anchor that an operator gave does (`iolaus.trust.chains`). Validity in time is not judged here but
told, because an expired chain is still its signer's: that is an axis of its own. An anchor may
also be a bare public key, where a publisher has no certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from iolaus.kernel.errors import OperatorMust
from iolaus.model.trust import Identity
from iolaus.trust.chains import Anchors as ChainAnchors
from iolaus.trust.chains import Validity, judge_chain, name_of
from iolaus.wire.octets import EvidenceMalformed

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
MIN_RSA_BITS: Final = 2048
MAX_LINKS: Final = 16
_READ_ERRORS: Final = (ValueError, TypeError, UnsupportedAlgorithm)


class Anchors(msgspec.Struct, frozen=True):
    """Whom an operator trusts: certificates, and public keys by the name of their file."""

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[tuple[str, PublicKey], ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 (hex) of each anchor: the certificate, or the key's public info."""
        certificates = (each.fingerprint(hashes.SHA256()) for each in self.certificates)
        return tuple(d.hex() for d in (*certificates, *(key_digest(k) for _, k in self.keys)))


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who a chain speaks for. `key` is None where the first certificate cannot be read; `problem`
    says why it is not anchored. Times are in seconds since 1970, of the narrowest certificate."""

    name: str
    key: PublicKey | None = None
    anchored: bool = False
    problem: str = ""
    not_before: float | None = None
    not_after: float | None = None


def key_digest(key: PublicKey) -> bytes:
    """SHA-256 of its SubjectPublicKeyInfo."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    raw = key.public_bytes(serialization.Encoding.DER, form)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(raw)
    return digest.finalize()


def read_anchors(files: Iterable[tuple[str, bytes]]) -> Anchors:
    """Of (name, content): PEM or DER, certificates or public keys. Raises `OperatorMust`."""
    certificates: list[x509.Certificate] = []
    keys: list[tuple[str, PublicKey]] = []
    for name, data in files:
        found = list(_certificates(data))
        key = None if found else read_key(data)
        if key is not None:
            keys.append((name, key))
        elif not found:
            raise OperatorMust(
                "it is neither a certificate nor a public key (PEM or DER)",
                operation="read anchor",
                subject=name,
                code="AnchorMalformed",
                next_step="give the publisher's root certificate, or their public key.",
            )
        certificates += found
    return Anchors(tuple(certificates), tuple(keys))


def _certificates(data: bytes) -> Iterator[x509.Certificate]:
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            yield from x509.load_pem_x509_certificates(data)
        else:
            yield x509.load_der_x509_certificate(data)
    except _READ_ERRORS:
        return


def read_key(data: bytes) -> PublicKey | None:
    """A public key in PEM or DER; None: it is none that is supported."""
    load = serialization.load_pem_public_key
    try:
        key = (load if b"-----BEGIN" in data else serialization.load_der_public_key)(data)
    except _READ_ERRORS:
        return None
    return key if isinstance(key, PublicKey) else None


def algorithm_for(key: PublicKey) -> str | None:
    """The JOSE algorithm that is usual for a key; None where there is none."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return next((a for a, curve in CURVES.items() if curve == key.curve.name), None)
    if isinstance(key, rsa.RSAPublicKey):
        return "PS384" if key.key_size < 4096 else "PS512"
    return "EdDSA"


def verifies(key: PublicKey, algorithm: str, data: bytes, signature: bytes) -> bool:
    """Is it that key's signature over `data`? `algorithm` is a JOSE name (RFC 7518); ECDSA
    signatures are r||s of the curve's width. What does not fit the key is False."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return False
    try:
        return _verify(key, algorithm, data, signature)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False


def _verify(key: PublicKey, algorithm: str, data: bytes, signature: bytes) -> bool:
    family, digest = algorithm[:2], HASHES.get(algorithm[2:])
    if isinstance(key, ed25519.Ed25519PublicKey):
        if algorithm != "EdDSA":
            return False
        key.verify(signature, data)
    elif digest is None:
        return False
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if CURVES.get(algorithm) != key.curve.name:
            return False
        key.verify(der_signature(key, signature), data, ec.ECDSA(digest))
    elif family == "PS":
        key.verify(signature, data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    elif family == "RS":
        key.verify(signature, data, padding.PKCS1v15(), digest)
    else:
        return False
    return True


def der_signature(key: ec.EllipticCurvePublicKey, signature: bytes) -> bytes:
    """r||s as DER. Raises `ValueError` for another width than the curve's."""
    width = (key.key_size + 7) // 8
    if len(signature) != 2 * width:
        raise ValueError("not the width of the curve")
    halves = (signature[:width], signature[width:])
    return utils.encode_dss_signature(*(int.from_bytes(each, "big") for each in halves))


def signer_of(chain: Sequence[bytes], anchors: Anchors) -> Signer:
    """Whom DER certificates speak for, the signer's first and its issuers behind it."""
    try:
        found = judge_chain(
            chain[:MAX_LINKS], ChainAnchors(anchors.certificates), at=0, validity=Validity.REPORTED
        )
    except (EvidenceMalformed, IndexError):
        return Signer(name="", problem="its certificate cannot be read")
    name, key = name_of(found.leaf.subject), found.leaf.public_key()
    if not isinstance(key, PublicKey):
        return Signer(name=name, problem="its key is of a kind that is not taken")
    path = [each for each in found.linked if each is not found.anchor] or [found.leaf]
    return Signer(
        name=name,
        key=key,
        anchored=found.identity is Identity.ANCHORED,
        problem=" ".join(each.message for each in found.faults),
        not_before=max(each.not_valid_before_utc.timestamp() for each in path),
        not_after=min(each.not_valid_after_utc.timestamp() for each in path),
    )
