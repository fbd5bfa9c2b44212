"""What only a real server does: it is lost, comes back, is one of three, lets in whom it knows."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from iolaus.bus import nats as bus
from iolaus.bus.nats import NatsTrunk, Servers, connected, parse_servers
from iolaus.bus.nats_streams import quoted, unquoted
from iolaus.bus.port import BusAway
from iolaus.kernel.errors import OperatorMust
from iolaus.kernel.tasks import end
from tests.app.cluster.links import linked
from tests.bus.nats import NatsServer, one_server, three_servers

ROLES = """
authorization {{ users: [
  {{ user: core, password: "{core}" }}
  {{ user: edge, password: "{edge}", permissions: {{
      publish: ["$JS.API.>", "iolaus.>", "_INBOX.>"], subscribe: ["iolaus.>", "_INBOX.>"] }} }}
] }}
"""


@example(["="])
@example(["=3d=", ""])
@given(st.lists(st.text().filter(lambda t: "." not in t), min_size=1))
def test_every_key_is_one_subject_and_back(words: list[str]) -> None:
    key = ".".join(words)
    assert not set(quoted(key)) & set(" *>\t\r\n")
    assert unquoted(quoted(key)) == key


@pytest.mark.parametrize("text", ["", "http://a", "nats://", "nats://u:geheim@host", "a,b"])
def test_what_is_no_server_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_servers(text)
    assert "geheim" not in f"{caught.value} {caught.value.subject}"


async def test_a_bus_that_is_not_there_is_told_or_waited_for() -> None:
    nowhere = Servers(urls=("nats://127.0.0.1:1",))
    with pytest.raises(BusAway):
        async with connected(nowhere, wait_s=0.5):
            pass
    async with connected(nowhere, wait_s=None) as trunk:
        assert not trunk.reached
        trunk.publish("a", b"lost")
        with pytest.raises(BusAway):
            await trunk.log("facts").append("a", b"", id_="1")


async def test_only_who_knows_the_password_of_a_role_is_let_in() -> None:
    with one_server(ROLES.format(core="c", edge="e")) as server:
        known = Servers(urls=(server.url,), user="edge", password="e")
        assert "'e'" not in repr(known)
        async with connected(known) as trunk:
            assert await trunk.log("facts").append("a", b"1", id_="1") == 1
        with pytest.raises(OperatorMust) as caught:
            async with connected(Servers(urls=(server.url,), user="edge", password="x")):
                pass
        assert caught.value.code == "BusRefused"


async def test_a_server_that_comes_back_is_found_again() -> None:
    with one_server() as server:
        async with connected(Servers(urls=(server.url,))) as trunk, trunk.subscribe("a") as heard:
            await trunk.log("facts").append("a", b"1", id_="1")
            server.kill()
            await until(trunk, reached=False)
            with pytest.raises(BusAway):
                await trunk.ask("a", b"", timeout_s=1.0)
            server.start()
            await until(trunk, reached=True)
            assert await trunk.log("facts").append("a", b"1", id_="1") == 1
            assert await trunk.log("facts").append("a", b"2", id_="2") == 2
            trunk.publish("a", b"heard")
            assert await asyncio.wait_for(anext(heard), 60.0) == b"heard"


async def until(trunk: NatsTrunk, *, reached: bool) -> None:
    async with asyncio.timeout(90):
        while trunk.reached is not reached:
            await asyncio.sleep(0.02)


async def appended(trunk: NatsTrunk, count: int, kept: list[int]) -> None:
    """Each by its name again and again, until it is there."""
    for number in range(count):
        while True:
            try:
                await trunk.log("facts").append("e", b"%d" % number, id_=f"e:{number}")
            except BusAway:
                await asyncio.sleep(0.05)
            else:
                break
        kept.append(number)
        await asyncio.sleep(0.004)


async def read(trunk: NatsTrunk, count: int) -> list[int]:
    entries: AsyncIterator[object] = trunk.log("facts").read(after=0)
    return [int((await anext(entries)).body) for _ in range(count)]  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_one_server_of_three_may_be_killed_or_frozen_and_nothing_is_lost() -> None:
    with three_servers() as servers:
        where = Servers(urls=tuple(server.url for server in servers))
        async with connected(where) as one, connected(where) as other, asyncio.timeout(300):
            kept = list[int]()
            writing = asyncio.create_task(appended(one, 300, kept))
            reading = asyncio.create_task(read(other, 300))
            for number, server in enumerate(servers[:2]):
                before = len(kept)
                while len(kept) < before + 60:
                    await asyncio.sleep(0.02)
                if number == 1:
                    server.freeze()
                    await asyncio.sleep(2.5)
                    server.thaw()
                else:
                    server.kill()
                    await asyncio.sleep(0.5)
                    server.start()
            await writing
            assert await reading == list(range(300))


# --- TLS ----------------------------------------------------------------------------------------


def authority(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate of 127.0.0.1 that signed itself: authority, certificate and key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bus")])
    now = datetime.datetime.now(datetime.UTC)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
        .add_extension(place, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "bus.pem", folder / "bus.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, certificate, private


async def test_a_server_that_is_cut_off_in_the_middle_of_much_is_left(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is on its way than the kernel holds, so that closing the connection would wait."""
    monkeypatch.setattr(bus, "LINE_S", 0.5)
    with linked() as links:
        ports = {links.through("us", name, nats_server.port): name for name in ("one", "other")}
        servers = Servers(urls=tuple(f"nats://127.0.0.1:{port}" for port in ports))
        async with connected(servers) as trunk:
            at = trunk._client.connected_url
            assert at is not None
            assert at.port is not None
            links.hush(frozenset(("us", ports[at.port])))
            saying = [
                asyncio.create_task(trunk._client.publish("iolaus.say.much", bytes(900_000)))
                for _ in range(40)
            ]
            async with asyncio.timeout(60):
                while trunk._client.connected_url in (None, at):
                    await asyncio.sleep(0.05)
            await end(*saying)


async def test_a_server_that_no_longer_greets_is_tried_again_and_nothing_stays_open() -> None:
    greets, tries = True, 0

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greets, tries
        tries += 1
        if greets:
            writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
            while b"PING" not in await reader.readline():
                pass
            writer.write(b"PONG\r\n")
            await writer.drain()
            greets = False
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(Servers(urls=(f"nats://127.0.0.1:{port}",))), asyncio.timeout(60):
            while tries < 4:
                await asyncio.sleep(0.02)
    gc.collect()


async def test_an_answer_that_the_bus_does_not_take_is_told_at_once() -> None:
    async def much(_: bytes) -> bytes:
        return bytes(2048)

    with one_server("max_payload: 1024") as server, capture_logs() as said:
        async with connected(Servers(urls=(server.url,))) as trunk, trunk.answer("much", much):
            with pytest.raises(BusAway, match="its answer has 2048 bytes"):
                await trunk.ask("much", b"", timeout_s=600.0)
    assert [e["max_payload"] for e in said if e["event"] == "bus_takes_only_short_messages"] == [
        1024
    ]


async def test_a_bus_over_tls_is_known_by_its_authority(tmp_path: Path) -> None:
    ca, certificate, key = authority(tmp_path)
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{ca}", verify: true }}'
    with one_server(tls) as server:
        url = server.url.replace("nats://", "tls://")
        ours = Servers(urls=(url,), ca_file=ca, certificate=certificate, key=key)
        async with connected(ours) as trunk:
            assert await trunk.table("t").put("a", b"1") == 1
        for stranger in (Servers(urls=(url,)), Servers(urls=(url,), ca_file=ca)):
            with pytest.raises(BusAway):
                async with connected(stranger, wait_s=1.0):
                    pass
    with pytest.raises(OperatorMust):
        async with connected(Servers(urls=(url,), ca_file=tmp_path / "none.pem")):
            pass
