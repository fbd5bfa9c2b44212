"""Which devices are meant: the product's selector words, on a device's labels and names.

    rack=h1-r07,role!=pdu        both hold; values ignore case; `*` stands for anything
    rack in (r07,r08)            one of; `notin` none of
    u>=10                        numbers
    h1-r[01-16]-u[01-18], n7     names: any of them
    pool, !drained               the label is there; is not there

Beside its labels a device has `name`, `address` and `kind` (what its role is). Nothing is shared
with the product's own reading of this: the simulator stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.device import Device

MAX_TEXT: Final = 8_192
_SET: Final = re.compile(r"^([\w./-]+)\s+(in|notin)\s*\(([^()]*)\)$")
_PAIR: Final = re.compile(r"^([\w./-]+)\s*(==|!=|<=|>=|=|<|>)\s*(?!~)([^=<>!()]*)$")
_NAME: Final = re.compile(r"^[\w.*-]*(?:\[[\w.,-]+\][\w.-]*)*$")
Test = Callable[[Mapping[str, str]], bool]


class Selector:
    """Raises OperatorMust for what cannot be read. Nothing selects everything."""

    def __init__(self, text: str = "") -> None:
        if len(text) > MAX_TEXT:
            raise _wrong(text[:40], f"longer than {MAX_TEXT} characters")
        self.text = text.strip()
        self._tests: list[Test] = []
        self._names: list[re.Pattern[str]] = []
        self._bare: list[str] = []
        for piece in _pieces(self.text):
            self._take(piece)

    def concerns(self, device: Device) -> bool:
        words = words_of(device)
        return all(test(words) for test in self._tests) and self._named(words)

    def _named(self, words: Mapping[str, str]) -> bool:
        if not self._names and not self._bare:
            return True
        name = words["name"].casefold()
        if any(pattern.fullmatch(name) for pattern in self._names) or name in self._bare:
            return True
        return not self._names and all(word in words for word in self._bare)

    def _take(self, piece: str) -> None:
        if match := _SET.match(piece):
            key, op, inside = match.groups()
            values = [word.strip() for word in inside.split(",") if word.strip()]
            if not values:
                raise _wrong(self.text, f"`{op} ()` holds no value")
            self._tests.append(_one_of(key, values, wanted=op == "in"))
        elif match := _PAIR.match(piece):
            self._tests.append(_compared(*match.groups(), text=self.text))
        elif piece.startswith("!") and piece[1:].strip():
            self._tests.append(_absent(piece[1:].strip()))
        elif "[" in piece or "*" in piece:
            self._names.append(_range(piece, self.text))
        elif _NAME.match(piece):
            self._bare.append(piece.casefold())
        else:
            raise _wrong(self.text, f"{piece!r} is not a term")


def words_of(device: Device) -> Mapping[str, str]:
    role = device.labels.get("role", "")
    return {"kind": role, **device.labels, "name": device.name, "address": device.host}


def _pieces(text: str) -> Iterator[str]:
    """Pieces between commas that stand outside brackets."""
    depth, start = 0, 0
    for position, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth < 0:
            raise _wrong(text, f"{char!r} closes nothing")
        if char == "," and not depth:
            yield _some(text[start:position], text)
            start = position + 1
    if depth:
        raise _wrong(text, "a bracket is not closed")
    if text:
        yield _some(text[start:], text)


def _some(piece: str, text: str) -> str:
    if not piece.strip():
        raise _wrong(text, "nothing stands between two commas")
    return piece.strip()


def _one_of(key: str, values: list[str], *, wanted: bool) -> Test:
    return lambda words: any(_equal(words.get(key), value) for value in values) is wanted


def _absent(key: str) -> Test:
    return lambda words: key not in words


def _compared(key: str, op: str, value: str, *, text: str) -> Test:
    value = value.strip().strip("\"'")
    if op in ("=", "=="):
        return lambda words: _equal(words.get(key), value)
    if op == "!=":
        return lambda words: not _equal(words.get(key), value)
    limit = _number(value)
    if limit is None:
        raise _wrong(text, f"`{op}` compares numbers; {value!r} is none")
    return lambda words: _holds(_number(words.get(key)), op, limit)


def _holds(found: float | None, op: str, limit: float) -> bool:
    if found is None:
        return False
    if op in (">", ">="):
        return found > limit or (op == ">=" and found == limit)
    return found < limit or (op == "<=" and found == limit)


def _equal(found: str | None, wanted: str) -> bool:
    if found is None:
        return False
    if "[" in wanted:
        return _range(wanted, wanted).fullmatch(found.casefold()) is not None
    return fnmatchcase(found.casefold(), wanted.casefold().replace("?", "[?]"))


def _number(word: str | None) -> float | None:
    try:
        return None if word is None else float(word)
    except ValueError:
        return None


def _range(piece: str, text: str) -> re.Pattern[str]:
    """`h1-r[01-16]` as a pattern; leading zeros count."""
    if not _NAME.match(piece):
        raise _wrong(text, f"{piece!r} is not a range of names like h1-r[01-16]-u[01-18]")
    parts = re.split(r"\[([^\[\]]*)\]", piece.casefold())
    pattern = ""
    for number, part in enumerate(parts):
        if number % 2:
            pattern += "(?:" + "|".join(_spelled(part, text)) + ")"
        else:
            pattern += ".*".join(re.escape(literal) for literal in part.split("*"))
    return re.compile(pattern)


def _spelled(inside: str, text: str) -> Iterator[str]:
    for item in inside.split(","):
        low, dash, high = item.partition("-")
        if not dash:
            yield re.escape(item)
        elif low.isdigit() and high.isdigit() and 0 <= int(high) - int(low) < 100_000:
            yield from (str(n).zfill(len(low)) for n in range(int(low), int(high) + 1))
        else:
            raise _wrong(text, f"'[{inside}]' is not a range like [01-16] or [1,4,7]")


def _wrong(text: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read selector",
        subject=text,
        code="BadSelector",
        next_step="write it like rack=h1-r07,role!=pdu or h1-r[01-16]-u[01-18].",
    )
