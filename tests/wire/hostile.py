"""Bytes that nearly are what a parser wants, for fuzzing; and honest ones to begin with.

The honest ones are the simulated hall's, which shares no code with any parser.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

from hypothesis import strategies as st

from iolaus.sim.roots import tpm
from iolaus.sim.roots.algorithms import HASHINGS, SHA256
from iolaus.sim.roots.questions import TpmQuestion
from tests.sim.roots.world import NONCE, platform, responder

TPM_ASKED = TpmQuestion(nonce=NONCE, selection=[(SHA256, range(10))])


@lru_cache
def measurements(version: str, indices: tuple[int, ...] = (0xFF,), opaque: str = "") -> bytes:
    return responder(version=version, opaque=opaque).transcript(NONCE, indices)


@lru_cache
def chain() -> bytes:
    return responder().certified(0).spdm(HASHINGS["SHA_384"])


@lru_cache
def chain_pem() -> bytes:
    return responder().certified(0).pem.encode()


@lru_cache
def signed_quote(key: str = "ecc") -> bytes:
    scheme = tpm.ECDSA if key == "ecc" else tpm.RSASSA
    return platform(keys=("ecc", "rsa")).quote(replace(TPM_ASKED, key=key, scheme=scheme))


@lru_cache
def event_log() -> bytes:
    return platform().log()


def split_quote(data: bytes) -> tuple[bytes, bytes]:
    """TPMS_ATTEST and TPMT_SIGNATURE of what the hall answers."""
    size = int.from_bytes(data[:2], "big")
    return data[2 : 2 + size], data[2 + size :]


def spoilt(seed: bytes, chance: random.Random) -> bytes:
    """The seed with a few changes: bytes, cuts, insertions, extreme numbers."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[at : at + chance.randint(1, 40)]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 40))
        elif kind == 3:
            data[at : at + 2] = chance.choice([b"\xff\xff", b"\0\0", b"\x80\0", b"\0\x80"])
        else:
            data = data[:at]
    return bytes(data)


def hostile(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, or a seed that was spoilt."""

    def damage(seed: bytes, number: int) -> bytes:
        return spoilt(seed, random.Random(number))

    near = st.builds(damage, st.sampled_from(seeds), st.integers(0, 1 << 40))
    return st.one_of(st.binary(max_size=200), near)
