"""Readings: every sensor of a device once, in one unit, with what it means, or why it is unknown.

The road is: sight (what each resource shows), group (which sightings are one sensor), judge (is
it a measurement), name its role. A reading's `uri` is the Sensor's own, or, where the device has
none, the place of the value ("/redfish/v1/Chassis/1/Thermal#/Temperatures/0"), so that the same
sensor has the same `uri` in every report and in the hot pass. Slots that are absent are left out;
everything else keeps its place, with `value` None and a reason where there is no measurement.
A leak detector is a reading of quantity "Leak": 0 dry, 1 warning, 2 critical; unknown is not dry.

Some controllers list power-good and fault signals among the legacy voltages, dozens of them, which
are never measured and tell nothing but OK. These are no sensors and are left out, with one counted
deviation per resource that names how many; one that does not say OK is kept, with its verdict.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from iolaus.drivers.redfish import _merge, _roles
from iolaus.drivers.redfish._plausible import (
    DEAD_STATES,
    Number,
    in_own_unit,
    judge,
    parse_number,
)
from iolaus.drivers.redfish._sightings import EXTRACTORS, LEGACY, Sighting, sight
from iolaus.drivers.redfish._text import clean
from iolaus.drivers.redfish.harvest import Harvest, normal
from iolaus.kernel.quantity import UNITS, spell_unit
from iolaus.model.asset import AssetKind, Deviation, Reading

_LEAK: Final = MappingProxyType({"OK": 0.0, "Warning": 1.0, "Critical": 2.0})
_QUANTITY_OF_UNIT: Final = MappingProxyType(
    {
        "Cel": "Temperature",
        "V": "Voltage",
        "A": "Current",
        "W": "Power",
        "RPM": "Rotational",
        "%": "Percent",
        "J": "EnergyJoules",
        "kW.h": "EnergykWh",
        "Hz": "Frequency",
        "kPa": "PressurekPa",
        "Pa": "PressurePa",
        "L/min": "LiquidFlowLPM",
    }
)
_SIGNAL: Final = re.compile(
    r"\b(pg|p(o)?w(e)?r ?good|pgood|\w*fault|fail\w*|\w*short)\b", re.IGNORECASE
)
_COOL: Final = frozenset({"Intake", "Room", "Exhaust", "LiquidInlet", "LiquidOutlet", "Chassis"})


class Readings(NamedTuple):
    """`sources` maps a reading's `uri` to the resources it can be read from again."""

    readings: tuple[Reading, ...]
    deviations: tuple[Deviation, ...]
    sources: Mapping[str, tuple[str, ...]]


class Surroundings(NamedTuple):
    """What one reading's verdict needs of its asset: is its host off."""

    owner: Callable[[str], str]
    dark: frozenset[str]
    components: Mapping[str, str]
    read_at: Callable[[str], float]
    lone: Mapping[str, str]


def _quantity(sightings: Iterable[Sighting]) -> tuple[str, str]:
    """(quantity, the device's unit): what the sensor says of itself, else what an excerpt or
    the legacy entry of the same sensor says, else what its unit means."""
    unit = ""
    for each in sightings:
        unit = unit or each.unit
        if each.quantity:
            return each.quantity, unit
    return _QUANTITY_OF_UNIT.get(spell_unit(unit), ""), unit


def _leak_value(raw: object) -> Number:
    word = clean(raw, 32)
    if word in _LEAK:
        return Number(_LEAK[word])
    if not word or word == "Unavailable":
        return Number(None, "the detector gives no state")
    return Number(None, f"the detector says {word!r}", "leak-state")


def _raw_number(first: Sighting, quantity: str) -> Number:
    return _leak_value(first.raw) if quantity == "Leak" else parse_number(first.raw)


def _limits(first: Sighting, *, quantity: str, unit: str) -> dict[str, float]:
    """Thresholds in the reading's unit. An upper limit of zero is a blank field."""
    held = {}
    for name, raw in first.limits.items():
        number = parse_number(raw).value
        if number is not None and not (number == 0.0 and name.startswith("upper")):
            held[name] = in_own_unit(number, quantity=quantity, unit=unit)[0]
    return held


def _signed(first: Sighting, quantity: str) -> bool:
    low = parse_number(first.low).value
    battery = first.context == "Battery" or first.kind == "BatteryMetrics"
    return first.delta or battery or (low is not None and low < 0) or "Reactive" in quantity


def _verdict(first: Sighting, *, quantity: str, unit: str, host_off: bool) -> tuple[Number, str]:
    """(number, unit): judged, in the quantity's own unit."""
    if first.state in DEAD_STATES:
        return Number(None, f"the sensor is {first.state}"), UNITS.get(quantity, unit or "1")
    number = _raw_number(first, quantity)
    if number.value is None:
        return number, UNITS.get(quantity, spell_unit(unit) or "1")
    if not quantity and not unit:
        return Number(None, "the device gives neither quantity nor unit", "reading-unit"), "1"
    value, own, rule = in_own_unit(number.value, quantity=quantity, unit=unit)
    judged = judge(
        value,
        quantity=quantity,
        may_be_negative=_signed(first, quantity),
        host_off=host_off,
        needs_heat=not first.delta and first.context not in _COOL and bool(first.context),
    )
    return judged._replace(rule=judged.rule or rule or number.rule), own or "1"


def _contradicts(first: Sighting, number: Number, limits: Mapping[str, float]) -> Number:
    """A zero that lies below the lower limit of a sensor that calls itself OK is no reading."""
    lower = max((limits[k] for k in ("lower_critical", "lower_fatal") if k in limits), default=0)
    if number.value == 0.0 and lower > 0 and first.health == "OK":
        reason = f"zero, below its lower limit of {lower:g}, and yet OK: not a measurement"
        return Number(None, reason, "reading-contradicts-health")
    return number


def _nothing(number: Number, role: _roles.Role) -> Number:
    """A machine whose controller answers draws something."""
    if role.name in ("node_power", "dpu_power") and number.value == 0.0:
        return Number(None, "0 W for a machine that answers: not a measurement", "reading-zero")
    return number


def _component(sightings: Iterable[Sighting], around: Surroundings) -> str | None:
    """The name of the component that the sensor is related to, or contained in."""
    for each in sightings:
        place = _roles.place_of(each.source)
        for uri in (*each.related, each.source, around.lone.get(place, "")):
            path = uri
            while path.count("/") > 4:
                if path in around.components:
                    return around.components[path]
                path = path.rpartition("/")[0]
    return None


def _read(
    key: str, sightings: list[Sighting], role: _roles.Role, around: Surroundings
) -> tuple[Reading, Deviation | None]:
    first = sightings[0]
    quantity, unit = _quantity(sightings)
    asset = around.owner(key if key.startswith("/") else first.source)
    number, own = _verdict(first, quantity=quantity, unit=unit, host_off=asset in around.dark)
    limits = _limits(first, quantity=quantity, unit=unit)
    number = _nothing(_contradicts(first, number, limits), role)
    reading = Reading(
        name=first.name,
        asset=asset,
        uri=key,
        quantity=quantity or "Unspecified",
        unit=own,
        value=number.value,
        at=around.read_at(first.source),
        component=_component(sightings, around),
        status=first.health,
        reason=number.reason,
        role=role.name,
        limits=limits,
    )
    if not number.rule:
        return reading, None
    detail = number.reason or f"{clean(str(first.raw), 32)} {unit}".strip()
    return reading, Deviation(
        uri=first.source, pointer=first.pointer, rule=number.rule, detail=detail
    )


def refresh(sighting: Sighting, last: Reading, *, host_off: bool, at: float) -> Reading:
    """The reading again from a fresh sighting of it: the value is new and judged anew; what it
    is and means stays. A verdict that the place does not repeat holds while no limit is crossed."""
    quantity = "" if last.quantity == "Unspecified" else last.quantity
    number, own = _verdict(sighting, quantity=quantity, unit=sighting.unit, host_off=host_off)
    number = _contradicts(sighting, number, last.limits)
    number = _nothing(number, _roles.Role(last.role, _roles.NAME))
    if number.value is not None and own != last.unit:
        number = Number(None, f"its unit changed from {last.unit} to {own}")
    kept = None if _crosses(number.value, last.limits) else last.status
    return msgspec.structs.replace(
        last,
        value=number.value,
        reason=number.reason,
        status=sighting.health or kept,
        at=at,
    )


def _crosses(value: float | None, limits: Mapping[str, float]) -> bool:
    return value is None or any(
        value > limit if name.startswith("upper") else value < limit
        for name, limit in limits.items()
        if not name.endswith("user")
    )


def _dark(harvest: Harvest, owner: Callable[[str], str]) -> frozenset[str]:
    """The assets whose every ComputerSystem says that it is off."""
    return dark_assets(harvest.of_type("ComputerSystem"), owner)


def dark_assets(
    systems: Iterable[tuple[str, Mapping[str, object]]], owner: Callable[[str], str]
) -> frozenset[str]:
    states: dict[str, set[object]] = {}
    for uri, payload in systems:
        word = payload.get("PowerState")
        states.setdefault(owner(uri), set()).add(word if isinstance(word, str) else None)
    return frozenset(asset for asset, words in states.items() if words == {"Off"})


def _sources(sightings: Iterable[Sighting], reading: Reading) -> tuple[str, ...]:
    """Where the reading can be read from again. Legacy arrays are known to lag behind the
    Sensors, or to be blank where those are not: one counts only where it agrees."""
    return tuple(
        dict.fromkeys(
            each.source
            for each in sightings
            if each.rank != LEGACY or _agrees(each, reading.value, key=reading.uri)
        )
    )


def _agrees(sighting: Sighting, value: float | None, *, key: str) -> bool:
    said = parse_number(sighting.raw).value
    if sighting.key == key:
        return True
    return value is not None and said is not None and abs(said - value) <= max(3.0, abs(value) / 8)


def _is_absent(sightings: Iterable[Sighting]) -> bool:
    """An empty slot. A leak detector that is absent stays: losing one never means dry."""
    words = [each.state for each in sightings if each.state]
    return bool(words) and words[0] == "Absent"


def _is_signal(sightings: Iterable[Sighting]) -> bool:
    """A discrete signal among the legacy voltages that is as it should be."""
    return all(
        each.kind == "Voltages"
        and each.raw is None
        and each.health == "OK"
        and all(limit is None for limit in each.limits.values())
        and bool(_SIGNAL.search(each.name.replace("_", " ")))
        for each in sightings
    )


def _signals_told(signals: Mapping[str, list[str]]) -> Iterable[Deviation]:
    for uri, named in signals.items():
        detail = f"{len(named)} signals without a reading, as {named[0]!r}"
        yield Deviation(uri=uri, pointer="/Voltages", rule="signal-among-voltages", detail=detail)


def _all_sightings(harvest: Harvest) -> list[Sighting]:
    return [
        each
        for uri, payload in harvest.of_type(*EXTRACTORS)
        for each in sight(normal(uri) or uri, payload)
    ]


def read_readings(
    harvest: Harvest,
    owner: Callable[[str], str],
    *,
    kinds: Mapping[str, AssetKind] = MappingProxyType({}),
    components: Mapping[str, str] = MappingProxyType({}),
) -> Readings:
    """All readings of a device. `owner` gives the asset key of a URI, `kinds` the kind of an
    asset key, `components` the name of the component at a URI. Pure; never raises.

    Source: DSP0268 Sensor, excerpts (DSP0266 7.5.3), and the deprecated Thermal and Power.
    """
    scene = _roles.scene(harvest, owner, kinds)
    around = Surroundings(owner, _dark(harvest, owner), components, harvest.read_at, scene.lone)
    held: list[tuple[Reading, int]] = []
    deviations: list[Deviation] = []
    sources: dict[str, tuple[str, ...]] = {}
    signals: dict[str, list[str]] = defaultdict(list)
    for key, sightings in _merge.group(_all_sightings(harvest)).items():
        if _is_absent(sightings) and sightings[0].quantity != "Leak":
            continue
        if _is_signal(sightings):
            signals[sightings[0].source].append(sightings[0].name)
            continue
        role = _roles.role_of(sightings, scene)
        reading, deviation = _read(key, sightings, role, around)
        held.append((reading, role.strength))
        sources[key] = _sources(sightings, reading)
        if deviation:
            deviations.append(deviation)
    deviations += _signals_told(signals)
    return Readings(tuple(_roles.only_once(held, scene.depth)), tuple(deviations), sources)
