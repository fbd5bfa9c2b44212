"""What operators decided of power as it counts, and a change of it that waits for a second person.

The plant, its two policies and the building that tells of them count together: a limit is worth
nothing without the tree that it stands in. So a change is of all of them at once, names what it was
made against, and holds the whole that would count after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from iolaus.model.building import BuildingDocument
from iolaus.model.energy import LeakPolicyDocument, PlantDocument, PowerPolicyDocument

ANYBODY: Final = ""
"""The group of an approval that anybody else than the maker may give."""
PolicyDocument = PlantDocument | PowerPolicyDocument | LeakPolicyDocument | BuildingDocument


class PowerDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """One policy of each kind and one building at most; plants by name."""

    plants: tuple[PlantDocument, ...] = ()
    power: PowerPolicyDocument | None = None
    leaks: LeakPolicyDocument | None = None
    building: BuildingDocument | None = None

    def __iter__(self) -> Iterator[PolicyDocument]:
        yield from self.plants
        yield from (each for each in (self.power, self.leaks, self.building) if each)

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def taking(self, documents: Iterable[PolicyDocument]) -> PowerDocuments:
        """With these in the place of those of the same kind (a plant: of the same name)."""
        plants = {each.metadata.name: each for each in self.plants}
        power, leaks, building = self.power, self.leaks, self.building
        for each in documents:
            match each:
                case PlantDocument():
                    plants[each.metadata.name] = each
                case PowerPolicyDocument():
                    power = each
                case LeakPolicyDocument():
                    leaks = each
                case BuildingDocument():
                    building = each
        return PowerDocuments(
            plants=tuple(plants.values()), power=power, leaks=leaks, building=building
        )

    def needs(self) -> dict[str, int]:
        """How many of which group must approve a change of these: never nobody."""
        found: dict[str, int] = {}
        for policy in (self.power, self.leaks):
            for want in policy.spec.approvals if policy else ():
                found[want.group] = max(want.count, found.get(want.group, 0))
        return found or {ANYBODY: 1}


class PowerApproval(msgspec.Struct, frozen=True, kw_only=True):
    by: str
    at: float
    groups: tuple[str, ...] = ()


class PowerChange(msgspec.Struct, frozen=True, kw_only=True):
    """`after` would count; `base` is the digest of what counted when it was made, `text` what a
    person reviews. `state`: planned, applied or withdrawn. Times are seconds since 1970."""

    id: str
    at: float
    by: str
    source: str
    base: str
    after: PowerDocuments
    text: str
    needs: dict[str, int]
    kinds: tuple[str, ...] = ()
    approvals: tuple[PowerApproval, ...] = ()
    state: str = "planned"
    ended_at: float | None = None
    ended_by: str = ""

    def missing(self) -> dict[str, int]:
        """How many approvals of which group it still needs."""
        left = {
            group: count - len({each.by for each in self.approvals if group in each.groups})
            for group, count in self.needs.items()
        }
        return {group: count for group, count in left.items() if count > 0}
