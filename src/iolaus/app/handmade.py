"""What is changed by hand in the state directory is in the audit log as well.

Policy, tokens and anchors are files that a person may write without asking the server. Each is
looked at now and then, and another content than the last is an entry with both digests. What was
seen last is kept beside them, so that a change while nothing ran is told at the next start. Who did
it, a file does not say.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.audit import Record
from iolaus.store.files import replace_file
from iolaus.store.state import State

log = structlog.get_logger(__name__)
SEEN_FILE: Final = "audit.files"
LOOK_S: Final = 10.0
MOST: Final = 2_000
_DIGESTS = msgspec.json.Decoder(dict[str, str])


class Handmade:
    """`names` are files, and folders of files, in the state directory."""

    def __init__(self, *, state: State, clock: Clock, names: Sequence[str]) -> None:
        self._state, self._clock, self._names = state, clock, names
        self._stats: tuple[tuple[str, int, int], ...] | None = None

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (IolausError, OSError) as error:
                log.warning("files_unread", error=str(error))
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Write down what is not as it was. Raises `IolausError`, `OSError`."""
        stats = await asyncio.to_thread(lambda: tuple(self._stat()))
        if stats == self._stats:
            return
        before, now = await asyncio.to_thread(self._digests)
        changed = sorted(n for n in before.keys() | now.keys() if before.get(n) != now.get(n))
        for name in changed:
            told = {"before": before.get(name), "after": now.get(name)}
            detail = msgspec.json.encode(told).decode()
            await self._state.audit.append(
                Record(who="file", what="change", subject=name, detail=detail)
            )
        if changed:
            seen = self._state.directory / SEEN_FILE
            await asyncio.to_thread(replace_file, seen, msgspec.json.encode(now))
        self._stats = stats

    def _digests(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """SHA-256 (hex) by name: those that were seen last, and today's."""
        found = {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in self._files()}
        try:
            return _DIGESTS.decode((self._state.directory / SEEN_FILE).read_bytes()), found
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}, found

    def _stat(self) -> Iterator[tuple[str, int, int]]:
        for name, path in self._files():
            stat = path.stat()
            yield name, stat.st_mtime_ns, stat.st_size

    def _files(self) -> Iterator[tuple[str, Path]]:
        for name in self._names:
            path = self._state.directory / name
            below = sorted(path.iterdir())[:MOST] if path.is_dir() else [path]
            for each in below:
                if each.is_file():
                    yield each.relative_to(self._state.directory).as_posix(), each
