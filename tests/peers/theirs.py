"""What the peers list of one device, in their own words, each entry with the place it came from.

`redfish_utilities` walks by itself; we only hand it a client that remembers. `sushy` and the
`redfish` library say who the systems are and whether they are on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import redfish
import redfish_utilities
import sushy

from tests.drivers.captures.ask import PASSWORD
from tests.peers.followed import Followed, clean, place_of

CLASSES = (
    "Chassis",
    "Processors",
    "Memory",
    "Drives",
    "PCIeDevices",
    "StorageControllers",
    "NetworkAdapters",
    "Switches",
)


class Entry(NamedTuple):
    """One line of a peer's listing. `kind` is the peer's class or a sensor's unit; `said` is the
    serial, the version or the value; `asked_at` is where it was read."""

    kind: str
    uri: str
    name: str
    said: Any
    state: str | None
    asked_at: str


class Listing(NamedTuple):
    """`asked`: every resource the peer read for it; `failed`: why it gave up, if it did."""

    entries: tuple[Entry, ...]
    asked: frozenset[str]
    failed: str = ""


class System(NamedTuple):
    uri: str
    power: str | None
    serial: str | None
    model: str | None
    uuid: str | None


class Theirs(NamedTuple):
    inventory: Listing
    sensors: Listing
    firmware: Listing
    sushy: tuple[System, ...] | str
    library: tuple[System, ...] | str


def listings(address: str) -> Theirs:
    """Everything the peers say of the device at this address. They warn as they go."""
    redfish_utilities.config.__workarounds__ = True
    client = redfish.redfish_client(
        base_url=address, username="root", password=PASSWORD, timeout=90, max_retry=1
    )
    client.login(auth="session")
    try:
        return Theirs(
            inventory=_listed(client, redfish_utilities.get_system_inventory, _parts),
            sensors=_listed(client, redfish_utilities.get_sensors, _readings),
            firmware=_listed(client, redfish_utilities.get_firmware_inventory, _images),
            library=_tried(lambda: _by_library(client)),
            sushy=_tried(lambda: _by_sushy(address)),
        )
    finally:
        client.logout()


def _listed(
    client: Any, walk: Callable[[Any], Any], entries: Callable[[Any], Iterator[Entry]]
) -> Listing:
    followed = Followed(client)
    try:
        found = walk(followed)
    except Exception as error:  # noqa: BLE001 - a peer fails in whatever way it likes
        return Listing((), frozenset(followed.asked), f"{type(error).__name__}: {error}"[:80])
    return Listing(tuple(entries(found)), frozenset(followed.asked))


def _tried(ask: Callable[[], tuple[System, ...]]) -> tuple[System, ...] | str:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - a peer fails in whatever way it likes
        return f"{type(error).__name__}: {error}"[:80]


def _parts(found: Any) -> Iterator[Entry]:
    for chassis in found:
        for kind in CLASSES:
            for each in chassis[kind]:
                yield Entry(
                    kind=kind,
                    uri=clean(each["Uri"]) + _fragment(each["Uri"]),
                    name=each["Label"],
                    said=each["SerialNumber"],
                    state=each["State"],
                    asked_at=clean(place_of(each["Uri"]) or each["Uri"]),
                )


def _fragment(uri: str) -> str:
    return f"#{uri.split('#', 1)[1]}" if "#" in uri else ""


def _readings(found: Any) -> Iterator[Entry]:
    for chassis in found:
        for each in chassis["Readings"]:
            place = place_of(each["Reading"]) or ""
            yield Entry(
                kind=each["Units"] or "",
                uri=reading_place(place),
                name=each["Name"].strip(),
                said=each["Reading"],
                state=each["State"],
                asked_at=clean(place),
            )


def reading_place(place: str) -> str:
    """A reading by the property or resource that it is: `uri#/pointer`, or `uri` alone."""
    for tail in ("/Status/State", "/Reading", "/ReadingCelsius", "/ReadingVolts"):
        place = place.removesuffix(tail)
    return place.replace("/#", "#").removesuffix("#")


def _images(found: Any) -> Iterator[Entry]:
    for answer in found:
        each = getattr(answer, "dict", answer)
        uri = clean(each["@odata.id"])
        state = (each.get("Status") or {}).get("State")
        yield Entry("", uri, each.get("Name") or "", each.get("Version"), state, uri)


def _by_library(client: Any) -> tuple[System, ...]:
    root = client.get("/redfish/v1/").dict
    if "Systems" not in root:
        return ()
    members = client.get(root["Systems"]["@odata.id"]).dict["Members"]
    return tuple(_system(client.get(member["@odata.id"]).dict) for member in members)


def _system(body: dict[str, Any]) -> System:
    return System(
        uri=clean(body["@odata.id"]),
        power=body.get("PowerState"),
        serial=body.get("SerialNumber"),
        model=body.get("Model"),
        uuid=body.get("UUID"),
    )


def _by_sushy(address: str) -> tuple[System, ...]:
    # With a session it would log out when it is collected, whenever that is.
    auth = sushy.auth.BasicAuth("root", PASSWORD)
    root = sushy.Sushy(address, auth=auth, verify=False)
    return tuple(
        System(
            uri=clean(each.path),
            power=each.power_state.value if each.power_state else None,
            serial=each.serial_number,
            model=each.model,
            uuid=each.uuid,
        )
        for each in root.get_system_collection().get_members()
    )
