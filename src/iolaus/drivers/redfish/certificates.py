"""Certificates that a device keeps: whose, by whom, and until when.

A `Certificate` may give its fields, its PEM text, both, or, on some firmware, contradict itself.
The PEM is the thing itself, so what it says wins and the fields fill what is left; a PEM that
cannot be read (redacted, cut) is a deviation. A PKCS#7 bundle is told by its fields alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from iolaus.drivers.redfish._text import clean, mapping, maybe, texts
from iolaus.drivers.redfish.harvest import Harvest
from iolaus.model.asset import Certificate, Deviation

MAX_PEM: Final = 64 * 1024
MAX_NAMES: Final = 32
_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_NAME_FIELDS: Final = (
    ("CN", "CommonName"),
    ("OU", "OrganizationalUnit"),
    ("O", "Organization"),
    ("L", "City"),
    ("ST", "State"),
    ("C", "Country"),
)


class Certificates(NamedTuple):
    certificates: tuple[Certificate, ...]
    deviations: tuple[Deviation, ...]


def name_text(name: object) -> str | None:
    """ "CN=bmc,O=Example" of a Redfish identifier object (RFC 4514 order of what is given)."""
    held = mapping(name)
    parts = [f"{short}={text}" for short, long in _NAME_FIELDS if (text := clean(held.get(long)))]
    return ",".join(parts) or maybe(held.get("DisplayString"), 512)


def _der(text: object) -> bytes | None:
    """The first certificate of a PEM text; None where there is none that decodes."""
    found = _PEM.search(text[:MAX_PEM]) if isinstance(text, str) else None
    if not found:
        return None
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        return None


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _names(held: x509.Certificate) -> tuple[str, ...]:
    """The hosts that it is for; none where it says none that can be read."""
    try:
        found = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return tuple(clean(name, 255) for name in (*hosts, *addresses))[:MAX_NAMES]


def _key(held: x509.Certificate) -> str:
    try:
        key = held.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "other"


def _parse(der: bytes | None) -> dict[str, Any]:
    """Fields of a DER certificate; empty where it cannot be read."""
    if der is None:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers are the device's business
            held = x509.load_der_x509_certificate(der)
        return {
            "subject": clean(held.subject.rfc4514_string(), 512),
            "issuer": clean(held.issuer.rfc4514_string(), 512),
            "not_before": _when(held.not_valid_before_utc),
            "not_after": _when(held.not_valid_after_utc),
            "fingerprint": hashlib.sha256(der).hexdigest(),
            "names": _names(held),
            "key": _key(held),
        }
    except _UNREADABLE:
        return {}


def _fingerprint(payload: Mapping[str, Any]) -> str | None:
    """The device's own word for it, if it is SHA-256."""
    if "256" not in clean(payload.get("FingerprintHashAlgorithm")):
        return None
    digits = clean(payload.get("Fingerprint")).replace(":", "").lower()
    return digits if re.fullmatch("[0-9a-f]{64}", digits) else None


def _certificate(uri: str, payload: Mapping[str, Any]) -> Certificate:
    held = _parse(_der(payload.get("CertificateString")))
    return Certificate(
        uri=uri,
        subject=held.get("subject") or name_text(payload.get("Subject")),
        issuer=held.get("issuer") or name_text(payload.get("Issuer")),
        not_before=held.get("not_before") or maybe(payload.get("ValidNotBefore"), 64),
        not_after=held.get("not_after") or maybe(payload.get("ValidNotAfter"), 64),
        fingerprint=held.get("fingerprint") or _fingerprint(payload),
        names=held.get("names", ()),
        key=held.get("key") or None,
        usage=texts(payload.get("CertificateUsageTypes")) or _usage_by_place(uri),
    )


def _usage_by_place(uri: str) -> tuple[str, ...]:
    """What a certificate is for, by where it stands, when it does not say."""
    if "/NetworkProtocol/HTTPS/" in uri:
        return ("Web",)
    return ("SSH",) if "/NetworkProtocol/SSH/" in uri else ()


def _deviations(uri: str, payload: Mapping[str, Any]) -> Iterator[Deviation]:
    text, kind = payload.get("CertificateString"), clean(payload.get("CertificateType"))
    given = isinstance(text, str) and bool(text.strip())
    if given and kind == "PEM" and not _parse(_der(text)):
        yield Deviation(
            uri=uri, pointer="/CertificateString", rule="certificate", detail="not readable"
        )


def read_certificates(harvest: Harvest) -> Certificates:
    """Every certificate that was read, each once by its URI. Pure; never raises."""
    found = dict(harvest.of_type("Certificate"))
    return Certificates(
        tuple(_certificate(uri, payload) for uri, payload in found.items()),
        tuple(each for uri, payload in found.items() for each in _deviations(uri, payload)),
    )
