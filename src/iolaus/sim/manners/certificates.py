"""The controller's own certificate: requested, signed elsewhere, replaced, and shown at once.

A signing request makes a key that stays in the device; the certificate that comes back must be for
that key, or bring its own. It is shown from the next handshake on. Dates are not looked at, as
controllers do not: an expired certificate is taken, and clients will notice.
"""

from __future__ import annotations

from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource, canonical

REQUEST, REPLACE = "CertificateService.GenerateCSR", "CertificateService.ReplaceCertificate"
NEEDED: Final = ("CommonName", "Organization", "OrganizationalUnit", "City", "State", "Country")
NAMES: Final = {
    "CommonName": NameOID.COMMON_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "City": NameOID.LOCALITY_NAME,
    "State": NameOID.STATE_OR_PROVINCE_NAME,
    "Country": NameOID.COUNTRY_NAME,
}
CURVES: Final = {
    "TPM_ECC_NIST_P256": ec.SECP256R1(),
    "TPM_ECC_NIST_P384": ec.SECP384R1(),
}
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PEM = serialization.Encoding.PEM


def tell(device: Device, path: str) -> None:
    """Let the resource say what clients are shown, whoever put it there."""
    device.computed[path] = lambda: _told(device, path)


def _told(device: Device, path: str) -> Resource:
    held = device.kept(path) or {}
    pem = device.socket.shown() if device.socket is not None else b""
    if not pem:
        return held
    certificate = x509.load_pem_x509_certificate(pem)
    text = certificate.public_bytes(_PEM).decode()
    return {"CertificateString": text, **held, **said_of(certificate)}


class Certificates(Quiet):
    """`keys` are those of requests that wait for their certificate, by collection."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del path
        if action == REQUEST:
            return self._request(device, body)
        return self._replace(device, body) if action == REPLACE else None

    def _request(self, device: Device, body: Resource) -> Outcome:
        for name in (*NEEDED, "CertificateCollection"):
            if not body.get(name):
                return refused(400, "ActionParameterMissing", REQUEST, name)
        collection = _link(body["CertificateCollection"])
        if device.kept(collection) is None:
            return refused(400, "ResourceMissingAtURI", collection[:200])
        try:
            key = _key_of(body)
            subject = x509.Name([x509.NameAttribute(NAMES[n], str(body[n])) for n in NEEDED])
            csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
            signed = csr.sign(key, hashes.SHA256())
        except ValueError as wrong:
            return refused(400, "ActionParameterValueError", str(wrong)[:80], "CommonName", REQUEST)
        self.keys[collection] = key
        text = signed.public_bytes(_PEM).decode()
        answer = {"CSRString": text, "CertificateCollection": {"@odata.id": collection}}
        return Outcome(status=200, body=answer)

    def _replace(self, device: Device, body: Resource) -> Outcome:
        text, place = body.get("CertificateString"), _link(body.get("CertificateUri"))
        if not isinstance(text, str) or not place:
            return refused(400, "ActionParameterMissing", REPLACE, "CertificateString")
        held = device.kept(place)
        if held is None:
            return refused(400, "ResourceMissingAtURI", place[:200])
        key = _given(text) or self.keys.get(place.rpartition("/")[0])
        try:
            certificate = x509.load_pem_x509_certificates(text.encode())[0]
        except (ValueError, IndexError):
            return refused(400, "ActionParameterValueError", "it", "CertificateString", REPLACE)
        if key is None or key.public_key() != certificate.public_key():
            return refused(
                400, "ActionParameterValueError", "its key", "CertificateString", REPLACE
            )
        chain = text[text.index("-----BEGIN CERTIFICATE") :]
        if device.socket is not None:
            device.socket.install(_private(key) + chain.encode())
        self.keys.pop(place.rpartition("/")[0], None)
        shown = device.put(place, {**held, **said_of(certificate), "CertificateString": chain})
        return Outcome(status=200, body=shown, headers={"Location": place})


def said_of(certificate: x509.Certificate) -> Resource:
    """What a Certificate resource says of it."""
    number = certificate.serial_number
    return {
        "CertificateType": "PEM",
        "SerialNumber": number.to_bytes((number.bit_length() + 7) // 8 or 1).hex(":"),
        "Subject": _named(certificate.subject),
        "Issuer": _named(certificate.issuer),
        "ValidNotBefore": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ValidNotAfter": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _named(name: x509.Name) -> Resource:
    found = {word: name.get_attributes_for_oid(oid) for word, oid in NAMES.items()}
    return {word: str(values[0].value) for word, values in found.items() if values}


def _key_of(body: Resource) -> Key:
    if str(body.get("KeyPairAlgorithm", "")).startswith("TPM_ALG_RSA"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(CURVES.get(str(body.get("KeyCurveId")), ec.SECP256R1()))


def _given(text: str) -> Key | None:
    """The private key that came with a certificate."""
    if "PRIVATE KEY-----" not in text:
        return None
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Key) else None


def _private(key: Key) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _link(value: Any) -> str:
    found = value.get("@odata.id") if isinstance(value, dict) else None
    return canonical(found) if isinstance(found, str) else ""
