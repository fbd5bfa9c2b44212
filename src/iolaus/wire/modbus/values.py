"""Words to values and back: the only place where a register's format is understood.

A unit may answer anything, so any list of words gives a value or a reason: nothing here raises
for what a device said. What cannot be a number (not-a-number, infinite) is unknown, as is the raw
value by which the unit itself says so.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import isfinite
from typing import Final, NamedTuple

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.modbus.registers import Register

_RANGES: Final = {
    "uint16": (0, 0xFFFF),
    "bits": (0, 0xFFFF),
    "int16": (-0x8000, 0x7FFF),
    "uint32": (0, 0xFFFF_FFFF),
    "int32": (-0x8000_0000, 0x7FFF_FFFF),
}


class Value(NamedTuple):
    """`number` for all but text; flags are the word as it is. `reason`: why neither is known."""

    number: float | None = None
    text: str | None = None
    reason: str = ""


def decode(reg: Register, words: Sequence[int]) -> Value:
    """What the words of a register say. Never raises."""
    if len(words) != reg.count or min(words) < 0 or max(words) > 0xFFFF:
        return Value(reason=f"answered {len(words)} of {reg.count} words")
    if reg.format == "ascii":
        return _text(_bytes(words))
    data = _bytes(words)
    raw = int.from_bytes(data, "big")
    if reg.unknown is not None and raw == reg.unknown:
        return Value(reason="the unit says that it does not know")
    if reg.format == "float32":
        return _scaled(reg, struct.unpack(">f", data)[0])
    if reg.format in ("int16", "int32"):
        raw = int.from_bytes(data, "big", signed=True)
    return _scaled(reg, float(raw))


def encode(reg: Register, value: float) -> list[int]:
    """The words that say `value`. Raises `OperatorMust` for what the register cannot take."""
    if reg.access != "rw" or reg.format in ("ascii", "float32"):
        raise _unfit(reg, "it is not written")
    if not isfinite(value) or _outside(reg, value):
        raise _unfit(reg, f"{value:g} is outside {_say(reg.low)} to {_say(reg.high)} {reg.unit}")
    raw = round((value - reg.shift) / reg.multiplier)
    low, high = _RANGES[reg.format]
    if not low <= raw <= high:
        raise _unfit(reg, f"{value:g} does not fit into {reg.format}")
    data = (raw % (1 << 16 * reg.count)).to_bytes(2 * reg.count, "big")
    return [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]


def raised(reg: Register, word: float) -> frozenset[str]:
    """The flags that are active in a word of flags."""
    raw = int(word)
    return frozenset(bit.name for bit in reg.bits if raw >> bit.bit & 1 == bit.active)


def _bytes(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


def _scaled(reg: Register, raw: float) -> Value:
    value = raw * reg.multiplier + reg.shift
    if not isfinite(value):
        return Value(reason="the unit answers no number")
    return Value(number=value)


def _text(data: bytes) -> Value:
    """Printable ASCII up to the first zero; blanks around it and bytes that are none go."""
    shown = data.split(b"\0")[0].decode("ascii", "replace")
    clean = "".join(each for each in shown if each.isprintable() and each != "\ufffd").strip()
    return Value(text=clean) if clean else Value(reason="the unit answers no text")


def _outside(reg: Register, value: float) -> bool:
    return (reg.low is not None and value < reg.low) or (reg.high is not None and value > reg.high)


def _say(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _unfit(reg: Register, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="write register",
        subject=reg.name,
        code="RegisterValue",
        next_step="give a value within the limits of the register's map.",
    )
