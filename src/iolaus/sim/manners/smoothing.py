"""Power smoothing of GPUs, as their maker's controller shows it, and acting on their power.

Each GPU that can has a resource of its own: whether it smooths, and the profile in force (the
floor that it draws while it works, in percent of its total module power, for how long after, and
how fast its power may go up and down). One of five preset profiles is in force, with what the
administrator's profile overrides; an override counts once it is applied, until a preset is
activated. What is in force goes to the physics behind the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.hall_life import Life
from iolaus.sim.hall_lumped import Smooth
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource

Json = dict[str, Any]
BELOW: Final = "/Oem/Nvidia/PowerSmoothing"
PRESETS_AT, ADMIN_AT = "PresetProfiles", "AdminOverrideProfile"
ACTIVATE, APPLY = (
    "NvidiaPowerSmoothing.ActivatePresetProfile",
    "NvidiaPowerSmoothing.ApplyAdminOverrides",
)
FLOOR, UP, DOWN, HOLD = (
    "TMPFloorPercent", "RampUpWattsPerSecond", "RampDownWattsPerSecond",
    "RampDownHysteresisSeconds",
)  # fmt: skip
NAMES: Final = (FLOOR, UP, DOWN, HOLD)
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    FLOOR: (0.0, 90.0),
    UP: (1.0, 2000.0),
    DOWN: (1.0, 2000.0),
    HOLD: (0.0, 60.0),
}
PRESETS: Final = (
    (90.0, 20.0, 20.0, 10.0),
    (80.0, 50.0, 50.0, 8.0),
    (65.0, 200.0, 100.0, 5.0),
    (50.0, 400.0, 200.0, 3.0),
    (30.0, 1000.0, 500.0, 1.0),
)
ABLE: Final = ("B200", "B300")
OVER_TDP: Final = 1.042
"""Total module power, of the highest limit that may be set."""
AT_ONCE: Final = 1.0e6


class Smoothing(Quiet):
    """What GPUs were told stands in their resources; here it is judged and made to act."""

    __slots__ = ()

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        gpu, found, rest = ask.path.partition(BELOW)
        if not found or ask.method != "PATCH" or device.kept(ask.path) is None:
            return None
        wrong = _switches_wrong(ask.body) if not rest else _profile_wrong(ask.body, rest)
        if wrong is not None:
            return wrong
        after = device.put(ask.path, {**(device.kept(ask.path) or {}), **ask.body})
        if not rest:
            self._act(device, gpu)
        return Outcome(status=200, body=after)

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        if action not in (ACTIVATE, APPLY) or not path.endswith(BELOW):
            return None
        held = device.kept(path) or {}
        if action == ACTIVATE:
            number = body.get("ProfileId")
            if number is None:
                return refused(400, "ActionParameterMissing", action, "ProfileId")
            preset = f"{path}/{PRESETS_AT}/{number}"
            chosen = device.kept(preset) if type(number) is int else None
            if chosen is None:
                words = str(number)[:80], "ProfileId", action
                return refused(400, "ActionParameterValueError", *words)
            changes = in_force(chosen, {}) | {"AppliedPresetProfile": {"@odata.id": preset}}
        else:
            changes = in_force(held, device.kept(f"{path}/{ADMIN_AT}") or {})
        changes["TMPFloorWatts"] = round(changes[FLOOR] / 100.0 * held["TMPWatts"], 1)
        device.put(path, {**held, **changes})
        self._act(device, path.removesuffix(BELOW))
        return Outcome()

    def _act(self, device: Device, gpu: str) -> None:
        life = device.live
        if not isinstance(life, Life):
            return
        part = life.persona.caps.get(f"{gpu}/EnvironmentMetrics", "")
        if part.startswith("gpu."):
            life.smooths(int(part.removeprefix("gpu.")), smooth_of(device.kept(gpu + BELOW) or {}))

    def truth(self, device: Device) -> Resource:
        life = device.live
        smooth = life.smooth if isinstance(life, Life) else {}
        return {"smoothed": {str(n): how._asdict() for n, how in smooth.items()}} if smooth else {}


def smooth_of(held: Resource) -> Smooth | None:
    """What a GPU that shows this does; None: it does not smooth."""
    if not held.get("Enabled"):
        return None
    at_once = bool(held.get("ImmediateRampDown"))
    return Smooth(
        floor_w=held["TMPFloorWatts"],
        up_w_s=held[UP],
        down_w_s=AT_ONCE if at_once else held[DOWN],
        hold_s=0.0 if at_once else held[HOLD],
    )


def in_force(base: Resource, over: Resource) -> Resource:
    """The values of a profile with what another one overrides; None overrides nothing."""
    taken = {name: over.get(name) is not None for name in NAMES}
    values = {name: over[name] if taken[name] else base[name] for name in NAMES}
    return values | {
        "AdminOverrideActiveMask": {f"{n}Applied": is_on for n, is_on in taken.items()}
    }


def _switches_wrong(body: Resource) -> Outcome | None:
    for name, value in body.items():
        if name not in ("Enabled", "ImmediateRampDown"):
            return refused(400, "PropertyNotWritable", name[:80])
        if not isinstance(value, bool):
            return refused(400, "PropertyValueTypeError", str(value)[:80], name)
    return None


def _profile_wrong(body: Resource, rest: str) -> Outcome | None:
    for name, value in body.items():
        if name not in BOUNDS:
            return refused(400, "PropertyNotWritable", name[:80])
        if value is None and rest.endswith(ADMIN_AT):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return refused(400, "PropertyValueTypeError", str(value)[:80], name)
        low, high = BOUNDS[name]
        if not low <= value <= high:
            return refused(400, "PropertyValueOutOfRange", str(value)[:80], name)
    return None


def draw(found: Mapping[str, Json], added: dict[str, Json]) -> None:
    """The resources of every GPU that can."""
    for path, body in found.items():
        limit = found.get(f"{path}/EnvironmentMetrics", {}).get("PowerLimitWatts")
        if body.get("ProcessorType") != "GPU" or not isinstance(limit, dict):
            continue
        if any(word in str(body.get("Model")) for word in ABLE):
            _gpu(path, body, float(limit["AllowableMax"]), added)


def _gpu(path: str, body: Json, most_w: float, added: dict[str, Json]) -> None:
    place, total_w = path + BELOW, round(OVER_TDP * most_w)
    oem = body.setdefault("Oem", {}).setdefault("Nvidia", {})
    oem.setdefault("@odata.type", "#NvidiaProcessor.v1_4_0.NvidiaGPU")
    oem["PowerSmoothing"] = {"@odata.id": place}
    presets = f"{place}/{PRESETS_AT}"
    first = dict(zip(NAMES, PRESETS[0], strict=True))
    added[place] = _head(place, "NvidiaPowerSmoothing", "PowerSmoothing", "Power Smoothing") | {
        "PowerSmoothingSupported": True,
        "Enabled": False,
        "ImmediateRampDown": False,
        "TMPWatts": total_w,
        "TMPFloorWatts": round(first[FLOOR] / 100.0 * total_w, 1),
        "MinAllowedTMPFloorPercent": BOUNDS[FLOOR][0],
        "MaxAllowedTMPFloorPercent": BOUNDS[FLOOR][1],
        "RemainingLifetimeCircuitryPercent": 100.0,
        **in_force(first, {}),
        "AppliedPresetProfile": {"@odata.id": f"{presets}/0"},
        PRESETS_AT: {"@odata.id": presets},
        ADMIN_AT: {"@odata.id": f"{place}/{ADMIN_AT}"},
        "Actions": {
            f"#{name}": {"target": f"{place}/Actions/{name}"} for name in (ACTIVATE, APPLY)
        },
    }
    kind = "NvidiaPowerSmoothingPresetProfile"
    added[f"{place}/{ADMIN_AT}"] = {
        **_head(f"{place}/{ADMIN_AT}", kind, ADMIN_AT, "Admin Override Profile"),
        **dict.fromkeys(NAMES),
    }
    for number, values in enumerate(PRESETS):
        name = f"Preset Profile {number}"
        added[f"{presets}/{number}"] = {
            **_head(f"{presets}/{number}", kind, str(number), name),
            **dict(zip(NAMES, values, strict=True)),
        }
    added[presets] = {
        "@odata.id": presets,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": "Preset Profile Collection",
        "Members": [{"@odata.id": f"{presets}/{n}"} for n in range(len(PRESETS))],
        "Members@odata.count": len(PRESETS),
    }


def _head(path: str, kind: str, key: str, name: str) -> Json:
    return {"@odata.id": path, "@odata.type": f"#{kind}.v1_0_0.{kind}", "Id": key, "Name": name}
