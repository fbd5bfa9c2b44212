"""A drive that an image is put into from afar, and what a host starts from once.

DSP0268: VirtualMedia (InsertMedia, EjectMedia), ComputerSystem.Boot. Both are read back before
anything rests on them, and both are taken back afterwards: an override or an image that is left
behind is found by the next person who restarts that host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from iolaus.drivers.ports import Reads, Writes
from iolaus.drivers.redfish._text import clean, mapping
from iolaus.drivers.redfish.harvest import links_in
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import Asset

INSERT: Final = "#VirtualMedia.InsertMedia"
EJECT: Final = "#VirtualMedia.EjectMedia"
HTTP: Final = "UefiHttp"
_DISCS: Final = frozenset({"CD", "DVD"})


async def override(device: Reads, asset: Asset, *, ours: str = "") -> str:
    """ "Disabled", or target and how often, such as "Cd/Once"; and what is fetched over HTTP, where
    it says so. What is disabled but would still fetch `ours` the next time is told as well."""
    boot = mapping((await device.get(asset.resources[0])).body.get("Boot"))
    enabled = clean(boot.get("BootSourceOverrideEnabled"), 32)
    image = clean(boot.get("HttpBootUri"), 2048)
    if enabled in ("", "Disabled"):
        return f"Disabled, with {image}" if image and image == ours else "Disabled"
    return said(clean(boot.get("BootSourceOverrideTarget"), 64), enabled, image)


def said(target: str, enabled: str, image: str) -> str:
    """An override as `override` says it."""
    return f"{target}/{enabled}" + (f" {image}" if image and target == HTTP else "")


async def inserted(device: Reads, asset: Asset) -> str:
    """The image in the drive; empty where there is none."""
    async for _, drive in _drives(device, asset):
        return clean(drive.get("Image"), 2048) if drive.get("Inserted") else ""
    raise _none(asset)


async def insert(device: Writes, asset: Asset, image: str) -> dict[str, Any]:
    """Have the controller fetch the image. Whether it came is read afterwards."""
    async for uri, drive in _drives(device, asset):
        if drive.get("Inserted"):
            await _act(device, uri, drive, EJECT, {})
        body = {"Image": image, "WriteProtected": True, "Inserted": True}
        return await _act(device, uri, drive, INSERT, body)
    raise _none(asset)


async def eject(device: Writes, asset: Asset) -> dict[str, Any]:
    async for uri, drive in _drives(device, asset):
        return await _act(device, uri, drive, EJECT, {})
    raise _none(asset)


async def _act(
    device: Writes, uri: str, drive: Mapping[str, Any], name: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    target = mapping(mapping(drive.get("Actions")).get(name)).get("target")
    if isinstance(target, str):
        answer = await device.write("POST", target, body)
    else:  # older services are told by PATCH (DSP0268, VirtualMedia, Image)
        changes = body if name == INSERT else {"Image": None, "Inserted": False}
        answer = await device.write("PATCH", uri, changes)
    return {"uri": uri, "status": answer.status, "at": answer.at}


async def _drives(device: Reads, asset: Asset) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """Drives for discs, those of the system before those of its managers."""
    folders = ("/Systems/", "/Managers/")
    for uri in [u for folder in folders for u in asset.resources if folder in u]:
        for place in links_in((await device.get(uri)).body.get("VirtualMedia")):
            for each, drive in await device.members(place, on_gap=lambda *_: None):
                kinds = drive.get("MediaTypes")
                if not isinstance(kinds, list) or not _DISCS.isdisjoint(map(str, kinds)):
                    yield each, drive


def _none(asset: Asset) -> OperatorMust:
    return OperatorMust(
        "it shows no virtual drive",
        operation="virtual media",
        subject=asset.key,
        code="NoVirtualMedia",
        next_step="start it from a boot server instead (boot: UefiHttp).",
    )
