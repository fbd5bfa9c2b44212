"""Sightings: every place where a resource shows a physical quantity, before anything is judged.

One sensor is shown many times: as a `Sensor`, as an excerpt in `EnvironmentMetrics`, in
`ThermalMetrics`, and once more in the legacy `Thermal`. A sighting is one such place. `key` says
which sensor it is (the Sensor's URI, or the place itself where the device gives no source), so
that sightings of one sensor fall together; that is done in `_merge`, what they mean in `_roles`.

Extraction works on one resource alone, so that the hot pass, which re-reads only a few of them,
sees by the very same code. Excerpts are found by the shape of the standard's property names
(DSP0268: the quantity ends the name, `...Celsius`, `...Watts`), not by a list of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish._text import REMEMBERED, clean, health, items, mapping, state, tail
from iolaus.drivers.redfish.harvest import links_in, normal, type_of

SENSOR, EXCERPT, LEGACY = range(3)


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`source` is the resource's URI and `pointer` the place in it; `rank` prefers modern.
    `side` names a value that stands beside the sensor's own reading."""

    source: str
    pointer: str
    key: str
    name: str
    quantity: str
    unit: str
    raw: object
    kind: str
    rank: int
    side: str = ""
    state: str = ""
    health: str | None = None
    context: str = ""
    subcontext: str = ""
    related: tuple[str, ...] = ()
    limits: Mapping[str, object] = {}
    low: object = None
    high: object = None
    delta: bool = False


_SUFFIXES: Final = (
    (re.compile(r"Celsius$"), "Temperature"),
    (re.compile(r"Watts?$"), "Power"),
    (re.compile(r"EnergykWh$"), "EnergykWh"),
    (re.compile(r"EnergyJoules$"), "EnergyJoules"),
    (re.compile(r"WattHours$"), "EnergyWh"),
    (re.compile(r"AmpHours$"), "ChargeAh"),
    (re.compile(r"Amps$"), "Current"),
    (re.compile(r"Voltages?$"), "Voltage"),
    (re.compile(r"FrequencyHz$"), "Frequency"),
    (re.compile(r"LitersPerMinute$"), "LiquidFlowLPM"),
    (re.compile(r"PressurekPa$"), "PressurekPa"),
    (re.compile(r"HeatRemovedkW$"), "Heat"),
    (re.compile(r"AbsoluteHumidity$"), "AbsoluteHumidity"),
    (re.compile(r"HumidityPercent$"), "Humidity"),
    (re.compile(r"Percent$"), "Percent"),
)
_NOT_READ: Final = re.compile(r"Control|Limit|Rated|Nominal|Allowable|SetPoint|Configured|Capacity")
_SKIPPED: Final = frozenset({"Oem", "Actions", "Links", "Status", "Location", "Members"})
_TEXT_UNIT: Final = re.compile(r"(Celsius|Watts?|kWh|Joules|Amps|Percent|LitersPerMinute|kPa|Hz)$")
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
BESIDE: Final = MappingProxyType(
    {
        "SpeedRPM": ("Rotational", "RPM"),
        "ApparentVA": ("ApparentPower", "V.A"),
        "ReactiveVAR": ("ReactivePower", "var"),
        "PowerFactor": ("PowerFactor", "1"),
    }
)
"""What stands beside `Reading` in a Sensor or an excerpt of it, and is a quantity of its own."""

_BESIDE_WORDS: Final = MappingProxyType(
    {
        "SpeedRPM": "rpm",
        "ApparentVA": "apparent power",
        "ReactiveVAR": "reactive power",
        "PowerFactor": "power factor",
    }
)
_LEGACY_LIMITS: Final = MappingProxyType(
    {
        f"{side}Threshold{level}": f"{side.lower()}_{word}"
        for side in ("Upper", "Lower")
        for level, word in (
            ("NonCritical", "caution"),
            ("Critical", "critical"),
            ("Fatal", "fatal"),
        )
    }
)


@lru_cache(maxsize=REMEMBERED)
def quantity_of(name: str) -> str:
    """The quantity of an excerpt property by its name; "" where it is none."""
    if _NOT_READ.search(name):
        return ""
    return next((quantity for end, quantity in _SUFFIXES if end.search(name)), "")


@lru_cache(maxsize=REMEMBERED)
def snake(name: str) -> str:
    return _WORDS.sub("_", name).lower()


def thresholds(payload: Mapping[str, Any]) -> dict[str, object]:
    held = mapping(payload.get("Thresholds"))
    return {snake(name): mapping(limit).get("Reading") for name, limit in held.items()}


def legacy_thresholds(entry: Mapping[str, Any]) -> dict[str, object]:
    return {word: entry[name] for name, word in _LEGACY_LIMITS.items() if name in entry}


def related(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(links_in(payload.get("RelatedItem")))[:32]


def _beside(holder: Mapping[str, Any], *, of: Sighting, already: str) -> Iterator[Sighting]:
    """The side values of a Sensor or excerpt."""
    for name, (quantity, unit) in BESIDE.items():
        if holder.get(name) is not None and quantity != already:
            yield msgspec.structs.replace(
                of,
                side=name,
                name=f"{of.name} {_BESIDE_WORDS[name]}",
                pointer=f"{of.pointer}/{name}",
                quantity=quantity,
                unit=unit,
                raw=holder[name],
                limits={},
                low=None,
                high=None,
            )


def _sensor(uri: str, payload: Payload) -> Iterator[Sighting]:
    main = Sighting(
        source=uri,
        pointer="/Reading",
        key=uri,
        name=clean(payload.get("Name")) or clean(payload.get("Id")) or tail(uri),
        quantity=clean(payload.get("ReadingType"), 32),
        unit=clean(payload.get("ReadingUnits"), 32),
        raw=payload.get("Reading"),
        kind="Sensor",
        rank=SENSOR,
        state=state(payload),
        health=health(payload),
        context=clean(payload.get("PhysicalContext"), 64),
        subcontext=clean(payload.get("PhysicalSubContext"), 64),
        related=related(payload),
        limits=thresholds(payload),
        low=payload.get("ReadingRangeMin"),
        high=payload.get("ReadingRangeMax"),
        delta=payload.get("ReadingBasis") == "Delta",
    )
    yield main
    yield from _beside(payload, of=main, already=main.quantity)


def _leak_detector(uri: str, payload: Payload) -> Iterator[Sighting]:
    yield Sighting(
        source=uri,
        pointer="/DetectorState",
        key=uri,
        name=clean(payload.get("Name")) or tail(uri),
        quantity="Leak",
        unit="1",
        raw=payload.get("DetectorState"),
        kind="LeakDetector",
        rank=SENSOR,
        state=state(payload),
        health=health(payload),
        context=clean(payload.get("PhysicalContext"), 64),
        related=(uri, *related(payload)),
    )


def _is_excerpt(value: Mapping[str, Any]) -> bool:
    return not value.keys().isdisjoint(("Reading", "SpeedRPM", "DataSourceUri"))


def _found(value: object, pointer: str, prop: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(pointer, property, excerpt) wherever the shape of an excerpt stands below `value`."""
    if pointer.count("/") > 6:
        return
    if isinstance(value, Mapping):
        if _is_excerpt(value) and (quantity_of(prop) or "DetectorState" in value):
            yield pointer, prop, value
            return
        for name, each in value.items():
            if name not in _SKIPPED and isinstance(name, str) and isinstance(each, Mapping | list):
                # An array's entry and a map's phase mean what the property above them says.
                yield from _found(each, f"{pointer}/{name}", name if quantity_of(name) else prop)
    elif isinstance(value, list):
        for index, each in enumerate(value[:512]):
            yield from _found(each, f"{pointer}/{index}", prop)


def _owner_of(uri: str) -> str:
    """The resource that a metrics resource is about."""
    parent, _, last = uri.rpartition("/")
    return parent if last.endswith("Metrics") else uri


def _name_of(uri: str, payload: Payload, pointer: str, prop: str, each: Mapping[str, Any]) -> str:
    given = clean(each.get("DeviceName"), 128)
    if given:
        return given
    about = clean(payload.get("Name"), 128) if _owner_of(uri) == uri else tail(_owner_of(uri))
    words = _WORDS.sub(" ", _TEXT_UNIT.sub("", prop))
    last = pointer.rpartition("/")[2]
    return f"{about} {words}" if last == prop else f"{about} {words} {_WORDS.sub(' ', last)}"


def _excerpt(uri: str, payload: Payload) -> Iterator[Sighting]:
    about = _owner_of(uri)
    word, verdict = state(payload), health(payload)
    for pointer, prop, each in _found(payload, "", ""):
        if pointer == "/EnergykWh" and "EnergyJoules" in payload:
            continue
        source = normal(each.get("DataSourceUri"))
        leak = "DetectorState" in each
        main = Sighting(
            source=uri,
            pointer=pointer,
            key=source or f"{uri}#{pointer}",
            name=_name_of(uri, payload, pointer, prop, each),
            quantity="Leak" if leak else quantity_of(prop),
            unit="1" if leak else "",
            raw=each.get("DetectorState") if leak else each.get("Reading"),
            kind=type_of(payload),
            rank=EXCERPT,
            state="" if source else word,
            health=None if source else verdict,
            context=clean(each.get("PhysicalContext"), 64),
            related=(about,),
            delta=prop.startswith("Delta"),
        )
        if leak or "Reading" in each or "SpeedRPM" not in each:
            yield main
        yield from _beside(each, of=main, already=main.quantity)


def _plain(uri: str, payload: Payload) -> Iterator[Sighting]:
    """Metrics that give bare numbers where a newer schema has excerpts."""
    for name in ("TemperatureCelsius", "ConsumedPowerWatt"):
        if isinstance(payload.get(name), int | float | str) or name in payload:
            if isinstance(payload[name], Mapping):
                continue
            yield Sighting(
                source=uri,
                pointer=f"/{name}",
                key=f"{uri}#/{name}",
                name=_name_of(uri, payload, f"/{name}", name, {}),
                quantity=quantity_of(name),
                unit="",
                raw=payload[name],
                kind=type_of(payload),
                rank=EXCERPT,
                related=(_owner_of(uri),),
            )
    yield from _excerpt(uri, payload)


def _legacy_name(entry: Mapping[str, Any], array: str, index: str, value: str) -> str:
    """Power supplies show several values each, and some makers call all of them the same."""
    name = clean(entry.get("Name"), 128) or clean(entry.get("FanName"), 128)
    if array == "PowerSupplies":
        number = "" if any(letter.isdigit() for letter in name) else f" {int(index) + 1}"
        words = _WORDS.sub(" ", value.replace("Last", "").replace("Watts", ""))
        return f"{name or 'Power Supply'}{number} {words}"
    return name or f"{_WORDS.sub(' ', array)} {int(index) + 1}"


def _legacy_entry(
    uri: str, pointer: str, entry: Mapping[str, Any], *, value: str, quantity: str, unit: str = ""
) -> Sighting:
    _, array, index = pointer.split("/")
    name = _legacy_name(entry, array, index, value)
    at = f"{uri}#{pointer}"
    return Sighting(
        source=uri,
        pointer=f"{pointer}/{value}",
        key=at if array in ("Temperatures", "Voltages", "Fans") else f"{at}/{value}",
        name=name,
        quantity=quantity,
        unit=unit,
        raw=entry.get(value),
        kind=array,
        rank=LEGACY,
        state=state(entry),
        health=health(entry),
        context=clean(entry.get("PhysicalContext"), 64),
        related=(at, *related(entry)),
        limits=legacy_thresholds(entry) if array != "PowerSupplies" else {},
        low=entry.get("MinReadingRange", entry.get("MinReadingRangeTemp")),
        high=entry.get("MaxReadingRange", entry.get("MaxReadingRangeTemp")),
    )


def _array(payload: Payload, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, entry in enumerate(items(payload.get(name), 1024)):
        yield f"/{name}/{index}", entry


def _fan_unit(entry: Mapping[str, Any]) -> tuple[str, str]:
    unit = clean(entry.get("ReadingUnits"), 32)
    return ("Percent", "%") if unit.lower().startswith(("percent", "%")) else ("Rotational", "RPM")


def _thermal(uri: str, payload: Payload) -> Iterator[Sighting]:
    for pointer, entry in _array(payload, "Temperatures"):
        yield _legacy_entry(
            uri, pointer, entry, value="ReadingCelsius", quantity="Temperature", unit="Cel"
        )
    for pointer, entry in _array(payload, "Fans"):
        quantity, unit = _fan_unit(entry)
        value = "Reading" if "Reading" in entry or "ReadingRPM" not in entry else "ReadingRPM"
        yield _legacy_entry(uri, pointer, entry, value=value, quantity=quantity, unit=unit)


_SUPPLY: Final = (
    (("LineInputVoltage",), "Voltage", "V"),
    (("PowerInputWatts",), "Power", "W"),
    (("PowerOutputWatts", "LastPowerOutputWatts"), "Power", "W"),
)


def _power(uri: str, payload: Payload) -> Iterator[Sighting]:
    for pointer, entry in _array(payload, "PowerControl"):
        if "PowerConsumedWatts" in entry:
            yield _legacy_entry(
                uri, pointer, entry, value="PowerConsumedWatts", quantity="Power", unit="W"
            )
    for pointer, entry in _array(payload, "Voltages"):
        yield _legacy_entry(uri, pointer, entry, value="ReadingVolts", quantity="Voltage", unit="V")
    for pointer, entry in _array(payload, "PowerSupplies"):
        for names, quantity, unit in _SUPPLY:
            value = next((name for name in names if entry.get(name) is not None), None)
            if value:
                yield _legacy_entry(uri, pointer, entry, value=value, quantity=quantity, unit=unit)


_EXCERPTS: Final = (
    "EnvironmentMetrics",
    "ThermalMetrics",
    "PowerSupplyMetrics",
    "BatteryMetrics",
    "HeaterMetrics",
    "PowerDistributionMetrics",
    "CoolingUnit",
    "CoolingLoop",
    "CoolantConnector",
    "Pump",
    "Reservoir",
    "Filter",
    "Fan",
    "Circuit",
    "Outlet",
    "OutletGroup",
    "LeakDetection",
)
EXTRACTORS: Final[Mapping[str, Callable[[str, Payload], Iterable[Sighting]]]] = MappingProxyType(
    {
        "Sensor": _sensor,
        "LeakDetector": _leak_detector,
        "ProcessorMetrics": _plain,
        "Thermal": _thermal,
        "Power": _power,
        **dict.fromkeys(_EXCERPTS, _excerpt),
    }
)
"""Redfish type -> what it shows. Other resources show no quantity."""


def sight(uri: str, payload: Payload) -> list[Sighting]:
    """All sightings of one resource; empty for a type that shows none."""
    extract = EXTRACTORS.get(type_of(payload))
    return list(extract(uri, payload)) if extract else []
