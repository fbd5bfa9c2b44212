"""An entry as plain data, for programs and for whoever draws a table of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.entry import EVERY, Entry
from iolaus.sim.personas import personas


def entries(words: Sequence[str] = ()) -> list[Entry]:
    """Those in whose name, title, room or sources every word is found; all without a word."""
    return [each for each in catalogue().values() if all(_found(word, each) for word in words)]


def view(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "what": entry.what,
        "room": entry.room,
        "sources": list(entry.sources),
        "arguments": [
            {
                "name": each.name,
                "what": each.what,
                "unit": each.unit or None,
                "usual": each.usual,
                "choices": list(each.choices) or None,
            }
            for each in entry.arguments
        ],
        "fits": fits(entry),
        "personas": personas_of(entry),
        "seen": entry.seen,
        "oracle": entry.oracle,
        "needs": entry.needs or None,
    }


def fits(entry: Entry) -> str:
    return ", ".join(sorted(entry.kinds)) if entry.kinds and entry.fits == EVERY else entry.fits


def personas_of(entry: Entry) -> list[str]:
    """The personas that it can befall."""
    return [
        name
        for name, persona in personas().items()
        if (not entry.kinds or persona.kind in entry.kinds) and entry.befalls(persona)
    ]


def rows_of(entry: Entry) -> str:
    """The rows it plays, as "12 energy"."""
    heads = dict.fromkeys(source.partition(":")[0] for source in entry.sources)
    return " ".join(heads) or "-"


def _found(word: str, entry: Entry) -> bool:
    text = " ".join((entry.name, entry.title, entry.what, entry.room, *entry.sources)).casefold()
    return word.casefold() in text
