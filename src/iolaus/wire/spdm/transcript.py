"""What a signed answer of measurements holds, as values (DSP0274 1.0 to 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

COUNT: Final = 0x00
ALL: Final = 0xFF
"""Operations of GET_MEASUREMENTS that are no index: how many there are, and all at once."""
KINDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "rom",
        1: "mutable-firmware",
        2: "hardware-configuration",
        3: "firmware-configuration",
        4: "manifest",
        5: "device-mode",
        6: "version",
        7: "svn",
        8: "hash-extended",
        9: "informational",
        10: "structured-manifest",
    }
)
"""DMTFSpecMeasurementValueType without its raw bit."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. `kind` is a value of `KINDS`, "reserved-N" where that has none; `value` is
    a digest, or the thing itself if `raw`."""

    index: int
    kind: str
    value: bytes
    raw: bool


class Negotiated(msgspec.Struct, frozen=True, kw_only=True):
    """What VCA settled. Algorithms are names of `algorithms`, "" for none; versions as "1.2"."""

    offered: tuple[str, ...]
    hashing: str
    signing: str
    measurement_hashing: str
    opaque_format: int
    """OtherParamsSelection's: 0 none, 1 the responder's own, 2 the general one."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """GET_MEASUREMENTS and its MEASUREMENTS. `slot` is as asked (None: it was not), `answered` as
    replied; `nonce` is the requester's (None: no signature was asked for); `changed` is None
    before 1.2 and where the responder does not detect it."""

    operation: int
    nonce: bytes | None
    slot: int | None
    answered: int
    changed: bool | None
    total: int
    blocks: tuple[Block, ...]
    responder_nonce: bytes
    opaque: bytes


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """`signed` is what was signed (before any prefix and hash); `signature` is empty if the last
    pair asked for none. `negotiated` is None before 1.2, where VCA is not part of it."""

    version: str
    negotiated: Negotiated | None
    pairs: tuple[Pair, ...]
    signed: bytes
    signature: bytes

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for pair in self.pairs for block in pair.blocks)

    @property
    def last(self) -> Pair:
        return self.pairs[-1]
