"""First contact, fingerprints, addresses, and what transports of one loop share."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceLied, DeviceSilent, OperatorMust
from iolaus.wire.redfish.address import MAX_URI, origin_of, parse_address, path_of, resolve
from iolaus.wire.redfish.head import parse_head
from iolaus.wire.redfish.port import Request, Trust
from iolaus.wire.redfish.transport import Pool, open_transport
from iolaus.wire.redfish.trust import first_contact, parse_fingerprint
from tests.wire.redfish.conftest import Identities
from tests.wire.redfish.raw_server import RawServer, Talk, keep_answering


async def test_first_contact_shows_the_fingerprint_and_sends_nothing(certs: Identities) -> None:
    async with RawServer(keep_answering, context=certs.expired.context) as server:
        assert await first_contact(server.url) == certs.expired.fingerprint
        assert server.seen == []


async def test_first_contact_with_what_is_not_there(certs: Identities) -> None:
    async def hang(talk: Talk) -> None:
        await talk.hang()

    async with RawServer(hang) as server:
        with pytest.raises(DeviceSilent):
            await first_contact(server.url.replace("http:", "https:"), timeout_s=0.2)
        url = server.url.replace("http:", "https:")
    with pytest.raises(DeviceSilent):
        await first_contact(url)
    with pytest.raises(OperatorMust):
        await first_contact("http://127.0.0.1")


async def test_first_contact_with_another_protocol() -> None:
    async def greet(talk: Talk) -> None:
        await talk.say(b"SSH-2.0-dropbear\r\n" * 10)
        await asyncio.sleep(0.2)

    async with RawServer(greet) as server:
        with pytest.raises(DeviceLied, match="TLS"):
            await first_contact(server.url.replace("http:", "https:"))


@pytest.mark.parametrize("text", ["AB:" * 31 + "AB", "sha256:" + "ab" * 32, " " + "Ab" * 32])
def test_fingerprints_in_every_spelling(text: str) -> None:
    assert parse_fingerprint(text) == "ab" * 32


@given(st.text(max_size=70))
def test_any_other_fingerprint_is_the_operators_matter(text: str) -> None:
    try:
        assert len(parse_fingerprint(text)) == 64
    except OperatorMust as error:
        assert error.next_step


def test_an_unreadable_authority_file_is_told_at_once() -> None:
    with pytest.raises(OperatorMust, match="authorities"):
        open_transport(Trust(ca_file="/nowhere/ca.pem"))
    with pytest.raises(OperatorMust, match="fingerprint"):
        open_transport(Trust(fingerprint="12"))


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("BMC-1", "https://bmc-1"),
        ("https://BMC-1:443/redfish/v1", "https://bmc-1"),
        ("https://10.0.0.1:8443", "https://10.0.0.1:8443"),
        ("http://h:80", "http://h"),
        ("https://[FE80::1]:444", "https://[fe80::1]:444"),
    ],
)
def test_addresses_are_normalised(given_: str, expected: str) -> None:
    assert parse_address(given_) == expected == origin_of(expected)


@given(st.text(max_size=60))
def test_any_address_is_one_or_the_operators_matter(text: str) -> None:
    try:
        assert "://" in parse_address(text)
    except OperatorMust as error:
        assert error.next_step


@given(st.text(max_size=80) | st.from_regex(r"(https?:)?//[a-z@:/\\]{1,30}"))
def test_any_link_stays_at_home_or_is_a_lie(link: str) -> None:
    try:
        path = resolve("https://bmc", link)
    except DeviceLied:
        return
    assert path.startswith("/")
    assert path.isascii()
    assert not any(letter in path for letter in "\r\n \t")
    assert len(path) <= 3 * MAX_URI


@given(st.text(max_size=80))
def test_any_location_is_a_path_or_nothing(link: str) -> None:
    path = path_of(link)
    assert path == "" or (path.startswith("/") and path.isascii() and " " not in path)


@given(st.binary(max_size=200))
def test_any_head_is_parsed(raw: bytes) -> None:
    status, headers = parse_head(b"HTTP/1.1 " + raw)
    assert 0 <= status <= 999
    assert all(name == name.lower() for name in headers)


# --- sharing ----------------------------------------------------------------------------------


async def _get(server: RawServer, trust: Trust, pool: Pool | None = None) -> int:
    async with open_transport(trust, pool=pool) as transport:
        return (await transport.send(Request(method="GET", url=server.url))).status


async def test_transports_of_one_pool_share_connections_but_not_trust(certs: Identities) -> None:
    pin, pool = Trust(fingerprint=certs.good.fingerprint), Pool()
    async with RawServer(keep_answering, context=certs.good.context) as server:
        for _ in range(3):
            assert await _get(server, pin, pool) == 200
        assert server.connections == 1
        with pytest.raises(OperatorMust, match="not the pinned one"):
            await _get(server, Trust(fingerprint="0" * 64), pool)
        assert len(server.seen) == 3
        await pool.aclose()


async def test_the_loops_pool_lives_as_long_as_its_users(certs: Identities) -> None:
    pin = Trust(fingerprint=certs.good.fingerprint)
    async with RawServer(keep_answering, context=certs.good.context) as server:
        async with open_transport(pin) as first:
            await first.send(Request(method="GET", url=server.url))
            await _get(server, pin)
            await first.send(Request(method="GET", url=server.url))
            assert server.connections == 1
        await _get(server, pin)
        assert server.connections == 2


async def test_closing_the_pool_ends_what_is_under_way() -> None:
    async def hang(talk: Talk) -> None:
        await talk.asked()
        await talk.hang()

    pool, trust = Pool(), Trust(insecure_http=True)
    async with RawServer(hang) as server:
        task = asyncio.create_task(_get(server, trust, pool))
        async with asyncio.timeout(90):
            while not server.seen:
                await asyncio.sleep(0.01)
            await pool.aclose()
            with pytest.raises(DeviceSilent, match="closed"):
                await task


async def test_a_closed_transport_sends_nothing() -> None:
    transport = open_transport(Trust(insecure_http=True))
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(DeviceSilent, match="closed"):
        await transport.send(Request(method="GET", url="http://127.0.0.1:9"))


def test_a_forgotten_transport_is_quiet_at_the_end() -> None:
    """The loop's shutdown closes what its owner forgot: nothing on standard error."""
    program = (
        "import asyncio\n"
        "from iolaus.wire.redfish.port import Request, Trust\n"
        "from iolaus.wire.redfish.transport import open_transport\n"
        "async def main():\n"
        "    server = await asyncio.start_server(lambda r, w: None, '127.0.0.1', 0)\n"
        "    url = 'http://127.0.0.1:%d' % server.sockets[0].getsockname()[1]\n"
        "    sending = open_transport(Trust(insecure_http=True)).send\n"
        "    asyncio.ensure_future(sending(Request(method='GET', url=url)))\n"
        "    await asyncio.sleep(0.2)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("raw", "status", "headers"),
    [
        (b"HTTP/1.1 200 OK\r\nETag: \"a:b\"\r\n\r\n", 200, {"etag": '"a:b"'}),
        (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 404 No\r\nY: 2\r\n\r\n", 404, {"y": "2"}),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nTrailer: 2\r\n\r\n", 200, {"a": "1"}),
        (b"HTTP/1.1 200 OK\nA : 1\nno colon\n\n", 200, {"a": "1"}),
        (b"HTTP/1.1 2000 OK\r\n\r\n", 0, {}),
        (b"", 0, {}),
    ],
)  # fmt: skip
def test_heads(raw: bytes, status: int, headers: dict[str, str]) -> None:
    assert parse_head(raw) == (status, headers)
