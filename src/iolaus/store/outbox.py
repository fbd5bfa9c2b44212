"""What is to be sent, on disk until it was taken: one small file for each message.

A message is durable when `put` returns, and is gone only when `done` was called for it; in between
it survives everything that the disk does. Messages of one receiver are given in the order in which
they were put. What a receiver will never take is set aside, not thrown away.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from iolaus.store.database import explain
from iolaus.store.files import PRIVATE_DIR, replace_file, sync_dir

REFUSED: Final = "refused"
_NAME: Final = re.compile(r"([0-9]{16})-([a-z0-9-]{1,63})\.json")


class Outbox:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        numbers = [int(each[:16]) for names in self._all().values() for each in names]
        aside = (_NAME.fullmatch(p.name) for p in (folder / REFUSED).glob("*.json"))
        numbers += [int(found[1]) for found in aside if found]
        self._number = itertools.count(max(numbers, default=0) + 1)

    def put(self, receiver: str, data: bytes) -> str:
        """Its id. Raises `WeErred` for a full disk."""
        self._make(self._folder)
        name = f"{next(self._number):016d}-{receiver}.json"
        replace_file(self._folder / name, data)
        return name

    def waiting(self, receiver: str) -> Sequence[str]:
        """Ids, oldest first."""
        return self._all().get(receiver, [])

    def read(self, ident: str) -> bytes:
        return (self._folder / ident).read_bytes()

    def done(self, ident: str) -> None:
        """It was taken."""
        (self._folder / ident).unlink(missing_ok=True)

    def set_aside(self, ident: str) -> None:
        """It will never be taken."""
        aside = self._folder / REFUSED
        self._make(aside)
        (self._folder / ident).replace(aside / ident)
        sync_dir(aside)

    def _all(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in sorted(p.name for p in self._folder.glob("*.json")):
            if match := _NAME.fullmatch(name):
                found.setdefault(match[2], []).append(name)
        return found

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, operation="keep message", subject=str(folder)) from error
