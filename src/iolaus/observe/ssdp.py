"""SSDP discovery: Redfish services that answer a search on the local network (DSP0266 §13.7.1).

Answers are hostile datagrams from anyone: they are bounded, they only ever name an address to
probe, and the address must be the one that the datagram came from.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import WeErred

GROUP: Final = ("239.255.255.250", 1900)
SERVICE: Final = "urn:dmtf-org:service:redfish-rest:1"
MAX_ANSWERS: Final = 4096
MAX_DATAGRAM: Final = 4096


def search_request(*, host: str, wait_s: int) -> bytes:
    """The M-SEARCH datagram."""
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {host}",
        'MAN: "ssdp:discover"',
        f"MX: {wait_s}",
        f"ST: {SERVICE}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parse_answer(data: bytes, sender: str) -> str | None:
    """`https://host[:port]` of a Redfish service, or None for anything else. Never raises."""
    head, _, rest = data[:MAX_DATAGRAM].decode("latin-1").partition("\r\n")
    if not head.upper().startswith("HTTP/1.1 200"):
        return None
    headers = {
        name.strip().upper(): value.strip()
        for name, colon, value in (line.partition(":") for line in rest.split("\r\n"))
        if colon
    }
    if not headers.get("ST", "").startswith("urn:dmtf-org:service:redfish-rest"):
        return None
    try:
        parts = urlsplit(headers.get("AL", "") or headers.get("LOCATION", ""))
        host, port = parts.hostname or "", parts.port
        same = ipaddress.ip_address(host) == ipaddress.ip_address(sender)
    except ValueError:
        return None
    if parts.scheme != "https" or not same:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}" + (f":{port}" if port and port != 443 else "")


class _Listener(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.found: set[str] = set()

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        address = parse_answer(data, str(addr[0]))
        if address and len(self.found) < MAX_ANSWERS:
            self.found.add(address)


async def search(*, clock: Clock, wait_s: float = 3.0, group: tuple[str, int] = GROUP) -> list[str]:
    """Addresses that answered within `wait_s`. `WeErred` where this machine cannot ask."""
    loop = asyncio.get_running_loop()
    try:
        transport, listener = await loop.create_datagram_endpoint(
            _Listener,
            family=socket.AF_INET,
            local_addr=("0.0.0.0", 0),  # noqa: S104  answers come back to any interface
        )
    except OSError as error:
        raise _cannot(error) from None
    try:
        transport.sendto(
            search_request(host=f"{group[0]}:{group[1]}", wait_s=max(1, int(wait_s))), group
        )
        await clock.sleep(wait_s)
    except OSError as error:
        raise _cannot(error) from None
    finally:
        transport.close()
    return sorted(listener.found)


def _cannot(error: OSError) -> WeErred:
    return WeErred(
        f"this machine cannot send the search: {error.strerror or error}",
        operation="search by SSDP",
        subject="the local network",
        next_step="name the addresses or a range instead.",
    )
