"""From what controllers report to what an edge needs: its nodes, its zones, its signals. Pure.

One controller is one seat: what it can cap and switch is what a rack's edge can hold, also where
two hosts stand behind it. Among several caps the one that takes in the most is the node's; which of
a seat's detectors is wet is told by their own names, so that two of one tray are two opinions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from iolaus.energy.ports import Event, Grade, Sense
from iolaus.energy.rack import NodeView, RackView, Zone
from iolaus.model.asset import AssetKind, PowerLimit, Reading, Report
from iolaus.model.endpoint import Mode, Target
from iolaus.model.naming import endpoint_name
from iolaus.model.plant import DomainKind, Load, Plant, ZoneKind

LEAK_GRADES = {0.0: Grade.GOOD, 1.0: Grade.WARNING, 2.0: Grade.CRITICAL}
STATUS_GRADES = {"OK": Grade.GOOD, "Warning": Grade.WARNING, "Critical": Grade.CRITICAL}
FLOOR_OF_PLATE = 0.5
"""Where a device does not say how low its cap goes and no plant says what its floor is."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """One controller in a rack. `cap_uri` None where it has no cap; `systems` are what a ForceOff
    is sent to, `detectors` the names of its leak detectors as signals name them."""

    name: str
    address: str
    rack: str
    row: str
    kind: AssetKind
    managed: bool
    cap_uri: str | None = None
    least_w: float = 0.0
    nameplate_w: float = 0.0
    priority: int = 1
    systems: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()


def seat_of(target: Target, report: Report) -> Seat | None:
    """None for what stands in no rack and no row, or is nothing that feeds, cools or draws."""
    labels = target.labels
    if not report.assets or not (labels.get("rack") or labels.get("row")):
        return None
    name, nodes = endpoint_name(target), [a for a in report.assets if a.kind is AssetKind.NODE]
    cap = whole_cap(report.power_limits) if nodes else None
    word = labels.get("priority", "")
    return Seat(
        name=name,
        address=target.address,
        rack=labels.get("rack", ""),
        row=labels.get("row", ""),
        kind=nodes[0].kind if nodes else report.assets[0].kind,
        managed=target.mode is Mode.MANAGED,
        cap_uri=cap.uri if cap else None,
        least_w=(cap.min_w or 0.0) if cap else 0.0,
        nameplate_w=(cap.max_w or cap.limit_w or 0.0) if cap else 0.0,
        priority=min(int(word), 3) if word.isdecimal() and len(word) < 3 else 1,
        systems=tuple(node.resources[0] for node in nodes),
        detectors=tuple(
            detector_name(name, each) for each in report.readings if each.role == "leak"
        ),
    )


def whole_cap(limits: Iterable[PowerLimit]) -> PowerLimit | None:
    """The cap that takes in the most of a machine; None where it has none for the whole."""
    order = {"environment_metrics": 2, "control": 1}
    whole = [each for each in limits if each.component is None]
    return max(
        whole,
        key=lambda each: (each.max_w or each.limit_w or 0.0, order.get(each.dialect, 0)),
        default=None,
    )


def rack_view(
    rack: str,
    seats: Sequence[Seat],
    plant: Plant | None = None,
    armed: Mapping[str, float] = MappingProxyType({}),
) -> RackView:
    """What the edge of a rack holds. What a plant says of a node or a rack goes before what its
    controllers say; `armed` as `arming.arm` works it out."""
    loads = {load.name: load for load in plant.by_rack.get(rack, ())} if plant else {}
    mine = [seat for seat in seats if seat.rack == rack and seat.cap_uri and seat.nameplate_w > 0]
    nodes = tuple(_node(seat, loads.get(seat.name)) for seat in mine)
    names = tuple(node.name for node in nodes)
    domain = plant.by_name.get(rack) if plant else None
    known = domain if domain and domain.kind is DomainKind.RACK else None
    return RackView(
        rack=rack,
        nodes=nodes,
        zones=tuple(_zones(rack, seats, names)),
        limit_w=known.limit_w if known else None,
        armed=dict(armed),
    )


def _node(seat: Seat, load: Load | None) -> NodeView:
    plate_w = (load.nameplate_w if load else 0.0) or seat.nameplate_w
    told_w = max(load.floor_w if load else 0.0, seat.least_w)
    return NodeView(
        name=seat.name,
        floor_w=told_w or FLOOR_OF_PLATE * plate_w,
        nameplate_w=plate_w,
        priority=load.priority if load else seat.priority,
        least_w=seat.least_w,
    )


def _zones(rack: str, seats: Sequence[Seat], names: tuple[str, ...]) -> Iterator[Zone]:
    """A detector in a node is its tray's; in the rack's other gear the rack's; in what serves the
    row it is the loop's."""
    rows = {seat.row for seat in seats if seat.rack == rack}
    for seat in seats:
        if not seat.detectors:
            continue
        if seat.name in names:
            yield _zone(seat, ZoneKind.TRAY, (seat.name,))
        elif seat.rack == rack:
            yield _zone(seat, ZoneKind.RACK, names)
        elif not seat.rack and seat.row in rows:
            yield _zone(seat, ZoneKind.LOOP, names)


def _zone(seat: Seat, kind: ZoneKind, nodes: tuple[str, ...]) -> Zone:
    return Zone(name=f"{kind} {seat.name}", kind=kind, nodes=nodes, detectors=seat.detectors)


def reaches(seat: Seat, view_rack: str, rows: frozenset[str]) -> bool:
    """Whether what a seat says matters to a rack that stands in these rows."""
    return seat.rack == view_rack or (not seat.rack and seat.row in rows)


# --- signals ------------------------------------------------------------------------------------


def draw_of(readings: Iterable[Reading]) -> tuple[float | None, bool]:
    """What a machine draws, and whether that was read at all; several hosts add up, and one that
    is unknown makes the sum unknown."""
    values = [each.value for each in readings if each.role == "node_power"]
    if not values:
        return None, False
    known = [value for value in values if value is not None]
    return (sum(known) if len(known) == len(values) else None), True


def events_of(seat: Seat, readings: Iterable[Reading]) -> Iterator[Event]:
    """What the readings of one controller say to the reflexes."""
    dies: list[Reading] = []
    for reading in readings:
        if reading.role == "leak":
            yield _leak(seat, reading)
        elif reading.role == "coolant_flow":
            yield _valued(Sense.FLOW, seat.name, reading, STATUS_GRADES)
        elif reading.role == "coolant_supply_temperature":
            yield _valued(Sense.COOLANT, seat.name, reading, {})
        elif reading.role == "gpu_temperature":
            dies.append(reading)
    known = [each for each in dies if each.value is not None]
    if known:
        hottest = max(known, key=lambda each: each.value or 0.0)
        yield _valued(Sense.DIE, seat.name, hottest, {})


def _leak(seat: Seat, reading: Reading) -> Event:
    grade = LEAK_GRADES.get(reading.value) if reading.value is not None else None
    return Event(
        sense=Sense.LEAK,
        subject=detector_name(seat.name, reading),
        grade=grade or Grade.UNKNOWN,
        because=reading.reason,
    )


def _valued(sense: Sense, subject: str, reading: Reading, grades: dict[str, Grade]) -> Event:
    own = grades.get(reading.status or "") if reading.value is not None else None
    return Event(
        sense=sense,
        subject=subject,
        grade=own or Grade.UNKNOWN,
        value=reading.value,
        because=reading.reason,
    )


def detector_name(seat: str, reading: Reading) -> str:
    """The subject of a detector's signals."""
    return f"{seat}/{reading.uri.rpartition('/')[2] or reading.name}"
