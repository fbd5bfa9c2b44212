"""BIOS attributes: written where they are staged, in force from the next start on.

The standard's way is the resource that `@Redfish.Settings` names (DSP0266 section 9.10); older
controllers have it at `Bios/Settings` or `Bios/SD` without saying so, and the oldest take a PATCH
to `Bios` itself. Two habits of the field decide the order of things: a value that equals the
applied one is dropped while another is staged, so what is pending is cleared first where the
device offers that; and a device may take one attribute and refuse its neighbour in one answer,
so what was taken is told by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.drivers.ports import Receipt, Staged, Writes
from iolaus.drivers.redfish._text import mapping, texts
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.actions import Offer, act, offers
from iolaus.drivers.redfish.write.exchange import (
    not_offered,
    partly_refused,
    patch,
    patch_some,
    receipt_of,
)
from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.wire.redfish.errors import refused_properties
from iolaus.wire.redfish.port import Answer

Value = str | int | float | bool | None
SETTINGS: Final = "@Redfish.Settings"
APPLY_TIME: Final = "@Redfish.SettingsApplyTime"
NEXT_START: Final = "OnReset"
USUAL: Final = ("Settings", "SD")
"""Where older controllers stage without a link."""
CLEAR: Final = "clearpending"
GONE: Final = frozenset({404, 405, 410})


class Place(NamedTuple):
    """`applied` is the Bios resource, `staged` where it is written (the same on the oldest)."""

    applied: Answer
    staged: Answer

    @property
    def waits(self) -> bool:
        return self.staged.uri != self.applied.uri

    def pending(self) -> dict[str, Value]:
        """What is staged and differs from what is applied; many mirror everything."""
        applied = mapping(self.applied.body.get("Attributes"))
        staged = mapping(self.staged.body.get("Attributes")) if self.waits else {}
        return {
            name: value
            for name, value in staged.items()
            if "@" not in name and name in applied and applied[name] != value
            if value is not None
        }


async def write_settings(
    device: Writes, system: str, attributes: Mapping[str, Value], *, apply_time: str | None
) -> Staged:
    place = await find(device, system)
    if not attributes:
        raise _nothing(device, system)
    wanted, cleared = await _unstaged(device, place, attributes)
    if cleared and not wanted:
        return Staged(receipt=cleared, accepted=tuple(attributes), waits=place.waits)
    place = await find(device, system) if cleared else place
    body: dict[str, Any] = {"Attributes": wanted}
    body |= _apply_time(device, place, apply_time)
    answer, receipt = await patch_some(device, place.staged.uri, body, seen=place.staged)
    told = refused_properties(answer.body) if answer else {}
    refused = {name: why for name, why in told.items() if name in attributes}
    if answer and refused and len(refused) == len(attributes):
        raise partly_refused(device, place.staged.uri, answer, refused)
    accepted = tuple(name for name in attributes if name not in refused)
    return Staged(receipt=receipt, accepted=accepted, refused=refused, waits=place.waits)


async def _unstaged(
    device: Writes, place: Place, wish: Mapping[str, Value]
) -> tuple[dict[str, Value], Receipt | None]:
    """What is to be written, after what is pending was cleared where that is needed.

    A wish for the applied value while another is staged would be dropped. Where the device can
    clear what is pending it does, and what else was pending is written again with the wish.
    """
    applied, pending = mapping(place.applied.body.get("Attributes")), place.pending()
    offer = (
        _clearing(place) if any(applied.get(n) == wish[n] for n in wish if n in pending) else None
    )
    if offer is None:
        return dict(wish), None
    cleared = await act(device, offer, {})
    coming = {**pending, **wish}
    return {name: value for name, value in coming.items() if applied.get(name) != value}, cleared


def _clearing(place: Place) -> Offer | None:
    return next((o for o in offers(place.staged) if o.name.lower().endswith(CLEAR)), None)


async def clear_pending(device: Writes, system: str) -> Receipt | None:
    """By the action for it where there is one (its maker's, named ...ClearPending); else by
    deleting what is staged where that is allowed; else by staging what is applied."""
    place = await find(device, system)
    pending = place.pending()
    if not pending:
        return None
    if offer := _clearing(place):
        return await act(device, offer, {})
    uri = place.staged.uri
    if "DELETE" in place.staged.headers.get("allow", "").upper():
        return receipt_of("DELETE", uri, await device.write("DELETE", uri))
    applied = mapping(place.applied.body.get("Attributes"))
    back = {name: applied[name] for name in pending}
    return await patch(device, uri, {"Attributes": back}, seen=place.staged)


async def find(device: Writes, system: str) -> Place:
    """The host's Bios and where it is staged, both read afresh."""
    host = await device.get(system)
    bios = next(links_in(host.body.get("Bios")), "")
    if not bios:
        raise not_offered(device, system, "BIOS settings", method="PATCH")
    applied = await device.get(bios)
    for uri in links_in(mapping(applied.body.get(SETTINGS)).get("SettingsObject")):
        return Place(applied, applied if uri == bios else await _staging(device, applied, uri))
    for name in USUAL:
        try:
            return Place(applied, await device.get(f"{bios}/{name}"))
        except DeviceRefused as refused:
            if refused.status not in GONE:
                raise
    return Place(applied, applied)


async def _staging(device: Writes, applied: Answer, uri: str) -> Answer:
    """The settings resource; some devices have none until something is staged."""
    try:
        return await device.get(uri)
    except DeviceRefused as refused:
        if refused.status not in GONE:
            raise
        return msgspec.structs.replace(applied, uri=uri, body={}, headers={}, etag=None)


def _apply_time(device: Writes, place: Place, wish: str | None) -> dict[str, Any]:
    """The annotation that chooses when, only where the device says that it may be chosen. There
    the next start is asked for by name: some only keep what is staged until told when."""
    known = texts(mapping(place.applied.body.get(SETTINGS)).get("SupportedApplyTimes"))
    wish = NEXT_START if wish is None and NEXT_START in known else wish
    if wish is None:
        return {}
    if wish not in known:
        raise OperatorMust(
            f"the device applies BIOS settings {' or '.join(known) or 'when it likes'}, not {wish}",
            operation="write settings",
            subject=f"{device.address}{place.staged.uri}",
            code="ApplyTimeNotOffered",
            next_step="choose one of these, or leave it to the device",
        )
    return {APPLY_TIME: {"@odata.type": "#Settings.v1_3_0.PreferredApplyTime", "ApplyTime": wish}}


def _nothing(device: Writes, system: str) -> OperatorMust:
    return OperatorMust(
        "no attribute is given",
        operation="write settings",
        subject=f"{device.address}{system}",
        code="NothingToWrite",
        next_step="give at least one attribute",
    )
