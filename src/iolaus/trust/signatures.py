"""Verifying signatures with the names of algorithms that evidence uses.

What verifies is decided by the key and a list of what is allowed; what a courier says of an
algorithm is compared, never followed. Widths are exact: an ECDSA signature in SPDM is r || s of
the curve's width, and nothing else is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from iolaus.wire.octets import EvidenceMalformed

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_HASHES: Final[Mapping[str, Callable[[], hashes.HashAlgorithm]]] = MappingProxyType(
    {
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
        "sha3-256": hashes.SHA3_256,
        "sha3-384": hashes.SHA3_384,
        "sha3-512": hashes.SHA3_512,
    }
)
ALLOWED_HASHINGS: Final = tuple(_HASHES)
_CURVES: Final = MappingProxyType({"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"})
MODULUS_BITS: Final = (2048, 3072, 4096)
ALLOWED_SIGNINGS: Final = (
    *(f"ecdsa-{curve}" for curve in _CURVES.values()),
    *(f"{scheme}-{bits}" for scheme in ("rsassa", "rsapss") for bits in MODULUS_BITS),
)


def signings_of(key: object) -> tuple[str, ...]:
    """The allowed algorithms that a public key can verify; none for a key of another kind."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = _CURVES.get(key.curve.name)
        return (f"ecdsa-{curve}",) if curve else ()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in MODULUS_BITS:
        return (f"rsassa-{key.key_size}", f"rsapss-{key.key_size}")
    return ()


def allowed_key(key: object, subject: str = "public key") -> PublicKey:
    """The key, if it can verify anything here; else raises `EvidenceMalformed`."""
    if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and signings_of(key):
        return key
    raise EvidenceMalformed("algorithm-unsupported", "a key of another kind", subject=subject)


def load_public_key(data: bytes, subject: str = "public key") -> PublicKey:
    """SubjectPublicKeyInfo as PEM or DER. Raises `EvidenceMalformed`."""
    load = load_pem_public_key if data.lstrip().startswith(b"-----BEGIN") else load_der_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm):
        raise EvidenceMalformed("key-unreadable", "no public key", subject=subject) from None
    return allowed_key(key, subject)


def digest(hashing: str, data: bytes) -> bytes:
    """`hashing` is one of `ALLOWED_HASHINGS`."""
    running = hashes.Hash(_HASHES[hashing]())
    running.update(data)
    return running.finalize()


def hashings_of(size: int) -> tuple[str, ...]:
    """The allowed hashes with digests of this size, SHA-2 first."""
    return tuple(name for name, make in _HASHES.items() if make().digest_size == size)


def ecdsa_der(r: bytes, s: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def _check(
    key: PublicKey,
    signature: bytes,
    hashed: bytes,
    scheme: str,
    algorithm: hashes.HashAlgorithm,
    any_salt: bool,
) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = (key.curve.key_size + 7) // 8
        if len(signature) != 2 * half:
            raise InvalidSignature
        der = ecdsa_der(signature[:half], signature[half:])
        key.verify(der, hashed, ec.ECDSA(Prehashed(algorithm)))
    elif scheme == "rsapss":
        length = padding.PSS.AUTO if any_salt else padding.PSS.DIGEST_LENGTH
        salted = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=length)
        key.verify(signature, hashed, salted, Prehashed(algorithm))
    else:
        key.verify(signature, hashed, padding.PKCS1v15(), Prehashed(algorithm))


def verifies(
    key: PublicKey,
    signature: bytes,
    data: bytes,
    *,
    signing: str,
    hashing: str,
    any_salt: bool = False,
) -> bool | None:
    """Is it this key's signature over the hash of `data`? ECDSA as r || s; the salt of RSAPSS is
    as long as the digest, or of `any_salt`. None: it cannot be said, because key or algorithms
    are not supported. Never raises."""
    if hashing not in _HASHES or signing not in signings_of(key):
        return None
    try:
        scheme = signing.partition("-")[0]
        _check(key, signature, digest(hashing, data), scheme, _HASHES[hashing](), any_salt)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        return None
    return True
