"""Virtual media, and from what a host starts.

An image is inserted once, by a URI. Whether there is one the controller finds out by fetching it,
which is a task: only when it came whole is it inserted, else the task says why not. It stays until
it is ejected or the controller restarts, which forgets it. An override of the boot source is
judged when it is written, used at the next start of its host, and gone afterwards if it was for
one start. What a host really started from, and which bytes are in the drive, is the oracle's to
tell. Over HTTP it fetches what `HttpBootUri` names, and starts as usual where that cannot be had;
without one it is told by DHCP, which is not played.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from iolaus.sim.clock import holding
from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Composed, Quiet
from iolaus.sim.firmware.fetch import Unfetchable, pour
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import message, refused
from iolaus.sim.tasks import Task
from iolaus.sim.tree import Resource

SCHEMES: Final = ("http", "https", "file")
PROTOCOLS: Final = {"HTTP": "http", "HTTPS": "https", "OEM": "file"}
MOST_BYTES: Final = 4 << 30
INSERT, EJECT = "VirtualMedia.InsertMedia", "VirtualMedia.EjectMedia"
EMPTY: Final[Resource] = {
    "Image": None, "ImageName": None, "Inserted": False, "ConnectedVia": "NotConnected",
}  # fmt: skip
OVERRIDES: Final = {
    "BootSourceOverrideEnabled": ("Once", "Continuous", "Disabled"),
    "BootSourceOverrideMode": ("UEFI", "Legacy"),
}


USUAL: Final = "usual"
HTTP: Final = "UefiHttp"


class Media(Quiet):
    """`inserted` are the images by drive, `coming` those that are being fetched; `wanted` is the
    source a host is starting from, by host; `started` that of its last start, `loaded` what it
    fetched for it, and `loading` what it is fetching."""

    __slots__ = ("coming", "inserted", "loaded", "loading", "started", "wanted")

    def __init__(self) -> None:
        self.coming: dict[str, asyncio.Task[None]] = {}
        self.inserted: dict[str, Resource] = {}
        self.wanted: dict[str, str] = {}
        self.started: dict[str, str] = {}
        self.loaded: dict[str, Resource] = {}
        self.loading: dict[str, asyncio.Task[None]] = {}

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        if action == INSERT:
            return self._insert(device, path, body)
        if action == EJECT:
            self._eject(device, path)
            return Outcome()
        return None

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        boot = ask.body.get("Boot")
        held = (device.kept(ask.path) or {}).get("Boot")
        if ask.method != "PATCH" or not isinstance(boot, dict) or not isinstance(held, dict):
            return None
        return _judged(boot, held)

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        """The override counts when the host begins to start."""
        del device
        boot = (after or {}).get("Boot")
        if before is None or not isinstance(boot, dict):
            return
        state = (after or {}).get("PowerState")
        if state == "PoweringOn" and before.get("PowerState") != state:
            self.wanted[path] = _source(boot)

    def booted(self, device: Device, path: str) -> None:
        self.started[path] = self.wanted.pop(path, USUAL)
        boot = (device.kept(path) or {}).get("Boot") or {}
        if self.started[path] == HTTP and (image := boot.get("HttpBootUri")):
            work = self._loaded(device, path, str(image))
            self.loading[path] = asyncio.get_running_loop().create_task(work)
        if boot.get("BootSourceOverrideEnabled") == "Disabled":
            device.patch(path, {"Boot": {"BootSourceOverrideTarget": "None"}})

    async def _loaded(self, device: Device, path: str, image: str) -> None:
        try:
            with holding(device.clock):
                digest, size = await _poured(image, {})
        except Unfetchable as wrong:
            self.started[path], self.loaded[path] = USUAL, {"uri": image, "error": str(wrong)}
        else:
            self.loaded[path] = {"uri": image, "bytes": size, "sha256": digest}
        self.loading.pop(path, None)

    def restarted(self, device: Device) -> None:
        for path in [*self.inserted, *self.coming]:
            self._eject(device, path)

    def ended(self, device: Device) -> None:
        del device
        for coming in (*self.coming.values(), *self.loading.values()):
            coming.cancel()

    def truth(self, device: Device) -> Resource:
        del device
        told: Resource = {"started_from": dict(self.started)} if self.started else {}
        told |= {"loaded": dict(self.loaded)} if self.loaded else {}
        return told | ({"media": dict(self.inserted)} if self.inserted else {})

    def _insert(self, device: Device, path: str, body: Resource) -> Outcome:
        image, held = body.get("Image"), device.kept(path) or {}
        if not isinstance(image, str) or not image:
            return refused(400, "ActionParameterMissing", INSERT, "Image")
        if held.get("Inserted") or path in self.coming:
            return refused(409, "ResourceInUse")
        wrong = _wrong(image, body.get("TransferProtocolType"))
        if wrong is not None:
            return wrong
        task = device.tasks.open("Insert media", seconds=1.0)
        work = self._fetched(device, path, body, task)
        self.coming[path] = asyncio.get_running_loop().create_task(work)
        return device.tasks.accepted(task)

    async def _fetched(self, device: Device, path: str, body: Resource, task: Task) -> None:
        image = str(body["Image"])
        try:
            with holding(device.clock):
                digest, size = await _poured(image, _login(body))
        except Unfetchable as wrong:
            self.coming.pop(path, None)
            said = message("CouldNotEstablishConnection", image[:200])
            said["Message"] += f" {str(wrong).capitalize()}."
            task.messages.append(said)
            device.tasks.end(task, lambda: None, state="Exception", status="Critical")
            return
        self.coming.pop(path, None)
        self.inserted[path] = {"bytes": size, "sha256": digest}
        changes = {"Image": image, "ImageName": image.rpartition("/")[2], "Inserted": True,
                   "ConnectedVia": "URI", "WriteProtected": body.get("WriteProtected") is not False,
                   "UserName": body.get("UserName"), "Password": None}  # fmt: skip
        held = device.kept(path) or {}
        device.tasks.end(task, lambda: device.put(path, {**held, **changes}))

    def _eject(self, device: Device, path: str) -> None:
        self.inserted.pop(path, None)
        coming = self.coming.pop(path, None)
        if coming is not None:
            coming.cancel()
        device.put(path, {**(device.kept(path) or {}), **EMPTY, "WriteProtected": True})


async def _poured(image: str, headers: dict[str, str]) -> tuple[str, int]:
    """SHA-256 and size of what was fetched whole. Raises `Unfetchable`."""
    digest, sizes = hashlib.sha256(), [0]

    def take(piece: bytes) -> None:
        digest.update(piece)
        sizes.append(len(piece))

    await pour(image, most_bytes=MOST_BYTES, into=take, headers=headers)
    return digest.hexdigest(), sum(sizes)


def starts_from(device: Device, path: str) -> str:
    """What the host at `path` is starting from, or started from last."""
    parts = device.effects.parts if isinstance(device.effects, Composed) else (device.effects,)
    for part in parts:
        if isinstance(part, Media):
            return part.wanted.get(path) or part.started.get(path, USUAL)
    return USUAL


def _wrong(image: str, protocol: object) -> Outcome | None:
    """Why there can be no such image; None if it must be tried."""
    try:
        parts = urlsplit(image)
    except ValueError:
        return refused(400, "ActionParameterValueError", image[:200], "Image", INSERT)
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.scheme == "file"):
        return refused(400, "ActionParameterValueError", image[:200], "Image", INSERT)
    if protocol is not None and PROTOCOLS.get(str(protocol)) != parts.scheme:
        words = str(protocol)[:80], "TransferProtocolType", INSERT
        return refused(400, "ActionParameterValueError", *words)
    return None


def _login(body: Resource) -> dict[str, str]:
    user, password = body.get("UserName"), body.get("Password")
    if not isinstance(user, str) or not isinstance(password, str) or ":" in user:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


def _judged(boot: Resource, held: Resource) -> Outcome | None:
    targets = held.get("BootSourceOverrideTarget@Redfish.AllowableValues")
    allowed = {**OVERRIDES, **({"BootSourceOverrideTarget": [*targets, "None"]} if targets else {})}
    for name, value in boot.items():
        if name in allowed and value not in allowed[name]:
            return refused(400, "PropertyValueNotInList", str(value)[:80], name)
    if (uri := boot.get("HttpBootUri")) and urlsplit(str(uri)).scheme not in ("http", "https"):
        return refused(400, "PropertyValueFormatError", str(uri)[:80], "HttpBootUri")
    coming = {**held, **boot}
    if boot.get("BootSourceOverrideTarget") == "UefiTarget" and not coming.get(
        "UefiTargetBootSourceOverride"
    ):
        return refused(400, "PropertyMissing", "UefiTargetBootSourceOverride")
    return None


def _source(boot: Resource) -> str:
    if boot.get("BootSourceOverrideEnabled") not in ("Once", "Continuous"):
        return "usual"
    target = str(boot.get("BootSourceOverrideTarget"))
    return str(boot.get("UefiTargetBootSourceOverride")) if target == "UefiTarget" else target
