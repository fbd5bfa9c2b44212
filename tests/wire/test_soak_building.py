"""Ten minutes of spoilt bytes for each parser of what the building side says."""

from __future__ import annotations

from iolaus.wire.dsx.flex import Judge, Untrusted
from iolaus.wire.dsx.point import Topic, parse_metadata, parse_topic, parse_value
from iolaus.wire.modbus.registers import all_maps
from iolaus.wire.modbus.values import decode
from tests.wire.dsx.test_flex import AT, KEYS, TOPIC, event
from tests.wire.soaking import Parser, soak, soaks

REGISTERS = [reg for found in all_maps() for reg in found.registers]


def _words(data: bytes) -> object:
    words = [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]
    return [decode(reg, words[: reg.count]) for reg in REGISTERS]


def _point(data: bytes) -> object:
    parse_topic(data.decode("utf-8", "replace"))
    metadata = parse_metadata(data, Topic("PUB", True, "CDU/LiquidFlow/s/cdu1/flow"))
    return parse_value(data), metadata


def _target(data: bytes) -> object:
    return Judge(KEYS, since=0.0).load_targets(TOPIC, data, at=AT)


METADATA = b"""{"objectType":"CDU","pointType":"LiquidFlow","objectId":"c","objectName":"c",
"engUnit":"LPM","processArea":["Secondary"],"stateText":[{"value":0,"text":"No"}]}"""
PARSERS: dict[str, Parser] = {
    "modbus-words": (_words, (b"PSU-9\0\0\0" + bytes(range(24)), b"\x7f\xc0\0\0\xff\xff\xff\xff")),
    "points": (_point, (METADATA, b'{"value":1.5,"timestamp":1743620423000,"quality":1}')),
    "load-targets": (_target, (event(),)),
}


@soaks(PARSERS)
def test_any_bytes_are_a_value_or_the_one_error(name: str) -> None:
    soak(name, PARSERS[name], Untrusted)
