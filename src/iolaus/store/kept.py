"""A short list that outlives the process: one small file, written whole or not at all.

What is latched, what people hold down, what the grid asks: each is a list of values that must be
there again after a kill. A file that cannot be read is not the same as an empty list, so it is an
error that a person sees; whoever loads it decides what may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store.files import replace_file

T = TypeVar("T")
MOST_BYTES: Final = 4 * 1024 * 1024
VERSION: Final = 1


class KeptFile(Generic[T]):
    """Values of one type under one `word` of a JSON object with a version. `next_step` is what a
    person does with a spoilt one, `code` its error's."""

    def __init__(self, path: Path, kind: type[T], *, word: str, code: str, next_step: str) -> None:
        self.path, self._word = path, word
        self._code, self._next_step = code, next_step
        rows: Any = tuple[kind, ...]  # type: ignore[valid-type]
        self._shape: type[Any] = msgspec.defstruct(
            "_File", [("version", int), (word, rows)], kw_only=True, forbid_unknown_fields=True
        )

    def load(self) -> tuple[T, ...]:
        """Nothing where there is no file. Raises `OperatorMust` for one that is spoilt."""
        try:
            with self.path.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._spoilt(str(error)) from error
        return self.parse(data)

    def save(self, rows: Iterable[T]) -> None:
        """Durable when it returns. Raises `WeErred` for a full disk."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise WeErred(
                str(error), operation=f"save {self._word}", subject=str(self.path)
            ) from error
        held = self._shape(**{"version": VERSION, self._word: tuple(rows)})
        replace_file(self.path, msgspec.json.encode(held))

    def parse(self, data: bytes) -> tuple[T, ...]:
        """Raises `OperatorMust` for what is no such file."""
        try:
            if len(data) > MOST_BYTES:
                raise ValueError(f"it is longer than {MOST_BYTES} bytes")
            held = msgspec.json.decode(data, type=self._shape)
            if held.version != VERSION:
                raise ValueError(f"version {held.version} is not known")
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._spoilt(str(error)) from None
        rows: tuple[T, ...] = getattr(held, self._word)
        return rows

    def _spoilt(self, why: str) -> OperatorMust:
        return OperatorMust(
            f"what is kept of {self._word} cannot be read: {why}",
            operation=f"load {self._word}",
            subject=str(self.path),
            code=self._code,
            next_step=self._next_step,
        )
