"""The hall's public-key infrastructure: whose certificate says that a root of trust is genuine.

One root per hall; below it an intermediate per maker; below that a certificate per device, the
hardware's own identity, whose key signs the alias certificate that the running firmware signs
with (TCG DICE; "AliasCert" in DSP0274). Slot 0 holds that chain. A further slot holds the same
device and alias keys under an owner's root, as slots are meant to be used.

SPDM's chain (DSP0274, certificate chain format): length u16, reserved u16, hash of the root
certificate, then the certificates from root to leaf in DER.

Everything follows from the hall's seed, signatures included (RFC 6979), so a chain that was
forgotten is made again byte for byte; a bounded cache is all that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from iolaus.sim.roots.algorithms import SIGNINGS, Hashing, PrivateKey
from iolaus.sim.roots.keys import curve_key, noise, private_key

ORGANIZATION: Final = "Iolaus Simulation"
BORN = datetime(2025, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

_DMTF = "1.3.6.1.4.1.412.274"
DEVICE_INFO = ObjectIdentifier(f"{_DMTF}.1")
RESPONDER_AUTH = ObjectIdentifier(f"{_DMTF}.3")
SPDM_EXTENSION = ObjectIdentifier(f"{_DMTF}.6")
_DER_DMTF = bytes.fromhex("2b06010401831c8212")
_HARDWARE_IDENTITY, _MUTABLE_CERTIFICATE = b"\x02", b"\x05"

Extensions = Sequence[tuple[x509.ExtensionType, bool]]


@dataclass(frozen=True, slots=True)
class Who:
    """Whose root of trust: the hall's seed, the device's name, the root's path on it, and how it
    signs. `forged` is the same name with keys that nobody certified."""

    seed: str
    device: str
    path: str
    maker: str
    model: str
    signing: str
    forged: bool = False

    @property
    def world(self) -> str:
        """What the keys of its makers follow from."""
        return f"forger of {self.seed}" if self.forged else self.seed

    @property
    def serial(self) -> str:
        """The silicon's own number, which its certificates carry."""
        return noise("silicon", self.seed, self.device, self.path, size=9).hex().upper()


@dataclass(frozen=True, slots=True)
class Certified:
    """A key with its certificate and what is above it, from the root to the leaf."""

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[-1]

    @property
    def pem(self) -> str:
        """From the leaf to the root, as Redfish's PEM chains go."""
        return "".join(c.public_bytes(Encoding.PEM).decode() for c in reversed(self.chain))

    def spdm(self, hashing: Hashing) -> bytes:
        """SPDM's certificate chain structure."""
        ders = [certificate.public_bytes(Encoding.DER) for certificate in self.chain]
        body = hashing.of(ders[0]) + b"".join(ders)
        return (len(body) + 4).to_bytes(2, "little") + b"\0\0" + body


@lru_cache(maxsize=256)
def root_authority(world: str, slot: int = 0) -> Certified:
    """The hall's root (slot 0), or the root that the hall's owner put into a further slot."""
    words = ("root", str(slot), world)
    text = "Simulated Hall Root CA" if slot == 0 else f"Simulated Owner Root CA {slot}"
    return issue(None, curve_key(ec.SECP384R1(), *words), name(text), words, ca=True)


@lru_cache(maxsize=256)
def authority(world: str, what: str, slot: int = 0) -> Certified:
    """An intermediate below the root, such as a maker's."""
    words = ("intermediate", what, str(slot), world)
    key = curve_key(ec.SECP384R1(), *words)
    return issue(root_authority(world, slot), key, name(f"{what} CA"), words, ca=True)


@lru_cache(maxsize=2048)
def identity(who: Who, slot: int = 0) -> Certified:
    """The alias key that signs for `who`, with the chain of that slot."""
    device = _device(who, slot)
    words = ("alias", who.world, who.device, who.path)
    key = private_key(SIGNINGS[who.signing], *words)
    extensions = (
        (x509.SubjectAlternativeName([device_info(who)]), False),
        (x509.ExtendedKeyUsage([RESPONDER_AUTH]), False),
        (_spdm(_MUTABLE_CERTIFICATE), False),
    )
    return issue(device, key, name(f"{who.model} alias", who.serial), words, extensions=extensions)


def _device(who: Who, slot: int) -> Certified:
    above = authority(who.world, f"{who.maker} Simulated Device Identity", slot)
    words = ("device", who.world, who.device, who.path)
    extensions = ((_spdm(_HARDWARE_IDENTITY), False),)
    key = curve_key(ec.SECP384R1(), *words)
    subject = name(f"{who.model} device", who.serial)
    return issue(above, key, subject, words, ca=True, extensions=extensions)


def issue(
    above: Certified | None,
    key: PrivateKey,
    subject: x509.Name,
    words: tuple[str, ...],
    *,
    ca: bool = False,
    extensions: Extensions = (),
    usage: str = "digital_signature",
) -> Certified:
    """A certificate of `key` signed by the last of `above`, or by itself."""
    issuer = above.leaf.subject if above else subject
    signer = above.key if above else key
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key())
        .serial_number(int.from_bytes(noise("number", *words, size=15), "big") | 1)
        .not_valid_before(BORN)
        .not_valid_after(NEVER)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign" if ca else usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_key(signer), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    deterministic = True if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    made = builder.sign(signer, hashes.SHA384(), ecdsa_deterministic=deterministic)
    return Certified(key, (*(above.chain if above else ()), made))


def name(common: str, serial: str = "") -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
    ]
    if serial:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(parts)


def device_info(who: Who) -> x509.OtherName:
    """DSP0274's device information string: maker, product and serial number."""
    text = f"{who.maker}:{who.model}:{who.serial}".encode()[:120]
    return x509.OtherName(DEVICE_INFO, bytes([0x0C, len(text)]) + text)


def _spdm(last: bytes) -> x509.UnrecognizedExtension:
    """A sequence of one sequence of one object identifier below DMTF's."""
    oid = _DER_DMTF + last
    inner = bytes([0x06, len(oid)]) + oid
    one = bytes([0x30, len(inner)]) + inner
    return x509.UnrecognizedExtension(SPDM_EXTENSION, bytes([0x30, len(one)]) + one)


def _authority_key(signer: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())


def _usage(only: str) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name == only for name in names})


def anchors(seed: str, slots: Sequence[int] = (0,)) -> str:
    """The hall's root certificates as PEM: what a verifier is told to trust."""
    roots = (root_authority(seed, slot).leaf for slot in slots)
    return "".join(root.public_bytes(Encoding.PEM).decode() for root in roots)


def is_rsa(key: PrivateKey) -> bool:
    return isinstance(key, rsa.RSAPrivateKey)
