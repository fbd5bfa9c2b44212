"""Files of the policy of recovery on the command line: `validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iolaus.fleet.recovery_files import is_recovery, read_recovery
from iolaus.north.cli.reading import holds, read_or_complain
from iolaus.north.cli.render import say


def validate_recovery(files: Sequence[Path]) -> list[Path]:
    """Check those of recovery, and give back the others. Raises `BadFile`."""
    mine = [path for path in files if holds(path, is_recovery)]
    count = sum(len(read_or_complain(path, read_recovery)) for path in mine)
    if count:
        say(
            f"{count} {'policy of recovery is' if count == 1 else 'policies of recovery are'} valid"
        )
    return [path for path in files if path not in mine]
