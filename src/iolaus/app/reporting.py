"""What the grid is told, signed with our key: power state, breaches, what was done about them.

Only where the operator allows it (`report`), and only what this server's centre knows; nothing is
queued while the broker does not hear us, because a state that is late is wrong. The key is made
once and stays in the state directory, readable by its owner only; its public half stands beside it,
for whoever is to believe us.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from iolaus.app.centring import Centring
from iolaus.app.edges import Running
from iolaus.energy.decisions import DomainState
from iolaus.energy.flex import ALL, Schedule
from iolaus.energy.policy import Mode
from iolaus.energy.reporting import STATE, CapSeen, FeedSeen, Reporter
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.model.plant import DomainKind, Plant
from iolaus.observe.building import Building
from iolaus.store.files import check_private, replace_file
from iolaus.wire.dsx.flex import Signer
from iolaus.wire.mqtt.link import Message

log = structlog.get_logger(__name__)
KEY_FILE, PUBLIC_FILE = "grid-key.json", "grid-key.public.json"
LOOK_S: Final = 1.0


class Reporting:
    """`centre` is this server's, if it has one; `edges` hold the racks; `feeds` as in `Flexing`."""

    def __init__(
        self,
        link: Building,
        signer: Signer,
        *,
        who: str,
        clock: Clock,
        schedule: Callable[[], Schedule],
        feeds: Callable[[], Mapping[str, str]],
        centre: Callable[[], Centring | None],
        edges: Callable[[], Mapping[str, Running]],
    ) -> None:
        self._link, self._signer, self.who, self._clock = link, signer, who, clock
        self._schedule, self._feeds, self._centre, self._edges = schedule, feeds, centre, edges
        self.reporter, self.said = Reporter(), 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except IolausError as error:
                log.debug("the grid is not told", error=str(error))
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Say what is to be said now. Raises `DeviceSilent` where the broker does not take it."""
        centring = self._centre()
        if centring is None or not self._link.link.connected:
            return
        mode, at = centring.centre.policy.mode, self._clock.now()
        why = "" if mode is Mode.CONTROL else f"mode {mode}: nothing is enforced"
        feeds = list(seen(self._feeds(), centring, self._edges(), self._clock.monotonic()))
        for word in self.reporter.look(feeds, self._schedule(), at, why_not=why):
            topic, payload = self._signer.event(
                word.kind, word.data, who=self.who, at=at, correlation=word.correlation
            )
            await self._link.link.publish(
                Message(topic, payload, qos=1 if word.kind == STATE else 2)
            )
            self.said += 1


def seen(
    feeds: Mapping[str, str], centring: Centring, edges: Mapping[str, Running], now_s: float
) -> Iterator[FeedSeen]:
    """Every feed of the grid that the centre knows, and the site that is above them."""
    plant = centring.centre.plant
    states = {each.name: each for each in centring.centre.domains()}
    racks = {each.rack: each.measured_w for each in centring.centre.racks(now_s)}
    site = next((each.name for each in plant.domains if each.kind is DomainKind.SITE), None)
    tags = {**feeds, **({ALL: site} if site else {})}
    for tag, domain in sorted(tags.items()):
        if (state := states.get(domain)) is not None:
            yield _feed(tag, state, plant, racks, edges)


def _feed(
    tag: str,
    state: DomainState,
    plant: Plant,
    racks: Mapping[str, float | None],
    edges: Mapping[str, Running],
) -> FeedSeen:
    below = sorted(set(_racks(plant, state.name)))
    loads = [load for rack in below for load in plant.by_rack.get(rack, ())]
    drawn = [racks.get(rack) for rack in below]
    known = [each for each in drawn if each is not None]
    least = sum(load.floor_w for load in loads)
    limit = state.limit_w if state.limit_w not in (None, float("inf")) else None
    priority = {load.name: load.priority for load in loads}
    return FeedSeen(
        tag=tag,
        least_w=least,
        most_w=limit if limit is not None else sum(load.nameplate_w for load in loads),
        charged_w=state.charged_w,
        planned_w=state.planned_w,
        measured_w=sum(known) if known and len(known) == len(drawn) else None,
        caps=tuple(
            CapSeen(
                cap.node.name,
                priority.get(cap.node.name, cap.node.priority),
                cap.node.floor_w,
                cap.ceiling,
                cap.known_w is not None,
            )
            for rack in below
            if rack in edges
            for cap in edges[rack].run.edge.caps
        ),
    )


def _racks(plant: Plant, name: str, deep: int = 0) -> Iterator[str]:
    """The racks whose first cord hangs below."""
    if plant.by_rack.get(name):
        yield name
    for child in plant.children.get(name, ()) if deep < len(DomainKind) else ():
        if plant.by_name[child].parent == name:
            yield from _racks(plant, child, deep + 1)


def own_signer(directory: Path, *, who: str) -> Signer:
    """With the key of this state directory, made at first. Raises `OperatorMust` for one that is
    spoilt or that others may read."""
    file = directory / KEY_FILE
    if not file.exists():
        key = ECKey.generate_key("P-256", {"kid": f"{who}-1"}, auto_kid=False)
        replace_file(file, json.dumps(KeySet([key]).as_dict(private=True)).encode())
    check_private(file, operation="read the key for the grid")
    try:
        keys = KeySet.import_key_set(json.loads(file.read_text(encoding="utf-8")))
        public = [{**key.as_dict(private=False), "alg": "ES256", "use": "sig"} for key in keys.keys]
        signer = Signer(keys)
    except (OSError, ValueError, KeyError, IndexError, TypeError, JoseError):
        raise OperatorMust(
            "it holds no key",
            operation="read the key for the grid",
            subject=str(file),
            code="BadKeySet",
            next_step="put the key back, or remove the file: another one is made, which the grid "
            "has to be given.",
        ) from None
    replace_file(directory / PUBLIC_FILE, json.dumps({"keys": public}, indent=1).encode())
    return signer
