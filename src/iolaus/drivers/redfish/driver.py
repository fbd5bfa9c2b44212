"""The generic Redfish driver: what answers, what it is made of, how it fares.

It knows the standard and no maker. An inventory is one crawl (the only part that waits for the
device) and pure extractions from what it brought home; so whatever a controller says, or leaves
out, ends as data: an asset, a gap with its reason, or a counted deviation. Vendor folders add
repairs of payloads and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iolaus.drivers.ports import Payload, Reads, Repair
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.assets import Group, Hall, survey
from iolaus.drivers.redfish.components import components, counts, memory_gib, unread
from iolaus.drivers.redfish.crawl import Crawl
from iolaus.drivers.redfish.firmware import firmware
from iolaus.drivers.redfish.harvest import ROOT, Harvest
from iolaus.drivers.redfish.identity import who
from iolaus.drivers.redfish.standing import bmc_firmware, health, power_state
from iolaus.model.asset import Asset, Report


class RedfishDriver:
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
        """What the service root says of itself: vendor, product, version, UUID, OEM keys."""
        answer = await device.get(ROOT)
        return fingerprint(answer.body)

    async def harvest(self, device: Reads) -> Harvest:
        return await Crawl(device, mend=self.repairs, extra=self.follow).run()

    async def inventory(self, device: Reads) -> Report:
        return report(await self.harvest(device), driver=self.name)


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
    parts = components(harvest, hall)
    numbers = counts(harvest, hall, parts)
    return Report(
        endpoint=harvest.address,
        driver=driver,
        redfish_version=names.text(harvest.root.get("RedfishVersion")),
        observed_at=harvest.at,
        assets=tuple(asset(harvest, hall, group, numbers[group.key]) for group in hall.groups),
        components=parts,
        firmware=firmware(harvest, hall.owned),
        deviations=harvest.deviations,
        requests=harvest.requests,
        duration_s=harvest.duration_s,
        clock_skew_s=harvest.clock_skew_s,
        service_uuid=names.uuid(harvest.root.get("UUID")),
        partial=harvest.gaps,
    )


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
