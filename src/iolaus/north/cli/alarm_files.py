"""Files of alarms on the command line: checked where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iolaus.fleet.route_files import AlarmFile, is_alarms, read_alarms
from iolaus.north.cli.reading import holds, read_or_complain
from iolaus.north.cli.render import say


def validate_alarms(files: Sequence[Path]) -> list[Path]:
    """Check those of alarms, and give back the others. Raises `BadFile`."""
    mine = [path for path in files if holds(path, is_alarms)]
    for path in mine:
        say(f"{said_of(read_or_complain(path, read_alarms))} of alarms are valid")
    return [path for path in files if path not in mine]


def said_of(found: AlarmFile) -> str:
    """What a file of alarms holds, in words."""
    spec = found.routes
    counts = ((len(spec.receivers), "receiver"), (len(spec.routes), "route"),
              (len(found.rules), "rule"))  # fmt: skip
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
