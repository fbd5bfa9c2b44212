"""A maker with a root, an authority and a signing certificate, made in the test that needs it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
LATER = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


class Maker(NamedTuple):
    """`chain` is the signer's certificate, its authority's and the root."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def pems(self) -> tuple[bytes, ...]:
        return tuple(each.public_bytes(Encoding.PEM) for each in self.chain)

    @property
    def ders(self) -> tuple[bytes, ...]:
        return tuple(each.public_bytes(Encoding.DER) for each in self.chain)

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(self.ders[0]).digest()


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    days: int = 365,
    path_length: int | None = None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, hashes.SHA384())
    )


def maker(
    curve: ec.EllipticCurve | None = None,
    *,
    days: int = 365,
    authority_may_issue: bool = True,
    path_length: int | None = None,
) -> Maker:
    curve = curve or ec.SECP384R1()
    keys = [ec.generate_private_key(curve) for _ in range(3)]
    named = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in "RA"]
    root = certificate("R", keys[0], named[0], keys[0], ca=True, days=9999, path_length=path_length)
    middle = certificate("A", keys[1], named[0], keys[0], ca=authority_may_issue, days=9999)
    leaf = certificate("S", keys[2], named[1], keys[1], ca=False, days=days)
    return Maker(keys[2], (leaf, middle, root))
