"""The books: where every joule of the run came from and went to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iolaus.sim.physics.plant import Plant


class Books:
    """Joules since the start: `grid_j` came in; `facility_j` left with the facility's water,
    `rooms_j` with its air, `ambient_j` outside the hall; the rest is stored."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.grid_j = self.facility_j = self.rooms_j = self.ambient_j = self.gpu_j = 0.0
        self._began_j = self.stored_j()

    def stored_j(self) -> float:
        plant = self._plant
        warm = plant.heat.stored_j() + plant.coolant.stored_j() + plant.rooms.stored_j()
        return warm + plant.supply.stores.stored_j()

    def enter(self, dt: float) -> None:
        plant = self._plant
        self.grid_j += plant.supply.grid_w * dt
        self.facility_j += float(plant.coolant.heat_w.sum()) * dt
        self.rooms_j += float(plant.rooms.heat_w.sum()) * dt
        self.ambient_j += plant.ambient_w * dt
        self.gpu_j += float(plant.gpus.node_w.sum(dtype=float)) * dt

    @property
    def gone_j(self) -> float:
        return self.facility_j + self.rooms_j + self.ambient_j

    @property
    def gap(self) -> float:
        """What is missing, as a share of what came in."""
        stored = self.stored_j() - self._began_j
        return (self.grid_j - self.gone_j - stored) / max(self.grid_j, 1.0)
