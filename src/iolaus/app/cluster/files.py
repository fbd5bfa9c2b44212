"""What an operator keeps in files is the same on every core, and the logins on every edge.

Each file is a row, sealed with the key of the logins, which alone is given to every machine by
hand. The leading core writes what changed in its directory; everybody else writes what changed in
the table. A core that began to lead while the bus was away first takes what others gave, and gives
only what was changed here since. Firmware images are too large for that: they belong to a folder
that the cores share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from iolaus.app.cluster.rounds import rounds
from iolaus.bus.port import Entry, Table
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.store.files import replace_file
from iolaus.store.secrets import Secrets

log = structlog.get_logger(__name__)
FILES: Final = "files"
LABEL: Final = b"iolaus-file-1\n"
SECRETS: Final = "secrets"
SHARED: Final = (
    "tokens.json",
    "operator.token",
    "policy.yaml",
    "power.yaml",
    "power-changes.json",
    "power-targets.json",
    "load-targets.json",
    "grid-key.json",
    "grid-key.public.json",
    "recovery.yaml",
    "alarms.yaml",
    "drains.yaml",
    "anchors",
    "authorities",
    "authorities.yaml",
    "audit-signing",
    "evidence-signing",
    "console.keys",
    "console.kept",
    "console.shares",
)
MOST_BYTES: Final = 900 * 1024
LOOK_S: Final = 1.0


class Files:
    """The files of one directory, and the table `table`. `changed` hears the name of each that came
    from elsewhere; `counts` says whether what stands in a file is in force, and may be given."""

    def __init__(
        self,
        *,
        table: Table,
        directory: Path,
        secrets: Secrets,
        clock: Clock,
        changed: Callable[[str], None] = lambda _: None,
        counts: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._table, self._directory, self._secrets = table, directory, secrets
        self._clock, self._changed, self._counts = clock, changed, counts
        self._known: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}
        self._fetched = False
        self._giving = asyncio.Lock()
        self._taking: asyncio.Future[bool] | None = None

    async def begin(self) -> None:
        """To be called when a term begins: what the directory holds now is older than the table.
        A thread goes on when who waits for it is cancelled, so `follow` may still be writing."""
        if self._taking is not None:
            await asyncio.wait({self._taking})
        self._before, self._fetched = await asyncio.to_thread(self._read), False

    async def fetch(self) -> None:
        """Everything that the table has, but for what was changed here since `begin`. Raises
        `BusAway`, and what the logins raise."""
        rows = await self._table.rows()
        now = await asyncio.to_thread(self._read)
        changed = {name for name in now if self._before and now[name] != self._before.get(name)}
        for entry in rows.values():
            if entry.key not in changed:
                await asyncio.to_thread(self._take, entry)
        self._fetched = True

    async def follow(self) -> None:
        """Until cancelled: whatever changes in the table."""
        async for entry in self._table.watch():
            if entry is None or not entry.body:
                continue
            try:
                self._taking = asyncio.ensure_future(asyncio.to_thread(self._take, entry))
                if await asyncio.shield(self._taking):
                    self._changed(entry.key)
            except IolausError as error:
                log.warning("file_not_taken", name=entry.key, error=str(error))

    async def lead(self) -> None:
        """Until cancelled: whatever changes in the directory. After `begin`."""
        await rounds(self.give, self._clock, LOOK_S)

    async def give(self) -> None:
        """What differs from what was last given. Raises `BusAway`."""
        async with self._giving:
            if not self._fetched:
                await self.fetch()
            for name, content in (await asyncio.to_thread(self._read)).items():
                if self._known.get(name) != content and self._counts(name):
                    sealed = content if name == SECRETS else self._sealed(content)
                    await self._table.put(name, sealed)
                    self._known[name] = content

    def _sealed(self, content: bytes) -> bytes:
        return self._secrets.seal(content, label=LABEL)

    def _read(self) -> dict[str, bytes]:
        found = {SECRETS: self._secrets.sealed}
        for name in SHARED:
            path = self._directory / name
            paths = sorted(path.rglob("*")) if path.is_dir() else [path]
            for each in paths:
                if each.is_file() and each.stat().st_size <= MOST_BYTES:
                    found[str(each.relative_to(self._directory))] = each.read_bytes()
        return {name: content for name, content in found.items() if content}

    def _take(self, entry: Entry) -> bool:
        """Whether it was another."""
        if entry.key == SECRETS:
            if entry.body == self._secrets.sealed:
                return False
            self._secrets.take_sealed(entry.body)
            self._known[SECRETS] = entry.body
            return True
        path = self._directory / entry.key
        if ".." in path.parts or not path.is_relative_to(self._directory):
            return False
        content = self._secrets.unseal(entry.body, label=LABEL, what=path)
        self._known[entry.key] = content
        if path.exists() and path.read_bytes() == content:
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content)
        return True
