"""Who an asset is: maker, model, serial, UUID, MACs and place, each with where it came from.

One resource seldom says it all. A tray's ComputerSystem may be mute while its baseboard's knows
the serial; a white-box system leaves its serial blank while the chassis carries one. So every
field is asked of a list of witnesses in order of authority, and the first that tells something
(not a blank, not a placeholder) is believed and named. A field that nobody tells is None, and the
gap says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.assets import Group
from iolaus.drivers.redfish.chassis import MAIN_CHASSIS
from iolaus.drivers.redfish.harvest import Found, Harvest, type_of, word
from iolaus.model.asset import Identity, Place

MAC: Final = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")
ZERO_MACS: Final = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """An asset's identity with its raw words and the reasons for what is missing."""

    identity: Identity
    vendor: str | None
    model: str | None
    hostname: str | None
    place: Place
    raw: Mapping[str, str]
    gaps: Mapping[str, str]


def witnesses(harvest: Harvest, group: Group) -> list[Found]:
    """Who may speak for an asset, in order of authority: its systems, the main chassis they stand
    in, what contains those, and last any board they link to."""
    own = dict.fromkeys((group.primary, *group.systems))
    near = [
        uri
        for each in own
        for uri, payload in harvest.follow(harvest.resources.get(each, {}), "Chassis")
        if type_of(payload) == "Chassis"
    ]
    near += [uri for uri in group.chassis if _links_to(harvest, uri, own)]
    outer = [u for uri in near for u, _ in harvest.follow(harvest.resources[uri], "ContainedBy")]
    main = [uri for uri in (*near, *outer) if _is_main(harvest, uri)]
    uris = dict.fromkeys((*own, *main, *near))
    return [(uri, harvest.resources[uri]) for uri in uris if uri in harvest.resources]


def _links_to(harvest: Harvest, chassis: str, systems: Mapping[str, None]) -> bool:
    linked = harvest.follow(harvest.resources.get(chassis, {}), "ComputerSystems")
    return any(uri in systems for uri, _ in linked) and _is_main(harvest, chassis)


def _is_main(harvest: Harvest, uri: str) -> bool:
    return word(harvest.resources.get(uri, {}), "ChassisType") in MAIN_CHASSIS


class Testimony:
    """Asks the witnesses field by field, and remembers who told what."""

    def __init__(self, witnesses: Sequence[Found]) -> None:
        self._witnesses = witnesses
        self.raw: dict[str, str] = {}
        self.gaps: dict[str, str] = {}

    def ask(
        self, field: str, name: str, judge: Callable[[object], str | None] = names.telling
    ) -> str | None:
        """The first telling value of property `name`; its source is noted if not the first's."""
        blank = ""
        for index, (uri, payload) in enumerate(self._witnesses):
            value = judge(payload.get(name))
            if value is not None:
                if index:
                    self.raw[f"{field}_source"] = uri
                return value
            blank = blank or _said(payload.get(name))
        self.gaps[field] = f"a placeholder: {blank!r}" if blank else "not reported"
        return None


def _said(value: object) -> str:
    return value[:60] if isinstance(value, str) else ""


def who(harvest: Harvest, group: Group) -> Who:
    """All that the asset's witnesses tell of it."""
    heard = witnesses(harvest, group)
    told = Testimony(heard)
    vendor = told.ask("vendor", "Manufacturer")
    model = told.ask("model", "Model")
    identity = Identity(
        uuid=told.ask("uuid", "UUID", names.uuid),
        serial=told.ask("serial", "SerialNumber"),
        part_number=told.ask("part_number", "PartNumber"),
        sku=told.ask("sku", "SKU"),
        asset_tag=told.ask("asset_tag", "AssetTag"),
        macs=macs(harvest, group.systems),
    )
    for field, raw in (("vendor", vendor), ("model", model)):
        if raw:
            told.raw[field] = raw
    return Who(
        identity=identity,
        vendor=names.maker(vendor),
        model=model,
        hostname=told.ask("hostname", "HostName"),
        place=place(heard),
        raw=told.raw,
        gaps=told.gaps,
    )


def macs(harvest: Harvest, systems: Sequence[str]) -> tuple[str, ...]:
    """The permanent MACs of the host's own interfaces, in lower case."""
    found: dict[str, None] = {}
    for uri in systems:
        for _, port in harvest.under(uri, "EthernetInterface"):
            for name in ("PermanentMACAddress", "MACAddress"):
                mac = (names.text(port.get(name)) or "").lower().replace("-", ":")
                if MAC.match(mac) and mac not in ZERO_MACS:
                    found[mac] = None
                    break
    return tuple(sorted(found))


def place(heard: Sequence[Found]) -> Place:
    """Where it stands, as the first witness that says anything about it tells."""
    for _, payload in heard:
        location = payload.get("Location")
        if isinstance(location, Mapping):
            found = _place(location)
            if found != Place():
                return found
    return Place()


def _place(location: Mapping[str, Any]) -> Place:
    standing, part = _inner(location, "Placement"), _inner(location, "PartLocation")
    ordinal = part.get("LocationOrdinalValue")
    return Place(
        row=names.telling(standing.get("Row")),
        rack=names.telling(standing.get("Rack")),
        u=_whole(standing.get("RackOffset")),
        slot=str(ordinal) if _whole(ordinal) is not None else None,
        label=names.telling(part.get("ServiceLabel")),
    )


def _inner(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, Mapping) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
