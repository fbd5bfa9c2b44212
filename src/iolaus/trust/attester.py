"""Who an attester is, by its certificates: names to show and a key to pin.

What is pinned at enrolment must outlive an update of firmware. Where a device signs with an alias
key that its firmware layer owns (DICE), the key that stays is the device's own: of the certificate
that DMTF's extension marks as the hardware's identity, or of the one that RIoT's extension names.
Else it is the leaf's. Only certificates count from which every link down to the leaf holds, for
anybody can put another device's certificate into a chain, or its key into an extension.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iolaus.trust.chains import fingerprint, name_of
from iolaus.trust.signatures import PublicKey
from iolaus.wire.dice import (
    MULTI_TCB_INFO,
    TCB_INFO,
    UEID,
    TcbInfo,
    parse_device_info,
    parse_multi_tcb_info,
    parse_tcb_info,
    parse_ueid,
)
from iolaus.wire.octets import EvidenceMalformed

_DEVICE_INFO: Final = x509.ObjectIdentifier("1.3.6.1.4.1.412.274.1")
_SPDM: Final = x509.ObjectIdentifier("1.3.6.1.4.1.412.274.6")
_HARDWARE_IDENTITY: Final = bytes.fromhex("060a2b06010401831c821202")


class Attester(msgspec.Struct, frozen=True, kw_only=True):
    """`pin` is the SHA-256 of the SubjectPublicKeyInfo that stays (hex), `leaf` of the leaf's
    certificate; `maker`, `product` and `serial` are the leaf's device information, "" where it
    has none; `tcb` is what its layers say, from the leaf upwards; `ueid` is in hex. `key` is
    the digest of the signing key where the pin is another thing's that it was certified for."""

    subject: str
    leaf: str
    pin: str
    maker: str = ""
    product: str = ""
    serial: str = ""
    ueid: str = ""
    key: str = ""
    tcb: tuple[TcbInfo, ...] = ()


def key_digest(spki: bytes) -> str:
    return hashlib.sha256(spki).hexdigest()


def _spki(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def keyed_attester(key: PublicKey) -> Attester:
    """Of a device that has a provisioned key and no certificate."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Attester(subject="", leaf="", pin=key_digest(spki))


def _raw(certificate: x509.Certificate, number: str) -> bytes | None:
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid.dotted_string == number and isinstance(value, x509.UnrecognizedExtension):
            return value.value
    return None


def _tcb(certificate: x509.Certificate) -> Iterator[TcbInfo]:
    if (single := _raw(certificate, TCB_INFO)) is not None:
        yield parse_tcb_info(single)
    if (several := _raw(certificate, MULTI_TCB_INFO)) is not None:
        yield from parse_multi_tcb_info(several)


def _device_info(certificate: x509.Certificate) -> tuple[str, str, str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "", "", ""
    for other in names.get_values_for_type(x509.OtherName):
        if other.type_id == _DEVICE_INFO:
            return parse_device_info(other.value)
    return "", "", ""


def _is_hardware_identity(certificate: x509.Certificate) -> bool:
    value = _raw(certificate, _SPDM.dotted_string)
    return value is not None and _HARDWARE_IDENTITY in value


def _lasting_key(linked: Sequence[x509.Certificate], tcb: Sequence[TcbInfo]) -> bytes:
    named = {info.device_key for info in tcb}
    for certificate in reversed(linked):
        if _is_hardware_identity(certificate) or _spki(certificate) in named:
            return _spki(certificate)
    return _spki(linked[-1])


def read_attester(linked: Sequence[x509.Certificate]) -> Attester:
    """`linked` as in `ChainResult`, from the root's side to the leaf. Raises `EvidenceMalformed`
    where an extension cannot be read."""
    leaf = linked[-1]
    try:
        tcb = tuple(info for each in reversed(linked) for info in _tcb(each))
        maker, product, serial = _device_info(leaf)
        ueid = _raw(leaf, UEID)
        identifier = parse_ueid(ueid).hex() if ueid is not None else ""
    except EvidenceMalformed as error:
        error.subject = name_of(leaf.subject)
        raise
    return Attester(
        subject=name_of(leaf.subject),
        leaf=fingerprint(leaf),
        pin=key_digest(_lasting_key(linked, tcb)),
        maker=maker,
        product=product,
        serial=serial,
        ueid=identifier,
        tcb=tcb,
    )
