"""Load targets of the grid, from the building's broker to the centre.

What is believed and meant for us is kept in a file before it is held, so that a server that starts
again goes on holding it, and is in the audit log; so is what was refused, with its word. The limits
that hold now go to the centre when they change, by their start and their end, too; how fast power
then falls and rises is the policy's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from iolaus.energy.flex import ALL, Schedule
from iolaus.energy.ports import TakesTargets
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.audit import Record
from iolaus.store.kept import KeptFile
from iolaus.store.state import State
from iolaus.wire.dsx.flex import LoadTarget, Untrusted

log = structlog.get_logger(__name__)
FILE: Final = "load-targets.json"
LOOK_S: Final = 1.0
FOREIGN, NOT_ALLOWED = "OtherSite", "NotAllowed"


class Flexing:
    """`feeds` gives the grid's names of our feeds and their domains as they are now; `allowed`
    whether targets are to be held at all."""

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        centre: Callable[[], TakesTargets | None],
        feeds: Callable[[], Mapping[str, str]],
        allowed: bool,
    ) -> None:
        self._state, self._clock, self._centre, self._feeds = state, clock, centre, feeds
        self._kept = target_file(state.directory / FILE)
        self.allowed, self.held = allowed, dict[str, float]()
        self.refused: list[str] = []
        self._writing: set[asyncio.Task[None]] = set()
        self.schedule = Schedule({}, self._load())

    def heard(self, targets: Sequence[LoadTarget]) -> None:
        """Targets that are believed. Those for other feeds than ours are refused, whole."""
        self.schedule.feeds = self._feeds()
        foreign = [feed for each in targets for feed in self.schedule.foreign(each)]
        if not self.allowed:
            self._refuse(NOT_ALLOWED, "the operator allows no load targets", targets[0])
            return
        if foreign:
            why = f"it is for feeds that are not ours: {', '.join(foreign[:5])}"
            self._refuse(FOREIGN, why, targets[0])
            return
        for each in targets:
            self.schedule.take(each, at=self._clock.now())
        self._save()
        told = [msgspec.to_builtins(each) for each in targets]
        self._note("ask", targets[0].source, {"load_targets": told})
        self.look()

    def refuse(self, error: Untrusted) -> None:
        """A message that is not believed."""
        detail = {"refused": error.code, "because": error.why, "event": error.event_id}
        self.refused.append(error.code)
        del self.refused[:-100]
        self._note("refuse", error.source or "unknown sender", detail)

    def look(self) -> None:
        """Hold what holds now."""
        self.schedule.feeds = self._feeds()
        limits = dict(self.schedule.limits(self._clock.now())) if self.allowed else {}
        centre = self._centre()
        if centre is None or limits == self.held:
            return
        before, self.held = self.held, limits
        for domain in before.keys() | limits.keys():
            if before.get(domain) != limits.get(domain):
                self._hold(centre, domain, limits.get(domain))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self.look()
                await self._clock.sleep(LOOK_S)
        finally:
            await asyncio.gather(*self._writing, return_exceptions=True)

    def _hold(self, centre: TakesTargets, domain: str, limit_w: float | None) -> None:
        try:
            if domain == ALL:
                centre.target(limit_w)
            else:
                centre.derate(domain, limit_w)
        except IolausError as error:
            log.warning("a load target is not held", domain=domain or "site", error=str(error))
            self._note("note", domain or "site", {"not_held": str(error)})

    def _refuse(self, code: str, why: str, target: LoadTarget) -> None:
        self.refuse(Untrusted(code, why, source=target.source, event_id=target.event_id))

    def _load(self) -> Sequence[LoadTarget]:
        try:
            return self._kept.load()
        except IolausError as error:
            log.error("kept load targets are unreadable", file=FILE, error=str(error))  # noqa: TRY400
            return ()

    def _save(self) -> None:
        try:
            self._kept.save(self.schedule.targets)
        except IolausError as error:
            log.warning("load targets are not kept", error=str(error))

    def _note(self, what: str, subject: str, detail: Mapping[str, Any]) -> None:
        told = msgspec.json.encode(detail).decode()
        record = Record(who="grid", what=what, subject=subject, detail=told)
        task = asyncio.get_running_loop().create_task(self._write_down(record))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_down(self, record: Record) -> None:
        try:
            await self._state.audit.append(record)
        except IolausError as error:
            log.warning("a load target is not in the audit log", error=str(error))


def target_file(path: Path) -> KeptFile[LoadTarget]:
    return KeptFile(
        path,
        LoadTarget,
        word="targets",
        code="LoadTargetsUnreadable",
        next_step="remove the file, and have the grid send its targets again.",
    )
