"""Lease files of DHCP servers, and what a server's hook says of one lease.

A controller that asks for an address is the earliest sign of it that there is. Kea keeps leases as
CSV with a head line (memfile), dnsmasq a line each: `expiry MAC IP hostname client-id`. Neither is
trusted with anything but an address to look at and a MAC to look for in the lists; a line that
cannot be read is skipped and counted. The newest line of an address counts. Pure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final, NamedTuple

from iolaus.store.identity import clean_mac

MOST: Final = 200_000
MOST_CHARS: Final = 64 * 1024 * 1024


class Lease(NamedTuple):
    """One address that is leased. `mac` is twelve digits in lower case, "" where it is none."""

    address: str
    mac: str
    hostname: str = ""


class Leases(NamedTuple):
    """What a file says, and how many of its lines could not be read."""

    found: tuple[Lease, ...]
    skipped: int


def parse_leases(text: str) -> Leases:
    """Of Kea or dnsmasq, by the first line. Never raises."""
    text = text[:MOST_CHARS]
    rows = _kea(text) if text.lstrip().startswith("address,") else _dnsmasq(text)
    found: dict[str, Lease | None] = {}
    skipped = 0
    for number, lease in enumerate(rows):
        if number >= MOST:
            break
        if lease is None:
            skipped += 1
        elif lease.mac or lease.hostname:
            found[lease.address] = lease
        else:
            found.pop(lease.address, None)
    return Leases(tuple(each for each in found.values() if each is not None), skipped)


def told_by_hook(words: list[str], environment: Mapping[str, str]) -> Lease | None:
    """What a hook script is called with: dnsmasq's `add|old|del MAC IP [HOSTNAME]`, or Kea's
    run_script library, which names an event and says the rest in its environment. None for a lease
    that ended, and for what is none."""
    if "LEASE4_ADDRESS" in environment:
        if words[:1] not in (["lease4_select"], ["lease4_renew"], ["leases4_committed"]):
            return None
        hostname = environment.get("LEASE4_HOSTNAME", "")
        return _lease(environment["LEASE4_ADDRESS"], environment.get("LEASE4_HWADDR", ""), hostname)
    if "LEASES4_AT0_ADDRESS" in environment:
        hostname = environment.get("LEASES4_AT0_HOSTNAME", "")
        mac = environment.get("LEASES4_AT0_HWADDR", "")
        return _lease(environment["LEASES4_AT0_ADDRESS"], mac, hostname)
    if len(words) < 3 or words[0] not in ("add", "old"):
        return None
    return _lease(words[2], words[1], words[3] if len(words) > 3 else "")


def _kea(text: str) -> Iterator[Lease | None]:
    """The columns by their names, as they differ between versions; `state` 0 is in use."""
    reader = csv.reader(io.StringIO(text))
    try:
        columns = {name: at for at, name in enumerate(next(reader, []))}
        for row in reader:
            cells = {name: row[at] for name, at in columns.items() if at < len(row)}
            if cells.get("state", "0") != "0" or cells.get("valid_lifetime") == "0":
                yield _gone(cells.get("address", ""))
                continue
            hostname = cells.get("hostname", "").rstrip(".")
            yield _lease(cells.get("address", ""), cells.get("hwaddr", ""), hostname)
    except csv.Error:
        yield None


def _dnsmasq(text: str) -> Iterator[Lease | None]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "duid":
            continue
        if len(words) < 4:
            yield None
            continue
        yield _lease(words[2], words[1], "" if words[3] == "*" else words[3])


def _gone(text: str) -> Lease | None:
    try:
        return Lease(str(ip_address(text.strip())), "")
    except ValueError:
        return None


def _lease(address: str, mac: str, hostname: str) -> Lease | None:
    try:
        host = ip_address(address.strip())
    except ValueError:
        return None
    found = clean_mac(mac) or ""
    if host.is_unspecified or host.is_multicast or not found:
        return None
    name = hostname if hostname.isascii() and len(hostname) <= 253 else ""
    return Lease(str(host), found, name)
