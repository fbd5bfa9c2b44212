"""Is a chain of certificates good, link by link, up to a root of our own store?

Written out rather than left to a web-PKI validator: device chains have no host names, often no
end of validity and no revocation, carry extensions of DICE and DMTF, and a person must see which
link is wrong. What RFC 5280 asks of a path is asked: names that chain, signatures, authority,
path length, key usage, no critical extension that nobody here understands. Whether time is
enforced is the caller's policy; it is always reported.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from iolaus.model.trust import Finding, Identity
from iolaus.trust.signatures import ALLOWED_HASHINGS, digest, hashings_of
from iolaus.wire.octets import EvidenceMalformed

_TCG_DICE: Final = "2.23.133.5.4."
_DMTF_SPDM: Final = "1.3.6.1.4.1.412.274."
_UNDERSTOOD: Final = frozenset(
    (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
    )
)
_WEAK: Final = frozenset(("md5", "sha1"))
_MIN_RSA_BITS: Final = 2048
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class Validity(StrEnum):
    """What a certificate's dates count for: a finding that unanchors, or one that only tells."""

    ENFORCED = "enforced"
    REPORTED = "reported"


class Anchors(msgspec.Struct, frozen=True):
    """Certificates that we trust of ourselves, roots or not."""

    certificates: tuple[x509.Certificate, ...] = ()

    def holds(self, certificate: x509.Certificate) -> bool:
        return certificate in self.certificates

    def issuer_of(self, certificate: x509.Certificate, below: int) -> x509.Certificate | None:
        """The anchor that signed this certificate; `below` as of `link_fault`."""
        return next((a for a in self.certificates if not link_fault(a, certificate, below)), None)


class ChainResult(msgspec.Struct, frozen=True, kw_only=True):
    """`certificates` from root to leaf; `linked` are those from which every link down to the leaf
    holds (its identity may be read of no others); `anchor` is what the chain leads to. `faults`
    are the findings that unanchor it, `notes` the others."""

    identity: Identity
    certificates: tuple[x509.Certificate, ...]
    linked: tuple[x509.Certificate, ...]
    anchor: x509.Certificate | None = None
    faults: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[-1]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.faults + self.notes


def load_certificate(der: bytes, *, subject: str = "certificate") -> x509.Certificate:
    """Raises `EvidenceMalformed` where it cannot be read, to its extensions and its key."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers are the device's business
            held = x509.load_der_x509_certificate(der)
            _ = held.subject, held.issuer, held.extensions, held.public_key()
            _ = held.not_valid_before_utc, held.not_valid_after_utc
    except (*_UNREADABLE, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        told = f"a certificate that cannot be read: {type(error).__name__}"
        raise EvidenceMalformed("certificate-malformed", told, subject=subject) from None
    return held


def load_anchors(ders: Iterable[bytes]) -> Anchors:
    """Raises `EvidenceMalformed`."""
    return Anchors(tuple(load_certificate(der, subject="anchor") for der in ders))


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def name_of(name: x509.Name) -> str:
    text = name.rfc4514_string()[:256]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def in_order(found: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """From root to leaf, also where they came the other way (as PEM chains do)."""
    if len(found) > 1 and found[0].issuer == found[1].subject != found[0].subject:
        return tuple(reversed(found))
    return tuple(found)


def _signed_by(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _authority_fault(issuer: x509.Certificate, below: int) -> str:
    """`below`: how many authorities stand between this one and the leaf."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "is not marked as an authority"
    if not basic.ca:
        return "is no authority"
    if basic.path_length is not None and below > basic.path_length:
        return f"allows {basic.path_length} authorities below it, not {below}"
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    return "" if usage.key_cert_sign else "may not sign certificates"


def _strength_fault(certificate: x509.Certificate) -> str:
    """What is too weak or not understood in a certificate itself."""
    try:
        hashed = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "is signed with an unknown algorithm"
    if hashed is not None and hashed.name in _WEAK:
        return f"is signed over {hashed.name}"
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        return f"has an RSA key of {key.key_size} bits"
    for extension in certificate.extensions:
        number = extension.oid.dotted_string
        known = extension.oid in _UNDERSTOOD or number.startswith((_TCG_DICE, _DMTF_SPDM))
        if extension.critical and not known:
            return f"has the critical extension {number}, which is not understood"
    return ""


def link_fault(issuer: x509.Certificate, certificate: x509.Certificate, below: int) -> str:
    """Why `issuer` does not vouch for `certificate`; "" if it does. Pure."""
    if issuer.subject != certificate.issuer:
        return f"names {name_of(certificate.issuer)} as its issuer"
    if fault := _authority_fault(issuer, below):
        return f"has an issuer that {fault}"
    if fault := _strength_fault(certificate):
        return fault
    return "" if _signed_by(issuer, certificate) else "is not signed by the key of its issuer"


def _finding(code: str, certificate: x509.Certificate, message: str) -> Finding:
    subject = name_of(certificate.subject)
    detail = {"subject": subject, "sha256": fingerprint(certificate)}
    return Finding(code=code, message=f"{subject} {message}.", detail=detail)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def date_findings(certificates: Iterable[x509.Certificate], at: float) -> Iterator[Finding]:
    """What is not valid at this time (seconds since 1970)."""
    now = datetime.fromtimestamp(at, UTC)
    for each in certificates:
        if now < each.not_valid_before_utc:
            told = f"is not valid before {_when(each.not_valid_before_utc)}"
            yield _finding("certificate-not-yet-valid", each, told)
        elif now > each.not_valid_after_utc:
            told = f"was valid until {_when(each.not_valid_after_utc)}"
            yield _finding("certificate-expired", each, told)


class _Path(msgspec.Struct, frozen=True):
    """From the leaf up to an anchor, or as far as the links held."""

    used: tuple[x509.Certificate, ...]
    anchor: x509.Certificate | None
    fault: Finding | None


def _path(chain: Sequence[x509.Certificate], anchors: Anchors) -> _Path:
    used = []
    upward = tuple(reversed(chain))
    for below, (certificate, issuer) in enumerate(pairwise((*upward, None))):
        assert certificate is not None
        used.append(certificate)
        if anchors.holds(certificate):
            return _Path(tuple(used), certificate, None)
        if (anchor := anchors.issuer_of(certificate, below)) is not None:
            return _Path((*used, anchor), anchor, None)
        if issuer is None:
            told = "is the end of the chain, and no anchor of ours"
            return _Path(tuple(used), None, _finding("root-unknown", certificate, told))
        if fault := link_fault(issuer, certificate, below):
            return _Path(tuple(used), None, _finding("chain-broken", certificate, fault))
    raise AssertionError


def _leaf_fault(leaf: x509.Certificate) -> Iterator[Finding]:
    if fault := _strength_fault(leaf):
        yield _finding("certificate-weak", leaf, fault)
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        yield _finding("key-usage", leaf, "is not for signing")


def _root_fault(
    root_hash: bytes, hashing: str, chain: Sequence[x509.Certificate], path: _Path
) -> Iterator[Finding]:
    """The chain's own digest of its root must be that of the first certificate, or of the anchor
    above it (DSP0274 lets a chain begin below its root)."""
    names = (hashing,) if hashing in ALLOWED_HASHINGS else hashings_of(len(root_hash))
    roots = [chain[0], *([path.anchor] if path.anchor else [])]
    ders = [root.public_bytes(Encoding.DER) for root in roots]
    if not any(digest(name, der) == root_hash for name in names for der in ders):
        told = "is not the root whose digest the chain gives"
        yield _finding("root-hash-mismatch", chain[0], told)


def judge_chain(
    ders: Sequence[bytes],
    anchors: Anchors,
    *,
    at: float,
    validity: Validity = Validity.ENFORCED,
    root_hash: bytes | None = None,
    hashing: str = "",
) -> ChainResult:
    """Judge a chain (root to leaf, or leaf to root). `root_hash` is SPDM's, made with `hashing`
    ("" for any allowed hash of its size).

    Raises `EvidenceMalformed` where a certificate cannot be read.
    """
    chain = in_order([load_certificate(der) for der in ders])
    path = _path(chain, anchors)
    dates = tuple(date_findings(path.used, at))
    faults = [path.fault] if path.fault else []
    faults += _leaf_fault(chain[-1])
    if root_hash is not None:
        faults += _root_fault(root_hash, hashing, chain, path)
    enforced = validity is Validity.ENFORCED
    faults += dates if enforced else ()
    return ChainResult(
        identity=Identity.UNANCHORED if faults else Identity.ANCHORED,
        certificates=chain,
        linked=tuple(reversed(path.used)),
        anchor=path.anchor,
        faults=tuple(faults),
        notes=() if enforced else dates,
    )
