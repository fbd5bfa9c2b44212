"""A key as its TPM describes it: TPMT_PUBLIC, also behind its length (TPM 2.0 Library, Part 2).

The name of a key is the hash of this area, so a name that somebody certified proves what kind of
key it is: one that signs only what the TPM made (restricted, signing) and cannot leave it.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from iolaus.wire.octets import Octets
from iolaus.wire.tpm.algorithms import CURVES, ECC, HASHES, NULL, RSA

FIXED_TPM, SENSITIVE_ORIGIN, RESTRICTED, DECRYPT, SIGN = 1 << 1, 1 << 5, 1 << 16, 1 << 17, 1 << 18
_RSAES: Final = 0x0015
_ECDAA: Final = 0x001A
_DEFAULT_EXPONENT: Final = 65537


class PublicArea(msgspec.Struct, frozen=True, kw_only=True):
    """`area` is TPMT_PUBLIC itself. RSA has `modulus` and `exponent`, ECC `curve`, `x` and `y`."""

    area: bytes
    name_hashing: str
    attributes: int
    policy: bytes
    modulus: bytes = b""
    exponent: int = 0
    curve: str = ""
    x: bytes = b""
    y: bytes = b""

    @property
    def attests(self) -> bool:
        """It signs, only what the TPM itself made, and it is not to leave the TPM."""
        wanted = SIGN | RESTRICTED | FIXED_TPM | SENSITIVE_ORIGIN
        return self.attributes & wanted == wanted and not self.attributes & DECRYPT

    @property
    def name(self) -> bytes:
        """The object's name: the hash's number, and the hash of the area."""
        number = next(n for n, each in HASHES.items() if each.name == self.name_hashing)
        digest = hashlib.new(self.name_hashing.replace("sha3-", "sha3_"), self.area).digest()
        return number.to_bytes(2, "big") + digest


def _symmetric(octets: Octets) -> None:
    if octets.number(2, "the symmetric algorithm") != NULL:
        octets.take(4, "the symmetric algorithm")


def _scheme(octets: Octets, what: str) -> None:
    number = octets.number(2, what)
    if number not in (NULL, _RSAES):
        octets.take(4 if number == _ECDAA else 2, what)


def _rsa(octets: Octets) -> dict[str, object]:
    _symmetric(octets)
    _scheme(octets, "the scheme")
    octets.take(2, "the key's size")
    exponent = octets.number(4, "the exponent") or _DEFAULT_EXPONENT
    return {"exponent": exponent, "modulus": octets.sized(2, "the modulus")}


def _ecc(octets: Octets) -> dict[str, object]:
    _symmetric(octets)
    _scheme(octets, "the scheme")
    number = octets.number(2, "the curve")
    if number not in CURVES:
        raise octets.wrong("algorithm-unknown", f"curve {number:#06x}")
    _scheme(octets, "the key derivation")
    point = octets.sized(2, "x"), octets.sized(2, "y")
    return {"curve": CURVES[number], "x": point[0], "y": point[1]}


def parse_public(data: bytes, *, subject: str = "TPM key") -> PublicArea:
    """TPM2B_PUBLIC or TPMT_PUBLIC. Raises `EvidenceMalformed`."""
    area = data[2:] if int.from_bytes(data[:2], "big") == len(data) - 2 else data
    octets = Octets(area, subject=subject, order="big", start=len(data) - len(area))
    kind = octets.number(2, "the type")
    hashing = octets.number(2, "the name's hash")
    if kind not in (RSA, ECC) or hashing not in HASHES or HASHES[hashing].name.startswith("sm3"):
        told = f"a key of type {kind:#06x} with name hash {hashing:#06x}"
        raise octets.wrong("algorithm-unknown", told)
    attributes = octets.number(4, "the attributes")
    policy = octets.sized(2, "the policy")
    rest = _rsa(octets) if kind == RSA else _ecc(octets)
    octets.end("the key")
    held = {"area": area, "name_hashing": HASHES[hashing].name, "attributes": attributes,
            "policy": policy, **rest}  # fmt: skip
    return msgspec.convert(held, PublicArea)
