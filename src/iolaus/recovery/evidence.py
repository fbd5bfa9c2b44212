"""What a node can still tell, saved before anything is done to it.

A reset takes with it what says why it was needed: the log that wraps, the crash dump in a buffer,
the sensors of the last minute, the last words on the console. So that is read first, as much as
the node still gives, and kept whole before the first rung; what could not be had is
named with its reason. A controller's own diagnostic data (DSP0268, LogService,
CollectDiagnosticData) is asked for where it is offered, waited for, and fetched.

One archive (zip) per recovery and step (`store.saved`); the newest few of a node stay.
"""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.drivers.redfish.logs import read_logs
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import FAILURES, DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Asset
from iolaus.recovery.scrub import Scrub
from iolaus.store.held import Held
from iolaus.store.saved import SavedFiles
from iolaus.wire.redfish.task import State, read_task, task_uri

KEPT: Final = 10
LOG_ENTRIES: Final = 500
MOST_BYTES: Final = 64 << 20
COLLECT_S: Final = 180.0
FETCH_S: Final = 120.0
LOOK_S: Final = 2.0
MOST_DUMPS: Final = 4
COLLECT: Final = "#LogService.CollectDiagnosticData"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_JSON: Final = ".json"


class Device(Protocol):
    """One device through its lane."""

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...

    async def fetch(self, uri: str, *, deadline_s: float, max_bytes: int) -> bytes: ...


@dataclass(slots=True)
class Evidence:
    """What was saved, by the file's name; and what was not, with why."""

    files: dict[str, bytes] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: Any, scrub: Scrub) -> None:
        clean = scrub.value(msgspec.to_builtins(value))
        self.files[name] = msgspec.json.format(msgspec.json.encode(clean), indent=2)


class Asks(Protocol):
    """The part of a device that is needed to read from it."""

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


def reading(device: Asks, patience_s: float | None) -> Reads:
    """Through its lane; with a patience the wait for those who asked before counts, too."""
    if patience_s is None:
        return device.at(Priority.LIFECYCLE)
    return device.writer(Priority.LIFECYCLE, deadline_s=patience_s)


Tail = Callable[[str], Awaitable[bytes | None]]
"""The last of a node's console, by its uid; None where nobody recorded it."""


async def gather(
    device: Device,
    held: Held,
    asset: Asset,
    *,
    clock: Clock,
    scrub: Scrub,
    told: Mapping[str, Any],
    tail: Tail | None = None,
    patience_s: float | None = None,
) -> Evidence:
    """Everything that it still gives. Never raises for what a device does. `patience_s` is how
    long each answer is waited for (None: as long as one may take)."""
    found = Evidence()
    found.put("recovery.json", {"at": clock.now(), **told}, scrub)
    _picture(found, held, asset, scrub)
    uid = held.uids.get(asset.key, asset.key)
    if tail is not None and (words := await tail(uid)):
        text = scrub.text(words.decode("utf-8", "replace"))
        found.files["console.txt"] = text.encode()
    reads = reading(device, patience_s)
    if await _resources(found, reads, asset, scrub):
        await _logs(found, reads, scrub)
        await _dumps(found, device, clock, scrub)
    return found


def _picture(found: Evidence, held: Held, asset: Asset, scrub: Scrub) -> None:
    """What was last read of it, however old: it may say nothing any more."""
    readings = [each for each in held.readings.values() if each.asset == asset.key]
    found.put("last-readings.json", readings, scrub)
    found.put("last-seen.json", {"asset": asset, "status": held.status}, scrub)
    if held.report is not None:
        mine = [each for each in held.report.firmware if each.asset == asset.key]
        found.put("firmware.json", mine, scrub)


async def _resources(found: Evidence, reads: Reads, asset: Asset, scrub: Scrub) -> bool:
    """Its own resources as they are now. False: it does not answer at all."""
    answered = False
    for uri in asset.resources[:24]:
        try:
            body = (await reads.get(uri)).body
        except FAILURES as error:
            found.gaps[uri] = error.message
            if isinstance(error, DeviceSilent) and not answered:
                return False
            continue
        answered = True
        found.put(f"resources/{safe(uri)}{_JSON}", body, scrub)
    return answered


async def _logs(found: Evidence, reads: Reads, scrub: Scrub) -> None:
    try:
        entries = await read_logs(reads, since=None, limit=LOG_ENTRIES)
    except FAILURES as error:
        found.gaps["logs"] = error.message
    else:
        found.put("logs.json", entries, scrub)


# --- a controller's own diagnostic data -------------------------------------------------------


async def _dumps(found: Evidence, device: Device, clock: Clock, scrub: Scrub) -> None:
    reads, count = device.at(Priority.LIFECYCLE), 0
    async for service in _services(reads):
        if count >= MOST_DUMPS:
            return
        action = mapping(mapping(service.get("Actions")).get(COLLECT))
        target = action.get("target")
        if not isinstance(target, str):
            continue
        count += 1
        name = safe(str(service.get("@odata.id") or target))
        try:
            await _dump(found, device, name, service, action, clock, scrub)
        except IolausError as error:
            found.gaps[f"dump of {name}"] = error.message


async def _dump(
    found: Evidence,
    device: Device,
    name: str,
    service: Mapping[str, Any],
    action: Mapping[str, Any],
    clock: Clock,
    scrub: Scrub,
) -> None:
    kinds = action.get("DiagnosticDataType@Redfish.AllowableValues")
    kind = str(kinds[0]) if isinstance(kinds, list) and kinds else "Manager"
    reads = device.at(Priority.LIFECYCLE)
    before = {uri for uri, _ in [each async for each in _attached(reads, service)]}
    writes = device.writer(Priority.LIFECYCLE, deadline_s=FETCH_S)
    answer = await writes.write("POST", str(action["target"]), {"DiagnosticDataType": kind})
    await _over(reads, task_uri(answer), clock)
    new = [each async for each in _attached(reads, service) if each[0] not in before]
    for number, (uri, entry) in enumerate(new[-2:], start=1):
        data = await device.fetch(uri, deadline_s=FETCH_S, max_bytes=MOST_BYTES)
        found.files[f"dumps/{name}-{number}.bin"] = data
        found.put(f"dumps/{name}-{number}{_JSON}", entry, scrub)
    if not new:
        found.gaps[f"dump of {name}"] = "it was asked for, and none came"


async def _over(reads: Reads, task: str | None, clock: Clock) -> None:
    """Wait until its task is over, or is not there any more."""
    ends = clock.monotonic() + COLLECT_S
    while task is not None and clock.monotonic() < ends:
        try:
            answer = await reads.get(task)
        except DeviceRefused:
            return
        if read_task(task, answer.body, status=answer.status).state is not State.RUNNING:
            return
        await clock.sleep(LOOK_S)


async def _attached(
    reads: Reads, service: Mapping[str, Any]
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """Files that hang on the entries of a log."""
    for uri in links_in(service.get("Entries")):
        with suppress(*FAILURES):
            for _, entry in await reads.members(uri, on_gap=lambda *_: None):
                place = entry.get("AdditionalDataURI")
                if isinstance(place, str) and place.startswith("/"):
                    yield place, entry


async def _services(reads: Reads) -> AsyncIterator[Mapping[str, Any]]:
    """Log services of managers and systems."""
    with suppress(*FAILURES):
        root = (await reads.get(ROOT)).body
        for name in ("Managers", "Systems"):
            for collection in links_in(root.get(name)):
                for _, holder in await reads.members(collection, on_gap=lambda *_: None):
                    for place in links_in(holder.get("LogServices")):
                        for _, each in await reads.members(place, on_gap=lambda *_: None):
                            yield each


# --- kept -------------------------------------------------------------------------------------


async def adopt(folder: Path, saved: SavedFiles) -> None:
    """What an older Iolaus kept as files below a folder becomes saved files; a file goes when that
    is done. Raises what `SavedFiles.save` raises, and `OSError`."""
    for path, at in await asyncio.to_thread(_older, folder):
        data = await asyncio.to_thread(path.read_bytes)
        await saved.save(path.parent.name, path.stem, data, at=at)
        await asyncio.to_thread(path.unlink)


def _older(folder: Path) -> list[tuple[Path, float]]:
    return [(path, path.stat().st_mtime) for path in sorted(folder.glob("*/*.zip"))]


def packed(evidence: Evidence) -> bytes:
    """As a zip; what is missing stands in `gaps.json`."""
    files = dict(evidence.files)
    if evidence.gaps:
        files["gaps.json"] = msgspec.json.format(msgspec.json.encode(evidence.gaps), indent=2)
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])
    return found.getvalue()


def safe(text: str) -> str:
    """A file's name that leads nowhere."""
    return _UNSAFE.sub("-", text.removeprefix("/redfish/v1/")).strip("-.")[:120] or "none"
