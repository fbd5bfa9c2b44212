"""A device's own words: serial numbers, UUIDs, addresses and its place, made when they are read.

A hall of thousands shares one drawing per kind of machine. Every difference between two devices
that does not move with time is a marker in the drawing, and what stands for it follows from the
site's seed and the device's address alone. So a device costs a few hundred bytes until somebody
reads it, and reads the same in every run.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from iolaus.sim.device import merged
from iolaus.sim.manners.dress import dressed
from iolaus.sim.personas.persona import Persona
from iolaus.sim.personas.sketch import CLOSE, OPEN, Json
from iolaus.sim.roots.chain import anchors
from iolaus.sim.tree import Page, Resource, canonical, decode

OWN: Final = re.compile(f'("?){OPEN}(?!=?live\\|)(=?)([^{CLOSE}]*){CLOSE}("?)'.encode())
LIVE: Final = f"{OPEN}=live|".encode(), f"{OPEN}live|".encode()
LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
EITHER: Final = LETTERS + "0123456789"


class Drawing:
    """A persona's tree as bytes, with the paths that differ per device and those that move."""

    def __init__(self, resources: Mapping[str, Json]) -> None:
        encode = msgspec.json.encode
        self.pages = {canonical(path): Page(encode(body)) for path, body in resources.items()}
        self.own = frozenset(p for p, page in self.pages.items() if OWN.search(page.body))
        self.live = frozenset(p for p, page in self.pages.items() if moves(page.body))
        shown = (path for path in self.pages if path.endswith("/HTTPS/Certificates/1"))
        self.certificate = next(shown, "")


def moves(body: bytes) -> bool:
    return any(mark in body for mark in LIVE)


@lru_cache(maxsize=4096)
def drawing_of(persona: Persona) -> Drawing:
    return Drawing(dressed(persona.draw()))


class Words:
    """What one device fills its markers with."""

    __slots__ = ("_address", "_labels", "_name", "_seed")

    def __init__(self, *, seed: str, address: str, name: str, labels: Mapping[str, str]) -> None:
        self._seed, self._address, self._name, self._labels = seed, address, name, labels

    def fill(self, marker: str) -> str | None:
        """The word for a marker's inside, as "serial|####|psu/0"; None where it has none."""
        kind, _, rest = marker.partition("|")
        if kind == "serial":
            pattern, _, key = rest.partition("|")
            return self._serial(pattern, key)
        if kind == "uuid":
            return str(uuid.UUID(bytes=self._bytes(rest)[:16], version=4))
        if kind == "mac":
            oui, _, key = rest.partition("|")
            return f"{oui}:{self._bytes(key)[:3].hex(':').upper()}"
        if kind == "guid":
            oui, _, key = rest.partition("|")
            digits = oui.replace(":", "") + self._bytes(key)[:5].hex().upper()
            return ":".join(digits[n : n + 4] for n in range(0, 16, 4))
        if kind == "authority":
            return anchors(self._seed)
        plain = {"name": self._name, "address": self._address}
        return plain[kind] if kind in plain else self._labels.get(rest)

    def _bytes(self, key: str) -> bytes:
        return blake2b(f"{self._seed}/{self._address}/{key}".encode(), digest_size=32).digest()

    def _serial(self, pattern: str, key: str) -> str:
        sources = {"#": "0123456789", "@": LETTERS, "*": EITHER}
        noise = self._bytes(key)
        letters = [
            sources[c][noise[n % 32] % len(sources[c])] if c in sources else c
            for n, c in enumerate(pattern)
        ]
        return "".join(letters)

    def substitute(self, match: re.Match[bytes]) -> bytes:
        """A whole value is a number or null; within a text it is text."""
        left, number, marker, right = match[1], match[2], match[3].decode(), match[4]
        word = self.fill(marker)
        if number:
            return b"null" if word is None else word.encode()
        return left + json.dumps(word or "")[1:-1].encode() + right


class SeatTree:
    """One device's tree: the shared drawing, its own words, and what was changed at the start
    (`changes`: path -> merge patch, or None to withhold the resource)."""

    __slots__ = ("_changed", "_drawing", "_words", "certificate", "paths_that_move")

    def __init__(
        self, drawing: Drawing, words: Words, changes: Mapping[str, Json | None] | None = None
    ) -> None:
        self._drawing, self._words = drawing, words
        self._changed: dict[str, Page | None] = {}
        self.paths_that_move, self.certificate = drawing.live, drawing.certificate
        for path, change in (changes or {}).items():
            self._changed[path] = None if change is None else self._patched(path, change)

    def _patched(self, path: str, change: Json) -> Page:
        return Page(msgspec.json.encode(merged(decode(self._drawing.pages[path].body), change)))

    def page(self, path: str) -> Page | None:
        found = self._changed[path] if path in self._changed else self._drawing.pages.get(path)
        if found is None or path not in self._drawing.own:
            return found
        return Page(OWN.sub(self._words.substitute, found.body))

    def get(self, path: str) -> Resource | None:
        found = self.page(canonical(path))
        return None if found is None else decode(found.body)

    @property
    def metadata(self) -> bytes:
        return b""

    def paths(self) -> Iterable[str]:
        gone = {path for path, page in self._changed.items() if page is None}
        return (path for path in self._drawing.pages if path not in gone)
