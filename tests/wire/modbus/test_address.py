"""Names of buses: every word that is good, and a clear error for all else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.modbus.address import is_modbus, parse_bus


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("modbus+tcp://10.0.0.5", "modbus+tcp://10.0.0.5:502"),
        ("MODBUS+TCP://Shelf-1:1502", "modbus+tcp://shelf-1:1502"),
        ("modbus+tcp://[fe80::1]:502?unit=1", "modbus+tcp://[fe80::1]:502?unit=1"),
        ("modbus+tcp://a?unit=194,192,193&map=hpr-psu", "modbus+tcp://a:502?unit=192-194&map=hpr-psu"),
        ("modbus+rtu:///dev/ttyUSB0", "modbus+rtu:///dev/ttyUSB0"),
        ("modbus+rtu:///dev/ttyUSB0?baud=115200&parity=e", "modbus+rtu:///dev/ttyUSB0?baud=115200&parity=E"),
        ("modbus+rtu+tcp://gw:4001?baud=19200", "modbus+rtu+tcp://gw:4001?baud=19200"),
    ],
)  # fmt: skip
def test_a_bus_has_one_name(text: str, normal: str) -> None:
    assert str(parse_bus(text)) == normal
    assert str(parse_bus(normal)) == normal
    assert is_modbus(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://10.0.0.5", "not one of"),
        ("modbus+tcp://", "host name"),
        ("modbus+tcp://user:secret@a", "no user"),
        ("modbus+tcp://a/path", "host name"),
        ("modbus+tcp://a:99999", "ort"),
        ("modbus+tcp://a?unit=300", "0 to 255"),
        ("modbus+tcp://a?unit=9-3", "0 to 255"),
        ("modbus+tcp://a?unit=x", "no list"),
        ("modbus+tcp://a?unit=1&unit=2", "twice"),
        ("modbus+tcp://a?speed=3", "`speed`"),
        ("modbus+tcp://a?map=../x", "register map"),
        ("modbus+rtu://dev/ttyUSB0", "three slashes"),
        ("modbus+rtu:///dev/../etc/passwd", "three slashes"),
        ("modbus+rtu:///dev/ttyS0?baud=1200", "one of 9600"),
        ("modbus+rtu:///dev/ttyS0?parity=X", "N, E or O"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(OperatorMust, match=why) as caught:
        parse_bus(text)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=40)
def test_any_text_is_a_bus_or_the_one_error(text: str) -> None:
    for word in (text, f"modbus+tcp://{text}", f"modbus+rtu:///{text}", f"modbus+tcp://a?{text}"):
        try:
            found = parse_bus(word)
        except OperatorMust:
            continue
        assert parse_bus(str(found)) == found
