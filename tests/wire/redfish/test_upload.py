"""Images on their way: any pieces, in any steps, from disk, in little memory, sent once."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceSilent, OperatorMust
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.transport import open_transport
from iolaus.wire.redfish.upload import OCTETS, Part, Upload, form, raw
from tests.wire.redfish.conftest import Identities
from tests.wire.redfish.raw_server import RawServer, Talk


def read(upload: Upload, step: int) -> bytes:
    pour, found = upload.open(), b""
    while piece := pour.read(step):
        assert len(piece) <= step
        found += piece
    return found


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 64))
def test_the_pieces_come_in_order_whatever_the_step(pieces: list[bytes], step: int) -> None:
    upload = Upload(OCTETS, pieces)
    assert read(upload, step) == read(upload, 7) == b"".join(pieces)
    assert upload.size == sum(map(len, pieces))


def test_a_form_is_what_every_mail_parser_reads(tmp_path: Path) -> None:
    image = tmp_path / 'bmc "1".bin'
    image.write_bytes(bytes(range(256)) * 9)
    upload = form(
        [
            Part(name="UpdateParameters", content=b"{}", content_type="application/json"),
            Part(name="UpdateFile", content=image, content_type=OCTETS, filename=image.name),
        ]
    )
    head = f"Content-Type: {upload.content_type}\r\n\r\n".encode()
    body = read(upload, 100)
    assert len(body) == upload.size
    parsed = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    first, second = parsed.iter_parts()
    assert first.get_param("name", header="content-disposition") == "UpdateParameters"
    assert (second.get_filename(), second.get_content()) == ("bmc__1_.bin", image.read_bytes())


def test_an_image_that_cannot_be_read_is_the_operators(tmp_path: Path) -> None:
    with pytest.raises(OperatorMust, match="No such file"):
        raw(tmp_path / "none")
    shrinks = tmp_path / "shrinks"
    shrinks.write_bytes(b"x" * 100)
    upload = raw(shrinks)
    shrinks.write_bytes(b"x" * 10)
    with pytest.raises(OperatorMust, match="became shorter"):
        read(upload, 64)


# --- over the wire ----------------------------------------------------------------------------


class Swallowed:
    """A device that takes an image without keeping it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.digests: list[str] = []

    async def __call__(self, talk: Talk) -> None:
        while True:
            head = (await talk._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            left = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            assert "transfer-encoding" not in head
            assert "expect:" not in head
            self.sizes.append(left)
            found = hashlib.sha256()
            while left:
                piece = await talk._reader.read(min(left, 1 << 16))
                if not piece:
                    return
                left -= len(piece)
                found.update(piece)
            self.digests.append(found.hexdigest())
            await talk.answer(b'{"Name": "ok"}', status="202 Accepted")


async def post(url: str, upload: Upload, certs: Identities, *, timeout_s: float = 20.0) -> Response:
    async with open_transport(Trust(fingerprint=certs.good.fingerprint)) as transport:
        return await transport.send(
            Request(method="POST", url=f"{url}/push", upload=upload, timeout_s=timeout_s)
        )


async def test_a_large_image_goes_through_little_memory(tmp_path: Path, certs: Identities) -> None:
    image = tmp_path / "large.bin"
    with image.open("wb") as file:
        for number in range(48):
            file.write(bytes([number]) * (1 << 20))
    taken = Swallowed()
    async with RawServer(taken, context=certs.good.context) as server:
        tracemalloc.start()
        try:
            answer = await post(server.url, raw(image), certs)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert answer.status == 202
    assert taken.sizes == [48 << 20]
    with image.open("rb") as file:
        assert taken.digests == [hashlib.file_digest(file, "sha256").hexdigest()]
    assert peak < 8 << 20


async def test_an_empty_and_a_small_image_go_too(certs: Identities) -> None:
    taken = Swallowed()
    async with RawServer(taken, context=certs.good.context) as server:
        for content in (b"", b"x"):
            assert (await post(server.url, raw(content), certs)).status == 202
    assert taken.sizes == [0, 1]


async def test_a_device_that_refuses_before_the_end_is_heard(certs: Identities) -> None:
    async def refuses(talk: Talk) -> None:
        await talk._reader.readuntil(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(0.2)

    async with RawServer(refuses, context=certs.good.context) as server:
        answer = await post(server.url, raw(b"x" * (8 << 20)), certs)
    assert answer.status == 413


async def test_a_device_that_takes_nothing_is_silent(certs: Identities) -> None:
    async def hangs(talk: Talk) -> None:
        await talk._reader.readuntil(b"\r\n\r\n")
        await talk.hang()

    async with RawServer(hangs, context=certs.good.context) as server:
        with pytest.raises(DeviceSilent):
            await post(server.url, raw(b"x" * (8 << 20)), certs, timeout_s=0.5)


async def test_a_connection_cut_in_the_middle_is_silence_and_nothing_is_sent_again(
    certs: Identities,
) -> None:
    async def cuts(talk: Talk) -> None:
        await talk._reader.readuntil(b"\r\n\r\n")
        await talk._reader.read(1 << 16)
        talk.cut()

    async with RawServer(cuts, context=certs.good.context) as server:
        with pytest.raises(DeviceSilent):
            await post(server.url, raw(b"x" * (8 << 20)), certs)
        assert server.connections == 1


async def test_an_image_that_shrinks_on_its_way_ends_as_the_operators_error(
    tmp_path: Path, certs: Identities
) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"x" * (1 << 20))
    upload = raw(image)
    image.write_bytes(b"x")
    async with RawServer(Swallowed(), context=certs.good.context) as server:
        with pytest.raises(OperatorMust, match="became shorter"):
            await post(server.url, upload, certs)
