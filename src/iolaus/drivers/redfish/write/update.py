"""Firmware: handing over an image in the three ways that Redfish has (DSP0266 section 13.6).

A multipart push says image, targets and time in one request; the bare push (`HttpPushUri`) needs
its targets and time written to the service first and is a last choice; `SimpleUpdate` has the
device fetch the image itself. The answer is a task, and a task is a rumour: it is polled by its own
URI (some controllers forget a task when its monitor was looked at), it may vanish, and its
"Completed" may be a lie. So the receipt keeps its URI and the proof is the inventory's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.drivers.ports import How, Image, Payload, Reads, Receipt, Writes
from iolaus.drivers.redfish._text import clean, mapping, texts
from iolaus.drivers.redfish.harvest import links_in, normal
from iolaus.drivers.redfish.write.actions import Offer, act, allowed, offered
from iolaus.drivers.redfish.write.exchange import (
    not_offered,
    patch,
    receipt_of,
    service_of,
)
from iolaus.kernel.errors import FAILURES, DeviceRefused, OperatorMust
from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.errors import Code
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.task import Progress, State, read_task
from iolaus.wire.redfish.upload import OCTETS, Part, form, raw

APPLY_TIME: Final = "@Redfish.OperationApplyTime"
SUPPORT: Final = "@Redfish.OperationApplyTimeSupport"
MULTIPART, PUSH = "MultipartHttpPushUri", "HttpPushUri"
TARGETS, BUSY, OPTIONS = "HttpPushUriTargets", "HttpPushUriTargetsBusy", "HttpPushUriOptions"
SIMPLE, START = "UpdateService.SimpleUpdate", "UpdateService.StartUpdate"
BUSY_S: Final = 30.0


class Wish(NamedTuple):
    """What is asked of the device besides the image."""

    targets: tuple[str, ...]
    apply_time: str | None
    force: bool | None
    oem: Payload | None

    def parameters(self) -> dict[str, Any]:
        """UpdateParameters; what was not asked is left to the device."""
        found: dict[str, Any] = {}
        if self.targets:
            found["Targets"] = list(self.targets)
        if self.force is not None:
            found["ForceUpdate"] = self.force
        if self.apply_time is not None:
            found[APPLY_TIME] = self.apply_time
        return found


async def update(
    device: Writes,
    image: Image,
    targets: Sequence[str],
    *,
    how: How | None,
    apply_time: str | None,
    force: bool | None,
    oem: Payload | None,
) -> Receipt:
    service = await service_of(device, "UpdateService")
    wish = Wish(tuple(targets), apply_time, force, oem)
    if service.body.get("ServiceEnabled") is False:
        raise not_offered(device, service.uri, "updates: its UpdateService is disabled")
    ways = dict(_ways(service, image, wish))
    chosen: str | None = how or next((way for way, why in ways.items() if not why), None)
    if chosen is None or ways[chosen]:
        why = ways[chosen] if chosen else "; ".join(ways.values())
        raise not_offered(device, service.uri, f"way for this image: {why}")
    _check_time(device, service, wish)
    if chosen != "simple":
        await _check_file(device, service, image)
    if chosen == "multipart":
        return await _multipart(device, service, image, wish)
    if chosen == "push":
        return await _push(device, service, image, wish)
    return await _simple(device, service, image, wish)


async def apply_times(device: Reads) -> tuple[str, ...]:
    """The apply times that the device lets one choose; none: it has its habit."""
    return tuple(_times(await service_of(device, "UpdateService")))


def _ways(service: Answer, image: Image, wish: Wish) -> Iterator[tuple[str, str]]:
    """Each way, best first, with what stands against it ("" where nothing does)."""
    here = "" if image.path else "the image has no path"
    body = service.body
    multipart = "" if clean(body.get(MULTIPART)) else f"no {MULTIPART}"
    yield "multipart", multipart or here
    bare = "" if clean(body.get(PUSH)) else f"no {PUSH}"
    if not bare and wish.targets and TARGETS not in body:
        bare = f"{PUSH} without {TARGETS} goes to no target in particular"
    if not bare and wish.apply_time and not mapping(body.get(OPTIONS)):
        bare = f"{PUSH} without {OPTIONS} knows no apply time"
    if not bare and (wish.force is not None or wish.oem):
        bare = f"{PUSH} takes no parameters"
    yield "push", bare or here
    simple = "" if offered(service, SIMPLE) else f"no action {SIMPLE}"
    yield "simple", simple or ("" if image.uri else "the image has no URI")


def _check_time(device: Reads, service: Answer, wish: Wish) -> None:
    """Where the service says which apply times it knows, others are not sent."""
    known = tuple(_times(service))
    if wish.apply_time is None or not known or wish.apply_time in known:
        return
    raise OperatorMust(
        f"the device applies updates {' or '.join(known)}, not {wish.apply_time}",
        operation="update",
        subject=device.address,
        code="ApplyTimeNotOffered",
        next_step="choose one of these, or leave it to the device",
    )


async def _check_file(device: Reads, service: Answer, image: Image) -> None:
    """That the file is the one that was meant, and that the device has room for it."""
    path, most = Path(image.path or ""), service.body.get("MaxImageSizeBytes")
    size = raw(path).size
    if isinstance(most, int) and 0 < most < size:
        raise _bad_image(
            device, image, f"{size} bytes, and the device takes {most}", code="ImageTooLarge"
        )
    found = await asyncio.to_thread(_sha256, path) if image.sha256 else None
    if image.sha256 and found != image.sha256.lower():
        raise _bad_image(device, image, "its SHA-256 is another", code="ImageChanged")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bad_image(device: Reads, image: Image, why: str, *, code: str) -> OperatorMust:
    return OperatorMust(
        f"{image.name}: {why}",
        operation="update",
        subject=device.address,
        code=code,
        next_step="nothing was sent; give the image that was planned for this device",
    )


def _times(service: Answer) -> Iterator[str]:
    simple = offered(service, SIMPLE)
    holders: list[Mapping[str, Any]] = [simple.said] if simple else []
    for holder in (*holders, mapping(service.body.get(OPTIONS))):
        yield from texts(mapping(holder.get(SUPPORT)).get("SupportedValues"))
    for name in (MULTIPART, PUSH):
        held = mapping(service.body.get(name + SUPPORT))
        yield from texts(held.get("SupportedValues"))


async def _multipart(device: Writes, service: Answer, image: Image, wish: Wish) -> Receipt:
    parts = [_json("UpdateParameters", wish.parameters())]
    if wish.oem:
        parts.append(_json("OemParameters", wish.oem))
    path = Path(image.path or "")
    parts.append(Part(name="UpdateFile", content=path, content_type=OCTETS, filename=image.name))
    place = _place(service, MULTIPART)
    return await _taken(device, place, await device.push(place, form(parts)))


def _json(name: str, value: Mapping[str, Any]) -> Part:
    return Part(name=name, content=msgspec.json.encode(value), content_type="application/json")


async def _push(device: Writes, service: Answer, image: Image, wish: Wish) -> Receipt:
    """Targets and time are the service's own properties, which others may hold just now."""
    if service.body.get(BUSY) is True:
        raise _held(device, service)
    body: dict[str, Any] = {}
    if wish.targets:
        body |= {TARGETS: list(wish.targets)} | ({BUSY: True} if BUSY in service.body else {})
    if wish.apply_time is not None:
        body[OPTIONS] = {"HttpPushUriApplyTime": {"ApplyTime": wish.apply_time}}
    place = _place(service, PUSH)
    if not body:
        return await _taken(device, place, await device.push(place, raw(Path(image.path or ""))))
    await patch(device, service.uri, body, seen=service)
    try:
        return await _taken(device, place, await device.push(place, raw(Path(image.path or ""))))
    finally:
        if wish.targets:
            await _let_go(device, service)


async def _let_go(device: Writes, service: Answer) -> None:
    """Leave no targets behind for the next bare push. A device that is already away with the
    image may refuse: then they stay, and whoever pushes next writes its own."""
    body: dict[str, Any] = {TARGETS: []} | ({BUSY: False} if BUSY in service.body else {})
    try:
        await patch(device, service.uri, body)
    except FAILURES:
        return


async def _simple(device: Writes, service: Answer, image: Image, wish: Wish) -> Receipt:
    offer = offered(service, SIMPLE)
    assert offer is not None
    body = {"ImageURI": image.uri, **wish.parameters()}
    protocol = str(image.uri).partition("://")[0].upper()
    if protocol in await allowed(device, offer, "TransferProtocol"):
        body["TransferProtocol"] = protocol
    return await _taken(device, offer.target, await device.write("POST", offer.target, body))


def _place(service: Answer, name: str) -> str:
    """Only the path of a push URI is used: some name their internal host."""
    return path_of(clean(service.body.get(name), 2048)) or clean(service.body.get(name), 2048)


async def _taken(device: Writes, uri: str, answer: Answer) -> Receipt:
    receipt = receipt_of("POST", uri, answer)
    if receipt.task is None and answer.status == 202:
        task = await _task_behind(device, answer)
        return msgspec.structs.replace(receipt, task=task)
    return receipt


async def _task_behind(device: Reads, answer: Answer) -> str | None:
    """The Task whose monitor the answer names; None where it cannot be found."""
    monitor = normal(path_of(answer.headers.get("location", "")))
    if not monitor:
        return None
    try:
        service = await service_of(device, "Tasks")
        for place in links_in(service.body.get("Tasks")):
            found = await device.members(place, on_gap=lambda _uri, _why: None)
            for uri, task in found:
                if normal(path_of(clean(task.get("TaskMonitor"), 1024))) == monitor:
                    return uri
    except FAILURES:
        return None
    return None


def _held(device: Reads, service: Answer) -> DeviceRefused:
    return DeviceRefused(
        "somebody else is pushing an image: HttpPushUriTargetsBusy is true",
        operation="POST",
        subject=f"{device.address}{service.uri}",
        code=Code.BUSY,
        next_step="ask again later; write it false if nobody is",
        retry_after_s=BUSY_S,
    )


async def progress(device: Reads, receipt: Receipt) -> Progress:
    """One look at the task. A `Receipt` without one is `gone` from the beginning."""
    if receipt.task is None:
        return Progress(uri="", state=State.GONE)
    try:
        answer = await device.get(receipt.task)
    except DeviceRefused as refused:
        if refused.code == Code.NOT_FOUND or refused.status in (404, 410):
            return Progress(uri=receipt.task, state=State.GONE)
        raise
    return read_task(receipt.task, answer.body, status=answer.status)


async def activate(device: Writes) -> Receipt | None:
    offer: Offer | None = offered(await service_of(device, "UpdateService"), START)
    return None if offer is None else await act(device, offer, {})
