"""Selectors: how a person or a program says which things are meant.

One grammar for the command line, REST and scopes: Kubernetes' label syntax, extended by fields of
the object and by the host ranges that people of large clusters type.

    rack=h1-r07,vendor!=dell,health=Critical      all must hold; values ignore case
    rack in (r07,r08), pool notin (train)         one of; none of
    counts.gpu>=8, readings.power_w>6000          numbers
    h1-r[01-16]-u[01-18], node7                   names: any of them
    maintenance, !drained                         the key is there; is not there

A key is looked up among the labels, then among the fields (a dotted path), then among the
conditions. Unknown values are their own value: `health=unknown` finds them, `health!=OK` includes
them, and no comparison of numbers does. A `*` in a value stands for anything.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust

MAX_TEXT: Final = 8_192
MAX_HOSTS: Final = 100_000
MAX_BRACKETS: Final = 6
_KEY: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_./-]*[A-Za-z0-9_])?"
_SET: Final = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_PAIR: Final = re.compile(rf"^({_KEY})\s*(==|!=|<=|>=|=|<|>)\s*(.*)$", re.DOTALL)
_BARE: Final = re.compile(rf"^{_KEY}$")
_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")
_HOST_TEXT: Final = re.compile(r"^[A-Za-z0-9._*-]*$")
_ITEM: Final = re.compile(r"^(?:(\d{1,9})-(\d{1,9})|([A-Za-z0-9._]+))$")
_UNKNOWN: Final = frozenset({"unknown", "null", ""})

Lookup = Callable[[str], object]
"""Key -> value; `MISSING` where the object has no such key, None where the value is unknown."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """`op` is "=", "!=", "<", "<=", ">", ">=", "in", "notin" or "!" (absent)."""

    key: str
    op: str
    values: tuple[str, ...] = ()


class HostRange(msgspec.Struct, frozen=True, kw_only=True):
    """`h1-r[01-16]`: literal parts and, between them, the choices of each bracket."""

    text: str
    literals: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]

    def names(self) -> Iterator[str]:
        expanded = [[self._spell(item) for item in choice] for choice in self.choices]
        for picked in product(*([s for spelled in each for s in spelled] for each in expanded)):
            yield "".join(a + b for a, b in zip(self.literals, (*picked, ""), strict=True))

    def matches(self, name: str) -> bool:
        if not self.choices:
            return fnmatchcase(name.casefold(), self.literals[0].casefold())
        return self._match(name.casefold(), 0)

    def _match(self, rest: str, index: int) -> bool:
        literal = self.literals[index].casefold()
        if not rest.startswith(literal):
            return False
        rest = rest[len(literal) :]
        if index == len(self.choices):
            return not rest
        return any(
            any(_within(rest[:size], item) for item in self.choices[index])
            and self._match(rest[size:], index + 1)
            for size in range(1, len(rest) + 1)
        )

    @staticmethod
    def _spell(item: str) -> list[str]:
        low, dash, high = item.partition("-")
        if not dash:
            return [item]
        return [str(n).zfill(len(low)) for n in range(int(low), int(high) + 1)]


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """`terms` must all hold. Of `hosts` and `bare`: any names the object, or it has all of `bare`
    as keys."""

    text: str = ""
    terms: tuple[Term, ...] = ()
    hosts: tuple[HostRange, ...] = ()
    bare: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms or self.hosts or self.bare)

    def matches(self, name: str, lookup: Lookup, *, also: str = "") -> bool:
        """`also` is a second name that the object answers to."""
        if not all(_holds(term, lookup(term.key)) for term in self.terms):
            return False
        return self._named(name, lookup) or bool(also and self._named(also, lookup))

    def may_hold(self, lookup: Lookup) -> bool:
        """False only if some term fails on a key that `lookup` has: a first, cheap look at what
        many objects share."""
        found = ((term, lookup(term.key)) for term in self.terms)
        return all(value is MISSING or _holds(term, value) for term, value in found)

    def _named(self, name: str, lookup: Lookup) -> bool:
        if not self.hosts and not self.bare:
            return True
        if any(host.matches(name) for host in self.hosts):
            return True
        if any(word.casefold() == name.casefold() for word in self.bare):
            return True
        return not self.hosts and all(lookup(word) is not MISSING for word in self.bare)


EVERYTHING: Final = Selector()


def parse_selector(text: str, *, known: Collection[str] = ()) -> Selector:
    """Raises `OperatorMust` that says where it is wrong. With `known` (the keys that exist), a
    key that is a near miss of one of them is an error too."""
    if len(text) > MAX_TEXT:
        raise _wrong(text[:40] + "...", 0, f"longer than {MAX_TEXT} characters")
    terms: list[Term] = []
    hosts: list[HostRange] = []
    bare: list[str] = []
    for start, piece in _pieces(text):
        item = _parse_piece(piece, text=text, start=start)
        if isinstance(item, Term):
            _check_known(item.key, known, text=text, start=start)
            terms.append(item)
        elif isinstance(item, HostRange):
            hosts.append(item)
        else:
            bare.append(item)
    return Selector(text=text, terms=tuple(terms), hosts=tuple(hosts), bare=tuple(bare))


def parse_hosts(text: str) -> HostRange:
    """One host range. Raises `OperatorMust`."""
    return _host_range(text, text=text, start=0)


def lookup_in(
    *, labels: Mapping[str, str], fields: object, conditions: Sequence[object] = ()
) -> Lookup:
    """A `Lookup` over an object's labels, its fields (a struct or mapping) and conditions."""

    def look(key: str) -> object:
        if key in labels:
            return labels[key]
        if key.startswith("labels."):
            return labels.get(key[7:], MISSING)
        found = find(fields, key.split("."))
        if found is not MISSING:
            return found
        for each in conditions:
            if getattr(each, "type", "").casefold() == key.casefold():
                return getattr(each, "status", None)
        return MISSING

    return look


def find(value: object, path: Sequence[str]) -> object:
    """Follow a dotted path through structs, mappings and lists of named entries."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return find(value[step], rest) if step in value else MISSING
    if isinstance(value, list | tuple):
        return _find_in_list(value, step, rest)
    if isinstance(value, msgspec.Struct) and step in value.__struct_fields__:
        return find(getattr(value, step), rest)
    return MISSING


def _find_in_list(values: Sequence[object], step: str, rest: Sequence[str]) -> object:
    for each in values:
        for name in ("component", "name", "type"):
            if str(getattr(each, name, MISSING)).casefold() == step.casefold():
                last = "version" if name == "component" else "status"
                return find(each, rest) if rest else getattr(each, last, each)
    return MISSING


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Comma-separated pieces with their positions; commas in brackets do not separate."""
    depth, start = 0, 0
    for position, char in enumerate(text + ","):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        if depth < 0:
            raise _wrong(text, position, f'"{char}" closes nothing')
        if char == "," and (depth == 0 or position == len(text)):
            if depth:
                raise _wrong(text, start, "a bracket is not closed")
            piece = text[start:position]
            if piece.strip():
                yield start + len(piece) - len(piece.lstrip()), piece.strip()
            elif text.strip():
                raise _wrong(text, start, "nothing between two commas")
            start = position + 1


def _parse_piece(piece: str, *, text: str, start: int) -> Term | HostRange | str:
    if match := _SET.match(piece):
        key, op, inside = match.groups()
        values = tuple(each.strip() for each in inside.split(",") if each.strip())
        if not values:
            raise _wrong(text, start, f"`{op} ()` holds no value")
        for value in values:
            _check_range(value, text=text, start=start)
        return Term(key=key, op=op, values=values)
    if match := _PAIR.match(piece):
        return _pair(*match.groups(), text=text, start=start)
    if piece.startswith("!") and _BARE.match(piece[1:].strip()):
        return Term(key=piece[1:].strip(), op="!")
    if "[" in piece or "*" in piece:
        return _host_range(piece, text=text, start=start)
    if _BARE.match(piece):
        return piece
    raise _wrong(text, start, f'"{piece}" is not a term' + _hint(piece))


def _pair(key: str, op: str, value: str, *, text: str, start: int) -> Term:
    op, value = ("=" if op == "==" else op), value.strip().strip("\"'")
    if op in ("<", "<=", ">", ">=") and _number(value) is None:
        raise _wrong(text, start + len(key), f'`{op}` compares numbers; "{value}" is none')
    if value.startswith("~") or any(char in value for char in "=<>!()"):
        raise _wrong(text, start + len(key), f'"{value}" is not a value' + _hint(value))
    _check_range(value, text=text, start=start)
    return Term(key=key, op=op, values=(value,))


def _check_range(value: str, *, text: str, start: int) -> None:
    if "[" in value or "]" in value:
        _host_range(value, text=text, start=start)


def _hint(piece: str) -> str:
    if "~" in piece or "&" in piece or ";" in piece:
        return "; separate terms with commas and use = != < > in (a,b)"
    if " " in piece:
        return "; did you forget a comma?"
    return ""


def _host_range(piece: str, *, text: str, start: int) -> HostRange:
    parts = _BRACKET.split(piece)
    literals, insides = tuple(parts[0::2]), parts[1::2]
    starred = bool(insides) and "*" in "".join(literals)
    if starred or len(insides) > MAX_BRACKETS or not all(map(_HOST_TEXT.match, literals)):
        raise _wrong(text, start, f'"{piece}" is not a host range like h1-r[01-16]-u[01-18]')
    choices = tuple(_choices(inside, text=text, start=start) for inside in insides)
    size = 1
    for choice in choices:
        size *= sum(_size(item) for item in choice)
    if size > MAX_HOSTS:
        raise _wrong(text, start, f"names {size} hosts; at most {MAX_HOSTS}")
    return HostRange(text=piece, literals=literals, choices=choices)


def _choices(inside: str, *, text: str, start: int) -> tuple[str, ...]:
    items = tuple(each.strip() for each in inside.split(","))
    for item in items:
        match = _ITEM.match(item)
        backwards = match and match[1] and int(match[2]) < int(match[1])
        if not match or backwards:
            raise _wrong(text, start, f'"[{inside}]" is not a range like [01-16] or [1,4,7]')
    return items


def _size(item: str) -> int:
    low, dash, high = item.partition("-")
    return int(high) - int(low) + 1 if dash else 1


def _within(got: str, item: str) -> bool:
    low, dash, high = item.partition("-")
    if not dash:
        return got.casefold() == item.casefold()
    is_number = got.isascii() and got.isdigit() and len(got) <= 9
    return is_number and int(low) <= int(got) <= int(high) and got == str(int(got)).zfill(len(low))


def _holds(term: Term, value: object) -> bool:
    if term.op == "!":
        return value is MISSING
    if term.op in ("=", "in"):
        return value is not MISSING and any(_equal(value, each) for each in term.values)
    if term.op in ("!=", "notin"):
        return value is MISSING or not any(_equal(value, each) for each in term.values)
    number, limit = _number(value), _number(term.values[0])
    return number is not None and limit is not None and _COMPARE[term.op](number, limit)


_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _equal(value: object, wanted: str) -> bool:
    if value is None:
        return wanted.casefold() in _UNKNOWN
    if isinstance(value, list | tuple):
        return any(_equal(each, wanted) for each in value)
    text, wanted = str(value).casefold(), wanted.casefold()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(wanted) == value
    if "[" in wanted:
        return parse_hosts(wanted).matches(text)
    return fnmatchcase(text, wanted.replace("?", "[?]")) if "*" in wanted else text == wanted


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_known(key: str, known: Collection[str], *, text: str, start: int) -> None:
    head = key.split(".")[0]
    if not known or key in known or head in known:
        return
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if near:
        raise _wrong(text, start, f'nothing has a "{key}"; did you mean "{near[0]}"?')


def _wrong(text: str, position: int, why: str) -> OperatorMust:
    return OperatorMust(
        f"at character {position + 1}: {why}",
        operation="read selector",
        subject=text,
        code="BadSelector",
        next_step="write it like rack=h1-r07,vendor!=dell,counts.gpu>=8 or h1-r[01-16]-u[01-18].",
    )
