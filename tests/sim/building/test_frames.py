"""Modbus frames from the specification's own examples, cut anywhere, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from iolaus.sim.building.bus import transaction_s
from iolaus.sim.building.modbus import RtuFrames, TcpFrames, crc16, rtu_frame, tcp_frame


@given(st.binary(max_size=64))
def test_check_sum_is_that_of_others(data: bytes) -> None:
    assert crc16(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


FRAME = st.tuples(st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=1, max_size=40))


@given(st.lists(FRAME, max_size=4), st.integers(1, 9))
def test_tcp_frames_cut_anywhere(frames: list[tuple[int, int, bytes]], size: int) -> None:
    data = b"".join(tcp_frame(*frame) for frame in frames)
    reader = TcpFrames()
    found = [f for at in range(0, len(data), size) for f in reader.feed(data[at : at + size])]
    assert found == frames
    assert not reader.broken


@pytest.mark.parametrize("head", [b"\0\1\0\1\0\6", b"\0\1\0\0\0\1", b"\0\1\0\0\4\0"])
def test_what_is_no_modbus_breaks_the_stream(head: bytes) -> None:
    reader = TcpFrames()
    assert list(reader.feed(head + bytes(8))) == []
    assert reader.broken


@given(st.binary(max_size=600))
def test_serial_reader_bears_anything(data: bytes) -> None:
    reader = RtuFrames()
    for at in range(0, len(data), 7):
        list(reader.feed(data[at : at + 7]))


def test_serial_reader_finds_its_feet_after_a_garbled_frame() -> None:
    good = rtu_frame(192, b"\x03\x00\x52\x00\x01")
    reader = RtuFrames()
    assert list(reader.feed(good[:-1] + bytes((good[-1] ^ 1,)))) == []
    assert reader.crc_errors == 1
    assert list(reader.feed(good)) == [(192, b"\x03\x00\x52\x00\x01")]


def test_line_time_is_that_of_the_literature() -> None:
    """Six rectifiers, 31 registers each: 342 ms at 19200 and 107 ms at 115200 baud were
    computed by others with slightly shorter silences."""
    for baud, seconds in ((19200, 0.342), (115200, 0.107)):
        assert 6 * transaction_s(baud, 8, 67) == pytest.approx(seconds, rel=0.12)
    assert transaction_s(0, 8, 67) == 0.0
