"""The plant of this hall: what the operator wrote of it, and what its devices say.

`power.yaml` of the state directory holds a Plant, a PowerPolicy, a LeakPolicy and a Building, any
of them or none. Without a file there is a plant all the same, of what was discovered: its limits
are unknown, so nothing in it is ever granted more than a floor, and the room observes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from iolaus.app.ratings import ratings_of
from iolaus.energy.documents import (
    Node,
    leak_policy,
    plant_claims,
    policy_claims,
    power_policy,
)
from iolaus.energy.plant import Claim, build_plant
from iolaus.energy.policy import LeakPolicy, PowerPolicy
from iolaus.fleet.energy_files import read_energy
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import Asset, AssetKind, Component, ComponentKind, Report
from iolaus.model.building import BuildingDocument
from iolaus.model.energy import (
    EnergyDocument,
    LeakPolicyDocument,
    PlantDocument,
    PowerPolicyDocument,
)
from iolaus.model.naming import asset_names
from iolaus.model.plant import DomainKind, Plant
from iolaus.model.ruling import PowerDocuments
from iolaus.model.select import MISSING, Lookup
from iolaus.store.facts import Facts
from iolaus.store.held import Held

POWER_FILE: Final = "power.yaml"
ANEW_S: Final = 5.0
DISCOVERY: Final = "discovery"


class Planted:
    """The plant of a running server. It is built anew when it is asked for and older than a few
    seconds, and is the same object as long as nothing changed; `claims` are those of building
    systems, given by whoever hears them."""

    def __init__(self, said: Written, facts: Facts, clock: Clock) -> None:
        self.said, self._facts, self._clock = said, facts, clock
        self.claims: tuple[Claim, ...] = ()
        self._built: tuple[float, Plant] | None = None
        self._aged = False

    def rule(self, said: Written) -> None:
        """This counts from now on."""
        self.said, self._aged = said, True

    def plant(self) -> Plant:
        now = self._clock.monotonic()
        if self._built is None or self._aged or now - self._built[0] >= ANEW_S:
            self._aged = False
            held = list(self._facts.all_held())
            plant, last = plant_of(self.said, held, others=self.claims), self._built
            self._built = now, last[1] if last and last[1] == plant else plant
        return self._built[1]


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wrote. One of each at most, but plants, of which there may be several."""

    plants: tuple[PlantDocument, ...] = ()
    power: PowerPolicyDocument | None = None
    leaks: LeakPolicyDocument | None = None
    building: BuildingDocument | None = None

    @property
    def power_policy(self) -> PowerPolicy:
        return self.power_policy_in({})

    @property
    def leak_policy(self) -> LeakPolicy:
        return self.leak_policy_in({})

    def power_policy_in(self, halls: Mapping[str, str]) -> PowerPolicy:
        """Where racks stand in these halls."""
        return power_policy(self.power, halls) if self.power else PowerPolicy()

    def leak_policy_in(self, halls: Mapping[str, str]) -> LeakPolicy:
        return leak_policy(self.leaks, halls) if self.leaks else LeakPolicy()

    @property
    def ruled(self) -> PowerDocuments:
        """What is changed by plan while a server runs."""
        return PowerDocuments(
            plants=self.plants, power=self.power, leaks=self.leaks, building=self.building
        )

    def ruling(self, ruled: PowerDocuments) -> Written:
        """With these in the place of what counted."""
        return Written(
            plants=ruled.plants, power=ruled.power, leaks=ruled.leaks, building=ruled.building
        )


def load_written(path: Path) -> Written:
    """From the operator's file; nothing where there is no file. Raises `OperatorMust`, with line
    and column of what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Written()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"it cannot be read: {error}",
            operation="read plant",
            subject=str(path),
            code="PlantUnreadable",
            next_step="make it readable UTF-8 text, or remove it.",
        ) from None
    return written(read_energy(text, source=str(path)), source=str(path))


def written(documents: Sequence[EnergyDocument], *, source: str) -> Written:
    """The documents by their kind. Raises `OperatorMust` for two policies of one kind."""
    power = [each for each in documents if isinstance(each, PowerPolicyDocument)]
    leaks = [each for each in documents if isinstance(each, LeakPolicyDocument)]
    buildings = [each for each in documents if isinstance(each, BuildingDocument)]
    for many in (power, leaks, buildings):
        if len(many) > 1:
            raise OperatorMust(
                f"there are {len(many)} of kind {many[0].kind}, and one hall has one",
                operation="read plant",
                subject=source,
                code="TooMany",
                next_step="keep one of them.",
            )
    return Written(
        plants=tuple(each for each in documents if isinstance(each, PlantDocument)),
        power=power[0] if power else None,
        leaks=leaks[0] if leaks else None,
        building=buildings[0] if buildings else None,
    )


def halls_of(every: Iterable[Held]) -> dict[str, str]:
    """The hall in which each rack stands, by the labels of what stands in it."""
    labels = (held.target.labels for held in every)
    return {each["rack"]: each["hall"] for each in labels if "rack" in each and "hall" in each}


def plant_of(said: Written, every: Iterable[Held], *, others: Iterable[Claim] = ()) -> Plant:
    """The plant as it counts now. `others` are claims of building systems. Pure."""
    held = [each for each in every if each.report is not None]
    nodes = [node for each in held for node in _nodes(each)]
    claims = [*_known_places(others, held), *ratings_of(held)]
    claims += [claim for each in held for claim in discovered(each)]
    for document in said.plants:
        claims += plant_claims(document, nodes)
    if said.power:
        claims += policy_claims(said.power, nodes)
    first = [f"plant/{each.metadata.name}" for each in said.plants]
    return build_plant(claims, first=[*first, DISCOVERY])


def _known_places(claims: Iterable[Claim], held: Iterable[Held]) -> Iterator[Claim]:
    """What a building calls after a hall or a row is that, and no breaker."""
    labels = [each.target.labels for each in held]
    kinds = {each["hall"]: DomainKind.HALL for each in labels if each.get("hall")}
    for each in labels:
        if (hall := each.get("hall")) and (row := each.get("row")):
            kinds[f"{hall}-{row}"] = kinds[row] = DomainKind.ROW
    for claim in claims:
        name = claim.subject.removeprefix("domain/")
        if claim.field == "kind" and claim.value == DomainKind.BREAKER.value and name in kinds:
            yield dataclasses.replace(claim, value=kinds[name].value)
        else:
            yield claim


def discovered(held: Held) -> Iterator[Claim]:
    """What one endpoint and its labels say of the plant."""
    report = held.report
    if report is None:
        return
    names = asset_names(held.target, report.assets)
    for asset in report.assets:
        rack = held.target.labels.get("rack") or asset.place.rack
        name = names[asset.key]
        match asset.kind:
            case AssetKind.NODE:
                yield from _node(name, rack, asset, report)
            case AssetKind.CDU:
                loop = held.target.labels.get("loop")
                yield from _said(f"unit/{name}", loop=loop)
                yield from _said(f"loop/{loop}", units=(name,)) if loop else ()
        if rack:
            yield from _rack(rack, held.target.labels.get("feed", ""))


def _node(name: str, rack: str | None, asset: Asset, report: Report) -> Iterator[Claim]:
    caps = [each for each in report.power_limits if each.asset == asset.key and not each.component]
    most = max((each.max_w for each in caps if each.max_w), default=None)
    least = max((each.min_w for each in caps if each.min_w), default=None)
    parts = [each for each in report.components if each.asset == asset.key]
    yield from _said(
        f"load/{name}",
        rack=rack,
        nameplate_w=most or _capacity(parts) or None,
        floor_w=least,
    )
    if any(each.kind is ComponentKind.LEAK_DETECTOR for each in parts):
        yield from _said(f"zone/{name}", kind="tray", members=(name,))


def _capacity(parts: Iterable[Component]) -> float:
    """All supplies together: more than that it cannot draw."""
    supplies = (each for each in parts if each.kind is ComponentKind.PSU)
    return sum(each.readings.get("power_capacity_w", 0.0) for each in supplies)


def _rack(rack: str, feeds: str) -> Iterator[Claim]:
    named = tuple(each.strip() for each in feeds.split(",") if each.strip())
    yield from _said(
        f"domain/{rack}", kind="rack", parent=named[0] if named else None, standby=named[1:] or None
    )
    for feed in named:
        yield from _said(f"domain/{feed}", kind="feed")


def _said(subject: str, **fields: str | float | tuple[str, ...] | None) -> Iterator[Claim]:
    for field, value in fields.items():
        if value is not None:
            yield Claim(DISCOVERY, subject, field, value)


def _nodes(held: Held) -> Iterator[Node]:
    assert held.report is not None
    names = asset_names(held.target, held.report.assets)
    for asset in held.report.assets:
        if asset.kind is AssetKind.NODE:
            fields = _fields(held, asset, names[asset.key])
            yield Node(name=names[asset.key], look=_look(fields))


def _look(fields: Mapping[str, str | None]) -> Lookup:
    return lambda key: fields.get(key, MISSING)


def _fields(held: Held, asset: Asset, name: str) -> dict[str, str | None]:
    place = asset.place
    own = {"name": name, "kind": asset.kind.value, "vendor": asset.vendor, "model": asset.model}
    where = {"hall": place.hall, "row": place.row, "rack": place.rack}
    return {**own, **where, **held.target.labels}
