"""Certificates made once per run: valid, expired, one of an authority of our own."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)
_PEM = serialization.Encoding.PEM


class Identity(NamedTuple):
    context: ssl.SSLContext
    fingerprint: str


class Identities(NamedTuple):
    good: Identity
    expired: Identity
    signed: Identity
    ca_file: str


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _identity(
    folder: Path,
    name: str,
    *,
    days: tuple[int, int] = (-1, 30),
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    issued_by, signed_with = issuer or (_name(name), key)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(issued_by, _name(name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW + days[0] * _DAY)
        .not_valid_after(_NOW + days[1] * _DAY)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(signed_with, hashes.SHA256())
    )
    secret = key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(_PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem")
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Identity(context, hashlib.sha256(der).hexdigest())


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    folder = tmp_path_factory.mktemp("certs")
    key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        x509.CertificateBuilder(_name("authority"), _name("authority"), key.public_key(), 7)
        .not_valid_before(_NOW - _DAY)
        .not_valid_after(_NOW + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(authority.public_bytes(_PEM))
    return Identities(
        good=_identity(folder, "good"),
        expired=_identity(folder, "expired", days=(-400, -30)),
        signed=_identity(folder, "signed", issuer=(_name("authority"), key)),
        ca_file=str(folder / "ca.pem"),
    )
