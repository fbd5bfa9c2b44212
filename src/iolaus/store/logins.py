"""Which logins were refused, remembered over a restart, so that restarting never locks an account.

A controller counts failed logins whoever is killed and started again meanwhile; the rule of when
to try next is the lane's, and this is only its memory. An append-only file of one line a refusal,
which a killed process leaves whole; it is not flushed, because after a power cut one try more does
no harm. No credential stands here, nor anything made of one. A disk that cannot be written must
not end the watching of the hall: the memory then ends with the process, and it is said once.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.store.database import explain
from iolaus.store.files import PRIVATE_FILE, replace_file

log = structlog.get_logger(__name__)
_COMPACT_LINES = 5_000
_line = msgspec.json.Decoder(tuple[str, int, float])


class Logins:
    """The lane's `LoginMemory`, in a file. Raises `OperatorMust` or `WeErred` if the file cannot
    be opened; a torn or damaged line is skipped."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path, self._clock = path, clock or WallClock()
        self._refused = _load(path)
        self._lines = 0
        self.trouble: IolausError | None = None
        self._descriptor = self._compact()

    def recall(self, address: str) -> tuple[int, float]:
        """How often in a row it was refused, and the seconds until the next try."""
        failures, until = self._refused.get(address, (0, 0.0))
        return failures, max(0.0, until - self._clock.now())

    def remember(self, address: str, *, failures: int, wait_s: float) -> None:
        self._refused[address] = (failures, self._clock.now() + wait_s)
        self._append(address)

    def forget(self, address: str) -> None:
        if self._refused.pop(address, None) is not None:
            self._append(address)

    def unanswered(self, address: str) -> float:
        """Counted elsewhere (`store.tries`)."""
        del address
        return 0.0

    def answered(self, address: str, began: float) -> None:
        del address, began

    def not_before_s(self, address: str) -> float:
        """Nothing is known here but the lane's own refusals."""
        del address
        return 0.0

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, address: str) -> None:
        self._lines += 1
        try:
            if self._lines > _COMPACT_LINES + 2 * len(self._refused):
                old, self._descriptor = self._descriptor, self._compact()
                os.close(old)
            elif self._descriptor >= 0:
                os.write(self._descriptor, self._encode(address))
        except (OSError, IolausError) as error:
            if self.trouble is None:
                log.warning("logins_not_written", error=str(error))
            self.trouble = _explained(error, self._path)
            return
        self.trouble = None

    def _encode(self, address: str) -> bytes:
        failures, until = self._refused.get(address, (0, 0.0))
        return msgspec.json.encode((address, failures, until)) + b"\n"

    def _compact(self) -> int:
        """Rewrite the file with only what holds, and open it for appending."""
        replace_file(self._path, b"".join(map(self._encode, self._refused)))
        self._lines = len(self._refused)
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND, PRIVATE_FILE)
        except OSError as error:
            raise _explained(error, self._path) from error


def _load(path: Path) -> dict[str, tuple[int, float]]:
    refused: dict[str, tuple[int, float]] = {}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return refused
    except OSError as error:
        raise _explained(error, path) from error
    damaged = 0
    for line in filter(None, content.split(b"\n")):
        try:
            address, failures, until = _line.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
            continue
        refused[address] = (max(0, failures), until)
    if damaged:
        log.warning("logins_damaged", path=str(path), lines_skipped=damaged)
    return {address: told for address, told in refused.items() if told[0]}


def _explained(error: OSError | IolausError, path: Path) -> IolausError:
    if isinstance(error, IolausError):
        return error
    return explain(error, operation="write logins", subject=str(path))
