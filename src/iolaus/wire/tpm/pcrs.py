"""Register values beside a quote, in the forms that tools write them.

A quote signs one digest over the values it selects, so they come separately: bare (one after
another, in the order of the selection), as `tpm2_pcrread` prints them, or as the structures that
`tpm2_quote -o` stores (little-endian, TPML_PCR_SELECTION and TPML_DIGEST with their full room).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from iolaus.wire.octets import EvidenceMalformed, Octets
from iolaus.wire.tpm.algorithms import HASHES, SIZES
from iolaus.wire.tpm.quote import MAX_BANKS, PcrBank

Values = Mapping[str, Mapping[int, bytes]]
"""Bank -> register -> value."""

_SUBJECT: Final = "PCR values"
_SELECTION_ROOM, _DIGESTS, _DIGEST_ROOM = 8, 8, 64
_STORED: Final = 4 + MAX_BANKS * _SELECTION_ROOM
_BANK: Final = re.compile(r"^\s*(sha[0-9_]+|sm3_256)\s*:\s*$")
_VALUE: Final = re.compile(r"^\s*(\d{1,2})\s*:\s*0x([0-9A-Fa-f]{40,128})\s*$")


def _wrong(reason: str, message: str) -> EvidenceMalformed:
    return EvidenceMalformed(reason, message, subject=_SUBJECT)


def _text(data: bytes) -> Values:
    held: dict[str, dict[int, bytes]] = {}
    bank: dict[int, bytes] | None = None
    for line in data.decode("ascii").splitlines():
        if found := _BANK.match(line):
            bank = held.setdefault(found[1].replace("_", "-"), {})
        elif (found := _VALUE.match(line)) and bank is not None and len(found[2]) % 2 == 0:
            bank[int(found[1])] = bytes.fromhex(found[2])
        elif line.strip():
            raise _wrong("line-unknown", "a line that is neither a bank nor a value")
    return held


def _places(banks: Sequence[PcrBank]) -> Iterator[tuple[str, int]]:
    return ((bank.hashing, pcr) for bank in banks for pcr in bank.pcrs)


def _bare(data: bytes, banks: Sequence[PcrBank]) -> Values:
    octets = Octets(data, subject=_SUBJECT)
    held: dict[str, dict[int, bytes]] = {}
    for hashing, pcr in _places(banks):
        held.setdefault(hashing, {})[pcr] = octets.take(SIZES[hashing], f"PCR {pcr}")
    octets.end("the last value")
    return held


def _selection(octets: Octets) -> PcrBank:
    number, size = octets.number(2, "a bank"), octets.number(1, "a bank")
    bits = int.from_bytes(octets.take(4, "a bank")[: min(size, 4)], "little")
    octets.take(1, "a bank")
    if number not in HASHES:
        raise octets.wrong("algorithm-unknown", f"a bank of {number:#06x}")
    pcrs = tuple(n for n in range(32) if bits >> n & 1)
    return PcrBank(hashing=HASHES[number].name, pcrs=pcrs)


def _list(octets: Octets) -> list[bytes]:
    """TPML_DIGEST with its full room."""
    count = octets.number(4, "the number of values")
    if count > _DIGESTS:
        raise octets.wrong("count-impossible", f"{count} values in a list")
    held = []
    for n in range(_DIGESTS):
        size = octets.number(2, "a value")
        room = octets.take(_DIGEST_ROOM, "a value")
        if n < count:
            held.append(room[:size])
    return held


def _stored(data: bytes) -> Values:
    octets = Octets(data, subject=_SUBJECT)
    count = octets.number(4, "the number of banks")
    if not 1 <= count <= MAX_BANKS:
        raise octets.wrong("count-impossible", f"{count} banks")
    banks = [_selection(octets) for _ in range(count)]
    octets.take((MAX_BANKS - count) * _SELECTION_ROOM, "the banks")
    lists = octets.number(4, "the number of lists")
    if lists > MAX_BANKS * 4:
        raise octets.wrong("count-impossible", f"{lists} lists of values")
    values = [value for _ in range(lists) for value in _list(octets)]
    octets.end("the last value")
    places = list(_places(banks))
    if len(values) != len(places):
        raise octets.wrong("count-impossible", f"{len(values)} values for {len(places)} registers")
    held: dict[str, dict[int, bytes]] = {}
    for (hashing, pcr), value in zip(places, values, strict=True):
        held.setdefault(hashing, {})[pcr] = value
    return held


def parse_pcrs(data: bytes, banks: Sequence[PcrBank]) -> Values:
    """Values of a file in any of the three forms; `banks` is what the quote selects, which says
    what bare values are. Raises `EvidenceMalformed`."""
    if len(data) == sum(SIZES[hashing] for hashing, _ in _places(banks)):
        return _bare(data, banks)
    if data.isascii() and b":" in data and b"\0" not in data:
        return _text(data)
    if len(data) > _STORED:
        return _stored(data)
    raise _wrong("length-wrong", f"{len(data)} bytes are no values of the registers selected")
