"""Policies of power while a server runs: changed by plan, approved by somebody else, then in force.

What counts stands in the operator's file of power, before and after: a change that was let through
is written there whole, with what stood there before beside it, and then told to centre and edges.
They take it as they take any news: less at once, more only once everybody has been read. A change
names what it was made against, and is not applied to anything else.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from iolaus.app.planting import POWER_FILE, Planted, Written, halls_of, load_written, plant_of
from iolaus.energy.centre import Centre
from iolaus.energy.foresee import Foresight, foresee
from iolaus.energy.foretell import change_text, document_dict
from iolaus.energy.policy import LeakPolicy, PowerPolicy
from iolaus.fleet.energy_files import read_energy
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.building import BuildingDocument
from iolaus.model.energy import EnergyDocument
from iolaus.model.ruling import PowerApproval, PowerChange, PowerDocuments
from iolaus.store.facts import Facts
from iolaus.store.files import replace_file
from iolaus.store.kept import KeptFile

CHANGES_FILE: Final = "power-changes.json"
BEFORE_FILE: Final = "power.yaml.before"
KEPT: Final = 100
LOOK_S: Final = 5.0
Follow = Callable[[PowerPolicy, LeakPolicy], None]
Join = Callable[[BuildingDocument | None], Awaitable[None]]


class Ruling:
    """Is `north.ruling.RulesPower`. `follow` is told of policies that count from now on; `centre`
    is the one that runs here, if any; `join` takes another building, or none. Raises
    `OperatorMust` where the changes are spoilt."""

    def __init__(
        self,
        *,
        planted: Planted,
        facts: Facts,
        directory: Path,
        clock: Clock,
        follow: Follow,
        centre: Callable[[], Centre | None],
        join: Join,
    ) -> None:
        self._planted, self._facts, self._clock = planted, facts, clock
        self._follow, self._centre, self._join = follow, centre, join
        self._path, self._before = directory / POWER_FILE, directory / BEFORE_FILE
        self._kept = changes_file(directory / CHANGES_FILE)
        self._changes = {each.id: each for each in self._kept.load()}
        self._changing = asyncio.Lock()
        self._told: tuple[PowerPolicy, LeakPolicy] | None = None

    # --- seen --------------------------------------------------------------------------------

    def documents(self) -> PowerDocuments:
        """What counts now."""
        return self._planted.said.ruled

    def changes(self) -> Sequence[PowerChange]:
        """Newest first."""
        return sorted(self._changes.values(), key=lambda each: -each.at)

    def change(self, name: str) -> PowerChange:
        """Raises `OperatorMust` for one that is not there."""
        found = self._changes.get(name)
        if found is None:
            raise OperatorMust(
                "there is no such change of power",
                operation="find change",
                subject=name,
                code="NoSuchChange",
                next_step="see which there are: iolaus get powerchanges",
            )
        return found

    # --- asked -------------------------------------------------------------------------------

    async def propose(
        self, documents: Sequence[Mapping[str, Any]], *, by: str, source: str, keep: bool
    ) -> PowerChange:
        """What these documents would change. Raises `OperatorMust` for what is wrong in them, and
        where nothing would change."""
        async with self._changing:
            change = self._proposed(documents, by=by, source=source)
            if keep:
                self._keep({**self._changes, change.id: change})
            return change

    def _proposed(
        self, documents: Sequence[Mapping[str, Any]], *, by: str, source: str
    ) -> PowerChange:
        before = self.documents()
        told = read_documents(documents, source=source)
        after = before.taking(told)
        if after == before:
            raise OperatorMust(
                "it says what counts already",
                operation="apply",
                subject=source,
                code="NothingChanges",
                next_step="see what counts: iolaus export power",
            )
        change = PowerChange(
            id=secrets.token_hex(6),
            at=self._clock.now(),
            by=by,
            source=source,
            base=before.digest,
            after=after,
            text="",
            needs=before.needs(),
            kinds=tuple(dict.fromkeys(each.kind for each in told)),
        )
        text = change_text(before, after, self._foresee(after))
        return msgspec.structs.replace(change, text=text)

    def _foresee(self, after: PowerDocuments) -> Foresight:
        centre = self._centre()
        if centre is None:
            return Foresight(blind="no centre runs on this server")
        said = self._planted.said.ruling(after)
        held = list(self._facts.all_held())
        plant = plant_of(said, held, others=self._planted.claims)
        policy = said.power_policy_in(halls_of(held))
        return foresee(centre, plant, policy, self._clock.monotonic())

    async def approve(self, name: str, *, by: str, groups: Sequence[str]) -> PowerChange:
        """In the name of groups; anybody's where none is asked for. Raises `PolicyRefused`: nobody
        approves what they made."""
        async with self._changing:
            change = self._open(name, "approve")
            if by == change.by:
                raise PolicyRefused(
                    "nobody approves what they made",
                    operation="approve",
                    subject=f"powerchange/{name}",
                    code="OwnPlan",
                    next_step="let somebody else look at it and approve it.",
                )
            given = PowerApproval(by=by, at=self._clock.now(), groups=tuple(groups))
            others = tuple(each for each in change.approvals if each.by != by)
            return self._turn(change, approvals=(*others, given))

    async def apply(self, name: str, *, by: str) -> PowerChange:
        """From now on it counts. Raises `PolicyRefused` while approvals are missing, and where
        something else counts than what it was made against; and what joining a building raises,
        before anything counts."""
        async with self._changing:
            change = self._open(name, "apply")
            must_be_approved(change)
            if change.base != self.documents().digest:
                raise PolicyRefused(
                    "another change came into force since it was made",
                    operation="apply",
                    subject=f"powerchange/{name}",
                    code="WorldMoved",
                    next_step="apply the file once more, and read what it would do now.",
                )
            self._must_be_ours()
            said = self._planted.said.ruling(change.after)
            if said.building != self._planted.said.building:
                await self._join(said.building)
            self._write(said, change)
            done = self._turn(change, state="applied", ended_at=self._clock.now(), ended_by=by)
            self._planted.rule(said)
            self.look()
            return done

    async def withdraw(self, name: str, *, by: str) -> PowerChange:
        async with self._changing:
            change = self._open(name, "withdraw")
            return self._turn(change, state="withdrawn", ended_at=self._clock.now(), ended_by=by)

    # --- over time ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: which racks a hall has, is known only as it is discovered."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def read_again(self) -> None:
        """The file is another's word: from now on what stands in it counts. Raises
        `OperatorMust`; then what counted goes on to."""
        self._planted.rule(load_written(self._path))
        self.look()

    def rules(self) -> bool:
        """Whether what stands in the file is what counts."""
        try:
            return load_written(self._path) == self._planted.said
        except OperatorMust:
            return False

    def look(self) -> None:
        """Tell the policies that count now, where they are others than were told last."""
        halls = halls_of(self._facts.all_held())
        said = self._planted.said
        now = said.power_policy_in(halls), said.leak_policy_in(halls)
        if now != self._told:
            self._told = now
            self._follow(*now)

    # --- inside ------------------------------------------------------------------------------

    def _open(self, name: str, operation: str) -> PowerChange:
        change = self.change(name)
        if change.state != "planned":
            raise PolicyRefused(
                f"it is {change.state}",
                operation=operation,
                subject=f"powerchange/{name}",
                code="AlreadyApplied",
                next_step="apply the file once more, if it is still meant.",
            )
        return change

    def _turn(self, change: PowerChange, **values: Any) -> PowerChange:
        turned = msgspec.structs.replace(change, **values)
        self._keep({**self._changes, change.id: turned})
        return turned

    def _keep(self, changes: Mapping[str, PowerChange]) -> None:
        newest = sorted(changes.values(), key=lambda each: each.at)[-KEPT:]
        self._kept.save(newest)
        self._changes = {each.id: each for each in newest}

    def _must_be_ours(self) -> None:
        """A file that somebody edited since it was read is not written over."""
        if not self.rules():
            raise OperatorMust(
                "the file was changed by hand since this server read it",
                operation="apply",
                subject=str(self._path),
                code="FileChanged",
                next_step="put it back, or start the server again so that it counts.",
            )

    def _write(self, said: Written, change: PowerChange) -> None:
        if self._path.exists():
            replace_file(self._before, self._path.read_bytes())
        at = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        head = f"# powerchange/{change.id} by {change.by}, in force since {at}\n"
        replace_file(self._path, (head + written_yaml(said)).encode())


def must_be_approved(change: PowerChange) -> None:
    """Raises `PolicyRefused`."""
    missing = [f"{count} of {group or 'anybody else'}" for group, count in change.missing().items()]
    if missing:
        raise PolicyRefused(
            f"it still needs approval: {', '.join(missing)}",
            operation="apply",
            subject=f"powerchange/{change.id}",
            code="NeedsApproval",
            next_step=f"let somebody else say: iolaus approve powerchange/{change.id}",
        )


def read_documents(documents: Sequence[Mapping[str, Any]], *, source: str) -> list[EnergyDocument]:
    """Documents as they came over the API. Raises `BadFile` for what is wrong in them."""
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
    return read_energy(text, source=source)


def written_yaml(said: Written) -> str:
    """All of it as a file that can be applied and read at a start."""
    documents = [document_dict(each) for each in said.ruled]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)


def changes_file(path: Path) -> KeptFile[PowerChange]:
    return KeptFile(
        path,
        PowerChange,
        word="changes",
        code="ChangesUnreadable",
        next_step="remove the file: what counts stands in power.yaml.",
    )
