"""`alarms.yaml` of the state directory: who is told of alarms, and what hides them by design.

It is read again when it changes; while it is wrong the last good one counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from iolaus.fleet.route_files import AlarmFile, read_alarms
from iolaus.kernel.errors import OperatorMust

log = structlog.get_logger(__name__)
ALARMS_FILE: Final = "alarms.yaml"
MOST_BYTES: Final = 1 << 20


class KeptAlarmFile:
    def __init__(self, folder: Path) -> None:
        self._path = folder / ALARMS_FILE
        self._found, self._stamp = AlarmFile(), (0, 0)
        self.wrong: OperatorMust | None = None
        """What is wrong with it now, while the last good one counts."""

    def read(self) -> AlarmFile:
        """Nobody and nothing, where there is none."""
        try:
            stat = self._path.stat()
        except OSError:
            self._found, self._stamp, self.wrong = AlarmFile(), (0, 0), None
            return self._found
        if (stamp := (stat.st_mtime_ns, stat.st_size)) != self._stamp:
            self._stamp = stamp
            try:
                text = self._path.read_text(encoding="utf-8")[:MOST_BYTES]
                self._found, self.wrong = read_alarms(text, source=str(self._path)), None
            except OperatorMust as error:
                self.wrong = error
                log.warning("alarms_file_wrong", error=str(error))
            except (OSError, ValueError) as error:
                log.warning("alarms_file_unread", error=str(error))
        return self._found
