"""What the loads of a plant need, as far as their edges have told: arrays, filled by reports.

What no report has told is the most there can be: a node's nameplate. A node that cannot be reached
can neither be lowered nor raised, so it stands fixed at what its edge charges it with; a node that
a reflex holds gets its floor.

Machines of one job that are alike (same floor, same draw at idle) are peers: they run in step. So
they rise together whatever their cords carry, and none has a use for more than the peer that can
have least: the job goes at the pace of the slowest. They wake together too, and are read one after
another: what one of them was seen to want counts for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from iolaus.energy.allocate import Bools
from iolaus.energy.frames import Report
from iolaus.energy.network import Floats, Ints, Network
from iolaus.model.plant import Plant

ALONE: Final = -1


class Needs:
    """Arrays are in the order of the plant; `order(network)` turns them into a network's."""

    def __init__(self, plant: Plant) -> None:
        loads = plant.loads
        self.names = [load.name for load in loads]
        self.floor: Floats = np.array([load.floor_w for load in loads], dtype=np.float64)
        plate = np.array([load.nameplate_w for load in loads], dtype=np.float64)
        self.plate: Floats = np.maximum(plate, self.floor)
        self.priority = np.array([load.priority for load in loads], dtype=np.int64)
        self.demand: Floats = self.plate.copy()
        self.fixed: Floats = np.full(len(loads), np.nan)
        self.most: Floats = self.plate.copy()
        """What people let a node have at most; never below its floor."""
        self._bounds: Mapping[str, float] = {}
        self.held: Bools = np.zeros(len(loads), dtype=np.bool_)
        jobs = {name: at for at, name in enumerate(sorted({each.job or "" for each in loads}))}
        self.job: Ints = np.array(
            [jobs[load.job] if load.job else ALONE for load in loads], dtype=np.intp
        )
        self.peers = _peers(plant)
        self.reach = _greatest(self.peers, self.plate - self.floor)
        """By how much each would rise if its cord carried what its peers' do."""
        self._at = {name: at for at, name in enumerate(self.names)}
        self._of: Mapping[str, Ints] = {
            rack: np.array([self._at[load.name] for load in below], dtype=np.intp)
            for rack, below in plant.by_rack.items()
        }
        self._order: tuple[Network, Ints] | None = None

    def take(self, report: Report) -> None:
        """Go by a report, wholly: what it does not say is unknown."""
        here = self._of[report.rack]
        said = report.demand_w
        names = [self.names[at] for at in here]
        told = np.array([said.get(name, np.inf) for name in names])
        lost, held = set(report.unreachable), set(report.latched)
        self.demand[here] = np.clip(told, self.floor[here], self.plate[here])
        stuck = np.array([name in lost for name in names], dtype=np.bool_)
        self.fixed[here] = np.where(stuck, self.demand[here], np.nan)
        whole = report.rack in held
        self.held[here] = np.array([whole or name in held for name in names], dtype=np.bool_)

    @property
    def bounds(self) -> Mapping[str, float]:
        """What people let nodes draw at most."""
        return self._bounds

    def hold(self, nodes: Mapping[str, float]) -> None:
        """What people let these nodes draw at most; the others are free."""
        self.most, self._bounds = self.plate.copy(), dict(nodes)
        for name, watts in nodes.items():
            if (at := self._at.get(name)) is not None:
                self.most[at] = min(max(watts, self.floor[at]), self.plate[at])

    def order(self, network: Network) -> Ints:
        """For each load of the network, its place in these arrays."""
        if self._order is None or self._order[0] is not network:
            places = np.array([self._at[load.name] for load in network.loads], dtype=np.intp)
            self._order = network, places
        return self._order[1]

    def useful(self, deaf: Bools) -> Floats:
        """Of what everybody demands, what is of use to those who run in step with others: what any
        of them wants, and no more than the least that a peer can have, unless a reflex holds that
        one. Nobody is asked who cannot be reached, is held, or is not heard (`deaf`)."""
        lost = ~np.isnan(self.fixed)
        able = np.where(self.held, np.inf, np.where(lost, self.fixed, self.most))
        least = -_greatest(self.peers, -able)
        woken = _greatest(self.peers, np.where(lost | self.held | deaf, 0.0, self.demand))
        return np.minimum(np.maximum(self.demand, woken), np.maximum(least, self.floor))

    def demand_w(self, rack: str) -> float:
        return float(self.demand[self._of[rack]].sum())

    def floor_w(self, rack: str) -> float:
        return float(self.floor[self._of[rack]].sum())


def _peers(plant: Plant) -> Ints:
    """A number for every load, the same for alike machines of one job."""
    numbers: dict[object, int] = {}
    keys = [
        (load.job, load.floor_w, load.idle_w) if load.job else load.name for load in plant.loads
    ]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def _greatest(groups: Ints, values: Floats) -> Floats:
    """The greatest value within each one's group."""
    most = np.full(len(values), -np.inf)
    np.maximum.at(most, groups, values)
    found: Floats = most[groups]
    return found
