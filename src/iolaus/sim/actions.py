"""POST to an action: what it does to the device, over simulated seconds.

An action is done only if the resource offers it, with a value its own AllowableValues permit.
Power moves through Off, PoweringOn, On and PoweringOff in the device's own time; a new reset
overtakes the one under way. What is offered but not played here answers 501 unless the device's
own `Effects` play it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from iolaus.sim.device import Device
from iolaus.sim.effects import attentive
from iolaus.sim.outcome import Outcome
from iolaus.sim.patch import apply_staged
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource, canonical, links, target_of

_VERSION = re.compile(r"\d+(?:\.\d+)+(?:-\w+)*")
Play = Callable[[Device, str, Resource], Outcome]


def act(device: Device, path: str, action: str, body: Resource) -> Outcome | None:
    """Do `action` ("ComputerSystem.Reset") on the resource at `path`; None if not offered."""
    offered = _offered(device.kept(path) or {}, action)
    if offered is None:
        return None
    problem = _check(device, offered, action, body)
    if problem is not None:
        return problem
    outcome = None
    if device.effects is not None:
        outcome = device.effects.acted(device, path, action, body)
    if outcome is None and device.trust is not None:
        outcome = device.trust.acted(device, path, action, body)
    if outcome is not None:
        return outcome
    play = _PLAYS.get(action) or _PLAYS.get(f"*.{action.rpartition('.')[2]}")
    if play is None:
        return refused(501, "ActionNotSupported", action)
    return play(device, path, body)


def _offered(resource: Resource, action: str) -> Resource | None:
    actions = resource.get("Actions")
    if not isinstance(actions, dict):
        return None
    oem = actions.get("Oem")
    for group in (actions, oem if isinstance(oem, dict) else {}):
        for name, found in group.items():
            if name.lstrip("#") == action and isinstance(found, dict):
                return found
    return None


def _check(device: Device, offered: Resource, action: str, body: Resource) -> Outcome | None:
    allowed = dict(_inline(offered))
    info = offered.get("@Redfish.ActionInfo")
    parameters = (device.kept(canonical(info)) or {}).get("Parameters") if info else None
    for parameter in parameters if isinstance(parameters, list) else []:
        name, values = parameter.get("Name"), parameter.get("AllowableValues")
        if isinstance(values, list):
            allowed.setdefault(name, values)
        if parameter.get("Required") and name not in body:
            return refused(400, "ActionParameterMissing", action, str(name))
    for name, values in allowed.items():
        if name in body and isinstance(body[name], str) and body[name] not in values:
            args = (body[name], name, action)
            return refused(400, "ActionParameterValueNotInList", *args)
    return None


def _inline(offered: Resource) -> Mapping[str, list[Any]]:
    tail = "@Redfish.AllowableValues"
    return {
        name.removesuffix(tail): values
        for name, values in offered.items()
        if name.endswith(tail) and isinstance(values, list)
    }


# power


def _reset_system(device: Device, path: str, body: Resource) -> Outcome:
    kind = body.get("ResetType", "On")
    on = (device.kept(path) or {}).get("PowerState") != "Off"
    options = device.options
    if kind == "PushPowerButton":
        kind = "GracefulShutdown" if on else "On"
    if kind in ("Nmi", "Suspend", "Pause", "Resume") or (kind in ("On", "ForceOn") and on):
        return Outcome()
    if kind in ("On", "ForceOn"):
        _sequence(device, path, [("PoweringOn", options.power_on_s), ("On", 0)])
    elif kind in ("ForceOff", "GracefulShutdown"):
        wait = options.power_off_s if kind == "ForceOff" else options.graceful_off_s
        _sequence(device, path, [("PoweringOff", wait), ("Off", 0)] if on else [])
    else:
        down = [("PoweringOff", options.power_off_s), ("Off", options.power_off_s)] if on else []
        _sequence(device, path, [*down, ("PoweringOn", options.power_on_s), ("On", 0)])
    return Outcome()


def _sequence(device: Device, path: str, states: list[tuple[str, float]]) -> None:
    """Go through power states, each for some seconds; a later sequence overtakes this one."""
    device.power_turns[path] = turn = device.power_turns.get(path, 0) + 1

    def step(index: int) -> None:
        if device.power_turns.get(path) != turn or index >= len(states):
            return
        state, seconds = states[index]
        set_power(device, path, state)
        if index + 1 < len(states):
            device.later(seconds, lambda: step(index + 1))

    step(0)


def set_power(device: Device, path: str, state: str) -> None:
    """The system, and the chassis it stands in, are now in this power state."""
    system = device.kept(path) or {}
    device.patch(path, {"PowerState": state, **(_booted(system) if state == "On" else {})})
    links_of = system.get("Links")
    for chassis in links(links_of, "Chassis") if isinstance(links_of, dict) else ():
        if "PowerState" in (device.kept(canonical(chassis)) or {}):
            device.patch(chassis, {"PowerState": state})
    if state == "On":
        apply_staged(device)
        if system.get("PowerState") != "On":
            attentive(device.effects).booted(device, path)
            if device.trust is not None:
                device.trust.booted(device, path)
    if state in ("On", "Off"):
        text = f"The power state of {system.get('Id', path)} is {state}."
        said = {"MessageId": f"ResourceEvent.1.4.ResourcePowered{state}", "Message": text,
                "OriginOfCondition": {"@odata.id": path}}  # fmt: skip
        device.events.emit({"EventType": "StatusChange", **said})


def _booted(system: Resource) -> Resource:
    boot = system.get("Boot")
    once = isinstance(boot, dict) and boot.get("BootSourceOverrideEnabled") == "Once"
    return {"Boot": {"BootSourceOverrideEnabled": "Disabled"}} if once else {}


def _reset_chassis(device: Device, path: str, body: Resource) -> Outcome:
    links_of = (device.kept(path) or {}).get("Links")
    systems = list(links(links_of, "ComputerSystems")) if isinstance(links_of, dict) else []
    for system in systems:
        _reset_system(device, canonical(system), body)
    return Outcome() if systems else _switch(device, path, body)


def _switch(device: Device, path: str, body: Resource) -> Outcome:
    """Anything with a PowerState that simply is on or off: outlets, circuits, supplies."""
    kind = str(body.get("PowerState") or body.get("ResetType") or "PowerCycle")
    held = device.kept(path) or {}
    if kind in ("On", "Off", "ForceOff", "ForceOn"):
        device.patch(path, {"PowerState": "Off" if kind.endswith("Off") else "On"})
    elif "PowerState" in held:
        _cycle(device, path)
    return Outcome()


def _cycle(device: Device, path: str) -> None:
    device.patch(path, {"PowerState": "Off"})
    device.later(device.options.power_off_s, lambda: _on(device, path))


def _on(device: Device, path: str) -> None:
    device.patch(path, {"PowerState": "On"})


def _control_group(device: Device, path: str, body: Resource) -> Outcome:
    links_of = (device.kept(path) or {}).get("Links")
    for outlet in links(links_of, "Outlets") if isinstance(links_of, dict) else ():
        _switch(device, canonical(outlet), body)
    return _switch(device, path, body)


def _reset_manager(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    """The controller itself restarts: silence for a while, and a bad memory afterwards."""
    device.later(0.05, device.restart)
    return Outcome()


# updates, logs, settings, events


def _update(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    image = body.get("ImageURI")
    if not isinstance(image, str):
        return refused(400, "ActionParameterMissing", "SimpleUpdate", "ImageURI")
    targets = body.get("Targets")
    wanted = [t for t in targets if isinstance(t, str)] if isinstance(targets, list) else []
    for target in wanted:
        if device.kept(canonical(target)) is None:
            return refused(400, "ResourceMissingAtURI", target)
    return begin_update(device, image, wanted)


def begin_update(device: Device, image: str, targets: list[str]) -> Outcome:
    """Update `targets` to the version the image's name tells; the task ends when they show it."""
    version = _VERSION.search(image.rpartition("/")[2])

    def done() -> None:
        for target in targets:
            if version is not None:
                device.patch(target, {"Version": version[0]})

    return device.tasks.start("Firmware update", done)


def _clear_log(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    place = canonical(target_of(device.kept(path) or {}, "Entries") or f"{path}/Entries")
    entries = device.kept(place)
    if entries is not None:
        for entry in links(entries, "Members"):
            device.remove(entry)
        device.put(place, {**entries, "Members": [], "Members@odata.count": 0})
    return Outcome()


def _collect(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    return device.tasks.start("Diagnostic data", lambda: None)


def _test_event(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    return device.events.test(body)


def _reset_bios(device: Device, path: str, body: Resource) -> Outcome:  # noqa: ARG001
    original = device.tree.get(path) or {}
    device.staged[path] = {"Attributes": original.get("Attributes", {})}
    return Outcome()


def _media(device: Device, path: str, body: Resource) -> Outcome:
    image = body.get("Image")
    inserted = isinstance(image, str)
    via = "URI" if inserted else "NotConnected"
    changes = {"Image": image, "Inserted": inserted, "ConnectedVia": via}
    device.put(path, {**(device.kept(path) or {}), **changes})
    return Outcome()


_PLAYS: Mapping[str, Play] = {
    "ComputerSystem.Reset": _reset_system,
    "Chassis.Reset": _reset_chassis,
    "Manager.Reset": _reset_manager,
    "UpdateService.SimpleUpdate": _update,
    "EventService.SubmitTestEvent": _test_event,
    "LogService.ClearLog": _clear_log,
    "LogService.CollectDiagnosticData": _collect,
    "Bios.ResetBios": _reset_bios,
    "OutletGroup.PowerControl": _control_group,
    "VirtualMedia.InsertMedia": _media,
    "VirtualMedia.EjectMedia": _media,
    "*.PowerControl": _switch,
    "*.Reset": _switch,
}
