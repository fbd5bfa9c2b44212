"""Files that are given on the command line: read, told apart by kind, and complained of."""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Final, Protocol, TextIO, TypeVar
from weakref import WeakKeyDictionary

from iolaus.fleet.document import BadFile, Document, parse_documents
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.cells import text
from iolaus.north.cli.render import err_console

_TOLD: Final[MutableMapping[TextIO, str]] = WeakKeyDictionary()
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Reads(Protocol[T_co]):
    """Raises `BadFile`, an `OperatorMust`."""

    def __call__(self, text: str, /, *, source: str) -> T_co: ...


def text_of(path: Path) -> str:
    """UTF-8 text; - is standard input. Raises `OperatorMust`."""
    try:
        return _standard_input() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise OperatorMust(
            f"it cannot be read: {why}",
            operation="read",
            subject=text(str(path)),
            code="Unreadable",
            next_step="check the path and its permissions.",
        ) from None


def _standard_input() -> str:
    """Whoever asks again is told the same."""
    if sys.stdin not in _TOLD:
        _TOLD[sys.stdin] = sys.stdin.read()
    return _TOLD[sys.stdin]


def holds(path: Path, is_kind: Callable[[Document], bool]) -> bool:
    """Whether its first document is one of that kind."""
    try:
        return any(map(is_kind, parse_documents(text_of(path), source=str(path))[:1]))
    except OperatorMust:
        return False


def read_or_complain(path: Path, read: Reads[T]) -> T:
    """What it holds. Every complaint is printed before it raises `BadFile`."""
    try:
        return read(text_of(path), source=str(path))
    except BadFile as error:
        err_console().print("\n".join(error.lines()), markup=False)
        raise
