"""A few values read afresh, by subject: what a change is verified by.

An inventory is whole and slow; a verification asks for one version or one setting, twice in a row.
The same pure extractions are used as for the inventory, over a harvest of only the resources that
the subjects stand on, so that a value cannot mean one thing when it is judged and another when it
is verified. Ids of a firmware inventory may be others after a flash: what is not found by its id is
looked for by what it is, in the inventory read whole.

Subjects: "endpoint/reachable", "power/state", "health", "boot/count-or-time" (the host's last
start), "manager/count-or-time" (the manager's), "firmware/<component>", "bios/<attribute>",
"bmc/<setting>", "bmc/<setting>@<URI>" where several managers of a node show one of this name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Payload, Reads, Repair
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.assets import Group
from iolaus.drivers.redfish.firmware import read_firmware
from iolaus.drivers.redfish.firmware_kinds import classify
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in, normal
from iolaus.drivers.redfish.manager_settings import read_manager_settings
from iolaus.drivers.redfish.settings import read_settings
from iolaus.drivers.redfish.standing import health, power_state
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import Asset, Firmware, ManagerSetting, Report
from iolaus.model.fact import reason_of, value_of

GONE: Final = frozenset({404, 410})
BOOT: Final = "boot/count-or-time"
MANAGER_BOOT: Final = "manager/count-or-time"


class Spots(msgspec.Struct, frozen=True, kw_only=True):
    """`values` has what could be read, `reasons` says of every other subject why not. A start's
    value is None where the device keeps no time of it."""

    values: Mapping[str, Any]
    reasons: Mapping[str, str]


class Spotter:
    """One reading of some subjects of one asset. `last` is the last inventory."""

    def __init__(self, device: Reads, last: Report, asset: Asset, *, mend: Repair) -> None:
        self._device, self._last, self._asset, self._mend = device, last, asset, mend
        self._resources: dict[str, Payload] = {}
        self._collections: dict[str, tuple[str, ...]] = {}
        self._gaps: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._reasons: dict[str, str] = {}
        self._at = 0.0

    async def read(self, subjects: Iterable[str]) -> Spots:
        """Raises `DeviceSilent` or `DeviceLied` when nothing can be read at all."""
        wanted = tuple(dict.fromkeys(subjects))
        await self._get(self._primary)
        for room, read in (
            ("firmware/", self._firmware),
            ("bios/", self._bios),
            ("bmc/", self._manager),
        ):
            if mine := [s for s in wanted if s.startswith(room)]:
                await read(mine)
        if "health" in wanted:
            for uri in (*self._parts("/Systems/"), *self._parts("/Switches/")):
                await self._get(uri)
        if MANAGER_BOOT in wanted:
            await self._manager_boot()
        self._standing(wanted)
        return Spots(values=self._values, reasons=self._reasons)

    @property
    def _primary(self) -> str:
        return normal(self._asset.resources[0])

    # --- standing -----------------------------------------------------------------------------

    def _standing(self, wanted: Iterable[str]) -> None:
        group = Group(
            key=self._asset.key,
            kind=self._asset.kind,
            primary=self._primary,
            systems=self._parts("/Systems/"),
            switches=self._parts("/Switches/"),
        )
        harvest = self._harvest()
        for subject in wanted:
            if subject == "endpoint/reachable":
                self._values[subject] = True
            elif subject == "power/state":
                self._fact(subject, power_state(harvest, group))
            elif subject == "health":
                self._fact(subject, health(harvest, group))
            elif subject == BOOT:
                self._marker(subject, self._resources.get(self._primary, {}))

    def _fact(self, subject: str, fact: Any) -> None:
        value = value_of(fact)
        if value is None:
            self._reasons[subject] = reason_of(fact)
        else:
            self._values[subject] = value.value

    def _marker(self, subject: str, payload: Payload) -> None:
        """The time of the last start; None where the device keeps none."""
        progress = mapping(payload.get("BootProgress"))
        for told in (payload.get("LastResetTime"), progress.get("LastStateTime")):
            if marker := names.text(told):
                self._values[subject] = marker
                return
        self._values[subject] = None

    async def _manager_boot(self) -> None:
        for uri in await self._managers():
            payload = await self._get(uri)
            self._marker(MANAGER_BOOT, payload or {})
            return
        self._values[MANAGER_BOOT] = None

    async def _managers(self) -> list[str]:
        primary = self._resources.get(self._primary, {})
        links = mapping(primary.get("Links"))
        found = [*links_in(links.get("ManagedBy")), *links_in(primary.get("ManagedBy"))]
        return found or self._parts("/Managers/")

    def _parts(self, folder: str) -> list[str]:
        return [normal(uri) for uri in self._asset.resources if folder in uri]

    # --- firmware -----------------------------------------------------------------------------

    async def _firmware(self, subjects: list[str]) -> None:
        before = {f.component: f for f in self._last.firmware if f.asset == self._asset.key}
        renamed: list[str] = []
        for subject in subjects:
            known = before.get(subject.removeprefix("firmware/"))
            payload = await self._get(normal(known.uri)) if known else None
            if known is None or payload is None:
                renamed.append(subject)
                continue
            self._version(subject, names.version(payload.get("Version")))
        if renamed:
            await self._by_what_it_is(renamed, before)

    def _version(self, subject: str, version: str | None) -> None:
        if version is None:
            self._reasons[subject] = "the device does not say its version"
        else:
            self._values[subject] = version

    async def _by_what_it_is(self, subjects: list[str], before: Mapping[str, Firmware]) -> None:
        """Their ids are others now, or were never known: the whole inventory."""
        now = await self._inventory()
        for subject in subjects:
            component = subject.removeprefix("firmware/")
            known = before.get(component) or self._by_its_id(component)
            found = _same_part(component, known, now)
            if found is None:
                self._reasons[subject] = (
                    "no entry of the firmware inventory is this part for certain"
                )
            else:
                self._version(subject, found.version)

    def _by_its_id(self, component: str) -> Firmware:
        """What an id tells of a part that was renamed before it was last read."""
        bare = Firmware(
            component=component, name=component, version=None, asset=self._asset.key, uri=""
        )
        (told,) = classify([bare], self._harvest())
        return told

    async def _inventory(self) -> tuple[Firmware, ...]:
        service = await self._follow(await self._root(), "UpdateService")
        for payload in service:
            for uri in links_in(payload.get("FirmwareInventory")):
                await self._members(uri)
        for uri in await self._managers():
            await self._get(uri)
        key = self._asset.key
        return read_firmware(self._harvest(), lambda _: key)

    # --- settings -----------------------------------------------------------------------------

    async def _bios(self, subjects: list[str]) -> None:
        for uri in self._asset.resources:
            system = await self._get(normal(uri)) if "/Systems/" in uri else None
            for bios in links_in(system.get("Bios")) if system else ():
                await self._get(bios)
        found = {s.name: s.value for s in read_settings(self._harvest(), lambda _: "").settings}
        self._take(subjects, "bios/", found, "it shows no such attribute")

    async def _manager(self, subjects: list[str]) -> None:
        wanted = {s.removeprefix("bmc/").partition("@")[0] for s in subjects}
        for setting in self._last.manager_settings:
            if setting.name in wanted and setting.asset in (None, self._asset.key):
                await self._around(setting)
        found: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        for each in read_manager_settings(self._harvest(), lambda _: ""):
            for name in (each.name, f"{each.name}@{each.uri}"):
                if each.value is None:
                    reasons.setdefault(name, each.reason)
                else:
                    value = list(each.value) if isinstance(each.value, tuple) else each.value
                    found.setdefault(name, value)
        self._take(subjects, "bmc/", found, "the device does not show it", reasons)

    async def _around(self, setting: ManagerSetting) -> None:
        """What one setting is extracted from: its resource, and the members of collections."""
        uri = normal(setting.uri)
        if setting.name.startswith("syslog."):
            for service in await self._follow(await self._root(), "EventService"):
                for place in links_in(service.get("Subscriptions")):
                    await self._members(place)
        elif setting.name == "accounts":
            for service in await self._follow(await self._root(), "AccountService"):
                for place in links_in(service.get("Accounts")):
                    await self._members(place)
        else:
            await self._get(uri)

    def _take(
        self,
        subjects: list[str],
        room: str,
        found: Mapping[str, Any],
        otherwise: str,
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        for subject in subjects:
            name = subject.removeprefix(room)
            if found.get(name) is not None:
                self._values[subject] = found[name]
            else:
                self._reasons[subject] = (reasons or {}).get(name) or otherwise

    # --- reading ------------------------------------------------------------------------------

    async def _root(self) -> Payload:
        return await self._get(ROOT) or {}

    async def _follow(self, payload: Payload, name: str) -> list[Payload]:
        return [each for uri in links_in(payload.get(name)) if (each := await self._get(uri))]

    async def _get(self, uri: str) -> Payload | None:
        """A resource as it is now, mended; None where it is gone."""
        if uri in self._resources:
            return self._resources[uri]
        try:
            answer = await self._device.get(uri)
        except DeviceRefused as refused:
            self._gaps[uri] = f"HTTP {refused.status}: {refused.message}"
            if refused.status in GONE:
                return None
            raise
        self._at = answer.at
        payload = self._mend(uri, answer.body)
        self._resources[uri] = payload
        return payload

    async def _members(self, uri: str) -> None:
        def gap(member: str, reason: str) -> None:
            self._gaps[normal(member)] = reason

        found = await self._device.members(uri, on_gap=gap)
        for member, payload in found:
            self._resources[normal(member)] = self._mend(normal(member), payload)
        self._collections[uri] = tuple(normal(member) for member, _ in found)

    def _harvest(self) -> Harvest:
        return Harvest(
            address=self._device.address,
            at=self._at,
            resources=self._resources,
            collections=self._collections,
            gaps=self._gaps,
        )


def _same_part(component: str, known: Firmware, now: Iterable[Firmware]) -> Firmware | None:
    """The entry that is this part under another id; None where that is not certain."""
    entries = [each for each in now if not each.bank]
    family = _family(known.component)
    tests: tuple[Callable[[Firmware], bool], ...] = (
        lambda f: f.component == component,
        lambda f: bool(known.related) and f.related == known.related and f.kind == known.kind,
        lambda f: f.name == known.name and f.kind == known.kind,
        lambda f: _family(f.component) == family,
        lambda f: bool(known.kind) and f.kind == known.kind,
    )
    for test in tests:
        found = [each for each in entries if test(each)]
        if len(found) == 1:
            return found[0]
    return None


def _family(component: str) -> str:
    """An id without the version that some makers put into it."""
    return re.sub(r"[0-9][0-9A-Za-z.]*", "#", component)
