"""What a transport must do, asked of every candidate; the product's own must pass all of it.

What the losing candidates cannot do is written down in `CANNOT` and checked to be still so.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
from bench.transport.candidates import CANDIDATES, Candidate

from iolaus.kernel.errors import DeviceLied, DeviceSilent, IolausError, PolicyRefused, Unverified
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.transport import OpenTransport
from tests.wire.redfish.conftest import Identities
from tests.wire.redfish.raw_server import RawServer, Script, Talk, keep_answering

CANNOT = {
    ("pyreqwest", "test_pin_holds_for_the_connection_that_carries_the_request"): "no hook",
    ("wreq", "test_pin_holds_for_the_connection_that_carries_the_request"): "no hook",
}
"""(candidate, test) -> why it fails."""
SECRET = {"X-Auth-Token": "s3cret"}
Serve = Callable[..., contextlib.AbstractAsyncContextManager[RawServer]]


@pytest.fixture(params=CANDIDATES, ids=lambda each: each.name)
def candidate(request: pytest.FixtureRequest) -> Candidate:
    chosen: Candidate = request.param
    why = CANNOT.get((chosen.name, request.node.originalname))
    if why:
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    return chosen


@pytest.fixture
def serve(certs: Identities) -> Serve:
    def start(script: Script, *, context: ssl.SSLContext | None = None) -> RawServer:
        return RawServer(script, context=context or certs.good.context)

    return start


@pytest.fixture
async def pinned(candidate: Candidate, certs: Identities) -> AsyncIterator[OpenTransport]:
    async with candidate.open(Trust(fingerprint=certs.good.fingerprint)) as transport:
        yield transport


async def get(
    transport: OpenTransport,
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    timeout_s: float = 5.0,
    max_bytes: int = 1_000_000,
    stream: bool = False,
) -> Response:
    request = Request(
        method=method,
        url=url,
        headers=SECRET,
        body=body,
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        stream=stream,
    )
    return await transport.send(request)


# --- trust ------------------------------------------------------------------------------------


async def test_the_right_pin_is_enough(pinned: OpenTransport, serve: Serve) -> None:
    async with serve(keep_answering) as server:
        answer = await get(pinned, server.url)
    assert (answer.status, answer.body) == (200, b'{"Name": "ok"}')


async def test_a_pin_wins_over_dates(candidate: Candidate, certs: Identities) -> None:
    async with (
        RawServer(keep_answering, context=certs.expired.context) as server,
        candidate.open(Trust(fingerprint=certs.expired.fingerprint)) as transport,
    ):
        assert (await get(transport, server.url)).status == 200


async def test_a_wrong_pin_sends_nothing(candidate: Candidate, certs: Identities) -> None:
    async with (
        RawServer(keep_answering, context=certs.good.context) as server,
        candidate.open(Trust(fingerprint="0" * 64)) as transport,
    ):
        with pytest.raises(Unverified, match=certs.good.fingerprint) as caught:
            await get(transport, server.url)
        assert "iolaus discover" in caught.value.next_step
        assert caught.value.exit_code == 5
        assert server.seen == []


async def test_pin_holds_for_the_connection_that_carries_the_request(
    candidate: Candidate, certs: Identities
) -> None:
    """The first handshake shows the pinned certificate, every later one another."""
    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    rotate = (certs.good.context, certs.expired.context)

    async def once(talk: Talk) -> None:
        await talk.asked()
        await talk.answer()

    async with (
        RawServer(once, context=front, rotate=rotate) as server,
        candidate.open(Trust(fingerprint=certs.good.fingerprint)) as transport,
    ):
        with pytest.raises(Unverified):
            await _thrice(transport, server.url)
        assert [each.connection for each in server.seen] == [1]


async def _thrice(transport: OpenTransport, url: str) -> None:
    for _ in range(3):
        await get(transport, url)


async def test_an_unknown_authority_is_refused_with_the_fingerprint(
    candidate: Candidate, certs: Identities
) -> None:
    async with (
        RawServer(keep_answering, context=certs.signed.context) as server,
        candidate.open(Trust()) as transport,
    ):
        with pytest.raises(Unverified, match=certs.signed.fingerprint) as caught:
            await get(transport, server.url)
        assert "--trust first" in caught.value.next_step
        assert server.seen == []


async def test_an_authority_of_ones_own_is_enough(candidate: Candidate, certs: Identities) -> None:
    async with (
        RawServer(keep_answering, context=certs.signed.context) as server,
        candidate.open(Trust(ca_file=certs.ca_file)) as transport,
    ):
        assert (await get(transport, server.url)).status == 200


async def test_an_authority_checks_the_name(candidate: Candidate, certs: Identities) -> None:
    async with (
        RawServer(keep_answering, context=certs.signed.context) as server,
        candidate.open(Trust(ca_file=certs.ca_file)) as transport,
    ):
        with pytest.raises(Unverified):
            await get(transport, f"https://localhost:{server.port}")
        assert server.seen == []


async def test_plain_http_needs_leave(candidate: Candidate) -> None:
    async with RawServer(keep_answering) as server, candidate.open(Trust()) as transport:
        with pytest.raises(PolicyRefused, match="plain http"):
            await get(transport, server.url)
    async with (
        RawServer(keep_answering) as server,
        candidate.open(Trust(insecure_http=True)) as transport,
    ):
        assert (await get(transport, server.url)).status == 200


async def test_plain_http_on_a_tls_port_is_a_lie(pinned: OpenTransport) -> None:
    async with RawServer(keep_answering) as server:
        with pytest.raises(IolausError) as caught:
            await get(pinned, server.url.replace("http:", "https:"), timeout_s=1)
    assert caught.value.exit_code == 4


# --- silence ----------------------------------------------------------------------------------


async def test_nobody_listens(pinned: OpenTransport, serve: Serve) -> None:
    async with serve(keep_answering) as server:
        url = server.url
    with pytest.raises(DeviceSilent):
        await get(pinned, url)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_hanging_device_times_out(pinned: OpenTransport, serve: Serve, said: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(said)
        await talk.hang()

    async with serve(script) as server:
        with pytest.raises(DeviceSilent):
            await get(pinned, server.url, timeout_s=0.3)


async def test_a_hang_in_the_handshake_times_out(pinned: OpenTransport) -> None:
    async def accept_and_hang(talk: Talk) -> None:
        await talk.hang()

    async with RawServer(accept_and_hang) as server:
        with pytest.raises(DeviceSilent):
            await get(pinned, server.url.replace("http:", "https:"), timeout_s=0.3)


async def test_a_slow_drip_does_not_outlive_the_timeout(
    pinned: OpenTransport, serve: Serve
) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await talk.say(b" ")
            await asyncio.sleep(0.02)

    async with serve(script) as server:
        with pytest.raises(DeviceSilent):
            await get(pinned, server.url, timeout_s=0.4)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
async def test_a_cut_connection_is_silence(
    pinned: OpenTransport, serve: Serve, said: bytes
) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(said)
        talk.cut()

    async with serve(script) as server:
        with pytest.raises(DeviceSilent):
            await get(pinned, server.url)


# --- lies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-dropbear\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["another protocol", "garbled chunks", "broken gzip", "unknown coding"],
)
async def test_what_is_not_http_is_a_lie(pinned: OpenTransport, serve: Serve, said: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(said)
        await asyncio.sleep(0.05)

    async with serve(script) as server:
        with pytest.raises(DeviceLied):
            await get(pinned, server.url)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_huge_body_is_refused_while_it_comes(
    pinned: OpenTransport, serve: Serve, announced: bool
) -> None:
    sent = 0

    async def script(talk: Talk) -> None:
        nonlocal sent
        await talk.asked()
        length = b"Content-Length: 50000000" if announced else b"Transfer-Encoding: chunked"
        await talk.say(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        for _ in range(500):
            piece = b" " * 100_000
            await talk.say(piece if announced else b"186a0\r\n" + piece + b"\r\n")
            sent += len(piece)

    async with serve(script) as server:
        with pytest.raises(DeviceLied, match="too large"):
            await get(pinned, server.url, max_bytes=200_000)
    assert sent < 50_000_000


async def test_a_gzip_bomb_is_refused(pinned: OpenTransport, serve: Serve) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(bomb, head="Content-Encoding: gzip\r\n")

    async with serve(script) as server:
        with pytest.raises(DeviceLied, match="too large"):
            await get(pinned, server.url)


@pytest.mark.parametrize(
    "flood",
    [b"X: " + b"y" * 1_000_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % i for i in range(80_000))],
    ids=["one long line", "many lines"],
)
async def test_a_header_flood_is_refused(pinned: OpenTransport, serve: Serve, flood: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(b"HTTP/1.1 200 OK\r\n", flood, b"Content-Length: 2\r\n\r\n{}")

    async with serve(script) as server:
        with pytest.raises((DeviceLied, DeviceSilent)):
            await get(pinned, server.url)


# --- plain service ----------------------------------------------------------------------------


async def test_connections_are_kept_alive(pinned: OpenTransport, serve: Serve) -> None:
    async with serve(keep_answering) as server:
        for _ in range(5):
            assert (await get(pinned, server.url)).status == 200
        assert len(server.seen) == 5
        assert len({each.connection for each in server.seen}) == 1


async def test_a_read_survives_a_connection_closed_while_idle(
    pinned: OpenTransport, serve: Serve
) -> None:
    async def once(talk: Talk) -> None:
        await talk.asked()
        await talk.answer()

    async with serve(once) as server:
        for _ in range(4):
            assert (await get(pinned, server.url)).status == 200
        assert len(server.seen) == 4


async def test_a_write_is_never_sent_twice(pinned: OpenTransport, serve: Serve) -> None:
    async def answer_reads_only(talk: Talk) -> None:
        while (await talk.asked()).method == "GET":
            await talk.answer()
        talk.cut()

    async with serve(answer_reads_only) as server:
        await get(pinned, server.url)
        with pytest.raises(DeviceSilent):
            await get(pinned, server.url, method="POST", body=b"{}")
        assert [each.method for each in server.seen] == ["GET", "POST"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_writes_carry_their_body(pinned: OpenTransport, serve: Serve, method: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b"", status="204 No Content")

    async with serve(script) as server:
        body = None if method == "DELETE" else b'{"a": 1}'
        assert (await get(pinned, server.url, method=method, body=body)).status == 204
        assert (server.seen[0].method, server.seen[0].body) == (method, body or b"")
        assert "expect" not in server.seen[0].headers


async def test_interim_answers_are_passed_over(pinned: OpenTransport, serve: Serve) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await talk.answer(b'{"a": 1}', head="ETag: x\r\n")

    async with serve(script) as server:
        answer = await get(pinned, server.url, method="POST", body=b"{}")
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b'{"a": 1}', "x")


async def test_redirects_are_not_followed(pinned: OpenTransport, serve: Serve) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b"", status="302 Found", head="Location: /elsewhere\r\n")

    async with serve(script) as server:
        answer = await get(pinned, server.url)
        assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
        assert len(server.seen) == 1


async def test_gzip_is_undone(pinned: OpenTransport, serve: Serve) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(gzip.compress(b'{"a": 1}'), head="Content-Encoding: gzip\r\n")

    async with serve(script) as server:
        assert (await get(pinned, server.url)).body == b'{"a": 1}'


async def test_errors_keep_their_body(pinned: OpenTransport, serve: Serve) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b'{"error": {}}', status="503 Busy", head="Retry-After: 7\r\n")

    async with serve(script) as server:
        answer = await get(pinned, server.url)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert answer.body == b'{"error": {}}'


async def test_many_requests_at_once(pinned: OpenTransport, serve: Serve) -> None:
    async with serve(keep_answering) as server:
        answers = await asyncio.gather(*(get(pinned, server.url) for _ in range(50)))
    assert {each.status for each in answers} == {200}


async def test_a_cancelled_request_harms_no_other(pinned: OpenTransport, serve: Serve) -> None:
    async def script(talk: Talk) -> None:
        while True:
            if (await talk.asked()).target == "/hang":
                await talk.hang()
            await talk.answer()

    async with serve(script) as server:
        task = asyncio.create_task(get(pinned, server.url + "/hang"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await get(pinned, server.url)).status == 200


# --- streams ----------------------------------------------------------------------------------

_SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


async def test_a_stream_gives_its_bytes_as_they_come(pinned: OpenTransport, serve: Serve) -> None:
    more = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(_SSE + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\none\r\n")
        await more.wait()
        await talk.say(b"3\r\ntwo\r\n", b"0\r\n\r\n")

    async with serve(script) as server:
        answer = await get(pinned, server.url, stream=True)
        assert answer.chunks is not None
        got = [await anext(answer.chunks)]
        more.set()
        got += [chunk async for chunk in answer.chunks]
    assert b"".join(got) == b"onetwo"


async def test_a_stream_that_is_refused_is_an_ordinary_answer(
    pinned: OpenTransport, serve: Serve
) -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b'{"no": 1}', status="404 Not Found")

    async with serve(script) as server:
        answer = await get(pinned, server.url, stream=True)
    assert (answer.status, answer.body, answer.chunks) == (404, b'{"no": 1}', None)


async def test_closing_a_stream_lets_go_of_the_connection(
    pinned: OpenTransport, serve: Serve
) -> None:
    gone = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(_SSE + b"\r\n", b"data: 1\n\n")
        try:
            await talk.asked()
        except (asyncio.IncompleteReadError, ConnectionError):
            gone.set()

    async with serve(script) as server:
        answer = await get(pinned, server.url, stream=True)
        assert answer.chunks is not None
        assert await anext(answer.chunks) == b"data: 1\n\n"
        await aclose(answer)
        async with asyncio.timeout(90):
            await gone.wait()


async def aclose(answer: Response) -> None:
    answer.close()
    if answer.chunks is not None:
        await answer.chunks.aclose()  # type: ignore[attr-defined]
