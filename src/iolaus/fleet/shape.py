"""Everything that is wrong with the shape of a value, where a conversion tells the first only.

The types are walked beside the value: each part is converted by itself, so that one that is wrong
does not hide the next. What the parts do not say (a list that is too short) is asked of the whole
once its parts are right. The words are those of the conversion; where they stand is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

import msgspec

Path = tuple[str | int, ...]
NEAR: Final = 0.5


class Unknown(NamedTuple):
    """A key that is not known; `meant` is the one that was probably meant, and that is free."""

    path: Path
    name: str
    meant: str
    known: tuple[str, ...]


class Missing(NamedTuple):
    """A key that must be there and is not."""

    path: Path
    name: str


class Misfit(NamedTuple):
    """A value that is not what may stand there, in the words of the conversion."""

    path: Path
    message: str


Fault = Unknown | Missing | Misfit


def faults(value: Any, kind: Any, path: Path = ()) -> Iterator[Fault]:
    """All that keep `value` from being a `kind`; nothing where it is one. Under a key that was
    probably meant as another, what stands is judged as the other's."""
    told = False
    for fault in _of_parts(value, _branch(value, kind), path):
        told = True
        yield fault
    if told:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield Misfit(path, str(error).partition(" - at `")[0])


def _branch(value: Any, kind: Any) -> Any:
    """What of an alternative the value can be, without its constraints."""
    if get_origin(kind) is Annotated:
        return _branch(value, get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        branches = [_branch(value, each) for each in get_args(kind)]
        return next((each for each in branches if _fits(value, each)), None)
    return kind


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, Mapping):
        return _is_struct(kind) or get_origin(kind) is dict
    return isinstance(value, list) and get_origin(kind) is list


def _of_parts(value: Any, kind: Any, path: Path) -> Iterator[Fault]:
    if not _fits(value, kind):
        return
    if _is_struct(kind):
        yield from _of_struct(value, kind, path)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from faults(each, get_args(kind)[0], (*path, index))
    else:
        for key, each in value.items():
            yield from faults(each, get_args(kind)[1], (*path, str(key)))


def _of_struct(value: Mapping[Any, Any], kind: Any, path: Path) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    given = {key: each for key, each in value.items() if key in fields}
    for key, each in value.items():
        if key not in fields:
            free = [name for name in fields if name not in given]
            near = "".join(get_close_matches(str(key), free, n=1, cutoff=NEAR))
            if near:
                given[near] = each
            yield Unknown(path, str(key), near, tuple(fields))
    for name, field in fields.items():
        if name in given:
            yield from faults(given[name], field.type, (*path, name))
        elif field.required:
            yield Missing(path, name)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
