"""A certificate for a peer that serves TLS: its files, and the fingerprint that pins it."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


class Identity(NamedTuple):
    certificate: Path
    key: Path
    fingerprint: str

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    @property
    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def identity(folder: Path, *, name: str = "peer", days: tuple[int, int] = (-1, 30)) -> Identity:
    """Self-signed for 127.0.0.1, valid from so many days from now until so many days from now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + days[0] * day)
        .not_valid_after(now + days[1] * day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    der = made.public_bytes(serialization.Encoding.DER)
    return Identity(*files, hashlib.sha256(der).hexdigest())
