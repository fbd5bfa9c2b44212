"""The generic Redfish driver: what answers, what it is made of, how it fares, what is asked of it.

It knows the standard and no maker. An inventory is one crawl (the only part that waits for the
device) and pure extractions from what it brought home; so whatever a controller says, or leaves
out, ends as data: an asset, a gap with its reason, or a counted deviation. Vendor folders add
repairs of payloads and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from iolaus.drivers.ports import (
    Asked,
    ConsoleTrust,
    DeviceEvent,
    Payload,
    Reads,
    Repair,
    SerialLine,
    Signed,
    Writes,
)
from iolaus.drivers.redfish import attest, names
from iolaus.drivers.redfish.alert import alert_uris, read_alert
from iolaus.drivers.redfish.assets import Group, Hall, survey
from iolaus.drivers.redfish.attesters import read_attesters
from iolaus.drivers.redfish.capabilities import names_of, read_capabilities
from iolaus.drivers.redfish.certificates import read_certificates
from iolaus.drivers.redfish.components import components, counts, memory_gib, unread
from iolaus.drivers.redfish.crawl import ROOT_FRESH_S, Crawl
from iolaus.drivers.redfish.events import events
from iolaus.drivers.redfish.firmware import firmware
from iolaus.drivers.redfish.harvest import ROOT, Harvest, Ownership, links_in
from iolaus.drivers.redfish.hot import hot_uris, read_hot
from iolaus.drivers.redfish.identity import who
from iolaus.drivers.redfish.likeness import read_unlike
from iolaus.drivers.redfish.limits import read_limits
from iolaus.drivers.redfish.logs import read_logs
from iolaus.drivers.redfish.manager_settings import read_manager_settings, withheld
from iolaus.drivers.redfish.repairs import GENERIC, apply
from iolaus.drivers.redfish.sensors import read_readings
from iolaus.drivers.redfish.settings import read_settings
from iolaus.drivers.redfish.spots import Spots, Spotter
from iolaus.drivers.redfish.standing import bmc_firmware, health, power_state
from iolaus.drivers.redfish.write import Writing
from iolaus.kernel.errors import FAILURES
from iolaus.kernel.turns import own_turn
from iolaus.model.asset import Asset, Capability, Component, HotUpdate, LogEntry, Reading, Report
from iolaus.model.console import ConsoleFacts, ConsoleWay
from iolaus.model.evidence import Attester, Question, Shown
from iolaus.wire.redfish.port import Credential

UNIT_WORDS: Final = MappingProxyType(
    {
        "Cel": "c",
        "W": "w",
        "L/min": "lpm",
        "%": "percent",
        "kPa": "kpa",
        "kW": "kw",
        "A": "a",
        "V": "v",
    }
)


class RedfishDriver(Writing):
    """`repairs` are a vendor's, applied after the generic ones; `follow` are its extra links
    (path within a resource -> type of the collection's members)."""

    def __init__(
        self,
        *,
        name: str = "redfish",
        repairs: Sequence[Repair] = (),
        follow: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.repairs, self.follow = name, tuple(repairs), dict(follow or {})

    async def identify(self, device: Reads) -> Mapping[str, str]:
        """What the service says of itself: vendor, product, version, UUID, OEM keys. Where the
        root names no vendor, the maker of the first chassis or system does."""
        told = fingerprint((await device.get(ROOT, fresh_s=ROOT_FRESH_S)).body)
        for name in () if "vendor" in told else ("Chassis", "Systems"):
            manufacturer = await _first_maker(device, f"{ROOT}/{name}")
            if manufacturer:
                return {**told, "manufacturer": manufacturer}
        return told

    async def harvest(self, device: Reads) -> Harvest:
        return await Crawl(device, mend=self.repairs, extra=self.follow).run()

    async def inventory(self, device: Reads) -> Report:
        harvest = await self.harvest(device)
        async with own_turn():
            return report(harvest, driver=self.name)

    async def spots(
        self, device: Reads, last: Report, asset: Asset, subjects: Iterable[str]
    ) -> Spots:
        """A few values of one asset, read afresh (`drivers.redfish.spots`)."""
        return await Spotter(device, last, asset, mend=self.repair).read(subjects)

    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        """Power, health, temperatures and leaks of the last report's assets, read afresh."""
        return await read_hot(device, last, repair=self.repair)

    async def unlike(self, device: Reads, last: Report) -> str:
        """In what the service and its controllers are not those of the last report."""
        return await read_unlike(device, last, repair=self.repair)

    async def alert(self, device: Reads, last: Report) -> Sequence[Reading]:
        """Leaks and coolant alone (`drivers.redfish.alert`)."""
        return await read_alert(device, last, alert_uris(last), repair=self.repair)

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        """The newest entries of all logs, oldest first; with `since` only what is newer."""
        return await read_logs(device, since=since, limit=limit, repair=self.repair)

    def events(self, device: Reads, *, last_event_id: str | None) -> AsyncIterator[DeviceEvent]:
        """Events by the device's stream; ends when the stream does."""
        return events(device, last_event_id=last_event_id)

    async def ask_signed(
        self, device: Writes, attester: Attester, question: Question, *, chain: bytes = b""
    ) -> Asked:
        """Ask a component to sign what it runs (`drivers.ports.GivesEvidence`)."""
        return await attest.ask_signed(device, attester, question, chain=chain)

    async def read_signed(self, device: Reads, asked: Asked) -> Signed | None:
        return await attest.read_signed(device, asked)

    async def read_shown(self, device: Reads, attester: Attester) -> Shown:
        return await attest.read_shown(device, attester)

    async def read_console(self, device: Reads, systems: Sequence[str]) -> ConsoleFacts:
        """What hosts say of a serial console (`drivers.ports.OpensConsole`)."""
        from iolaus.drivers.redfish import consoles

        return await consoles.read_console(device, systems, repair=self.repair)

    async def open_console(
        self, way: ConsoleWay, *, address: str, credential: Credential, trust: ConsoleTrust
    ) -> SerialLine:
        """SSH, IPMI and WebSockets are loaded when the first console is opened."""
        from iolaus.drivers.redfish import consoles

        return await consoles.open_console(way, address=address, credential=credential, trust=trust)

    def repair(self, uri: str, payload: Payload) -> Payload:
        """A payload after the generic repairs and this vendor's."""
        return apply(uri, payload, (*GENERIC, *self.repairs), lambda _: None)


async def _first_maker(device: Reads, collection: str) -> str | None:
    """The Manufacturer of a collection's first member; None where that cannot be read."""
    try:
        members = (await device.get(collection)).body.get("Members")
        for uri in links_in(members):
            return names.telling((await device.get(uri)).body.get("Manufacturer"))
    except FAILURES:
        return None
    return None


def fingerprint(root: Payload) -> dict[str, str]:
    """The words of a service root by which a vendor's manifest may match."""
    oem = root.get("Oem")
    found = {
        "vendor": names.text(root.get("Vendor")),
        "product": names.text(root.get("Product")),
        "name": names.text(root.get("Name")),
        "redfish_version": names.text(root.get("RedfishVersion")),
        "uuid": names.uuid(root.get("UUID")),
        "oem": " ".join(sorted(map(str, oem))) if isinstance(oem, dict) else None,
    }
    return {field: value for field, value in found.items() if value}


def report(harvest: Harvest, *, driver: str = "redfish") -> Report:
    """All that one harvest says. Pure; the same harvest gives the same report."""
    hall = survey(harvest)
    owner, not_ours = hall.owned.owner, withheld(harvest)
    claimed = Ownership(hall.owned.claims).owner
    parts = components(harvest, hall)
    named = {part.uri: part.name for part in parts}
    kinds = {group.key: group.kind for group in hall.groups}
    sensed = read_readings(harvest, owner, kinds=kinds, components=named)
    able = read_capabilities(harvest, owner)
    set_up, proofs = read_settings(harvest, owner), read_certificates(harvest)
    assets = _assets(harvest, hall, parts, sensed.readings, able)
    return Report(
        endpoint=harvest.address,
        driver=driver,
        redfish_version=names.text(harvest.root.get("RedfishVersion")),
        observed_at=harvest.at,
        assets=assets,
        components=parts,
        readings=sensed.readings,
        firmware=firmware(harvest, hall.owned),
        power_limits=read_limits(harvest, owner, components=named),
        capabilities=able,
        settings=set_up.settings,
        manager_settings=read_manager_settings(harvest, claimed),
        certificates=proofs.certificates,
        attesters=read_attesters(harvest, claimed, owner),
        deviations=(
            *harvest.deviations,
            *sensed.deviations,
            *set_up.deviations,
            *proofs.deviations,
        ),
        hot=hot_uris(harvest, sensed, assets),
        requests=harvest.requests,
        duration_s=harvest.duration_s,
        clock_skew_s=harvest.clock_skew_s,
        service_uuid=names.uuid(harvest.root.get("UUID")),
        partial={uri: why for uri, why in harvest.gaps.items() if uri not in not_ours},
    )


def _assets(
    harvest: Harvest,
    hall: Hall,
    parts: Sequence[Component],
    readings: Sequence[Reading],
    able: Sequence[Capability],
) -> tuple[Asset, ...]:
    numbers = counts(harvest, hall, parts)
    return tuple(
        msgspec.structs.replace(
            asset(harvest, hall, group, numbers[group.key]),
            capabilities=names_of(able, group.key),
            readings=scalars(readings, group.key),
        )
        for group in hall.groups
    )


def scalars(readings: Sequence[Reading], key: str) -> dict[str, float]:
    """An asset's readings whose meaning is known, by role and unit ("node_power_w")."""
    return {
        f"{each.role}_{UNIT_WORDS[each.unit]}" if each.unit in UNIT_WORDS else each.role: each.value
        for each in readings
        if each.asset == key and each.role and each.component is None and each.value is not None
    }


def asset(harvest: Harvest, hall: Hall, group: Group, numbers: Mapping[str, int | None]) -> Asset:
    """One asset of the hall, with the reasons for all that is not known."""
    told = who(harvest, group)
    bmc = bmc_firmware(harvest, group)
    gaps = dict(told.gaps) if bmc else {**told.gaps, "bmc_firmware": "not reported"}
    gaps |= {f"counts.{k}": reason for key, k, reason in unread(harvest, hall) if key == group.key}
    return Asset(
        key=group.key,
        kind=group.kind,
        resources=group.resources,
        identity=told.identity,
        power_state=power_state(harvest, group),
        health=health(harvest, group),
        observed_at=harvest.at,
        vendor=told.vendor,
        model=told.model,
        hostname=told.hostname,
        counts=dict(numbers),
        memory_gib=memory_gib(harvest, group),
        bmc_firmware=bmc,
        place=told.place,
        raw=told.raw,
        gaps=gaps,
    )
