"""The algorithms a root of trust may speak, with the numbers that SPDM gives them.

One table for signatures and one for hashes, by the names of DSP0274 ("ECDSA_P384", "SHA_384").
SPDM writes signatures without ASN.1: ECDSA as r || s of fixed width, RSA as it comes.
Deterministic wherever the scheme allows (RFC 6979; PKCS #1 v1.5), so that a hall with the same
seed says the same bytes; RSASSA-PSS salts are random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, eq=False)
class Hashing:
    """`bit` in BaseHashAlgo, `measured` in MeasurementHashAlgo, `tpm` as TPM_ALG_ID."""

    name: str
    bit: int
    measured: int
    tpm: int
    algorithm: hashes.HashAlgorithm

    @property
    def size(self) -> int:
        return self.algorithm.digest_size

    @property
    def redfish(self) -> str:
        return f"TPM_ALG_{self.name}"

    def of(self, data: bytes) -> bytes:
        digest = hashes.Hash(self.algorithm)
        digest.update(data)
        return digest.finalize()


@dataclass(frozen=True, slots=True, eq=False)
class Signing:
    """`bit` in BaseAsymAlgo, `size` of a signature in bytes; a curve or a modulus."""

    name: str
    bit: int
    size: int
    redfish: str
    curve: ec.EllipticCurve | None = None
    modulus_bits: int = 0
    salted: bool = False


SHA1: Final = Hashing("SHA_1", 0, 0, 0x0004, hashes.SHA1())  # noqa: S303  a PCR bank
SHA256: Final = Hashing("SHA_256", 1, 2, 0x000B, hashes.SHA256())
SHA384: Final = Hashing("SHA_384", 2, 4, 0x000C, hashes.SHA384())
SHA512: Final = Hashing("SHA_512", 4, 8, 0x000D, hashes.SHA512())
HASHINGS: Final[Mapping[str, Hashing]] = {h.name: h for h in (SHA256, SHA384, SHA512)}


def _ecdsa(name: str, bit: int, size: int, curve: ec.EllipticCurve) -> Signing:
    digits = name.removeprefix("ECDSA_P")
    return Signing(name, bit, size, f"TPM_ALG_ECDSA_ECC_NIST_P{digits}", curve=curve)


def _rsa(kind: str, bit: int, bits: int) -> Signing:
    name = f"{kind}_{bits}"
    return Signing(name, bit, bits // 8, f"TPM_ALG_{name}", modulus_bits=bits,
                   salted=kind == "RSAPSS")  # fmt: skip


SIGNINGS: Final[Mapping[str, Signing]] = {
    signing.name: signing
    for signing in (
        _rsa("RSASSA", 0x001, 2048),
        _rsa("RSAPSS", 0x002, 2048),
        _rsa("RSASSA", 0x004, 3072),
        _rsa("RSAPSS", 0x008, 3072),
        _ecdsa("ECDSA_P256", 0x010, 64, ec.SECP256R1()),
        _rsa("RSASSA", 0x020, 4096),
        _rsa("RSAPSS", 0x040, 4096),
        _ecdsa("ECDSA_P384", 0x080, 96, ec.SECP384R1()),
        _ecdsa("ECDSA_P521", 0x100, 132, ec.SECP521R1()),
    )
}


def ecdsa_pair(
    key: ec.EllipticCurvePrivateKey, data: bytes, hashing: Hashing
) -> tuple[bytes, bytes]:
    """r and s, each as wide as the curve."""
    signer = ec.ECDSA(hashing.algorithm, deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(data, signer))
    width = (key.curve.key_size + 7) // 8
    return r.to_bytes(width, "big"), s.to_bytes(width, "big")


def sign(key: PrivateKey, data: bytes, *, signing: Signing, hashing: Hashing) -> bytes:
    """The signature over `data` as SPDM writes it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return b"".join(ecdsa_pair(key, data, hashing))
    algorithm = hashing.algorithm
    if signing.salted:
        salted = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=hashing.size)
        return key.sign(data, salted, algorithm)
    return key.sign(data, padding.PKCS1v15(), algorithm)
