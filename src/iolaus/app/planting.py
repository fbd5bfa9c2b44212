"""The plant of this hall: what the operator wrote of it, and what its devices say.

`power.yaml` of the state directory holds a Plant, a PowerPolicy, a LeakPolicy and a Building, any
of them or none. Without a file there is a plant all the same, of what was discovered: its limits
are unknown, so nothing in it is ever granted more than a floor, and the room observes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import is_
from pathlib import Path
from typing import Final

import msgspec

from iolaus.app.ratings import rated, ratings_of
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
from iolaus.model.endpoint import Target
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
RESTS: Final = 20.0
MOST_REST_S: Final = 30.0
"""So many times as long as a look at a large hall took, and at most so long, it is not looked at
again: while a hall is read for the first time, something is new each time."""
DISCOVERY: Final = "discovery"


class Planted:
    """The plant of a running server. It is built anew when it is asked for and older than a few
    seconds, and is the same object as long as nothing changed; `claims` are those of building
    systems, given by whoever hears them."""

    def __init__(self, said: Written, facts: Facts, clock: Clock) -> None:
        self.said, self._facts, self._clock = said, facts, clock
        self.claims: tuple[Claim, ...] = ()
        self._built: tuple[float, Plant] | None = None
        self._took_s = 0.0
        self._aged = False
        self._known: dict[str, tuple[Report, Target, Told]] = {}
        self._of: tuple[Written, tuple[Claim, ...], list[Told]] | None = None

    def rule(self, said: Written) -> None:
        """This counts from now on."""
        self.said, self._aged = said, True

    def plant(self) -> Plant:
        now = self._clock.monotonic()
        rests_s = max(ANEW_S, min(MOST_REST_S, RESTS * self._took_s))
        if self._built is None or self._aged or now - self._built[0] >= rests_s:
            self._aged = False
            self._built = now, self._anew()
            self._took_s = self._clock.monotonic() - now
        return self._built[1]

    def _anew(self) -> Plant:
        """What is told is worked out again where it was told again, and the plant where any of it
        differs: a hall of ten thousand nodes would else take seconds of every five."""
        last, of, told = self._built, self._of, self._all_told()
        if last and of and of[0] is self.said and of[1] == self.claims and _same(of[2], told):
            return last[1]
        plant = plant_of_told(self.said, told, others=self.claims)
        self._of = self.said, self.claims, told
        return last[1] if last and last[1] == plant else plant

    def _all_told(self) -> list[Told]:
        known, self._known = self._known, {}
        for held in self._facts.all_held():
            if held.report is not None:
                address, report = held.target.address, held.report
                last = known.get(address)
                if last and last[0] is report and last[1] is held.target:
                    told = last[2]
                else:
                    told = told_by(held.target, report)
                    told = last[2] if last and last[2] == told else told
                self._known[address] = report, held.target, told
        return [told for _, _, told in self._known.values()]


def _same(before: Sequence[Told], after: Sequence[Told]) -> bool:
    return len(before) == len(after) and all(map(is_, before, after))


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
    told = [told_by(each.target, each.report) for each in every if each.report is not None]
    return plant_of_told(said, told, others=others)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint says of the plant: claims, its nodes by the fields that selectors read,
    and the supplies of its shelves."""

    labels: Mapping[str, str]
    claims: tuple[Claim, ...]
    nodes: tuple[tuple[str, Mapping[str, str | None]], ...]
    rated: tuple[float | None, ...]


def told_by(target: Target, report: Report) -> Told:
    """Pure."""
    names = asset_names(target, report.assets)
    return Told(
        labels=target.labels,
        claims=tuple(discovered(target, report, names)),
        nodes=tuple(
            (names[asset.key], _fields(target, asset, names[asset.key]))
            for asset in report.assets
            if asset.kind is AssetKind.NODE
        ),
        rated=tuple(rated(report)),
    )


def plant_of_told(said: Written, every: Sequence[Told], *, others: Iterable[Claim] = ()) -> Plant:
    """As `plant_of`. Pure."""
    nodes = [Node(name=name, look=_look(of)) for each in every for name, of in each.nodes]
    labels = [each.labels for each in every]
    claims = [
        *_known_places(others, labels),
        *ratings_of((each.labels, each.rated) for each in every),
    ]
    claims += [claim for each in every for claim in each.claims]
    for document in said.plants:
        claims += plant_claims(document, nodes)
    if said.power:
        claims += policy_claims(said.power, nodes)
    first = [f"plant/{each.metadata.name}" for each in said.plants]
    return build_plant(claims, first=[*first, DISCOVERY])


def _known_places(claims: Iterable[Claim], labels: Sequence[Mapping[str, str]]) -> Iterator[Claim]:
    """What a building calls after a hall or a row is that, and no breaker."""
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


def discovered(target: Target, report: Report, names: Mapping[str, str]) -> Iterator[Claim]:
    """What one endpoint and its labels say of the plant."""
    for asset in report.assets:
        rack = target.labels.get("rack") or asset.place.rack
        name = names[asset.key]
        match asset.kind:
            case AssetKind.NODE:
                yield from _node(name, rack, asset, report)
            case AssetKind.CDU:
                loop = target.labels.get("loop")
                yield from _said(f"unit/{name}", loop=loop)
                yield from _said(f"loop/{loop}", units=(name,)) if loop else ()
        if rack:
            yield from _rack(rack, target.labels.get("feed", ""))


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


def _look(fields: Mapping[str, str | None]) -> Lookup:
    return lambda key: fields.get(key, MISSING)


def _fields(target: Target, asset: Asset, name: str) -> dict[str, str | None]:
    place = asset.place
    own = {"name": name, "kind": asset.kind.value, "vendor": asset.vendor, "model": asset.model}
    where = {"hall": place.hall, "row": place.row, "rack": place.rack}
    return {**own, **where, **target.labels}
