"""The algorithms SPDM negotiates, by number, name and size (DSP0274, NEGOTIATE_ALGORITHMS).

One name per algorithm throughout the house: "sha384", "sha3-384", "ecdsa-p384", "rsassa-3072",
"rsapss-3072". Redfish and SPDM write them as TPM_ALG_SHA_384 and TPM_ALG_ECDSA_ECC_NIST_P384;
people write both and more, so a name is read without its punctuation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Algorithm(NamedTuple):
    """`size` in bytes: of a digest, or of a signature."""

    name: str
    size: int


BASE_HASH: Final[Mapping[int, Algorithm]] = MappingProxyType(
    {
        0x01: Algorithm("sha256", 32),
        0x02: Algorithm("sha384", 48),
        0x04: Algorithm("sha512", 64),
        0x08: Algorithm("sha3-256", 32),
        0x10: Algorithm("sha3-384", 48),
        0x20: Algorithm("sha3-512", 64),
        0x40: Algorithm("sm3-256", 32),
    }
)
MEASUREMENT_HASH: Final[Mapping[int, Algorithm]] = MappingProxyType(
    {0x01: Algorithm("", 0)} | {bit << 1: each for bit, each in BASE_HASH.items()}
)
"""The first bit says that values come raw only."""
BASE_ASYMMETRIC: Final[Mapping[int, Algorithm]] = MappingProxyType(
    {
        0x001: Algorithm("rsassa-2048", 256),
        0x002: Algorithm("rsapss-2048", 256),
        0x004: Algorithm("rsassa-3072", 384),
        0x008: Algorithm("rsapss-3072", 384),
        0x010: Algorithm("ecdsa-p256", 64),
        0x020: Algorithm("rsassa-4096", 512),
        0x040: Algorithm("rsapss-4096", 512),
        0x080: Algorithm("ecdsa-p384", 96),
        0x100: Algorithm("ecdsa-p521", 132),
        0x200: Algorithm("sm2-p256", 64),
        0x400: Algorithm("ed25519", 64),
        0x800: Algorithm("ed448", 114),
    }
)
POST_QUANTUM: Final[Mapping[int, Algorithm]] = MappingProxyType(
    {
        0x1: Algorithm("ml-dsa-44", 2420),
        0x2: Algorithm("ml-dsa-65", 3309),
        0x4: Algorithm("ml-dsa-87", 4627),
    }
)
"""PqcAsymAlgo (1.4). Known by size, so that a transcript can be read; not verified."""

HASHINGS: Final[Mapping[str, int]] = MappingProxyType({a.name: a.size for a in BASE_HASH.values()})
SIGNINGS: Final[Mapping[str, int]] = MappingProxyType(
    {a.name: a.size for a in (*BASE_ASYMMETRIC.values(), *POST_QUANTUM.values())}
)


def _letters(text: str) -> str:
    kept = "".join(each for each in text.lower() if each.isalnum())
    for word in ("tpmalg", "eccnist", "ecc"):
        kept = kept.replace(word, "")
    return kept


_KNOWN: Final = MappingProxyType({_letters(name): name for name in (*HASHINGS, *SIGNINGS)})


def algorithm_name(text: str) -> str:
    """The name used here for one written elsewhere ("TPM_ALG_SHA3_384", "ECDSA_P384", "SHA-256"),
    or "" where it names none that is known."""
    return _KNOWN.get(_letters(text), "")
