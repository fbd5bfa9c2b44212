"""Whether what answers is still what was read last: its identity, and what its controller runs.

A hot set is read by the URIs of the last inventory, and one controller looks much like another: of
a machine that was exchanged, the readings of the new one would be laid under the name of the old.
So a pass compares what the resources that it reads anyway say of themselves. Whoever has not read
the device itself, because another process did, asks the service and its controllers as well.

Only what was told then and is told now is compared: silence is no evidence. Words are judged as the
inventory judges them, so a placeholder is silence. Pure, but for `read_unlike`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from iolaus.drivers.ports import Payload, Reads, Repair
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.components import firmware_of
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import Asset, Component, ComponentKind, Report

MOST: Final = 2
"""So many controllers are asked."""
Judge = Callable[[object], str | None]
_IDENTITY: Final[tuple[tuple[str, str, Judge], ...]] = (
    ("serial", "SerialNumber", names.telling),
    ("uuid", "UUID", names.uuid),
)


def unlike_assets(last: Report, shown: Mapping[str, Payload]) -> str:
    """What an asset's own resource says of itself that it did not; "" where nothing. `shown` are
    resources by URI, repaired."""
    found = (_unlike_asset(asset, shown.get(asset.resources[0], {})) for asset in last.assets)
    return next(filter(None, found), "")


def _unlike_asset(asset: Asset, payload: Payload) -> str:
    found = (
        _differs(asset.resources[0], name, getattr(asset.identity, field), judge(payload.get(name)))
        for field, name, judge in _IDENTITY
        if f"{field}_source" not in asset.raw  # another resource told it
    )
    return next(filter(None, found), "")


def _differs(uri: str, name: str, was: str | None, now: str | None) -> str:
    return f"{uri}: {name} is {now} and was {was}" if was and now and was != now else ""


async def read_unlike(device: Reads, last: Report, *, repair: Repair) -> str:
    """What the service or one of its controllers says that it did not; "" where nothing. Reads
    afresh. Raises as `Reads.get` does, but for what is not there: a controller's absence is told,
    and some services have no root."""
    root = await _read(device, ROOT, repair) or {}
    said = _differs(ROOT, "UUID", last.service_uuid, names.uuid(root.get("UUID")))
    version = names.text(root.get("RedfishVersion"))
    said = said or _differs(ROOT, "RedfishVersion", last.redfish_version, version)
    for part in () if said else _controllers(last):
        payload = await _read(device, part.uri, repair)
        if payload is None:
            return f"{part.uri}: it is not there any more"
        said = said or _differs(part.uri, "firmware", part.firmware, firmware_of(payload))
    return said


async def _read(device: Reads, uri: str, repair: Repair) -> Payload | None:
    try:
        return repair(uri, (await device.get(uri)).body)
    except DeviceRefused as error:
        if error.status in (404, 410):
            return None
        raise


def _controllers(last: Report) -> list[Component]:
    found = (p for p in last.components if p.kind is ComponentKind.BMC and p.firmware and p.uri)
    return list(found)[:MOST]
