"""Register maps: what stands where in a Modbus unit, as data of our own writing.

A map is a TOML file of `maps/`: a line a register with address, count, format, scale, shift, unit,
access, rate and meaning. Addresses and formats of the open rack's units are facts of their
specifications; which of them are worth reading, how often and what they are called is ours. A
register of a map need not be there: firmware differs, so what a unit refuses is left out for that
unit and said (`bus`). All words are 16 bits, the most significant first (Modbus Application
Protocol 1.1b3, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from importlib.resources import files
from typing import Final, Literal

import msgspec

from iolaus.kernel.errors import OperatorMust

Format = Literal["uint16", "int16", "uint32", "int32", "float32", "bits", "ascii"]
Rate = Literal["fast", "medium", "slow", "once"]
Thing = Literal["psu", "bbu", "pmm", "cdu"]
WORDS: Final[Mapping[str, int]] = {
    "uint16": 1,
    "int16": 1,
    "bits": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
}
MOST_WORDS: Final = 125
"""Of one read (section 6.3)."""


class Bit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flag. `active` is the level at which it says something; `alarm` makes that an alarm of
    this severity, else it is a state."""

    bit: int
    name: str
    active: Literal[0, 1] = 1
    alarm: Literal["Warning", "Critical", ""] = ""
    role: str = ""


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A value is `raw * scale + shift` in `unit`; `scale` may be a fraction ("1/128"), which is
    how binary fixed point is written. `unknown` is the raw value by which the unit says that it
    does not know. `sticky` says how bits that stay set are cleared: "read" (reading does it) or
    "register.bit", to be written 1. `low` and `high` bound what we write."""

    at: int
    name: str
    meaning: str
    count: int = 1
    format: Format = "uint16"
    scale: float | str = 1
    shift: float = 0.0
    unit: str = ""
    quantity: str = ""
    role: str = ""
    access: Literal["r", "rw"] = "r"
    rate: Rate = "slow"
    unknown: int | None = None
    low: float | None = None
    high: float | None = None
    sticky: str = ""
    bits: Sequence[Bit] = ()

    @property
    def factor(self) -> Fraction:
        return Fraction(str(self.scale))

    @cached_property
    def multiplier(self) -> float:
        """`factor`, ready to multiply with."""
        return float(self.factor)

    @property
    def end(self) -> int:
        """The address behind its last word."""
        return self.at + self.count


class RegisterMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """`units` are the unit numbers it is expected at, `step` the distance from one shelf's units
    to the next one's; `probe` are registers that, all answering, tell it from others there."""

    name: str
    title: str
    thing: Thing
    units: tuple[int, int]
    probe: tuple[int, ...]
    step: int = 1
    registers: Sequence[Register] = ()

    def __getitem__(self, name: str) -> Register:
        return self.named[name]

    @cached_property
    def named(self) -> Mapping[str, Register]:
        return {reg.name: reg for reg in self.registers}

    def holds(self, unit: int) -> bool:
        return self.units[0] <= unit <= self.units[1]


@cache
def map_names() -> Sequence[str]:
    folder = files("iolaus.wire.modbus").joinpath("maps")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir())


def all_maps() -> Iterator[RegisterMap]:
    return map(load_map, map_names())


@cache
def load_map(name: str) -> RegisterMap:
    """A map of ours. Raises `OperatorMust` for a name that is none."""
    if name not in map_names():
        raise OperatorMust(
            f"there is no register map of this name; there are {', '.join(map_names())}",
            operation="find register map",
            subject=name[:60],
            code="RegisterMapUnknown",
            next_step="name one of them, or leave `map=` out and let the unit be recognised.",
        )
    text = files("iolaus.wire.modbus").joinpath(f"maps/{name}.toml").read_text("utf-8")
    return parse_map(text, source=f"{name}.toml")


def parse_map(text: str, *, source: str) -> RegisterMap:
    """Raises `OperatorMust` with the line that is not sound."""
    try:
        found = msgspec.toml.decode(text, type=RegisterMap)
    except msgspec.MsgspecError as error:
        raise _unsound(source, str(error)) from None
    taken: dict[int, str] = {}
    for reg in found.registers:
        for why in _faults(reg):
            raise _unsound(source, f"{reg.name}: {why}")
        for at in range(reg.at, reg.end):
            if at in taken:
                raise _unsound(source, f"{reg.name}: address {at} is {taken[at]}'s")
            taken[at] = reg.name
    if len(found.named) < len(found.registers):
        raise _unsound(source, "two registers have one name")
    for reg in found.registers:
        if reg.sticky not in ("", "read") and not _clears(found, reg.sticky):
            raise _unsound(source, f"{reg.name}: {reg.sticky} is no bit that can be written")
    return found


def clearing(found: RegisterMap, reg: Register) -> tuple[Register, int] | None:
    """The register and the bit by which sticky bits are cleared; None where none does."""
    name, _, bit = reg.sticky.partition(".")
    place = found.named.get(name)
    return None if place is None else (place, next(b.bit for b in place.bits if b.name == bit))


def _clears(found: RegisterMap, word: str) -> bool:
    name, _, bit = word.partition(".")
    reg = found.named.get(name)
    return reg is not None and reg.access == "rw" and any(b.name == bit for b in reg.bits)


def _faults(reg: Register) -> Iterator[str]:
    if not 0 <= reg.at <= 0xFFFF - reg.count + 1 or not 1 <= reg.count <= MOST_WORDS:
        yield "out of the address space"
    if reg.count != WORDS.get(reg.format, reg.count):
        yield f"{reg.format} has {WORDS[reg.format]} words"
    try:
        if reg.factor == 0:
            yield "scale 0 says nothing"
    except (ValueError, ZeroDivisionError):
        yield "scale is a number or a fraction"
    if bool(reg.bits) != (reg.format == "bits"):
        yield "flags, and only flags, have bits"
    if any(not 0 <= bit.bit <= 15 for bit in reg.bits):
        yield "a bit is 0 to 15"


def _unsound(source: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read register map",
        subject=source,
        code="RegisterMapWrong",
        next_step="correct the line; docs/building.md explains the fields.",
    )
