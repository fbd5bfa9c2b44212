"""A TPM 2.0 as far as attestation goes: keys with names, register banks, quotes.

TPM 2.0 Library, part 2: TPMT_PUBLIC and names (12.2.4, 16), TPMS_ATTEST (10.12), TPMT_SIGNATURE
(11.3.4). Big-endian throughout. The endorsement key is a primary key and cannot sign; the
attestation key is a child of it, so its qualified name binds the two. Which certificate belongs
to which chip is said by the attestation certificate: its hardware module name holds maker,
authority key id and serial number of the endorsement certificate (TCG, Keys for Device Identity
and Attestation, 8).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ObjectIdentifier

from iolaus.sim.roots import chain
from iolaus.sim.roots.algorithms import (
    HASHINGS,
    SHA1,
    SHA256,
    SIGNINGS,
    Hashing,
    PrivateKey,
    ecdsa_pair,
    sign,
)
from iolaus.sim.roots.chain import Certified, Who
from iolaus.sim.roots.keys import curve_key, rsa_key

RSASSA, RSAPSS, ECDSA, NULL = 0x0014, 0x0016, 0x0018, 0x0010
_RSA, _ECC, _P256, _AES, _CFB = 0x0001, 0x0023, 0x0003, 0x0006, 0x0043
_QUOTE, _MAGIC, _ENDORSEMENT = 0x8018, 0xFF544347, 0x4000000B
AK_ATTRIBUTES: Final = 0x00050072  # fixed, made inside, with its user, restricted, signs
EK_ATTRIBUTES: Final = 0x000300B2  # fixed, made inside, by policy, restricted, decrypts
EK_POLICY: Final = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
BANKS: Final[Mapping[str, Hashing]] = {SHA1.name: SHA1, **HASHINGS}
SCHEMES: Final = {"ecc": (ECDSA,), "rsa": (RSASSA, RSAPSS)}
_EK_USE = ObjectIdentifier("2.23.133.8.1")
_AK_USE = ObjectIdentifier("2.23.133.8.3")
_MAKER, _MODEL, _VERSION = (ObjectIdentifier(f"2.23.133.2.{n}") for n in (1, 2, 3))
_MODULE = ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_TPM20 = bytes.fromhex("06056781050102")  # 2.23.133.1.2


@dataclass(frozen=True, slots=True)
class Clock:
    """TPMS_CLOCK_INFO: milliseconds of uptime, boots, resumes."""

    ms: int
    resets: int
    restarts: int = 0

    def encoded(self) -> bytes:
        return struct.pack(">QIIB", self.ms, self.resets, self.restarts, 1)


PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Selection = Sequence[tuple[Hashing, Sequence[int]]]


def sized(data: bytes) -> bytes:
    """A TPM2B."""
    return struct.pack(">H", len(data)) + data


def public(key: PublicKey, *, attributes: int, policy: bytes = b"", signs: bool) -> bytes:
    """TPMT_PUBLIC of a key that is named by SHA-256."""
    symmetric = struct.pack(">H", NULL) if signs else struct.pack(">HHH", _AES, 128, _CFB)
    if isinstance(key, ec.EllipticCurvePublicKey):
        kind, scheme = _ECC, struct.pack(">HH", ECDSA, SHA256.tpm)
        point = key.public_numbers()
        tail = struct.pack(">HH", _P256, NULL)
        tail += sized(point.x.to_bytes(32, "big")) + sized(point.y.to_bytes(32, "big"))
    else:
        kind, scheme = _RSA, struct.pack(">HH", RSASSA, SHA256.tpm)
        number = key.public_numbers().n
        tail = struct.pack(">HI", 2048, 0) + sized(number.to_bytes(256, "big"))
    if not signs:
        scheme = struct.pack(">H", NULL)
    head = struct.pack(">HHI", kind, SHA256.tpm, attributes) + sized(policy)
    return head + symmetric + scheme + tail


def name_of(area: bytes) -> bytes:
    return struct.pack(">H", SHA256.tpm) + sha256(area).digest()


def qualified(parent: bytes, name: bytes) -> bytes:
    return struct.pack(">H", SHA256.tpm) + sha256(parent + name).digest()


@lru_cache(maxsize=2048)
def endorsement(who: Who) -> Certified:
    """The endorsement key with its certificate (TCG EK credential profile, 3.2)."""
    words = ("ek", who.world, who.device, who.path)
    key = curve_key(ec.SECP256R1(), *words)
    above = chain.authority(who.world, f"{who.maker} Simulated TPM Endorsement")
    described = x509.Name([x509.NameAttribute(_MAKER, _maker_id(who.maker)),
                           x509.NameAttribute(_MODEL, who.model),
                           x509.NameAttribute(_VERSION, "id:00100010")])  # fmt: skip
    extensions = (
        (x509.SubjectAlternativeName([x509.DirectoryName(described)]), True),
        (x509.ExtendedKeyUsage([_EK_USE]), False),
    )
    subject = chain.name(f"{who.model} endorsement", who.serial)
    return chain.issue(above, key, subject, words, extensions=extensions, usage="key_agreement")


@lru_cache(maxsize=2048)
def attestation(who: Who, kind: str) -> Certified:
    """An attestation key ("ecc" or "rsa") with its certificate."""
    words = ("ak", kind, who.world, who.device, who.path)
    key = curve_key(ec.SECP256R1(), *words) if kind == "ecc" else rsa_key(2048, *words)
    above = chain.authority(who.world, "Simulated Attestation")
    extensions = (
        (x509.SubjectAlternativeName([_module(who)]), False),
        (x509.ExtendedKeyUsage([_AK_USE]), False),
    )
    subject = chain.name(f"{who.model} attestation", who.serial)
    return chain.issue(above, key, subject, words, extensions=extensions)


def _maker_id(maker: str) -> str:
    return f"id:{maker.encode()[:4].ljust(4, bytes(1)).hex().upper()}"


def _module(who: Who) -> x509.OtherName:
    """hardwareModuleName: this is a TPM 2.0, and its number is its endorsement certificate's."""
    certificate = endorsement(who).leaf
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    issuer = (found.value.key_identifier or b"").hex()
    number = f"{_maker_id(who.maker)[3:]}:{issuer}:{certificate.serial_number:x}".encode()
    body = _TPM20 + bytes([0x04, len(number)]) + number
    return x509.OtherName(_MODULE, bytes([0x30, len(body)]) + body)


def _public_of(certified: Certified) -> PublicKey:
    return certified.key.public_key()


def signer_name(who: Who, kind: str) -> bytes:
    """The attestation key's qualified name."""
    ek = public(
        _public_of(endorsement(who)), attributes=EK_ATTRIBUTES, policy=EK_POLICY, signs=False
    )
    ak = public(_public_of(attestation(who, kind)), attributes=AK_ATTRIBUTES, signs=True)
    parent = qualified(struct.pack(">I", _ENDORSEMENT), name_of(ek))
    return qualified(parent, name_of(ak))


def quoted(
    *, signer: bytes, nonce: bytes, clock: Clock, firmware: int, selection: Selection, digest: bytes
) -> bytes:
    """TPMS_ATTEST of a quote."""
    chosen = struct.pack(">I", len(selection)) + b"".join(
        struct.pack(">HB", bank.tpm, 3) + sum(1 << n for n in numbers).to_bytes(3, "little")
        for bank, numbers in selection
    )
    head = struct.pack(">IH", _MAGIC, _QUOTE) + sized(signer) + sized(nonce)
    return head + clock.encoded() + struct.pack(">Q", firmware) + chosen + sized(digest)


def composite(
    selection: Selection, banks: Mapping[str, Sequence[bytes]], hashing: Hashing
) -> bytes:
    """The digest over the selected registers, in the order of the selection."""
    return hashing.of(b"".join(banks[bank.name][n] for bank, ns in selection for n in sorted(ns)))


def signed(key: PrivateKey, data: bytes, *, scheme: int, hashing: Hashing) -> bytes:
    """TPMT_SIGNATURE."""
    head = struct.pack(">HH", scheme, hashing.tpm)
    if isinstance(key, rsa.RSAPrivateKey):
        name = "RSAPSS_2048" if scheme == RSAPSS else "RSASSA_2048"
        return head + sized(sign(key, data, signing=SIGNINGS[name], hashing=hashing))
    r, s = ecdsa_pair(key, data, hashing)
    return head + sized(r) + sized(s)


def parse_selection(data: bytes) -> list[tuple[Hashing, list[int]]] | None:
    """TPML_PCR_SELECTION; None if it is not one, or asks for what no TPM has."""
    known = {bank.tpm: bank for bank in BANKS.values()}
    if len(data) < 4 or not 1 <= (count := int.from_bytes(data[:4], "big")) <= 8:
        return None
    found, place = [], 4
    for _ in range(count):
        head = data[place : place + 3]
        bits = data[place + 3 : place + 3 + (head[2] if len(head) == 3 else 0)]
        bank = known.get(int.from_bytes(head[:2], "big"))
        if bank is None or len(head) < 3 or not 1 <= head[2] <= 3 or len(bits) != head[2]:
            return None
        number = int.from_bytes(bits, "little")
        found.append((bank, [n for n in range(24) if number >> n & 1]))
        place += 3 + len(bits)
    return found if place == len(data) else None


def parse_scheme(data: bytes, kind: str) -> tuple[int, Hashing] | None:
    """TPMT_SIG_SCHEME for a key of this kind; the null scheme means the key's own."""
    own = SCHEMES[kind][0]
    if data == struct.pack(">H", NULL):
        return own, SHA256
    if len(data) != 4:
        return None
    scheme, wanted = struct.unpack(">HH", data)
    hashing = {h.tpm: h for h in HASHINGS.values()}.get(wanted)
    return (scheme, hashing) if hashing is not None and scheme in SCHEMES[kind] else None
