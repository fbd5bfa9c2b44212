"""Tolerant typed reading: a hostile or sloppy payload becomes a struct and a list of deviations.

Every real controller breaks the schema hundreds of times, so a wrong-typed field costs that field
and nothing else: it becomes the struct's default, or None. Missing stays missing. Numbers as
text are read where nothing else can be meant; the text itself is never guessed into a boolean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from iolaus.wire.redfish.decode import Deviation

T = TypeVar("T", bound=msgspec.Struct)
MAX_DEVIATIONS = 200
_MAX_DEPTH = 24


def read_as(kind: type[T], payload: Any, uri: str) -> tuple[T, tuple[Deviation, ...]]:
    """`payload` as `kind`, field by field; (uri#pointer, rule, detail) for what did not fit.

    Never raises on any payload. Every field of `kind` needs a default or must allow None; that
    is the struct's author's business and raises `TypeError` at the first use.
    """
    notes: list[Deviation] = []
    try:
        return msgspec.convert(payload, kind), ()
    except (msgspec.ValidationError, RecursionError):
        value = _struct(kind, payload, f"{uri}#", notes, 0)
    return value, tuple(notes[:MAX_DEVIATIONS])


class _Misfit:
    """No value: the payload has nothing of the wanted type here."""


_MISFIT = _Misfit()


@lru_cache(maxsize=1024)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any, Any], ...]:
    """(attribute, name in JSON, type, default); the default is None for a field that has none."""
    hints = get_type_hints(kind)
    found = []
    for field in msgspec.structs.fields(kind):
        if not field.required:
            default = field.default
            factory = field.default_factory
        else:
            default, factory = None, msgspec.NODEFAULT
        lazy = factory if factory is not msgspec.NODEFAULT else None
        found.append((field.name, field.encode_name, hints[field.name], lazy or (default,)))
    return tuple(found)


def _struct(kind: type[T], payload: Any, where: str, notes: list[Deviation], depth: int) -> T:
    values: dict[str, Any] = {}
    if not isinstance(payload, dict):
        _note(notes, where, payload, "object")
        payload = {}
    for attribute, name, wanted, default in _fields(kind):
        value: Any = _MISFIT
        if name in payload:
            value = _value(wanted, payload[name], f"{where}/{_escaped(name)}", notes, depth + 1)
        if isinstance(value, _Misfit):
            value = default() if callable(default) else default[0]
        values[attribute] = value
    return kind(**values)


def _value(wanted: Any, given: Any, where: str, notes: list[Deviation], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        _note(notes, where, given, "less depth")
        return _MISFIT
    try:
        return msgspec.convert(given, wanted)
    except (msgspec.ValidationError, RecursionError):
        pass
    for option in _options(wanted):
        value = _lenient(option, given, where, notes, depth)
        if not isinstance(value, _Misfit):
            return value
    _note(notes, where, given, _named(wanted))
    return None if type(None) in _options(wanted) else _MISFIT


def _options(wanted: Any) -> tuple[Any, ...]:
    return get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,)


def _lenient(wanted: Any, given: Any, where: str, notes: list[Deviation], depth: int) -> Any:
    origin = get_origin(wanted) or wanted
    if isinstance(origin, type):
        if issubclass(origin, msgspec.Struct) and isinstance(given, dict):
            return _struct(origin, given, where, notes, depth)
        if origin in (list, tuple) and isinstance(given, (list, dict)):
            return origin(_items(wanted, given, where, notes, depth))
        if origin is dict and isinstance(given, dict):
            return dict(_entries(wanted, given, where, notes, depth))
        if origin in (int, float) and isinstance(given, (str, float, int)):
            return _number(origin, given, where, notes)
    return _MISFIT


def _items(
    wanted: Any, given: Any, where: str, notes: list[Deviation], depth: int
) -> Iterator[Any]:
    if isinstance(given, dict):
        _note(notes, where, given, "list")
        given = [given]
    inner = (get_args(wanted) or (Any,))[0]
    for index, item in enumerate(given):
        value = _value(inner, item, f"{where}/{index}", notes, depth + 1)
        if not isinstance(value, _Misfit):
            yield value


def _entries(
    wanted: Any, given: dict[str, Any], where: str, notes: list[Deviation], depth: int
) -> Iterator[tuple[str, Any]]:
    inner = (get_args(wanted) or (Any, Any))[1]
    for name, item in given.items():
        value = _value(inner, item, f"{where}/{_escaped(name)}", notes, depth + 1)
        if not isinstance(value, _Misfit):
            yield name, value


def _number(kind: type, given: Any, where: str, notes: list[Deviation]) -> Any:
    """A number in quotes, or a whole number as a float; never a boolean, never NaN."""
    if isinstance(given, bool):
        return _MISFIT
    try:
        number = float(given)
        fits = math.isfinite(number) and (kind is float or number.is_integer())
    except (ValueError, OverflowError):
        return _MISFIT
    if not fits:
        return _MISFIT
    if isinstance(given, str):
        _note(notes, where, given, kind.__name__)
    return kind(number)


def _note(notes: list[Deviation], where: str, given: Any, wanted: str) -> None:
    if len(notes) < MAX_DEVIATIONS:
        shown = repr(given)[:60] if isinstance(given, (str, int, float, bool)) else _kind(given)
        notes.append((where, "type", f"{shown} where {wanted} belongs"))


def _kind(given: Any) -> str:
    return {dict: "object", list: "list", type(None): "null"}.get(type(given), "value")


def _named(wanted: Any) -> str:
    names = (getattr(each, "__name__", str(each)) for each in _options(wanted))
    return " or ".join("null" if name == "NoneType" else name for name in names)


def _escaped(name: str) -> str:
    return name[:80].replace("~", "~0").replace("/", "~1")
