"""BIOS attributes whose meaning is the same on every make: their normalised name and words.

The names and spellings are data (`bios_names.toml`). The word that is applied now shows how this
device spells its values, so what is offered for writing is spelled in the same family.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

Scalar = str | int | float | bool
_SUFFIX: Final = re.compile(r"_[0-9A-F]{4}$")
_FAMILIES: Final = (("Enabled", "Disabled"), ("Enable", "Disable"), ("On", "Off"),
             ("PresentEnabled", "PresentDisabled"))  # fmt: skip


class Meaning(NamedTuple):
    """`words` are pairs of the normalised value and this device's word for it."""

    normal: str
    words: tuple[tuple[str, Scalar], ...]


def meaning_of(attribute: str, value: object) -> Meaning | None:
    """What an attribute means; None where that is not known. `value` is what is applied."""
    entry = _table().get(_SUFFIX.sub("", attribute))
    if entry is None:
        return None
    name, words = entry
    spelled = {here: _spelling(choices, value) for here, choices in words.items()}
    return Meaning(name, tuple(sorted(spelled.items())))


def _spelling(choices: list[str], value: object) -> Scalar:
    """The value itself if it is one of them, else the choice of the family it belongs to."""
    if isinstance(value, bool):
        return choices[0] in ("Enabled", "On")
    if value in choices:
        return str(value)
    family = next((f for f in _FAMILIES if value in f), ())
    return next((choice for choice in choices if choice in family), choices[0])


@cache
def _table() -> Mapping[str, tuple[str, dict[str, list[str]]]]:
    text = files(__package__).joinpath("bios_names.toml").read_text(encoding="utf-8")
    told: Mapping[str, Any] = tomllib.loads(text)
    return {
        attribute: (name, entry["words"])
        for name, entry in told.items()
        for attribute in entry["attributes"]
    }
