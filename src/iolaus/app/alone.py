"""What works on one endpoint with no server and no state: inspect it, capture it.

One lane, one session, deleted on every way out; nothing is written to the device. An unknown
certificate is refused with its fingerprint unless the operator chose first contact or a pin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from iolaus.app.probing import probe_target
from iolaus.drivers.lane import Lanes, redfish_conversations
from iolaus.drivers.ports import Priority
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    OperatorMust,
    Unverified,
)
from iolaus.model.asset import Report
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.north.dto import inspect_view
from iolaus.observe.capture import Captured, capture
from iolaus.observe.devices import Devices, LaneDevice
from iolaus.observe.targets import parse_target
from iolaus.wire.redfish.port import Credential


class Approach(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one endpoint. `fingerprint` pins it; `trust_first` pins what it shows."""

    target: str
    credential: Credential | None = None
    trust_first: bool = False
    fingerprint: str | None = None
    ca_file: str | None = None
    allow_http: bool = False


async def inspect(approach: Approach) -> dict[str, Any]:
    """Read one endpoint whole, as the JSON object of `iolaus inspect`."""
    clock = WallClock()
    async with reached(approach) as (target, device, found):
        driver = await device.driver()
        report = await driver.inventory(device.at(Priority.INVENTORY))
        vitals = device.vitals()
    if report.partial and not report.assets:
        raise nothing_read(report)
    status = EndpointStatus(
        address=target.address,
        reach=Reach.REACHABLE,
        at=clock.now(),
        since=clock.now(),
        driver=report.driver,
        latency_ms=vitals.latency_ms,
        certificate=found.fingerprint,
        answered_at=clock.now(),
    )
    return inspect_view(report, status, clock.now(), target=target)


async def record(
    approach: Approach, folder: Path, *, progress: Callable[[int], None] | None = None
) -> Captured:
    """Record one endpoint in the DMTF layout, secrets removed."""
    async with reached(approach) as (_, device, _):
        return await capture(device.at(Priority.INVENTORY), folder, progress=progress)


@asynccontextmanager
async def reached(
    approach: Approach,
) -> AsyncIterator[tuple[Target, LaneDevice, ProbeResult]]:
    """The device of one target, its certificate judged before any credential is sent."""
    target, found = await _contact(approach)
    clock = WallClock()
    lanes = Lanes(
        redfish_conversations(clock, ca_file=approach.ca_file, insecure_http=approach.allow_http),
        clock,
    )
    devices = Devices(lanes=lanes, credential_of=lambda _: approach.credential)
    try:
        yield target, devices.open(target), found
    finally:
        await lanes.close()


async def _contact(approach: Approach) -> tuple[Target, ProbeResult]:
    targets, _ = parse_target(approach.target, allow_http=approach.allow_http)
    if len(targets) != 1:
        raise OperatorMust(
            f"names {len(targets)} endpoints",
            operation="reach",
            subject=approach.target,
            next_step="name one; `iolaus discover` takes ranges.",
        )
    pin = (approach.fingerprint or "").lower().replace(":", "") or None
    target = msgspec.structs.replace(targets[0], fingerprint=pin)
    found = await probe_target(target, ca_file=approach.ca_file)
    if isinstance(found.error, Unverified) and approach.trust_first and pin is None:
        target = msgspec.structs.replace(target, fingerprint=found.fingerprint)
        found = await probe_target(target, ca_file=approach.ca_file)
    _must_answer(target, found)
    return target, found


def _must_answer(target: Target, found: ProbeResult) -> None:
    """Raise what stood in the way; a root that wants a login is no obstacle yet."""
    error = found.error
    if isinstance(error, Unverified):
        pin = f"pin it with --fingerprint {found.fingerprint}"
        step = f"compare the fingerprint with the device's, then {pin}, or add --trust first."
        if target.fingerprint:
            step = f"find out why it changed; if it was renewed on purpose, {pin}."
        raise Unverified(
            error.message,
            operation="reach",
            subject=target.address,
            code="CertificateUntrusted",
            next_step=step,
        )
    if isinstance(error, DeviceSilent | DeviceLied | OperatorMust):
        raise error
    if error is not None and found.reach is Reach.UNSUPPORTED:
        error.next_step = error.next_step or (
            "check the address and the port: something answers there, but no Redfish service."
        )
        raise error


def nothing_read(report: Report) -> DeviceRefused:
    """Its root answers, and nothing behind it does."""
    uri, why = next(iter(report.partial.items()))
    return DeviceRefused(
        f"nothing could be read: {uri}: {why}",
        operation="inspect",
        subject=report.endpoint,
        code="NothingRead",
        next_step="try again in a minute; if it stays so, reset the management controller.",
    )
