"""Private keys that follow from words: the same seed, the same identity, on every run.

A hall of 10,240 machines has some hundred thousand keys, of which a run uses a few. So none is
made before it is asked for, and none is kept on disk: a key is a function of the hall's seed and
of whose key it is. An elliptic curve takes its scalar from the hash directly. RSA needs two
primes, searched upwards from hashed starting points; that costs half a second for 2,048 bits and
some seconds for 4,096, which is why no persona of the big halls speaks RSA.

Simulated keys protect nothing. Nobody may trust a certificate that descends from them.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_256

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from iolaus.sim.roots.algorithms import Signing

_EXPONENT = 65537
_ROUNDS = 4
_SIEVE = [3] + [n for n in range(5, 4000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
_ORDER = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,  # noqa: E501
    "secp521r1": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}


def noise(*words: str, size: int = 32) -> bytes:
    """Bytes that follow from words."""
    return shake_256("\0".join(words).encode()).digest(size)


def curve_key(curve: ec.EllipticCurve, *words: str) -> ec.EllipticCurvePrivateKey:
    order = _ORDER[curve.name]
    scalar = int.from_bytes(noise("scalar", curve.name, *words, size=80), "big")
    return ec.derive_private_key(scalar % (order - 1) + 1, curve)


def rsa_key(bits: int, *words: str) -> rsa.RSAPrivateKey:
    return _rsa_key(bits, words)


def private_key(signing: Signing, *words: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """The key of whoever `words` name, of the kind that `signing` needs."""
    if signing.curve is not None:
        return curve_key(signing.curve, *words)
    return rsa_key(signing.modulus_bits, *words)


@lru_cache(maxsize=256)
def _rsa_key(bits: int, words: tuple[str, ...]) -> rsa.RSAPrivateKey:
    p = _prime(bits // 2, "p", *words)
    q = _prime(bits // 2, "q", *words)
    p, q = max(p, q), min(p, q)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return numbers.private_key()


def _prime(bits: int, *words: str) -> int:
    """The first usable prime from a hashed start upwards, with its two top bits set."""
    start = int.from_bytes(noise("prime", str(bits), *words, size=bits // 8), "big")
    candidate = start | (3 << (bits - 2)) | 1
    while not (_passes_sieve(candidate) and _is_prime(candidate, words)):
        candidate += 2
    return candidate


def _passes_sieve(candidate: int) -> bool:
    return candidate % _EXPONENT != 1 and all(candidate % prime for prime in _SIEVE)


def _is_prime(candidate: int, words: tuple[str, ...]) -> bool:
    """Miller and Rabin; the bases follow from the words too."""
    if pow(2, candidate - 1, candidate) != 1:
        return False
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    bases = (int.from_bytes(noise("base", str(n), *words), "big") for n in range(_ROUNDS))
    return all(_witnesses(base, candidate, odd, twos) for base in bases)


def _witnesses(base: int, candidate: int, odd: int, twos: int) -> bool:
    x = pow(base, odd, candidate)
    if x in (1, candidate - 1):
        return True
    for _ in range(twos - 1):
        x = x * x % candidate
        if x == candidate - 1:
            return True
    return False
