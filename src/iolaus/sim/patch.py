"""PATCH: what may be written, and what a write brings about (DSP0266, 7.6).

Without schemas at hand the simulator judges by name: a few dozen properties are writable
wherever they stand, everything else a resource shows is read-only, and what it does not show is
unknown to it. Values must keep their type and stay within what the resource itself allows.

Settings that wait for a reset (`@Redfish.Settings`) are staged: the staged resource shows them at
once, the resource itself only after the next boot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from iolaus.sim.device import Device, merged
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import error_body, message
from iolaus.sim.tree import Resource, canonical, target_of

WRITABLE = frozenset(
    {
        "AccountLockoutDuration", "AccountLockoutThreshold", "Actions", "AssetTag", "Attributes",
        "AutomaticRetryAttempts", "AutomaticRetryEnabled", "Boot", "Certificates",
        "ConfigurationLock", "Context", "ControlMode", "DateTime", "DateTimeLocalOffset",
        "DeadBand", "DeliveryRetryPolicy", "DHCPv4", "DHCPv6", "Enabled", "EthernetInterfaces",
        "FQDN", "HTTP", "HTTPS", "HostName", "HostingRoles", "HttpPushUriOptions",
        "HttpPushUriTargets", "HttpPushUriTargetsBusy", "IPMI", "IPv4StaticAddresses",
        "IPv6StaticAddresses", "IndicatorLED", "InterfaceEnabled", "KVMIP", "LinkState", "Location",
        "LocationIndicatorActive", "Locked", "MACAddress", "Mode", "NTP", "OutletPowerPolicy",
        "Password", "PercentageUsed", "PowerControl", "PowerLimitMode", "PowerLimitWatts",
        "PowerLoadPercentSetPoint", "PowerMode", "PowerOnDelaySeconds", "PowerOffDelaySeconds",
        "PowerCycleDelaySeconds", "PowerRestorePolicy", "PowerSetPoint", "PowerSupplyEnabled",
        "ProtocolType", "PumpSpeedPercent", "RoleId", "SNMP", "SSDP", "SSH", "SecureBootEnable",
        "SecureBootMode", "ServiceEnabled", "SessionTimeout", "SetPoint", "SetPointUnits",
        "SpeedLocked", "SpeedLimitMHz", "StaticNameServers", "SubmitTestEvent", "SyslogFilters",
        "TargetMode", "Telnet", "TimeZoneName", "Thresholds", "UserLabel", "UserName", "VLAN",
        "VirtualMedia", "WriteProtected",
    }
)  # fmt: skip
_ANNOTATIONS = ("@Redfish.SettingsApplyTime", "@Redfish.OperationApplyTime")


def write(device: Device, path: str, body: Resource) -> Outcome:
    """Merge what may be written, refuse the rest; 400 if nothing may."""
    if not body:
        return Outcome(status=400, message="EmptyJSON")
    applied = settings_of(device).get(path)
    before = device.kept(path) or {}
    accepted, refusals = _sort(body, before, known=_known(device, applied))
    if not accepted:
        return Outcome(status=400, body=error_body(refusals or [message("EmptyJSON")]))
    accepted = _hide_password(device, before, accepted)
    after = device.put(path, _merge_lists(before, accepted))
    if applied is not None:
        device.staged[applied] = merged(device.staged.get(applied, {}), accepted)
    couple(device, path, accepted)
    found = device.get(path) or after
    if refusals:
        found["@Message.ExtendedInfo"] = refusals
    return Outcome(status=200, body=found)


def settings_of(device: Device) -> Mapping[str, str]:
    """Staged resource -> the resource it is staged for; looked up once."""
    if device.settings is None:
        device.settings = {}
        for path in list(device.paths()):
            page = device.tree.page(path)
            if page is not None and b"@Redfish.Settings" in page.body:
                settings = (device.kept(path) or {}).get("@Redfish.Settings")
                target = target_of(settings, "SettingsObject") if isinstance(settings, dict) else ""
                if target and canonical(target) != path:
                    device.settings[canonical(target)] = path
    return device.settings


def apply_staged(device: Device) -> None:
    """What a reset does to the settings that waited for it."""
    staged, device.staged = device.staged, {}
    for path, changes in staged.items():
        settings = dict((device.kept(path) or {}).get("@Redfish.Settings") or {})
        settings["Time"] = datetime.fromtimestamp(int(device.now()), UTC).isoformat()
        settings["Messages"] = [message("Success")]
        device.patch(path, {**changes, "@Redfish.Settings": settings})


def couple(device: Device, path: str, changes: Resource) -> None:
    """Keep a chassis' Control and its EnvironmentMetrics saying the same power limit, and the link
    of a port as it is wanted."""
    if (wanted := changes.get("LinkState")) and "LinkStatus" in (device.kept(path) or {}):
        device.patch(path, {"LinkStatus": "LinkUp" if wanted == "Enabled" else "LinkDown"})
    limit = changes.get("PowerLimitWatts")
    if isinstance(limit, dict):
        source = ((device.kept(path) or {}).get("PowerLimitWatts") or {}).get("DataSourceUri")
        if isinstance(source, str) and device.kept(canonical(source)) is not None:
            device.patch(source, {k: limit[k] for k in ("SetPoint", "ControlMode") if k in limit})
    chassis, controls, _ = path.partition("/Controls/")
    if controls and ("SetPoint" in changes or "ControlMode" in changes):
        metrics = device.kept(f"{chassis}/EnvironmentMetrics") or {}
        held = metrics.get("PowerLimitWatts")
        if isinstance(held, dict) and canonical(str(held.get("DataSourceUri", ""))) == path:
            both = {k: changes[k] for k in ("SetPoint", "ControlMode") if k in changes}
            device.patch(f"{chassis}/EnvironmentMetrics", {"PowerLimitWatts": both})


def _known(device: Device, applied: str | None) -> Resource | None:
    """The attributes a staged resource may set: those of the resource it is staged for."""
    found = device.kept(applied) if applied is not None else None
    attributes = (found or {}).get("Attributes")
    return attributes if isinstance(attributes, dict) else None


def _sort(
    body: Resource, held: Resource, *, known: Resource | None
) -> tuple[Resource, list[Resource]]:
    accepted: Resource = {}
    refusals: list[Resource] = []
    for name, value in body.items():
        if name in _ANNOTATIONS or name.startswith("@odata."):
            continue
        if name == "Attributes" and isinstance(value, dict):
            value, refused = _attributes(value, known, held)
            refusals += refused
            if value:
                accepted[name] = value
            continue
        problem = _problem(name, value, held)
        if problem is None:
            accepted[name] = value
        else:
            refusals.append(problem)
    return accepted, refusals


def _attributes(
    asked: Resource, known: Resource | None, held: Resource
) -> tuple[Resource, list[Resource]]:
    if known is None:
        shown = held.get("Attributes")
        known = shown if isinstance(shown, dict) else None
    good, refusals = {}, []
    for name, value in asked.items():
        if known is not None and name not in known:
            refusals.append(message("PropertyUnknown", name, related=f"#/Attributes/{name}"))
        elif known is not None and _wrong_type(known[name], value):
            args = (str(value), name)
            refusals.append(
                message("PropertyValueTypeError", *args, related=f"#/Attributes/{name}")
            )
        else:
            good[name] = value
    return good, refusals


def _problem(name: str, value: Any, held: Resource) -> Resource | None:
    related = f"#/{name}"
    if name not in WRITABLE and name != "Oem":
        word = "PropertyNotWritable" if name in held else "PropertyUnknown"
        return message(word, name, related=related)
    old = held.get(name)
    if old is not None and _wrong_type(old, value):
        return message("PropertyValueTypeError", str(value), name, related=related)
    allowed = held.get(f"{name}@Redfish.AllowableValues")
    if isinstance(allowed, list) and value is not None and value not in allowed:
        return message("PropertyValueNotInList", str(value), name, related=related)
    if isinstance(value, dict) and isinstance(old, dict):
        inner = (_inner(f"{name}/{key}", key, item, old) for key, item in value.items())
        return next((problem for problem in inner if problem is not None), None)
    return _out_of_range(name, value, held, related)


def _inner(label: str, name: str, value: Any, held: Resource) -> Resource | None:
    old = held.get(name)
    related = f"#/{label}"
    if old is not None and value is not None and _wrong_type(old, value):
        return message("PropertyValueTypeError", str(value), label, related=related)
    allowed = held.get(f"{name}@Redfish.AllowableValues")
    if isinstance(allowed, list) and value is not None and value not in allowed:
        return message("PropertyValueNotInList", str(value), label, related=related)
    return _out_of_range(name, value, held, related)


def _out_of_range(name: str, value: Any, held: Resource, related: str) -> Resource | None:
    if name != "SetPoint" or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    low = held.get("AllowableMin", held.get("SettingMin"))
    high = held.get("AllowableMax", held.get("SettingMax"))
    under = isinstance(low, (int, float)) and value < low
    if under or (isinstance(high, (int, float)) and value > high):
        return message("PropertyValueOutOfRange", str(value), name, related=related)
    return None


def _wrong_type(old: Any, new: Any) -> bool:
    if old is None or new is None:
        return False
    if isinstance(old, bool) or isinstance(new, bool):
        return type(old) is not type(new)
    if isinstance(old, (int, float)):
        return not isinstance(new, (int, float))
    return not isinstance(new, type(old))


def _merge_lists(held: Resource, changes: Resource) -> Resource:
    """RFC 7396, but lists are merged element by element, as Redfish has it (DSP0266, 7.6.3)."""
    result = dict(held)
    for name, value in changes.items():
        old = held.get(name)
        if isinstance(value, list):
            result[name] = _merge_elements(old if isinstance(old, list) else [], value)
        elif isinstance(value, dict) and isinstance(old, dict):
            result[name] = _merge_lists(old, value)
        else:
            result = merged(result, {name: value})
    return result


def _merge_elements(held: list[Any], changes: list[Any]) -> list[Any]:
    """An empty object leaves its element alone, null takes it away, and what is past the end of
    `changes` goes too."""
    found = []
    for index, change in enumerate(changes):
        old = held[index] if index < len(held) else None
        if isinstance(change, dict) and (isinstance(old, dict) or (old is not None and not change)):
            found.append(_merge_lists(old, change) if isinstance(old, dict) else old)
        elif change is not None:
            found.append(change)
    return found


def _hide_password(device: Device, account: Resource, changes: Resource) -> Resource:
    """Changes of an account reach the gate; its password is never shown again."""
    user = account.get("UserName")
    known = device.gate.accounts.get(user) if isinstance(user, str) else None
    if known is None:
        return changes
    if isinstance(changes.get("Password"), str):
        known.password = changes["Password"]
        known.failures, known.locked_until = 0, 0.0
        changes = {**changes, "Password": None}
    if isinstance(changes.get("Enabled"), bool):
        known.enabled = changes["Enabled"]
    if isinstance(changes.get("RoleId"), str):
        known.role = changes["RoleId"]
    return changes
