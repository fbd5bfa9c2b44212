"""Certificates of a simulated hall: one authority, one leaf per device, all P-256.

With a folder the authority and its leaves outlive the process, so that a pin made against a
simulated device still holds after a restart. Without one they live in memory and, for the
moment in which the TLS library insists on reading a file, in a private temporary file.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM
_YEARS = timedelta(days=3650)


class Leaf:
    """A device's certificate with its key, as PEM; `fingerprint` is SHA-256 of the DER, hex."""

    def __init__(self, pem: bytes) -> None:
        self.pem = pem
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        self.fingerprint = sha256(der).hexdigest()


class Authority:
    """The hall's certificate authority; with `held` (`kept`), the one of another process."""

    def __init__(self, folder: Path | None = None, *, held: bytes | None = None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = held or self._load("authority")
        if held is None:
            self._key = ec.generate_private_key(ec.SECP256R1())
            self.certificate = self._self_signed()
            self._save("authority", _pem(self._key, self.certificate))
        else:
            self._key, self.certificate = _private(held), x509.load_pem_x509_certificate(held)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(_PEM)

    @property
    def kept(self) -> bytes:
        """With its private key."""
        return _pem(self._key, self.certificate)

    def leaf(self, *, host: str, name: str, clock_offset_s: float = 0.0) -> Leaf:
        """The certificate of the device `name` at `host`. With a clock offset it is issued anew,
        valid from the device's own idea of now, which may lie in the future."""
        held = self._load(host) if not clock_offset_s else None
        if held is None:
            held = self._issue(host, name, clock_offset_s)
            if not clock_offset_s:
                self._save(host, held)
        return Leaf(held)

    def _issue(self, host: str, name: str, clock_offset_s: float) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        start = datetime.now(UTC) + timedelta(seconds=clock_offset_s)
        start -= timedelta(minutes=1 if clock_offset_s else 60)
        issuer = self.certificate.subject
        names = [x509.IPAddress(ip_address(host)), x509.DNSName(name)]
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _builder(name, issuer, key, start)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(server, critical=False)
            .add_extension(aki, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(key, certificate)

    def _self_signed(self) -> x509.Certificate:
        subject = _name("Iolaus simulated hall")
        start = datetime.now(UTC) - timedelta(hours=1)
        ski = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        return (
            _builder("Iolaus simulated hall", subject, self._key, start)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(ski, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _load(self, name: str) -> bytes | None:
        file = self._folder / f"{name}.pem" if self._folder else None
        return file.read_bytes() if file and file.exists() else None

    def _save(self, name: str, pem: bytes) -> None:
        if self._folder is not None:
            file = self._folder / f"{name}.pem"
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(pem)


def server_context(leaf: Leaf) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    show(context, leaf)
    return context


def show(context: ssl.SSLContext, leaf: Leaf) -> None:
    """Let `context` show this certificate from the next handshake on."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(leaf.pem)
    try:
        context.load_cert_chain(file.name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(file.name).unlink()


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _YEARS)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(_PEM)


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an EC key")
    return key
