"""A persona: one kind of machine, with everything a hall must know to seat it.

`draw` makes its resources; `body` is its electrical and thermal make-up, from which its live
values follow; `counts` says what is in it (stacks of GPU memory count as memory modules, as they
are listed), so that tests and readers can check the drawing against a plain statement; `quirks`
lists where it departs from the standard on purpose, as real machines of its kind do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from iolaus.sim.device import Options
from iolaus.sim.personas.parts.flash import Flash
from iolaus.sim.personas.parts.trust import Root
from iolaus.sim.personas.sketch import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What it is made of, for power and heat. `family` picks the physics: "node" burns power by
    its load, "shelf" feeds nodes, "bbu" backs a shelf, "pdu" feeds by outlets, "cdu" cools,
    "switch" burns a steady power, "still" is a controller with nothing to it."""

    family: str = "node"
    hosts: int = 1
    gpus: int = 0
    gpu_idle_w: float = 0.0
    gpu_max_w: float = 0.0
    cpus: int = 0
    cpu_idle_w: float = 0.0
    cpu_max_w: float = 0.0
    cpu_mhz: float = 3000.0
    base_w: float = 0.0
    standby_w: float = 0.0
    fans: int = 0
    fan_min_rpm: float = 3000.0
    fan_max_rpm: float = 16000.0
    fan_w: float = 0.0
    supplies: int = 0
    supply_v: float = 12.0
    outlets: int = 0
    capacity_w: float = 0.0
    liquid: bool = False


class Near(NamedTuple):
    """A reading that was recorded: it moves round this value, as its quantity does."""

    quantity: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Persona:
    """`kind` is the operator's word (node, switch, powershelf ...). `systems` are the URIs of its
    hosts, whose PowerState switches host 0, 1 ...; `caps` says which resource's power limit caps
    which part ("gpu.0", "node"); `leaks` names its leak detectors in the order of live values;
    `roots` are its roots of trust by the path of their ComponentIntegrity; `flash` says how its
    firmware is updated (None: as its tasks say, by name only);
    `near` are recorded readings by number and `off` its hosts that were off, where it was recorded
    and not drawn."""

    name: str
    title: str
    kind: str
    make: str
    model: str
    height_u: int
    draw: Callable[[], dict[str, Json]]
    body: Body
    counts: Mapping[str, int]
    quirks: Mapping[str, str] = field(default_factory=dict)
    systems: tuple[str, ...] = ()
    caps: Mapping[str, str] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    roots: Mapping[str, Root] = field(default_factory=dict)
    flash: Flash | None = None
    options: Options = field(default_factory=Options)
    near: Sequence[Near] = ()
    off: frozenset[int] = frozenset()
