"""Virtual media, and from what a host starts.

An image is inserted once, by a URI of a kind that controllers fetch from; what is inserted stays
until it is ejected or the controller restarts, which forgets it. An override of the boot source is
judged when it is written, used at the next start of its host, and gone afterwards if it was for
one start. What a host really started from is the oracle's to tell.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource

SCHEMES: Final = frozenset({"http", "https", "nfs", "cifs"})
INSERT, EJECT = "VirtualMedia.InsertMedia", "VirtualMedia.EjectMedia"
EMPTY: Final[Resource] = {
    "Image": None, "ImageName": None, "Inserted": False, "ConnectedVia": "NotConnected",
}  # fmt: skip
OVERRIDES: Final = {
    "BootSourceOverrideEnabled": ("Once", "Continuous", "Disabled"),
    "BootSourceOverrideMode": ("UEFI", "Legacy"),
}


class Media(Quiet):
    """`wanted` is the source a host is starting from, by host; `started` that of its last start."""

    __slots__ = ("inserted", "started", "wanted")

    def __init__(self) -> None:
        self.inserted: set[str] = set()
        self.wanted: dict[str, str] = {}
        self.started: dict[str, str] = {}

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
        self.started[path] = self.wanted.pop(path, "usual")
        if ((device.kept(path) or {}).get("Boot") or {}).get("BootSourceOverrideEnabled") == (
            "Disabled"
        ):
            device.patch(path, {"Boot": {"BootSourceOverrideTarget": "None"}})

    def restarted(self, device: Device) -> None:
        for path in list(self.inserted):
            self._eject(device, path)

    def truth(self, device: Device) -> Resource:
        del device
        return {"started_from": dict(self.started)} if self.started else {}

    def _insert(self, device: Device, path: str, body: Resource) -> Outcome:
        image, held = body.get("Image"), device.kept(path) or {}
        if not isinstance(image, str) or not image:
            return refused(400, "ActionParameterMissing", INSERT, "Image")
        if held.get("Inserted"):
            return refused(409, "ResourceInUse")
        if urlsplit(image).scheme not in SCHEMES or not urlsplit(image).netloc:
            return refused(400, "ActionParameterValueError", image[:200], "Image", INSERT)
        self.inserted.add(path)
        changes = {"Image": image, "ImageName": image.rpartition("/")[2], "Inserted": True,
                   "ConnectedVia": "URI", "WriteProtected": body.get("WriteProtected") is not False,
                   "UserName": body.get("UserName"), "Password": None}  # fmt: skip
        device.put(path, {**held, **changes})
        return Outcome()

    def _eject(self, device: Device, path: str) -> None:
        self.inserted.discard(path)
        device.put(path, {**(device.kept(path) or {}), **EMPTY, "WriteProtected": True})


def _judged(boot: Resource, held: Resource) -> Outcome | None:
    targets = held.get("BootSourceOverrideTarget@Redfish.AllowableValues")
    allowed = {**OVERRIDES, **({"BootSourceOverrideTarget": [*targets, "None"]} if targets else {})}
    for name, value in boot.items():
        if name in allowed and value not in allowed[name]:
            return refused(400, "PropertyValueNotInList", str(value)[:80], name)
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
