"""BIOS settings: judged by their registry, staged, and in force after the host's next start.

What may be set stands in an attribute registry, drawn from the attributes of the persona: words
with their alternatives, numbers with bounds, what is read-only, and what is hidden until another
attribute has a certain value. A write that breaks a rule is refused whole, with a message for each
attribute. Setting happens in the engine's staging; here it is judged, and the staged resource is
empty again once the settings are in force.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.patch import settings_of
from iolaus.sim.replies import error_body, message, refused
from iolaus.sim.tree import ROOT, Resource

Json = dict[str, Any]
FAMILIES: Final = (
    ("Enabled", "Disabled"), ("Enable", "Disable"), ("On", "Off"), ("Yes", "No"),
    ("Uefi", "Bios"), ("Last", "On", "Off"), ("Auto", "Enabled", "Disabled"),
    ("NPS1", "NPS2", "NPS4"), ("DpuMode", "NicMode"), ("Privileged", "Restricted"),
    ("PerfOptimized", "PerfPerWattOptimizedOs", "Custom"), ("12TB", "56TB"),
    ("MaximumPerformance", "MaximumEfficiency", "CustomMode"), ("AhciMode", "Off"),
)  # fmt: skip
OF_OURS: Final[Json] = {
    "BootDelay": "Disabled",
    "BootDelaySeconds": 5,
    "BiosFamily": "Iolaus Simulation",
}
HIDDEN_UNLESS: Final = {"BootDelaySeconds": ("BootDelay", "Enabled")}
BOUNDS: Final = {"BootDelaySeconds": (1, 255)}
READ_ONLY: Final = frozenset({"BiosFamily"})


class Bios(Quiet):
    """The settings of one device's hosts. Passwords of the BIOS are kept here and shown nowhere."""

    __slots__ = ("passwords",)

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        attributes = ask.body.get("Attributes")
        if ask.method != "PATCH" or not isinstance(attributes, dict):
            return None
        applied = settings_of(device).get(ask.path)
        if applied is None and ask.path in settings_of(device).values():
            return _refusal([message("PropertyNotWritable", "Attributes", related="#/Attributes")])
        held = device.kept(applied or "") or {}
        entries = entries_of(device, str(held.get("AttributeRegistry")))
        if not entries:
            return None
        coming = (held.get("Attributes") or {}) | (device.kept(ask.path) or {}).get(
            "Attributes", {}
        )
        wrong = judged(attributes, entries, coming | attributes)
        return _refusal(wrong) if wrong else None

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del device
        return self._change(path, body) if action == "Bios.ChangePassword" else None

    def booted(self, device: Device, path: str) -> None:
        for staging, applied in settings_of(device).items():
            held = device.kept(staging) or {}
            if applied.startswith(path) and held.get("Attributes") and applied not in device.staged:
                device.put(staging, {**held, "Attributes": {}})

    def _change(self, path: str, body: Resource) -> Outcome:
        for name in ("PasswordName", "OldPassword", "NewPassword"):
            if not isinstance(body.get(name), str):
                return refused(400, "ActionParameterMissing", "Bios.ChangePassword", name)
        key = (path, body["PasswordName"])
        held = self.passwords.get(key, "")
        if not secrets.compare_digest(held.encode(), body["OldPassword"].encode()):
            return refused(
                400, "ActionParameterValueError", "********", "OldPassword", "Bios.ChangePassword"
            )
        self.passwords[key] = body["NewPassword"]
        return Outcome()


def judged(asked: Resource, entries: Mapping[str, Json], coming: Resource) -> list[Resource]:
    """What is wrong with these attributes; `coming` are all as they would be afterwards."""
    found = (_wrong(name, value, entries.get(name), coming) for name, value in asked.items())
    return [each for each in found if each is not None]


def _wrong(name: str, value: Any, entry: Json | None, coming: Resource) -> Resource | None:
    related = f"#/Attributes/{name}"
    if entry is None:
        return message("PropertyUnknown", name, related=related)
    other = HIDDEN_UNLESS.get(name)
    if entry.get("ReadOnly") or (other is not None and coming.get(other[0]) != other[1]):
        return message("PropertyNotWritable", name, related=related)
    args, kind = (str(value)[:80], name), entry["Type"]
    number = isinstance(value, int) and not isinstance(value, bool)
    if (kind == "Integer") != number or (kind in ("Enumeration", "String")) != isinstance(
        value, str
    ):
        return message("PropertyValueTypeError", *args, related=related)
    if kind == "Integer" and not entry["LowerBound"] <= value <= entry["UpperBound"]:
        return message("PropertyValueOutOfRange", *args, related=related)
    words = [each["ValueName"] for each in entry.get("Value", ())]
    if kind == "Enumeration" and value not in words:
        return message("PropertyValueNotInList", *args, related=related)
    if kind == "String" and len(value) > entry["MaxLength"]:
        return message("PropertyValueFormatError", *args, related=related)
    return None


def _refusal(wrong: list[Resource]) -> Outcome:
    return Outcome(status=400, body=error_body(wrong))


def entries_of(device: Device, registry: str) -> Mapping[str, Json]:
    held = device.kept(f"{ROOT}/Registries/{registry}/Registry") or {}
    found = (held.get("RegistryEntries") or {}).get("Attributes") or []
    return {each["AttributeName"]: each for each in found}


# the drawing


def registry_of(name: str, path: str, attributes: Resource) -> Json:
    """The attribute registry of a BIOS with these attributes."""
    return {
        "@odata.id": f"{path}/Registry",
        "@odata.type": "#AttributeRegistry.v1_3_8.AttributeRegistry",
        "Id": name,
        "Name": "BIOS Attribute Registry",
        "Language": "en",
        "OwningEntity": "Iolaus",
        "RegistryVersion": "1.0.0",
        "RegistryEntries": {
            "Attributes": [entry_of(each, value) for each, value in attributes.items()],
            "Dependencies": [_dependency(n, *other) for n, other in HIDDEN_UNLESS.items()],
        },
    }


def entry_of(name: str, value: Any) -> Json:
    entry: Json = {
        "AttributeName": name,
        "DisplayName": name,
        "ReadOnly": name in READ_ONLY,
        "ResetRequired": True,
    }
    if isinstance(value, bool):
        return entry | {"Type": "Boolean", "DefaultValue": value}
    if isinstance(value, int):
        low, high = BOUNDS.get(name, (0, 65535))
        bounds = {"LowerBound": low, "UpperBound": high, "ScalarIncrement": 1}
        return entry | {"Type": "Integer", "DefaultValue": value, **bounds}
    family = next((each for each in FAMILIES if value in each), None)
    if family is None:
        return entry | {"Type": "String", "DefaultValue": value, "MinLength": 0, "MaxLength": 64}
    words = [{"ValueName": word, "ValueDisplayName": word} for word in family]
    return entry | {"Type": "Enumeration", "DefaultValue": value, "Value": words}


def _dependency(name: str, other: str, value: str) -> Json:
    """`name` is hidden while `other` is not `value`."""
    condition = {"MapFromAttribute": other, "MapFromProperty": "CurrentValue",
                 "MapFromCondition": "NEQ", "MapFromValue": value}  # fmt: skip
    return {
        "DependencyFor": name,
        "Type": "Map",
        "Dependency": {
            "MapFrom": [condition],
            "MapToAttribute": name,
            "MapToProperty": "Hidden",
            "MapToValue": True,
        },
    }
