"""The power cap, in whichever of the standard's dialects the resource at a URI speaks.

The URI is that of a `PowerLimit` fact, and what stands there decides: a `Control` (SetPoint), the
`PowerLimitWatts` excerpt of `EnvironmentMetrics`, or one entry of a legacy `Power` (a URI with
"#/PowerControl/n"). Some makers put two requests beside the excerpt, whoever's OEM object they are
in: a persistent limit that outlives every restart, and a one-shot limit that ends with the next
start of the host. There the floor is kept for good and all above it is only lent. Elsewhere a
`DefaultSetPoint`, which a manager falls back to when it is reset, is the next best place for a
floor; where there is none the last cap is what stays.

A cap that is switched off is switched on by setting it. No number is bent to fit: a device that
takes 250 W at the least refuses 200, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.drivers.ports import PowerCap, Reads, Receipt, Writes
from iolaus.drivers.redfish._plausible import parse_number
from iolaus.drivers.redfish._text import items, mapping
from iolaus.drivers.redfish.limits import enabled_by, watts_of
from iolaus.drivers.redfish.write.exchange import not_offered, patch
from iolaus.kernel.errors import DeviceLied
from iolaus.kernel.quantity import convert
from iolaus.wire.redfish.port import Answer

LEGACY: Final = "#/PowerControl/"
PERSISTENT: Final = "RequestedPersistentPowerLimitWatts"
ONE_SHOT: Final = "RequestedOneshotPowerLimitWatts"
SEEN_S: Final = 30.0
"""A tag that is not older may be written with: whoever changed it since gets a 412 for us."""
MOST_ENTRIES: Final = 64


async def read_cap(device: Reads, uri: str) -> PowerCap:
    """Read afresh. `DeviceLied` where the cap has no number."""
    return _cap(device, uri, await device.get(uri.partition("#")[0]))


async def set_cap(device: Writes, uri: str, watts: float, *, insist: bool = False) -> Receipt:
    """`insist` for what must not wait: whatever else was changed there meanwhile, the cap is set,
    in the one request where its resource was read lately."""
    place, _, _ = uri.partition("#")
    seen = await device.get(place, fresh_s=SEEN_S)
    return await patch(device, place, _wish(device, uri, seen, watts), seen=seen, insist=insist)


async def set_floor(device: Writes, uri: str, watts: float) -> Receipt | None:
    place, _, _ = uri.partition("#")
    seen = await device.get(place)
    maker = _maker(seen.body)
    if maker:
        return await patch(device, place, {"Oem": {maker: {PERSISTENT: watts}}}, seen=seen)
    holder = _holder(seen.body)
    if LEGACY in uri or "DefaultSetPoint" not in holder:
        return None
    wish = {"DefaultSetPoint": _in_its_unit(device, uri, holder, watts)}
    body = wish if holder is seen.body else {"PowerLimitWatts": wish}
    return await patch(device, place, body, seen=seen)


def _cap(device: Reads, uri: str, seen: Answer) -> PowerCap:
    if LEGACY in uri:
        limit = _entry(device, uri, seen.body)
        watts = watts_of(limit.get("LimitInWatts")) or None
        return PowerCap(watts=watts, enabled=watts is not None, at=seen.at)
    holder = _holder(seen.body)
    if "SetPoint" not in holder:
        raise not_offered(device, uri, "power cap", method="GET")
    unit, on = holder.get("SetPointUnits"), enabled_by(holder.get("ControlMode"))
    watts = watts_of(holder["SetPoint"], unit)
    if watts is None and on:
        raise _no_number(device, uri)
    floor_w, passing = _requests(seen.body, holder)
    return PowerCap(
        watts=None if on is False or not watts else watts,
        enabled=on,
        at=seen.at,
        floor_w=floor_w,
        lent=passing,
    )


def _requests(body: Mapping[str, Any], holder: Mapping[str, Any]) -> tuple[float | None, bool]:
    """The limit that stays, and whether the one in force is only lent."""
    maker = _maker(body)
    if maker is None:
        return watts_of(holder.get("DefaultSetPoint"), holder.get("SetPointUnits")), False
    told = mapping(mapping(body.get("Oem")).get(maker))
    return watts_of(told.get(PERSISTENT)), parse_number(told.get(ONE_SHOT)).value is not None


def _wish(device: Reads, uri: str, seen: Answer, watts: float) -> dict[str, Any]:
    """The body of the PATCH."""
    if LEGACY in uri:
        _entry(device, uri, seen.body)
        index = int(uri.rpartition("/")[2])
        entries: list[dict[str, Any]] = [{} for _ in range(index)]
        return {"PowerControl": [*entries, {"PowerLimit": {"LimitInWatts": watts}}]}
    maker = _maker(seen.body)
    if maker:
        return {"Oem": {maker: {ONE_SHOT: watts}}}
    holder = _holder(seen.body)
    if "SetPoint" not in holder:
        raise not_offered(device, uri, "power cap", method="PATCH")
    wish: dict[str, Any] = {"SetPoint": _in_its_unit(device, uri, holder, watts)}
    if enabled_by(holder.get("ControlMode")) is False:
        wish["ControlMode"] = "Automatic"
    return wish if holder is seen.body else {"PowerLimitWatts": wish}


def _holder(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the set point stands: the Control itself, or the excerpt in EnvironmentMetrics."""
    return body if "SetPoint" in body else mapping(body.get("PowerLimitWatts"))


def _maker(body: Mapping[str, Any]) -> str | None:
    """The OEM object that offers a persistent and a one-shot limit, whoever it belongs to."""
    for name, told in mapping(body.get("Oem")).items():
        if PERSISTENT in mapping(told) and ONE_SHOT in mapping(told):
            return name
    return None


def _entry(device: Reads, uri: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    number = uri.rpartition("/")[2]
    entries = list(items(body.get("PowerControl"), MOST_ENTRIES))
    if number.isdecimal() and int(number) < len(entries):
        limit = mapping(mapping(entries[int(number)]).get("PowerLimit"))
        if "LimitInWatts" in limit:
            return limit
    raise not_offered(device, uri, "power cap", method="GET")


def _in_its_unit(device: Reads, uri: str, holder: Mapping[str, Any], watts: float) -> float:
    """A cap in a unit that we cannot write is none that we may guess at."""
    unit = holder.get("SetPointUnits")
    there = convert(watts, unit="W", to=unit) if isinstance(unit, str) and unit else watts
    if there is None:
        raise not_offered(device, uri, f"power cap in watts (it is in {unit!r})", method="PATCH")
    return there


def _no_number(device: Reads, uri: str) -> DeviceLied:
    return DeviceLied(
        "the cap is in force and has no number",
        operation="GET",
        subject=f"{device.address}{uri}",
        code="CapWithoutNumber",
        next_step="read it again; restart its controller if it stays so",
    )
