"""The bytes of a signed answer to a `Transcript` (DSP0274, GET_MEASUREMENTS; DSP0266 gives them
as SignedMeasurements).

At 1.0 and 1.1 they are pairs of request and answer; from 1.2 on the negotiation comes first. One
pair per index may be asked for; the last alone is signed, for all. Nothing is taken from the end:
the length of the signature follows from the signed negotiation, or before 1.2 from the key that
the caller has.
"""

from __future__ import annotations

from iolaus.wire.octets import Octets
from iolaus.wire.spdm.algorithms import MEASUREMENT_HASH, SIGNINGS
from iolaus.wire.spdm.negotiation import (
    FIRST,
    GET_VERSION,
    Header,
    read_header,
    read_negotiation,
    version_text,
)
from iolaus.wire.spdm.transcript import ALL, COUNT, KINDS, Block, Negotiated, Pair, Transcript

GET_MEASUREMENTS, MEASUREMENTS = 0xE0, 0x60
_V11, _V12, _V13 = 0x11, 0x12, 0x13
_SIGN, _RAW_BIT = 0x01, 0x80
_NONCE, _CONTEXT = 32, 8
_DMTF = 1
_CHANGED = {1: True, 2: False}
_DIGESTS = {each.name: each.size for each in MEASUREMENT_HASH.values()}


def _begins_with_negotiation(data: bytes) -> bool:
    return data[:2] == bytes((FIRST, GET_VERSION))


def _block(record: Octets, digest_size: int) -> Block:
    index = record.number(1, "a block")
    specification = record.number(1, "a block")
    if index in (0, ALL):
        raise record.wrong("index-impossible", f"a block of index {index}")
    if specification != _DMTF:
        told = f"block {index} follows specification {specification}, not DMTF's"
        raise record.wrong("specification-unknown", told)
    body = record.within(record.number(2, "a block"), f"block {index}")
    kind = body.number(1, "a block's type")
    value = body.sized(2, f"the value of block {index}")
    body.end(f"the value of block {index}")
    raw = bool(kind & _RAW_BIT)
    if not raw and digest_size and len(value) != digest_size:
        told = f"block {index} has a digest of {len(value)} bytes, not {digest_size}"
        raise record.wrong("digest-size", told)
    name = KINDS.get(kind & 0x7F, f"reserved-{kind & 0x7F}")
    return Block(index=index, kind=name, value=value, raw=raw)


def _record(octets: Octets, operation: int, digest_size: int) -> tuple[Block, ...]:
    count = octets.number(1, "the number of blocks")
    record = octets.within(octets.number(3, "the record's length"), "the measurement record")
    blocks = tuple(_block(record, digest_size) for _ in range(count))
    record.end("the last block")
    indices = [block.index for block in blocks]
    if len(set(indices)) != count:
        raise octets.wrong("index-duplicate", "two blocks of one index")
    if operation == COUNT and blocks:
        raise octets.wrong("not-asked", "blocks where their number was asked for")
    if operation not in (COUNT, ALL) and indices != [operation]:
        raise octets.wrong("not-asked", f"blocks {indices} where {operation} was asked for")
    return blocks


def _request(octets: Octets, version: int) -> tuple[Header, bytes | None, int | None, bytes]:
    """Header, nonce, slot and context of the next GET_MEASUREMENTS."""
    what = "GET_MEASUREMENTS"
    header = read_header(octets, GET_MEASUREMENTS, what, version=version)
    nonce, slot = None, None
    if header.param1 & _SIGN:
        nonce = octets.take(_NONCE, what)
        slot = octets.number(1, what) & 0xF if version >= _V11 else None
    return header, nonce, slot, octets.take(_CONTEXT if version >= _V13 else 0, what)


def _pair(octets: Octets, version: int, digest_size: int) -> Pair:
    """The next pair, up to a signature."""
    asked, nonce, slot, context = _request(octets, version)
    got = read_header(octets, MEASUREMENTS, "MEASUREMENTS", version=version)
    blocks = _record(octets, asked.param2, digest_size)
    responder_nonce = octets.take(_NONCE, "the responder's nonce")
    opaque = octets.sized(2, "opaque data")
    if octets.take(len(context), "the requester's context") != context:
        raise octets.wrong("context-differs", "the requester's context was not echoed")
    return Pair(
        operation=asked.param2,
        nonce=nonce,
        slot=slot,
        answered=got.param2 & 0xF,
        changed=_CHANGED.get(got.param2 >> 4 & 0x3) if version >= _V12 else None,
        total=got.param1 if asked.param2 == COUNT else 0,
        blocks=blocks,
        responder_nonce=responder_nonce,
        opaque=opaque,
    )


def _pairs(octets: Octets, version: int, digest_size: int) -> tuple[Pair, ...]:
    """Pairs up to the one that asked for a signature, or to the end where none did."""
    pairs = [_pair(octets, version, digest_size)]
    while octets.left and pairs[-1].nonce is None:
        pairs.append(_pair(octets, version, digest_size))
    return tuple(pairs)


def _agreeing(octets: Octets, pairs: tuple[Pair, ...]) -> None:
    """One index, asked for twice, has one value."""
    seen: dict[int, Block] = {}
    for block in (block for pair in pairs for block in pair.blocks):
        if seen.setdefault(block.index, block) != block:
            told = f"block {block.index} has two values"
            raise octets.wrong("index-duplicate", told)


def _version_of(data: bytes, octets: Octets) -> int:
    """The version of pairs without negotiation."""
    version = data[0] if data else FIRST
    if version >= _V12:
        told = f"{version_text(version)} without the negotiation that is signed with it"
        raise octets.wrong("negotiation-missing", told)
    return version


def _signature(octets: Octets, negotiated: Negotiated | None, size: int | None) -> bytes:
    if negotiated is not None:
        size = SIGNINGS.get(negotiated.signing)
        if size is None:
            raise octets.wrong("algorithm-unknown", "a signature, and no algorithm was selected")
    if size is None:
        raise octets.wrong("algorithm-unknown", "nothing says how long the signature is")
    return octets.take(size, "the signature")


def parse_transcript(
    data: bytes, *, signature_size: int | None = None, subject: str = "SPDM measurements"
) -> Transcript:
    """Read a signed answer whole. `signature_size` is that of the leaf's key in bytes; it counts
    before 1.2 only, later the signed negotiation says it.

    Raises `EvidenceMalformed`, nothing else.
    """
    octets = Octets(data, subject=subject)
    negotiated = None
    if _begins_with_negotiation(data):
        version, negotiated = read_negotiation(octets)
    else:
        version = _version_of(data, octets)
    digest_size = _DIGESTS[negotiated.measurement_hashing] if negotiated else 0
    pairs = _pairs(octets, version, digest_size)
    _agreeing(octets, pairs)
    signed, signature = data[: octets.at], b""
    if pairs[-1].nonce is not None:
        signature = _signature(octets, negotiated, signature_size)
        octets.end("the signature")
    return Transcript(
        version=version_text(version),
        negotiated=negotiated,
        pairs=pairs,
        signed=signed,
        signature=signature,
    )


def peek_version(data: bytes) -> str:
    """The version that measurements speak, without reading them: "1.1", or "" where that would
    take the negotiation."""
    return "" if _begins_with_negotiation(data) or not data else version_text(data[0])
