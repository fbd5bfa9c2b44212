"""Which Redfish sessions are ours, remembered across a crash so that they can be reaped.

A BMC has eight to sixteen session slots and keeps a leaked one for half an hour; a controller
that is killed with five thousand sessions open must find them again. An append-only file, one
line a session opened or closed, flushed to the disk before `remember` returns. Forgetting is not
flushed: deleting a session twice does no harm. Callers in several threads share one flush.

A disk that cannot be written must not end the watching of the hall: the ledger then remembers in
memory, says so once, and writes itself whole as soon as it can.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import msgspec
import structlog

from iolaus.kernel.errors import IolausError
from iolaus.store.database import explain
from iolaus.store.files import PRIVATE_FILE, replace_file

log = structlog.get_logger(__name__)
_COMPACT_LINES = 20_000
_OPENED, _CLOSED = "+", "-"
_line = msgspec.json.Decoder(tuple[str, str, str])


class Sessions:
    """The wire's `SessionLedger`, in a file. Thread-safe. Raises `OperatorMust` or `WeErred` if
    the file cannot be opened; a torn or damaged line is skipped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._behind = False
        self._ours = _load(path)
        self._written = self._flushed = self._lines = 0
        self.trouble: IolausError | None = None
        self._descriptor = self._compact()

    def remember(self, address: str, session_uri: str) -> None:
        """Durable when it returns (see the module for a disk that cannot be written)."""
        with self._lock:
            mine = self._ours.setdefault(address, {})
            if session_uri in mine:
                return
            mine[session_uri] = None
            self._append(_OPENED, address, session_uri)
            mark = self._written
        self._flush(mark)

    def forget(self, address: str, session_uri: str) -> None:
        with self._lock:
            mine = self._ours.get(address, {})
            if session_uri not in mine:
                return
            del mine[session_uri]
            if not mine:
                del self._ours[address]
            self._append(_CLOSED, address, session_uri)

    def ours(self, address: str) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._ours.get(address, ()))

    def addresses(self) -> tuple[str, ...]:
        """Endpoints on which we have sessions, as far as we know."""
        with self._lock:
            return tuple(self._ours)

    def close(self) -> None:
        with self._flushing, self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _append(self, sign: str, address: str, session_uri: str) -> None:
        line = msgspec.json.encode((sign, address, session_uri)) + b"\n"
        self._lines += 1
        try:
            if self._behind or self._lines > _COMPACT_LINES + 2 * len(self._ours):
                old, self._descriptor = self._descriptor, self._compact()
                os.close(old)
            elif os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, "short write")
        except (OSError, IolausError) as error:
            self._behind = True
            self._note(error)
            return
        self._behind = False
        self._written += 1
        self._note(None)

    def _flush(self, mark: int) -> None:
        """Wait until the line numbered `mark` is on the disk; whoever comes first flushes all."""
        with self._flushing:
            if self._flushed >= mark or self._descriptor < 0:
                return
            with self._lock:
                upto, descriptor = self._written, os.dup(self._descriptor)
            try:
                os.fdatasync(descriptor)
                self._flushed = upto
            except OSError as error:
                self._note(error)
            finally:
                os.close(descriptor)

    def _compact(self) -> int:
        """Rewrite the file with only what is open, and open it for appending."""
        lines = (
            msgspec.json.encode((_OPENED, address, uri)) + b"\n"
            for address, mine in self._ours.items()
            for uri in mine
        )
        replace_file(self._path, b"".join(lines))
        self._lines = sum(map(len, self._ours.values()))
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND, PRIVATE_FILE)
        except OSError as error:
            raise explain(error, operation="open sessions", subject=str(self._path)) from error

    def _note(self, error: OSError | IolausError | None) -> None:
        if isinstance(error, OSError):
            error = explain(error, operation="write sessions", subject=str(self._path))
        if error is not None and self.trouble is None:
            log.warning("sessions_not_written", error=str(error))
        elif error is None and self.trouble is not None:
            log.info("sessions_written_again")
        self.trouble = error


def _load(path: Path) -> dict[str, dict[str, None]]:
    ours: dict[str, dict[str, None]] = {}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ours
    except OSError as error:
        raise explain(error, operation="open sessions", subject=str(path)) from error
    damaged = 0
    for line in filter(None, content.split(b"\n")):
        try:
            sign, address, uri = _line.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
            continue
        if sign == _OPENED:
            ours.setdefault(address, {})[uri] = None
        else:
            ours.get(address, {}).pop(uri, None)
    if damaged:
        log.warning("sessions_damaged", path=str(path), lines_skipped=damaged)
    return {address: mine for address, mine in ours.items() if mine}
