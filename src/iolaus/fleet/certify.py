"""Certificates of controllers: the request that is signed, and what is checked before it is used.

A device is not believed. Its request is signed only if it proves its own key, is for the name that
was asked for and for no other, and has a key that is worth signing; and the names, the use and the
life of the certificate are ours to say, whatever the request wishes. Whoever signs is not believed
either: what comes back must be for that very key, by that authority, for that host, and valid now.
Pure, but for the randomness of a serial number.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iolaus.kernel.errors import DeviceLied, OperatorMust
from iolaus.model.authority import Authority, Words

LEAST_RSA: Final = 2048
CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
MAX_PEM: Final = 64 * 1024
EARLIER: Final = timedelta(hours=1)
"""Valid from so long ago: clocks of controllers are behind."""
_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, UnicodeEncodeError, x509.InvalidVersion),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
PublicKey = object


class Made(NamedTuple):
    """A new authority: its certificate and its private key, both in PEM."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Made(key=...)"


class Checked(NamedTuple):
    """A certificate that may be put in: PEM (a chain, its own first), the SHA-256 of its DER in
    hex, and when it ends in seconds since 1970."""

    pem: str
    fingerprint: str
    not_after: float


def host_of(address: str) -> str:
    """The host of `https://host[:port]`, without brackets."""
    return urlsplit(address).hostname or address


def make_authority(name: str, *, words: Words, days: int, now: float) -> Made:
    """A local authority with a P-384 key, for leaves only (pathLen 0)."""
    key = ec.generate_private_key(ec.SECP384R1())
    subject = _subject(name, words)
    start = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - EARLIER)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Made(certificate.public_bytes(Encoding.PEM).decode(), private.decode())


def check_request(pem: str, names: Sequence[str], *, device: str) -> x509.CertificateSigningRequest:
    """The request, if it is one that this device may be given a certificate for: signed with its
    own key, for the first of `names` and for no host beside them. Raises `DeviceLied`."""
    try:
        if len(pem) > MAX_PEM:
            raise ValueError("it is too long")
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        proven, key = request.is_signature_valid, request.public_key()
        said = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        wished = _wished(request)
    except _UNREADABLE:
        raise _lied(device, "its signing request cannot be read") from None
    if not proven:
        raise _lied(device, "its signing request is not signed with the key in it")
    if said != [names[0]]:
        raise _lied(device, f"its signing request is for {_few(said)}, not for {names[0]}")
    if foreign := [name for name in wished if name not in {*map(str.lower, names)}]:
        raise _lied(device, f"its signing request is for {_few(foreign)} as well")
    if weak := _weak(key):
        raise _lied(device, f"its new key is {weak}")
    return request


def issue(
    request: x509.CertificateSigningRequest,
    authority: Authority,
    key: str,
    names: Sequence[str],
    *,
    now: float,
) -> str:
    """A certificate by a local authority: PEM, those of the authority behind it. `key` is the
    authority's. Of the request only the key is taken."""
    chain = x509.load_pem_x509_certificates(authority.certificate.encode())
    signer = load_pem_private_key(key.encode(), None)
    assert isinstance(signer, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    start = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    end = min(start + timedelta(days=authority.days), chain[0].not_valid_after_utc)
    public = request.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(names[0], authority.words))
        .issuer_name(chain[0].subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(start - EARLIER, chain[0].not_valid_before_utc))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(list(_hosts(names))), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(chain[0].public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    leaf = builder.sign(signer, hashes.SHA384())
    above = [each for each in chain if each.subject != each.issuer]
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in (leaf, *above))


def check_issued(
    pem: str, key: PublicKey, authority: Authority, names: Sequence[str], *, now: float
) -> Checked:
    """What an authority gave, if it may be put in. Raises `OperatorMust` that says why not."""
    try:
        if len(pem) > MAX_PEM:
            raise ValueError("it is too long")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaf = x509.load_pem_x509_certificates(pem.encode("ascii"))[0]
            own = x509.load_pem_x509_certificates(authority.certificate.encode())[0]
            theirs = leaf.public_key()
            wrong = _misfit(leaf, names, now)
    except _UNREADABLE:
        raise _refused(authority, "no certificate can be read in what it gave") from None
    if theirs != key:
        raise _refused(authority, "its certificate is for another key than was asked")
    try:
        leaf.verify_directly_issued_by(own)
    except (ValueError, TypeError, InvalidSignature):
        raise _refused(authority, "its certificate is not signed by its own key") from None
    if wrong:
        raise _refused(authority, wrong)
    der = leaf.public_bytes(Encoding.DER)
    return Checked(pem, hashlib.sha256(der).hexdigest(), leaf.not_valid_after_utc.timestamp())


def _misfit(leaf: x509.Certificate, names: Sequence[str], now: float) -> str:
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    if not begins <= now < ends:
        return "its certificate is not valid now"
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "its certificate names no host"
    hosts = {each.lower() for each in found.get_values_for_type(x509.DNSName)}
    hosts |= {str(each) for each in found.get_values_for_type(x509.IPAddress)}
    return "" if names[0].lower() in hosts else f"its certificate is not for {names[0]}"


def _wished(request: x509.CertificateSigningRequest) -> list[str]:
    """The hosts that a request asks for besides its subject, in lower case."""
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = [each.lower() for each in found.get_values_for_type(x509.DNSName)]
    return [*hosts, *map(str, found.get_values_for_type(x509.IPAddress))]


def _weak(key: PublicKey) -> str:
    """Why a key is not worth signing; empty: it is."""
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size >= LEAST_RSA else f"RSA of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.name in CURVES else f"on the curve {key.curve.name}"
    return "" if isinstance(key, ed25519.Ed25519PublicKey) else "of a kind that nobody trusts"


def _subject(name: str, words: Words) -> x509.Name:
    given = (
        (NameOID.COUNTRY_NAME, words.country),
        (NameOID.ORGANIZATION_NAME, words.organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, words.unit),
        (NameOID.COMMON_NAME, name[:64]),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in given if value])


def _hosts(names: Iterable[str]) -> Iterable[x509.GeneralName]:
    for name in dict.fromkeys(names):
        try:
            yield x509.IPAddress(ip_address(name))
        except ValueError:
            yield x509.DNSName(name)


def _few(names: Sequence[str]) -> str:
    shown = ", ".join("".join(c if c.isprintable() else "?" for c in n[:80]) for n in names[:3])
    return shown or "nobody"


def _lied(device: str, message: str) -> DeviceLied:
    return DeviceLied(
        message,
        operation="request certificate",
        subject=device,
        code="BadSigningRequest",
        next_step="look at the controller; report it to the maker if it stays so.",
    )


def _refused(authority: Authority, message: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="sign certificate",
        subject=f"authority {authority.name}",
        code="BadCertificate",
        next_step="see what the authority is set up to sign.",
    )
