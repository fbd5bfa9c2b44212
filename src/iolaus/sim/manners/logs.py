"""A controller's logs: they grow with what happens, by its own clock, and wrap or stop when full.

Every device has one log that its manager writes (the first of its log services). Power changes,
wrong passwords, restarts, flashes and leaks that were set leave an entry there. Diagnostic data is
collected by a task; its archive hangs on an entry and is fetched from AdditionalDataURI. Archives
are the last two only, as on a controller with little flash.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Final

import msgspec

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tasks import stamp
from iolaus.sim.tree import Resource, canonical

KEPT_ARCHIVES: Final = 2
COLLECT: Final = "LogService.CollectDiagnosticData"
GOOD, WARNING, CRITICAL = "OK", "Warning", "Critical"


class Logs(Quiet):
    """What one device writes down."""

    __slots__ = ("_service", "archives", "number")

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.number = 0
        self._service: str | None = None

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        if before is None or after is None:
            return
        state = after.get("PowerState")
        if state != before.get("PowerState") and state in ("On", "Off") and "SystemType" in after:
            self.add(device, GOOD, f"The power state of {after.get('Id')} is {state}.", path)
        wet = after.get("DetectorState")
        if wet is not None and wet != before.get("DetectorState") and wet in (GOOD, CRITICAL):
            word = "is dry again" if wet == GOOD else "found a leak"
            self.add(device, wet, f"Leak detector {after.get('Id')} {word}.", path)

    def turned_away(self, device: Device, user: str, *, locked: bool) -> None:
        self.add(device, WARNING, f"A login of {user[:64]!r} failed.")
        if locked:
            self.add(device, CRITICAL, f"The account {user[:64]!r} is locked.")

    def restarted(self, device: Device) -> None:
        self.add(device, GOOD, "The controller has started.")

    def noted(self, device: Device, severity: str, text: str, origin: str, more: Resource) -> None:
        self.add(device, severity, text, origin, more)

    def flashed(self, device: Device, path: str, *, resets: bool) -> None:
        more = " Settings and accounts were reset." if resets else ""
        self.add(device, GOOD, f"{path.rpartition('/')[2]} runs another image.{more}", path)

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        if action == "LogService.ClearLog":
            device.later(0, lambda: self._cleared(device))
        if action != COLLECT:
            return None
        if "DiagnosticDataType" not in body:
            return refused(400, "ActionParameterMissing", COLLECT, "DiagnosticDataType")
        return device.tasks.start("Diagnostic data", lambda: self._collected(device, path))

    def served(self, device: Device, path: str) -> bytes | None:
        del device
        return self.archives.get(path)

    def add(
        self,
        device: Device,
        severity: str,
        text: str,
        origin: str = "",
        more: Resource | None = None,
    ) -> Resource | None:
        """Write an entry; None where there is no log, or a full one that does not wrap."""
        service = self.service(device)
        held = device.kept(service) if service else None
        if held is None:
            return None
        place = f"{service}/Entries"
        members = [str(each["@odata.id"]) for each in (device.kept(place) or {})["Members"]]
        most = held.get("MaxNumberOfRecords") or 0
        if most and len(members) >= most:
            if held.get("OverWritePolicy") == "NeverOverWrites":
                return None
            device.remove(members[0])
            device.delist(place, members[0])
        self.number = max([self.number, *(_number(member) for member in members)]) + 1
        entry = _entry(device, f"{place}/{self.number}", severity, text, origin) | (more or {})
        device.put(entry["@odata.id"], entry)
        device.enlist(place, entry["@odata.id"])
        return entry

    def service(self, device: Device) -> str:
        """The log service that the manager writes to; "" if there is none."""
        if self._service is None:
            logs = (p for p in device.paths() if "/Managers/" in p and p.endswith("/Entries"))
            self._service = next(logs, "").removesuffix("/Entries")
        return self._service

    def _cleared(self, device: Device) -> None:
        self.add(device, GOOD, "The log was cleared.")

    def _collected(self, device: Device, path: str) -> Resource | None:
        data = archive_of(device, path)
        text, size = "Diagnostic data was collected.", len(data)
        more = {"DiagnosticDataType": "Manager", "AdditionalDataSizeBytes": size}
        entry = self.add(device, GOOD, text, more=more)
        if entry is None:
            return None
        place = f"{entry['@odata.id']}/attachment"
        self.archives[place] = data
        while len(self.archives) > KEPT_ARCHIVES:
            del self.archives[next(iter(self.archives))]
        return device.patch(entry["@odata.id"], {"AdditionalDataURI": place})


def archive_of(device: Device, path: str) -> bytes:
    """The manager and all that is below it, as a compressed archive of JSON files."""
    manager, found = path.partition("/LogServices")[0], io.BytesIO()
    with (
        gzip.GzipFile(fileobj=found, mode="wb", mtime=device.now()) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for each in sorted(device.paths()):
            if each.startswith(manager):
                body = msgspec.json.encode(device.get(each))
                entry = tarfile.TarInfo(f"{each.strip('/')}/index.json")
                entry.size, entry.mtime = len(body), int(device.now())
                tar.addfile(entry, io.BytesIO(body))
    return found.getvalue()


def _entry(device: Device, path: str, severity: str, text: str, origin: str) -> Resource:
    links = {"Links": {"OriginOfCondition": {"@odata.id": origin}}} if origin else {}
    return {
        "@odata.id": path,
        "@odata.type": "#LogEntry.v1_15_0.LogEntry",
        "Id": path.rpartition("/")[2],
        "Name": "Log Entry",
        "EntryType": "Event",
        "Severity": severity,
        "Message": text,
        "MessageId": "Platform.1.0.Notice",
        "Created": stamp(device.now()),
        **links,
    }


def _number(member: str) -> int:
    last = canonical(member).rpartition("/")[2]
    return int(last) if last.isdigit() else 0
