"""Every fault of the simulated hall by its name, whatever room of the simulator plays it.

A row of `behaviours.md` or of the failure table of `energy.md` is one entry at least. The rooms
are modules of `rooms/`, found by looking into the folder; each lists its entries in `FAULTS`.
`strike.py` switches them on and off in a running hall.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.catalogue import rooms
from iolaus.sim.catalogue.entry import Entry
from iolaus.sim.catalogue.rooms_of_devices import device_rooms
from iolaus.sim.hall_yaml import meant


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Entry]:
    """Every fault by name, in the order of the rooms. Two of one name are our own mistake; but a
    room of the devices' own may play one better than it is played here."""
    found: dict[str, Entry] = {}
    for module in sorted(iter_modules(rooms.__path__), key=lambda each: each.name):
        listed: tuple[Entry, ...] = import_module(f"{rooms.__name__}.{module.name}").FAULTS
        for entry in listed:
            assert entry.name not in found, f"two faults are named {entry.name}"
            found[entry.name] = entry
    return found | {entry.name: entry for entry in device_rooms()}


def fault_of(name: str) -> Entry:
    """Raises OperatorMust that says what was probably meant."""
    found = catalogue().get(name)
    if found is None:
        raise OperatorMust(
            "no fault is named so",
            operation="find fault",
            subject=name,
            code="NoSuchFault",
            next_step=f"{meant(name, list(catalogue()))} `iolaus sim faults` lists them."
            if len(name) < 100
            else "`iolaus sim faults` lists them.",
        )
    return found
