"""Ten minutes of spoilt bytes for each parser of what the building side says."""

from __future__ import annotations

from iolaus.wire.modbus.registers import all_maps
from iolaus.wire.modbus.values import decode
from iolaus.wire.octets import EvidenceMalformed
from tests.wire.soaking import Parser, soak, soaks

REGISTERS = [reg for found in all_maps() for reg in found.registers]


def _words(data: bytes) -> object:
    words = [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]
    return [decode(reg, words[: reg.count]) for reg in REGISTERS]


PARSERS: dict[str, Parser] = {
    "modbus-words": (_words, (b"PSU-9\0\0\0" + bytes(range(24)), b"\x7f\xc0\0\0\xff\xff\xff\xff")),
}


@soaks(PARSERS)
def test_any_bytes_are_a_value_or_the_one_error(name: str) -> None:
    soak(name, PARSERS[name], EvidenceMalformed)
