"""What an edge reads now: the targets of its shards, taken up and given up as ownership moves.

What is taken from another edge is begun with the last report that this one left; where there is
none it is read as a device that nobody knows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from iolaus.app.cluster.handing import Handed, Handing
from iolaus.app.cluster.wanting import parse_targets
from iolaus.app.house import House
from iolaus.bus.port import Table
from iolaus.kernel.errors import IolausError
from iolaus.kernel.turns import own_turn
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of, site_in
from iolaus.store.files import replace_file
from iolaus.wire.redfish.port import Credential

log = structlog.get_logger(__name__)
EPOCHS: Final = "owned.json"


class Owned:
    """`site` is this edge's. `wanted` is known once the table was read (`known`); `taken` is told
    of a shard whose targets are ours to read from now on; `handing` has what former owners left."""

    def __init__(
        self,
        house: House,
        table: Table,
        site: str,
        *,
        taken: Callable[[str], None] = lambda _: None,
        handing: Handing | None = None,
    ) -> None:
        self._house, self._table, self._site = house, table, site
        self._taken, self._handing = taken, handing
        self._coming: set[str] = set()
        self._file: Path = house.options.state_dir / EPOCHS
        self._going: set[asyncio.Task[Any]] = set()
        self.wanted: dict[str, dict[str, Target]] = {}
        self.known = False
        self._logins: dict[str, Credential | None] = {}
        self.epochs: dict[str, int] = _load(self._file)

    def shards(self) -> set[str]:
        """With targets."""
        return set(self.wanted)

    def cached(self) -> set[str]:
        """Shards of which this process has targets."""
        return {shard_of(held.target) for held in self._house.state.facts.all_held()}

    async def follow(self, mine: Callable[[], set[str]]) -> None:
        """Until cancelled: what is wanted of this site, and taken up where it is ours."""
        async for entry in self._table.watch(f"{self._site}."):
            if entry is None:
                self.known = True
                continue
            if site_in(entry.key) != self._site:  # one whose name begins as ours does
                continue
            targets = parse_targets(entry.body)
            if targets is None:
                log.warning("wanted_unreadable", shard=entry.key)
                continue
            if targets:
                self.wanted[entry.key] = {target.address: target for target in targets}
            else:
                self.wanted.pop(entry.key, None)
            if entry.key in mine():
                self.take_up(entry.key)

    def gained(self, shard: str, epoch: int) -> None:
        """It is ours from now on."""
        self.epochs[shard] = epoch
        try:
            replace_file(self._file, json.dumps(self.epochs).encode())
        except IolausError as error:  # it is read and guarded all the same
            log.warning("epochs_not_written", shard=shard, error=str(error))
        self.take_up(shard, gained=True)

    def take_up(self, shard: str, *, gained: bool = False) -> None:
        """Read what is wanted of a shard that is ours, and nothing else of it."""
        facts, wanted = self._house.state.facts, self.wanted.get(shard, {})
        due: dict[str, bool] = {}
        for target in wanted.values():
            address, is_new = target.address, facts.target_of(target.address) is None
            self._logins[address] = self._house.credential_of(target)
            facts.put_target(target)
            if is_new or not self._house.collector.is_begun(address):
                due[address] = not is_new
            else:
                self._house.open(target)
        for address in self._addresses(shard) - wanted.keys():
            self._forget(address)
            if self._handing is not None:
                self._handing.ended(shard, address)
        self._taken(shard)
        self._begin(shard, due, gained=gained)

    # --- begun -------------------------------------------------------------------------------

    def _begin(self, shard: str, due: Mapping[str, bool], *, gained: bool) -> None:
        """Of an endpoint of `due` it is said whether this process knew it before."""
        if due and gained and self._handing is not None:
            self._coming |= due.keys()
            self.in_background(self._begin_handed(self._handing, shard, due))
            return
        for address, is_old in due.items():
            if address not in self._coming:
                self._house.collector.begin(address, spread=is_old)

    async def _begin_handed(self, handing: Handing, shard: str, due: Mapping[str, bool]) -> None:
        handed = await handing.take(shard, self.epochs[shard])
        for address in handed.keys() - self.wanted.get(shard, {}).keys():
            handing.ended(shard, address)
        known = 0
        for address, is_old in due.items():
            async with own_turn():
                if address not in self._coming:
                    continue  # it was given up meanwhile
                self._coming.discard(address)
                is_known = self._adopts(address, handed.get(address))
                known += is_known
                self._house.collector.begin(address, spread=is_old or is_known)
        log.info("shard_begun", shard=shard, endpoints=len(due), handed=known)

    def _adopts(self, address: str, handed: Handed | None) -> bool:
        """Whether what its last owner left is what is known of it now."""
        facts = self._house.state.facts
        last = facts.report_of(address)
        if handed is None or (last and last.observed_at >= handed.report.observed_at):
            return False
        try:
            self._house.devices.is_served_by(address, handed.report.driver)
            facts.adopt_report(handed.report, handed.newest_log)
        except Exception as error:  # noqa: BLE001 - supervised: one report's trouble is that one's
            log.warning("report_not_adopted", endpoint=address, error=str(error))
            return False
        return True

    def let_in(self) -> None:
        """Other logins are known. Whoever has another now than it was last read with is read whole
        again: a target may be heard of before its login, and little is read without one."""
        for held in list(self._house.state.facts.all_held()):
            address, login = held.target.address, self._house.credential_of(held.target)
            self._house.open(held.target)
            if self._logins.get(address, login) != login:
                self._logins[address] = login
                self._house.read_again(address)

    def give_up(self, shard: str) -> None:
        """It is another's: its sessions are ended, and nothing of it is read any more."""
        for address in self._addresses(shard):
            self._forget(address)

    def _addresses(self, shard: str) -> set[str]:
        held = self._house.state.facts.all_held()
        return {each.target.address for each in held if shard_of(each.target) == shard}

    def _forget(self, address: str) -> None:
        self._logins.pop(address, None)
        self._coming.discard(address)
        self._house.state.facts.remove_target(address)
        self._house.collector.forget(address)
        self.in_background(self._house.devices.drop(address))

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._going, return_exceptions=True)


def _load(path: Path) -> dict[str, int]:
    """Under which epochs the last life read; nothing where that is not known."""
    try:
        found = json.loads(path.read_bytes())
        return {str(shard): int(epoch) for shard, epoch in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
