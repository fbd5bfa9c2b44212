"""Register maps: what a Modbus unit holds, as data of our own.

A map is a TOML file of `maps/`: one line a register, with address, count, format, scale, shift,
unit, access and meaning, and the plant's point behind it. Addresses, formats and scales of the
open rack's units are facts of its specifications; wording and selection are ours, and what a
real unit does not have stands at addresses of its own above theirs.

A value is `raw * scale + shift`; a raw word that the format cannot hold saturates, as sensors do.
What cannot be known now reads as all ones. Words are 16 bits, the most significant first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from importlib.resources import files
from typing import Final, Literal

import msgspec

from iolaus.kernel.errors import OperatorMust

Format = Literal["u16", "i16", "u32", "text", "flags"]
RANGES: Final = {
    "u16": (0, 0xFFFF),
    "i16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "flags": (0, 0xFFFF),
}
UNKNOWN: Final = 0xFFFF


class Bit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One flag. `point` is what it shows ("!" before it: the opposite); `to` is what writing it
    sets. With neither it is kept as written."""

    bit: int
    name: str
    point: str = ""
    to: str = ""


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`point` is what it shows; `to` is what writing it sets; `low` and `high` are guardrails in
    its unit; `default` is what it holds if nothing stands behind it."""

    at: int
    name: str
    meaning: str
    count: int = 1
    format: Format = "u16"
    scale: float | str = 1
    shift: float = 0.0
    unit: str = ""
    access: Literal["r", "rw"] = "r"
    point: str = ""
    to: str = ""
    low: float | None = None
    high: float | None = None
    default: float | str = 0
    bits: Sequence[Bit] = ()

    @property
    def factor(self) -> Fraction:
        return Fraction(str(self.scale))

    @property
    def signed(self) -> bool:
        return self.format == "i16"

    def encode(self, value: float | str | None) -> list[int]:
        """The words that say `value`."""
        if isinstance(value, str):
            data = value.encode("ascii", "replace")[: 2 * self.count].ljust(2 * self.count, b"\0")
            return [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]
        if value is None:
            return [UNKNOWN] * self.count
        low, high = RANGES[self.format]
        raw = min(high, max(low, round((value - self.shift) / float(self.factor))))
        return words(raw, self.count)

    def decode(self, data: Sequence[int]) -> float:
        """The value that the words say."""
        raw = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in data), "big")
        if self.signed and raw > RANGES["i16"][1]:
            raw -= 0x1_0000
        return raw * float(self.factor) + self.shift


class RegisterMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """`unit` is the first unit number on a bus, `step` the distance from one shelf's to the next;
    `baud` is the speed of its serial line (0: it speaks TCP itself)."""

    name: str
    title: str
    unit: int
    step: int = 1
    baud: int = 0
    registers: Sequence[Register] = ()

    @cached_property
    def places(self) -> Mapping[int, tuple[Register, int]]:
        """By address: the register that covers it and the number of its word."""
        return {reg.at + n: (reg, n) for reg in self.registers for n in range(reg.count)}

    def __getitem__(self, name: str) -> Register:
        return self._named[name]

    @cached_property
    def _named(self) -> Mapping[str, Register]:
        return {reg.name: reg for reg in self.registers}


def words(raw: int, count: int) -> list[int]:
    data = (raw % (1 << 16 * count)).to_bytes(2 * count, "big")
    return [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]


def map_names() -> Sequence[str]:
    folder = files("iolaus.sim.building").joinpath("maps/modbus")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir())


@cache
def load_map(name: str) -> RegisterMap:
    """A map of `maps/modbus`. Raises OperatorMust if it is not sound."""
    text = files("iolaus.sim.building").joinpath(f"maps/modbus/{name}.toml").read_bytes()
    return parse_map(text, source=f"{name}.toml")


def parse_map(text: bytes, *, source: str) -> RegisterMap:
    try:
        found = msgspec.toml.decode(text, type=RegisterMap)
    except msgspec.MsgspecError as error:
        raise _unsound(source, str(error)) from None
    covered: dict[int, str] = {}
    for reg in found.registers:
        for at in range(reg.at, reg.at + reg.count):
            if at in covered or not 0 <= at <= 0xFFFF:
                raise _unsound(source, f"{reg.name}: address {at} is taken or out of range")
            covered[at] = reg.name
        if reg.format in ("u16", "i16", "flags") and reg.count != 1:
            raise _unsound(source, f"{reg.name}: {reg.format} is one word")
    return found


def _unsound(source: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read register map",
        subject=source,
        code="RegisterMapWrong",
        next_step="Correct the line; docs/building-side.md explains the fields.",
    )
