"""Modbus without a socket: requests in, answers out, by the book.

Written from the specification (Modbus Application Protocol 1.1b3, Modbus over Serial Line 1.02)
and not with the library that a product would use to read it, so that a mistake of one is seen by
the other. Functions 3, 6 and 16 are what these units know; all else is refused, as is any request
that does not add up. Frames come in through `TcpFrames` and `RtuFrames`, which bound what they
keep and never raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from iolaus.sim.building.unit import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Refused, Unit

READ, WRITE_ONE, WRITE = 3, 6, 16
MOST_READ, MOST_WRITTEN, MOST_PDU = 125, 123, 253


def answer(unit: Unit, pdu: bytes) -> bytes:
    """The answer's PDU; an exception answer for what is refused."""
    function = pdu[0] if pdu else 0
    try:
        if function == READ:
            return _read(unit, pdu)
        if function == WRITE_ONE:
            return _write_one(unit, pdu)
        if function == WRITE:
            return _write(unit, pdu)
        raise Refused(ILLEGAL_FUNCTION)
    except Refused as refusal:
        return exception(function, refusal.code)


def exception(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))


def _read(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) != 5 or not 1 <= _word(pdu, 3) <= MOST_READ:
        raise Refused(ILLEGAL_VALUE)
    words = unit.read(_word(pdu, 1), _word(pdu, 3))
    return bytes((READ, 2 * len(words))) + b"".join(word.to_bytes(2, "big") for word in words)


def _write_one(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise Refused(ILLEGAL_VALUE)
    unit.write(_word(pdu, 1), [_word(pdu, 3)])
    return pdu


def _write(unit: Unit, pdu: bytes) -> bytes:
    count = _word(pdu, 3) if len(pdu) > 5 else 0
    if not 1 <= count <= MOST_WRITTEN or pdu[5] != 2 * count or len(pdu) != 6 + 2 * count:
        raise Refused(ILLEGAL_VALUE)
    unit.write(_word(pdu, 1), [_word(pdu, 6 + 2 * n) for n in range(count)])
    return pdu[:5]


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


class TcpFrames:
    """Requests out of a TCP stream: (transaction, unit, PDU)."""

    def __init__(self) -> None:
        self._data = b""
        self.broken = False

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """`broken` is set when the stream is no Modbus; it cannot be read any further then."""
        self._data += data
        while len(self._data) >= 7 and not self.broken:
            length = _word(self._data, 4)
            if _word(self._data, 2) or not 2 <= length <= MOST_PDU + 1:
                self.broken = True
                return
            if len(self._data) < 6 + length:
                return
            frame, self._data = self._data[: 6 + length], self._data[6 + length :]
            yield _word(frame, 0), frame[6], frame[7:]


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    head = transaction.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big")
    return head + bytes((unit,)) + pdu


class RtuFrames:
    """Requests out of a serial line: (unit, PDU). `crc_errors` counts what did not check."""

    def __init__(self) -> None:
        self._data = b""
        self.crc_errors = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._data = (self._data + data)[-4 * MOST_PDU :]
        while (length := self._length()) and len(self._data) >= length:
            frame, self._data = self._data[:length], self._data[length:]
            if crc16(frame[:-2]) != frame[-2:]:
                self.crc_errors += 1
                self._data = b""  # as a unit does that waits for silence
                return
            yield frame[0], frame[1:-2]

    def _length(self) -> int:
        """Of the frame that begins here; 0 while it is not known."""
        if len(self._data) < 2:
            return 0
        if self._data[1] == WRITE:
            return 9 + self._data[6] if len(self._data) > 6 else 0
        return 8


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body)


def crc16(data: bytes) -> bytes:
    """As it is sent: the low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))
