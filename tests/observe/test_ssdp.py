"""SSDP: what counts as an answer, over a real socket on loopback."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.clock import WallClock
from iolaus.observe.ssdp import SERVICE, parse_answer, search


def answer(**headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (answer(ST=SERVICE, AL="https://10.0.0.7/redfish/v1"), "https://10.0.0.7"),
        (answer(ST=SERVICE + ":9", AL="https://10.0.0.7:8443/redfish/v1"), "https://10.0.0.7:8443"),
        (answer(ST=SERVICE, Location="https://10.0.0.7/x"), "https://10.0.0.7"),
        (answer(ST=SERVICE, AL="https://10.0.0.8/redfish/v1"), None),
        (answer(ST=SERVICE, AL="http://10.0.0.7/redfish/v1"), None),
        (answer(ST=SERVICE, AL="https://evil.example/"), None),
        (answer(ST=SERVICE, AL="https://10.0.0.7:99999/"), None),
        (answer(ST="upnp:rootdevice", AL="https://10.0.0.7/"), None),
        (b"NOTIFY * HTTP/1.1\r\n\r\n", None),
    ],
)
def test_only_a_redfish_service_that_names_itself_counts(data: bytes, address: str | None) -> None:
    assert parse_answer(data, "10.0.0.7") == address


@given(st.binary(max_size=300), st.ip_addresses(v=4).map(str))
def test_any_datagram_is_survived(data: bytes, sender: str) -> None:
    for each in (data, b"HTTP/1.1 200 OK\r\n" + data, answer(ST=SERVICE) + data):
        parse_answer(each, sender)


class Responder(asyncio.DatagramProtocol):
    """A service on loopback that answers a search twice, and a stranger's noise."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        assert b"M-SEARCH" in data
        for reply in (answer(ST=SERVICE, AL="https://127.0.0.1:9/redfish/v1"), b"\xff\x00noise"):
            self.transport.sendto(reply, addr)
            self.transport.sendto(reply, addr)


async def test_a_search_over_the_wire_names_each_service_once() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Responder, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        found = await search(clock=WallClock(), wait_s=0.3, group=("127.0.0.1", port))
    finally:
        transport.close()
    assert found == ["https://127.0.0.1:9"]
