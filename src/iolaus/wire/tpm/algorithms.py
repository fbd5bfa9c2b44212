"""TPM_ALG_ID by name ("TCG Algorithm Registry"), for hashes and signature schemes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

NULL: Final = 0x0010
RSA: Final = 0x0001
ECC: Final = 0x0023


class Hash(NamedTuple):
    name: str
    size: int


HASHES: Final[Mapping[int, Hash]] = MappingProxyType(
    {
        0x0004: Hash("sha1", 20),
        0x000B: Hash("sha256", 32),
        0x000C: Hash("sha384", 48),
        0x000D: Hash("sha512", 64),
        0x0012: Hash("sm3-256", 32),
        0x0027: Hash("sha3-256", 32),
        0x0028: Hash("sha3-384", 48),
        0x0029: Hash("sha3-512", 64),
    }
)
SCHEMES: Final[Mapping[int, str]] = MappingProxyType(
    {0x0014: "rsassa", 0x0016: "rsapss", 0x0018: "ecdsa"}
)
CURVES: Final[Mapping[int, str]] = MappingProxyType(
    {0x0003: "p256", 0x0004: "p384", 0x0005: "p521"}
)
SIZES: Final[Mapping[str, int]] = MappingProxyType(
    {each.name: each.size for each in HASHES.values()}
)
