"""Repairs of payloads that any maker's controller may need, before anything is read from them.

Each repair is pure, takes a payload and gives back the same object where nothing is wrong, so
that the crawl can count a deviation by identity. None of them knows a vendor: what only one maker
does is repaired in that maker's folder, with the same signature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from iolaus.drivers.ports import Payload, Repair
from iolaus.drivers.redfish.harvest import type_named

HEALTHS: Final = frozenset({"OK", "Warning", "Critical"})
STATES: Final = frozenset(
    {
        "Enabled",
        "Disabled",
        "StandbyOffline",
        "StandbySpare",
        "InTest",
        "Starting",
        "Absent",
        "UnavailableOffline",
        "Deferring",
        "Quiesced",
        "Updating",
        "Qualified",
        "Degraded",
        "Standby",
    }
)
LISTS: Final = MappingProxyType(
    {
        "Members": None,
        "Drives": frozenset({"Storage"}),
        "StorageControllers": frozenset({"Storage"}),
        "Devices": frozenset({"SimpleStorage"}),
        "PowerSupplies": frozenset({"Power"}),
        "PowerControl": frozenset({"Power"}),
        "Voltages": frozenset({"Power"}),
        "Fans": frozenset({"Thermal"}),
        "Temperatures": frozenset({"Thermal"}),
        "Redundancy": frozenset({"Power", "Thermal"}),
        "RelatedItem": None,
        "TemperatureReadingsCelsius": None,
    }
)
"""Properties that the schema makes a list, on these types (None: on any)."""


def _type(payload: Mapping[str, Any]) -> str:
    raw = payload.get("@odata.type")
    return type_named(raw) if isinstance(raw, str) else ""


def listed(_uri: str, payload: Payload) -> Payload:
    """A null, or a single object, where the schema wants a list."""
    kind = _type(payload)
    wrong: dict[str, Any] = {}
    for name in LISTS.keys() & payload.keys():
        types = LISTS[name]
        if types is not None and kind not in types:
            continue
        value = payload[name]
        if value is None:
            wrong[name] = []
        elif isinstance(value, dict) and not _is_link(value, kind):
            wrong[name] = [value]
    return {**payload, **wrong} if wrong else payload


def _is_link(value: Mapping[str, Any], kind: str) -> bool:
    return set(value) == {"@odata.id"} and kind != "Storage" and not kind.endswith("Collection")


def status(_uri: str, payload: Payload) -> Payload:
    """Health and State swapped; a bare string where the Status object belongs. Also in the parts
    that a resource lists within itself."""
    mended = _status(payload)
    for name in LISTS.keys() & payload.keys():
        parts = payload[name]
        if isinstance(parts, list):
            whole = [_status(part) if isinstance(part, dict) else part for part in parts]
            if any(new is not old for new, old in zip(whole, parts, strict=True)):
                mended = {**mended, name: whole}
    return mended


def _status(payload: Payload) -> Payload:
    found = payload.get("Status")
    if isinstance(found, str):
        return {**payload, "Status": {"Health" if found in HEALTHS else "State": found}}
    if not isinstance(found, dict):
        return payload
    health, state = found.get("Health"), found.get("State")
    swapped = _one_of(health, STATES) and (state is None or _one_of(state, HEALTHS))
    if swapped or (_one_of(state, HEALTHS) and health is None):
        return {**payload, "Status": {**found, "Health": state, "State": health}}
    return payload


def _one_of(value: object, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value in words


def trimmed(_uri: str, payload: Payload) -> Payload:
    """Blanks around strings ("VNFCVBA14I00AD     "): versions and serials must compare equal."""
    wrong = {
        name: value.strip()
        for name, value in payload.items()
        if isinstance(value, str) and value != value.strip()
    }
    return {**payload, **wrong} if wrong else payload


GENERIC: Final[tuple[Repair, ...]] = (listed, status, trimmed)


def typed(payload: Payload, expected: str) -> Payload:
    """A resource without its type, found where only one type can be."""
    if not expected or _type(payload):
        return payload
    return {**payload, "@odata.type": f"#{expected}.{expected}"}


def apply(
    uri: str, payload: Payload, repairs: tuple[Repair, ...], note: Callable[[str], None]
) -> Payload:
    """The payload after all repairs; `note` hears the name of each one that changed it."""
    for repair in repairs:
        mended = repair(uri, payload)
        if mended is not payload:
            note(getattr(repair, "__name__", "repair"))
            payload = mended
    return payload
