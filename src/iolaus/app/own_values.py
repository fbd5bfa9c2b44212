"""The file of values that an operator writes, to the form that all reference values have."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from iolaus.model.reference import (
    Digest,
    Provenance,
    ReferenceSet,
    ReferenceValue,
    SourceKind,
)

SIZES: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
Hex: TypeAlias = Annotated[str, Meta(pattern=r"^(?:[0-9A-Fa-f]{2}){1,4096}$")]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Digests in hex, any of which is right, or a raw value with a mask."""

    index: Annotated[int, Meta(ge=0, le=255)]
    sha256: tuple[Hex, ...] = ()
    sha384: tuple[Hex, ...] = ()
    sha512: tuple[Hex, ...] = ()
    raw: Hex | None = None
    mask: Hex | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One release of one component."""

    vendor: Text
    model: Text
    version: Text
    values: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=1024)]


class ValuesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` says what the file is of."""

    name: Text
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=10_000)]


def set_of(item: Item) -> ReferenceSet:
    """Raises `ValueError` for values that cannot be."""
    part = f"{item.vendor} {item.model}"
    return ReferenceSet(
        name=f"{part} {item.version}",
        part=part,
        values=tuple(_value(each, item.version) for each in item.values),
        provenance=Provenance(source="", kind=SourceKind.BASELINE),
        vendor=item.vendor,
        model=item.model,
        version=item.version,
    )


def _value(value: Value, version: str) -> ReferenceValue:
    digests = []
    for word, size in SIZES.items():
        for text in getattr(value, word):
            if len(text) != 2 * size:
                raise ValueError(f"index {value.index}: {len(text) // 2} bytes are no {word}")
            digests.append(Digest(word, bytes.fromhex(text)))
    if bool(digests) == (value.raw is not None):
        raise ValueError(f"index {value.index}: either digests or a raw value")
    if value.mask is not None and len(value.mask) != len(value.raw or ""):
        raise ValueError(f"index {value.index}: a mask is as long as its raw value")
    return ReferenceValue(
        index=value.index,
        digests=tuple(digests),
        raw=None if value.raw is None else bytes.fromhex(value.raw),
        mask=None if value.mask is None else bytes.fromhex(value.mask),
        version=version,
    )
