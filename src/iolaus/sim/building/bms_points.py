"""The points of a building management system: what it publishes of a floor, and how it names it.

`maps/bms.toml` lists the kinds of point; `points_of` makes the points of a floor: topic, metadata
and the plant's point behind each. Names follow the DSX Exchange contract for building management
(object types, point types and the metadata each needs); tag paths are ours, site/hall/row/thing/
tag. Points whose value an integration publishes are made once for each integration that may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from iolaus.sim.building.guard import Response
from iolaus.sim.building.plant import Floor, Rack

PUB: Final = "BMS/v1/PUB"
Right = Literal["isolate", "tray", "setpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """A system beside the building's that may publish values: `may` says which."""

    name: str
    may: frozenset[Right] = frozenset()


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    of: str
    object: str
    type: str
    tag: str
    point: str = ""
    scale: float = 1.0
    unit: str = ""
    states: Sequence[str] | Literal["responses"] = ()
    area: Sequence[str] = ()
    band: float = 0.0
    qos: int = 0
    mode: Literal["named", "associate"] = "named"
    each: bool = False
    setpoint: bool = False
    phase: str = ""
    right: Right | None = msgspec.field(name="for", default=None)


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    points: Sequence[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """`path` is objectType/pointType/tagPath; `point` is asked of the plant, "@..." of the
    system itself. A point with an `integration` has metadata here and its value from there."""

    path: str
    thing: str
    type: str
    metadata: Mapping[str, Any] = field(hash=False)
    point: str = ""
    scale: float = 1.0
    band: float = 0.0
    qos: int = 0
    states: bool = False
    integration: str | None = None
    right: Right | None = None

    @property
    def metadata_topic(self) -> str:
        return f"{PUB}/Metadata/{self.path}"

    @property
    def value_topic(self) -> str:
        return f"BMS/v1/{self.integration or 'PUB'}/Value/{self.path}"


@cache
def kinds() -> Sequence[Kind]:
    text = files("iolaus.sim.building").joinpath("maps/bms.toml").read_bytes()
    return msgspec.toml.decode(text, type=Catalogue).points


def points_of(floor: Floor, integrations: Iterable[Integration]) -> Sequence[Point]:
    """Every point of the floor, in a fixed order."""
    integrations = tuple(integrations)
    found = [
        point
        for place in _places(floor)
        for kind in kinds()
        if kind.of in place.kinds
        for point in _expand(kind, place, integrations)
    ]
    return [*found, *_systems(floor, integrations)]


@dataclass(frozen=True, slots=True)
class _Place:
    """A thing with points: its tag path, what it is, its identity and how many parts it has."""

    thing: str
    path: str
    kinds: frozenset[str]
    parts: int = 0
    serves: Sequence[str] = ()
    parent: str = ""


def _places(floor: Floor) -> Iterator[_Place]:
    rows: dict[tuple[str, str], list[Rack]] = {}
    for rack in floor.racks.values():
        rows.setdefault((rack.hall, rack.row), []).append(rack)
        path = f"{floor.site}/{rack.hall}/{rack.row}/{rack.name}"
        yield _Place(rack.name, path, frozenset({"rack", "wet"} if rack.liquid else {"rack"}))
    for gear in floor.gear:
        path = "/".join(filter(None, (floor.site, gear.hall, gear.row, gear.name)))
        yield _Place(gear.name, path, frozenset({gear.family}), gear.modules, gear.racks, gear.rack)
    for (hall, row), racks in rows.items():
        name = f"{hall}-{row}"
        path = f"{floor.site}/{hall}/{row}/busway"
        yield _Place(name, path, frozenset({"row"}), serves=_meters(floor, racks))
    for hall in dict.fromkeys(hall for hall, _ in rows):
        serves = [f"{h}-{row}" for h, row in rows if h == hall]
        yield _Place(hall, f"{floor.site}/{hall}/main", frozenset({"hall"}), serves=serves)


def _meters(floor: Floor, racks: Sequence[Rack]) -> Sequence[str]:
    """What a row's busway feeds: the meters of its racks."""
    names = {rack.name for rack in racks}
    return [gear.name for gear in floor.of("pdu", "shelf") if gear.rack in names]


def _expand(kind: Kind, place: _Place, integrations: Sequence[Integration]) -> Iterator[Point]:
    for n in range(place.parts if kind.each else 1):
        if kind.right is None:
            yield _point(kind, place, n, None)
            continue
        for integration in integrations:
            if kind.right in integration.may:
                yield _point(kind, place, n, integration.name)


def _point(kind: Kind, place: _Place, n: int, integration: str | None) -> Point:
    words = {"{n1}": str(n + 1), "{n}": str(n)}
    tag = _filled(kind.tag, words) + (f"/{integration}" if integration else "")
    return Point(
        path=f"{kind.object}/{kind.type}/{place.path}/{tag}",
        thing=place.thing,
        type=kind.type,
        metadata=_metadata(kind, place, words, integration),
        point=_filled(kind.point, words),
        scale=kind.scale,
        band=kind.band,
        qos=kind.qos,
        states=bool(kind.states),
        integration=integration,
        right=kind.right,
    )


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _metadata(
    kind: Kind, place: _Place, words: Mapping[str, str], integration: str | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"objectType": kind.object, "pointType": kind.type}
    found |= _identity(kind, place)
    if kind.unit:
        found["engUnit"] = kind.unit
    if kind.states:
        names = Response.names() if kind.states == "responses" else kind.states
        found["stateText"] = [{"value": n, "text": text} for n, text in enumerate(names)]
    if kind.area:
        found["processArea"] = [_filled(area, words) for area in kind.area]
    if kind.setpoint:
        found["isSetpoint"] = True
    if kind.phase:
        found["phase"] = kind.phase
    if integration:
        found["integration"] = integration
    return found


def _identity(kind: Kind, place: _Place) -> dict[str, Any]:
    if kind.object == "Rack":
        return {"rackLocationName": place.thing, "rackLocationId": place.thing}
    if kind.mode == "associate":
        return {"associateId": place.parent or place.thing}
    named: dict[str, Any] = {"objectName": place.thing, "objectId": place.thing}
    if place.serves or kind.object == "PowerMeter":
        named["servesId"] = list(place.serves)
    return named


def _systems(floor: Floor, integrations: Sequence[Integration]) -> Iterator[Point]:
    """Heartbeats, echoes and states of the building system and of those beside it."""
    yield _system(floor, "HeartbeatTimestampBms", "BMS", point="@heartbeat")
    yield _system(floor, "Status", "BMS", point="@1", states=("Stopped", "Running"))
    yield _system(floor, "Available", "BMS", point="@1", states=("NotAvailable", "Available"))
    for integration in integrations:
        name = integration.name
        yield _system(floor, "HeartbeatEchoBms", name, point="@echo")
        yield _system(floor, "Status", name, point="@online", states=("Offline", "Online"))
        yield _system(floor, "HeartbeatTimestampIntegration", name, integration=name)
        yield _system(floor, "HeartbeatEchoIntegration", "BMS", integration=name)


def _system(
    floor: Floor,
    kind: str,
    about: str,
    *,
    point: str = "",
    states: Sequence[str] = (),
    integration: str | None = None,
) -> Point:
    metadata: dict[str, Any] = {"objectType": "System", "pointType": kind}
    metadata |= {"objectName": about, "objectId": about}
    if states:
        metadata["stateText"] = [{"value": n, "text": text} for n, text in enumerate(states)]
    if integration:
        metadata["integration"] = integration
    tag = f"{floor.site}/system/{about}" + (f"/{integration}" if integration else "")
    return Point(
        path=f"System/{kind}/{tag}",
        thing=about,
        type=kind,
        metadata=metadata,
        point=point,
        qos=1 if kind.startswith("Heartbeat") else 0,
        states=bool(states),
        integration=integration,
    )
