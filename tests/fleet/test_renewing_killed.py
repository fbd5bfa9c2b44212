"""Certificates while processes die: cut before and after every journal entry, every effect and
every pin that is written, the next life brings the same certificate to its end, and no endpoint is
left with a pin that it does not show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from iolaus.drivers.ports import Receipt, SigningRequest, Subject, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.fleet.expect import sight_of
from iolaus.fleet.renewal import Renewal
from iolaus.fleet.renewing import RECEIPT, Renewals
from iolaus.fleet.signing import Signer
from iolaus.fleet.step_certificate import REQUEST, ROOM, certificate_drafts
from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Target
from iolaus.model.plan import Action, Expect, NodePlan, Plan, Step
from iolaus.model.rollout import Entry, EntryKind, NodeState, RolloutState, Sight
from iolaus.store.database import Database
from iolaus.store.facts import Facts
from iolaus.store.journal import StoredJournal
from tests.act.hall import Hall, Point, node_of, plan_of
from tests.act.house import Cut, Process
from tests.fleet.test_certify import request as csr_of
from tests.fleet.test_renewing import WAS, Ours, shown_by

HOSTS = {"n0": "10.0.0.5"}
LATENCY_S, SERVED_AFTER_S = 0.3, 20.0


def plan_over(hosts: Mapping[str, str], generation: int) -> Plan:
    made = []
    for uid, host in hosts.items():
        drafts = certificate_drafts(Renewal("hall-ca", "/c/1", (host,), "another"))
        steps = (msgspec.structs.replace(d.step, id=f"{uid}/{d.word}") for d in drafts)
        node = node_of(uid, tuple(steps))
        made.append(msgspec.structs.replace(node, endpoint=f"https://{host}"))
    return msgspec.structs.replace(plan_of(made, waves=1), generation=generation)


class Controller:
    """Serves what was put in a while after, and counts what it was asked."""

    def __init__(self, clock: JumpClock, host: str) -> None:
        self.clock, self.host, self.address = clock, host, f"https://{host}"
        self.requests, self.installed = 0, list[tuple[float, str]]()

    async def request_certificate(self, _: Writes, place: str, subject: Subject) -> SigningRequest:
        self.requests += 1
        return SigningRequest(pem=csr_of(subject.common_name), collection=place)

    async def replace_certificate(self, _: Writes, uri: str, pem: str) -> Receipt:
        self.installed.append((self.clock.now() + SERVED_AFTER_S, shown_by(pem)))
        return Receipt(method="POST", uri=uri, status=200, at=0.0)

    @property
    def serves(self) -> str:
        due = [shown for at, shown in self.installed if at <= self.clock.now()]
        return due[-1] if due else WAS


class Disk(dict[str, Target]):
    """What of the targets was flushed."""


class Memory(Facts):
    """What one life knows: what was on the disk when it began, and what it wrote since."""

    def __init__(self, disk: Disk, clock: JumpClock, point: Point) -> None:
        super().__init__(clock=clock)
        self._disk, self._point = disk, point
        for target in disk.values():
            self.put_target(target)

    async def flush(self) -> None:
        await self._point("before the pin")
        self._disk |= {held.target.address: held.target for held in self.all_held()}
        await self._point("after the pin")


class Room(Hall):
    """Controllers, a disk, and the journals of a database."""

    def __init__(self, where: Path, plan: Plan) -> None:
        super().__init__(JumpClock())
        self.plan, self.ours = plan, Ours(self.clock)
        self.controllers = {u: Controller(self.clock, host) for u, host in HOSTS.items()}
        found = (Target(address=c.address, fingerprint=WAS) for c in self.controllers.values())
        self.disk = Disk({each.address: each for each in found})
        self.database = Database(where)
        self.journal = StoredJournal(self.database, clock=self.clock, here=True)

    def hands(self, point: Point | None = None) -> Any:
        assert point is not None
        return Hands(self, point)

    async def begun(self, uid: str) -> Mapping[str, Any] | None:
        found: list[Entry] = [
            each
            for each in await self.journal.entries(self.plan.id)
            if each.kind is EntryKind.SENT
            and each.node == uid
            and RECEIPT in each.doc.get("receipt", {})
        ]
        return cast(Mapping[str, Any], found[-1].doc["receipt"][RECEIPT]) if found else None

    async def shown(self, address: str) -> str:
        await self.clock.sleep(LATENCY_S)
        return next(c.serves for c in self.controllers.values() if c.address == address)

    async def trusted(self, address: str) -> bool:
        return False


class Hands:
    """`act.ports.Hands` of one life."""

    def __init__(self, room: Room, point: Point) -> None:
        self._room, self._point = room, point
        self._facts = Memory(room.disk, room.clock, point)
        self._renewals = Renewals(
            facts=self._facts,
            signer=Signer(room.ours, clock=room.clock),
            shows=room,
            begun=room.begun,
        )

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        values: dict[str, Any] = {"endpoint/reachable": True}
        held = self._facts.held(node.endpoint)
        assert held is not None
        wanted = [each.subject for each in expects if each.subject.startswith(ROOM)]
        await self._renewals.look(held, node.uid, wanted, values)
        return sight_of(expects, values=values, reasons={}, baseline=baseline)

    async def do(
        self,
        node: NodePlan,
        step: Step,
        action: Action,
        *,
        effect: str,
    ) -> Mapping[str, Any]:
        await self._point("before the effect")
        device, held = self._room.controllers[node.uid], self._facts.held(node.endpoint)
        driver, writes = cast(RedfishDriver, device), cast(Writes, device)
        assert held is not None
        if action.subject == REQUEST:
            told = await self._renewals.request(driver, writes, held, action, node.uid)
        else:
            told = await self._renewals.install(driver, writes, node.uid, action)
        await self._point("after the effect")
        return told


async def cut_at(where: Path, at: int) -> tuple[Room, str]:
    """One roll-out that was cut once; the room at its end, and where it was cut."""
    plan = plan_over(HOSTS, at)
    room, cut = Room(where, plan), Cut(at)
    room.clock.advance(at * 1e5)
    first = Process(where, room, cut=cut)
    progress = await first.run(plan)
    if cut.hit.is_set():
        second = Process(where, room)
        second.start()
        progress = await second.until(plan)
        await second.stop()
    assert progress.state is RolloutState.DONE, (cut.where, progress)
    assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}, cut.where
    room.database.close()
    return room, cut.where


@pytest.mark.slow
async def test_cut_at_every_place(tmp_path: Path) -> None:
    seen, at, cut = set[str](), 0, "begin"
    while cut:
        at += 1
        room, cut = await cut_at(tmp_path / "state.db", at)
        for each in room.controllers.values():
            assert each.serves != WAS, cut
            assert room.disk[each.address].fingerprint == each.serves, cut
            assert room.disk[each.address].expected is None, cut
            assert len(each.installed) == 1, cut
            assert each.requests <= 2, cut
        seen.add(cut)
    assert {"before the pin", "after the pin", "after the effect", "before sent"} <= seen
