"""Files of power on the command line: the plant and its policies, checked where they are written.

A file is one of these by the kind of its first document; standard input is read once only, so it
is never looked at for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iolaus.fleet.document import BadFile, parse_documents
from iolaus.fleet.energy_files import is_energy, read_energy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.energy import EnergyDocument
from iolaus.north.cli.render import err_console, say


def validate_energy(files: Sequence[Path]) -> list[Path]:
    """Check those that are of power, and say so; the others come back. Raises `BadFile`."""
    mine = [path for path in files if holds_energy(path)]
    count = sum(len(energy_of(path)) for path in mine)
    if count:
        said = "document of power is" if count == 1 else "documents of power are"
        say(f"{count} {said} valid")
    return [path for path in files if path not in mine]


def holds_energy(path: Path) -> bool:
    """Whether its first document is a plant or a policy of power."""
    if str(path) == "-":
        return False
    try:
        return is_energy(parse_documents(_text(path), source=str(path))[0])
    except (OperatorMust, OSError, UnicodeDecodeError):
        return False


def energy_of(path: Path) -> list[EnergyDocument]:
    """Everything in the file. Every complaint is printed before it raises `BadFile`."""
    try:
        return read_energy(_text(path), source=str(path))
    except BadFile as error:
        err_console().print("\n".join(error.lines()), markup=False)
        raise


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
