"""The peers: sushy and python-redfish-library reading the same things from the same devices.

Each reads, of one device: systems with processors, memory (sushy has only its summary), storage
and drives; chassis with power, thermal, sensors and network adapters (what the library offers);
and the firmware inventory. Certificates are not verified for them, which is in their favour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import redfish
import sushy
import sushy.auth
import urllib3

Read = Callable[[str, str, str], None]
"""(address, user, password): read one device whole."""

SYSTEM = ("Processors", "Memory", "Storage", "NetworkInterfaces", "EthernetInterfaces")
CHASSIS = ("Power", "Thermal", "PowerSubsystem", "ThermalSubsystem", "Sensors", "NetworkAdapters")
OFFERED = suppress(sushy.exceptions.SushyError)
"""What a device does not offer, the library says by raising."""
DEEPER = ("Drives", "PowerSupplies", "Fans")


def with_redfish(address: str, user: str, password: str) -> None:
    client = redfish.redfish_client(
        base_url=address, username=user, password=password, default_prefix="/redfish/v1"
    )
    client.login(auth="session")
    try:
        root = client.root
        for system in _members(client, root, "Systems"):
            for name in SYSTEM:
                list(_whole(client, system, name))
        for chassis in _members(client, root, "Chassis"):
            for name in CHASSIS:
                list(_whole(client, chassis, name))
        update = client.get(root["UpdateService"]["@odata.id"]).dict
        list(_members(client, update, "FirmwareInventory"))
    finally:
        client.logout()


def _whole(client: Any, parent: Any, name: str) -> Iterator[Any]:
    """A link's resource and its members, and what power and cooling keep below them."""
    if name not in parent:
        return
    found = client.get(parent[name]["@odata.id"]).dict
    yield found
    for member in found.get("Members", ()):
        body = client.get(member["@odata.id"]).dict
        yield body
        for drive in body.get("Drives", ()) if isinstance(body.get("Drives"), list) else ():
            yield client.get(drive["@odata.id"]).dict
    for deeper in DEEPER:
        if isinstance(found.get(deeper), dict):
            yield from _members(client, found, deeper)


def _members(client: Any, parent: Any, name: str) -> Iterator[Any]:
    if name in parent:
        for member in client.get(parent[name]["@odata.id"]).dict.get("Members", ()):
            yield client.get(member["@odata.id"]).dict


def with_sushy(address: str, user: str, password: str) -> None:
    connection = sushy.Sushy(
        address, auth=sushy.auth.BasicAuth(username=user, password=password), verify=False
    )
    for system in connection.get_system_collection().get_members():
        with OFFERED:
            system.processors.get_members()
        with OFFERED:
            for storage in system.storage.get_members():
                list(storage.drives)
        with OFFERED:
            system.ethernet_interfaces.get_members()
    for chassis in connection.get_chassis_collection().get_members():
        for name in ("power", "thermal"):
            with OFFERED:
                getattr(chassis, name)
        with OFFERED:
            chassis.network_adapters.get_members()
    with OFFERED:
        connection.get_update_service().firmware_inventory.get_members()


def timed(read: Read, addresses: Sequence[str], *, user: str, password: str, threads: int) -> float:
    """Seconds to read all, `threads` devices at a time."""
    urllib3.disable_warnings()
    began = time.perf_counter()
    if threads == 1:
        for address in addresses:
            read(address, user, password)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda address: read(address, user, password), addresses))
    return time.perf_counter() - began
