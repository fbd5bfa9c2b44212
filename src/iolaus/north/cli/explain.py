"""`explain`: the fields of a kind, read from the same types that the API is made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import inspect

from iolaus.kernel.errors import OperatorMust
from iolaus.north.kinds import Kind


def explain_text(kind: Kind, path: Sequence[str]) -> str:
    """Raises `OperatorMust` for a field that does not exist, with the nearest one."""
    here: inspect.Type = inspect.type_info(kind.view)
    description, walked = (kind.view.__doc__ or "").strip(), kind.name
    for step in path:
        struct = _struct(here)
        field = next((f for f in struct.fields if f.name == step), None) if struct else None
        if field is None:
            raise _no_field(walked, step, [f.name for f in struct.fields] if struct else [])
        here, walked = field.type, f"{walked}.{step}"
        description = _description(field.type)
    struct = _struct(here)
    head = f"{walked}  <{_type_name(here)}>\n"
    about = f"  {description}\n" if description else ""
    return head + about + ("\n" + _fields(struct) if struct else "")


def _fields(struct: inspect.StructType) -> str:
    lines = [(f.name, _type_name(f.type), _description(f.type)) for f in struct.fields]
    width = max(len(name) for name, _, _ in lines)
    kind = max(len(name) for _, name, _ in lines)
    return "".join(
        f"  {name.ljust(width)}  {type_.ljust(kind)}  {about}".rstrip() + "\n"
        for name, type_, about in lines
    )


def _struct(given: inspect.Type) -> inspect.StructType | None:
    for each in _inside(given):
        if isinstance(each, inspect.StructType):
            return each
    return None


def _inside(given: inspect.Type) -> Iterator[inspect.Type]:
    """The type itself, without descriptions, unions with null, and lists around it."""
    yield given
    if isinstance(given, inspect.Metadata):
        yield from _inside(given.type)
    elif isinstance(given, inspect.UnionType):
        for each in given.types:
            yield from _inside(each)
    elif isinstance(given, inspect.CollectionType | inspect.VarTupleType):
        yield from _inside(given.item_type)


def _description(given: inspect.Type) -> str:
    if isinstance(given, inspect.Metadata):
        schema: dict[str, Any] = given.extra_json_schema or {}
        return str(schema.get("description", "")) or _description(given.type)
    return ""


def _type_name(given: inspect.Type) -> str:
    match given:
        case inspect.Metadata():
            return _type_name(given.type)
        case inspect.UnionType():
            names = [_type_name(t) for t in given.types if not isinstance(t, inspect.NoneType)]
            has_null = len(names) < len(given.types)
            return "|".join(names) + (" or null" if has_null else "")
        case inspect.StructType():
            return given.cls.__name__.removesuffix("View")
        case inspect.CollectionType() | inspect.VarTupleType():
            return f"[{_type_name(given.item_type)}]"
        case inspect.DictType():
            return f"{{{_type_name(given.key_type)}: {_type_name(given.value_type)}}}"
        case inspect.DateTimeType():
            return "time"
        case inspect.StrType():
            return "text"
        case inspect.FloatType() | inspect.IntType():
            return "number"
        case inspect.BoolType():
            return "yes/no"
    return "any"


def _no_field(walked: str, step: str, fields: Sequence[str]) -> OperatorMust:
    near = difflib.get_close_matches(step, fields, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return OperatorMust(
        f'{walked} has no field "{step}"{hint}',
        operation="explain",
        subject=f"{walked}.{step}",
        code="UnknownField",
        next_step=f"iolaus explain {walked} shows them all.",
    )
