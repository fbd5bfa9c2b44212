"""Peers that are not what they should be: each ends in one typed error, in time and in bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.drain.kubernetes_objects import Node, Pod, PodList, has_cause, note_of, read_mark
from iolaus.fleet.drain.peer import (
    MAX_ANSWER,
    MAX_AT_ONCE,
    MAX_WISH_S,
    Answer,
    Peer,
    check_url,
    read_secret,
)
from iolaus.fleet.drain.webhook import Said
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    Unverified,
)
from tests.fleet.drain.serve import served
from tests.peers.certificate import Identity, identity


def peer(url: str, **values: Any) -> Peer:
    return Peer(url, headers=dict, permission="p", **{"timeout_s": 10.0, **values})


@contextlib.asynccontextmanager
async def asked(url: str, **values: Any) -> AsyncIterator[Callable[[], Any]]:
    one = peer(url, **values)
    try:
        yield lambda: one.ask("GET", "/x", operation="ask", subject="n")
    finally:
        await one.aclose()


async def fails(url: str, kind: type[IolausError], **values: Any) -> IolausError:
    async with asked(url, **values) as ask:
        with pytest.raises(kind) as caught:
            await ask()
    assert type(caught.value) is kind
    return caught.value


def app(answer: Callable[[web.Request], Any]) -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = await answer(request)
        return response

    made = web.Application()
    made.router.add_get("/x", handle)
    return made


async def test_answers_by_their_status() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    cases: list[tuple[int, type[IolausError]]] = [
        (401, OperatorMust),
        (403, OperatorMust),
        (302, DeviceLied),
        (404, DeviceRefused),
        (429, DeviceRefused),
        (503, DeviceRefused),
    ]
    async with served(app(answer)) as url:
        for status, kind in cases:
            headers = {"Retry-After": "7", "Location": "/elsewhere"}
            error = await fails(url, kind)
            if isinstance(error, DeviceRefused):
                assert (error.status, error.retry_after_s) == (status, 7)
        for wish, seconds in (("999999", MAX_WISH_S), ("soon", None), ("-1", None)):
            status, headers = 503, {"Retry-After": wish}
            error = await fails(url, DeviceRefused)
            assert isinstance(error, DeviceRefused)
            assert error.retry_after_s == seconds


async def test_an_answer_without_end_is_cut(tls: Identity) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(MAX_ANSWER // 65_536 + 64):
                await response.write(b" " * 65_536)
        return response

    async with served(app(answer), context=tls.server) as url:
        error = await fails(url, DeviceLied, ca_file=str(tls.certificate))
    assert "longer than" in error.message


async def test_an_answer_that_drips_ends_in_time() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        return response

    async with served(app(answer)) as url:
        error = await fails(url, DeviceSilent, timeout_s=0.3)
    assert "0.3 s" in error.message


async def test_many_questions_take_their_turns() -> None:
    now = most = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response({"state": "drained"})

    async with served(app(answer)) as url, asked(url) as ask:
        answers = await asyncio.gather(*(ask() for _ in range(100)))
    assert {each.status for each in answers} == {200}
    assert 1 < most <= MAX_AT_ONCE


async def test_an_answer_that_nobody_unpacks() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b\x08\x00bomb", headers={"Content-Encoding": "gzip"})

    async with served(app(answer)) as url, asked(url) as ask:
        with pytest.raises(DeviceLied):
            (await ask()).read(Said)


@contextlib.asynccontextmanager
async def raw(say: bytes) -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if say:
                await reader.readuntil(b"\r\n\r\n")
            writer.write(say)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (b"", DeviceSilent),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", DeviceLied),
        (b"HTTP/1.1 two hundred\r\n\r\n", DeviceLied),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", DeviceSilent),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", DeviceLied),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 30_000, DeviceLied),
    ],
)
async def test_what_is_no_http(say: bytes, kind: type[IolausError]) -> None:
    async with raw(say) as url:
        await fails(url, kind)


async def test_nobody_is_there_or_somebody_else(tls: Identity, tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    other = identity(tmp_path, name="other")
    async with served(app(answer), context=tls.server) as url:
        error = await fails(url, Unverified, ca_file=str(other.certificate))
        assert error.next_step
        await fails(url.replace("https", "http"), DeviceSilent)
        await fails(url, OperatorMust, ca_file=str(tmp_path / "none"))
        (tmp_path / "empty").touch()
        await fails(url, OperatorMust, ca_file=str(tmp_path / "empty"))
    await fails(url, DeviceSilent, ca_file=str(tls.certificate))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a\nb", b"\xff\xfe", b"x" * 70_000, b"a\0b", "tok\u00e9n".encode()]
)
def test_secrets_that_cannot_be_sent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(OperatorMust) as caught:
        read_secret(str(tmp_path / "token"))
    assert caught.value.code == "DrainSecretUnreadable"
    assert "tok" not in caught.value.message.replace("token", "")
    with pytest.raises(OperatorMust):
        read_secret(str(tmp_path / "none"))
    with pytest.raises(OperatorMust):
        read_secret(str(tmp_path))


@pytest.mark.parametrize(
    "url",
    ["", "x", "http://h", "ftp://h", "https://", "https://u:p@h", "https://h:0x1", "https://h:-1",
     "https://[::1", "https://h:99999999", "https://h\n"],
)  # fmt: skip
def test_addresses_that_get_no_secrets(url: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        check_url(url, allow_http=False)
    assert ":p@" not in str(caught.value)
    assert check_url("https://h:6443/", allow_http=False) == "https://h:6443"
    assert check_url("http://h", allow_http=True) == "http://h"


@given(st.binary(max_size=200) | st.just(b"[" * 5000) | st.just(b'{"a":' * 5000))
def test_any_body_is_read_or_a_lie(body: bytes) -> None:
    answer = Answer(200, body, None, "ask", "n")
    for kind in (Node, PodList, Said, dict):
        try:
            answer.read(kind)
        except DeviceLied as error:
            assert error.code == "DrainAnswerUnreadable"
    read_mark(body.decode("utf-8", "replace"))
    has_cause(body, "DisruptionBudget")


words = st.sampled_from(
    ["metadata", "spec", "items", "status", "name", "details", "causes", "reason", "nodeName",
     "ownerReferences", "volumes", "emptyDir", "annotations", "message"]
)  # fmt: skip
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=15,
)


@given(documents, st.integers(200, 599))
def test_any_document_is_read_or_a_lie(document: Any, status: int) -> None:
    body = msgspec.json.encode(document)
    for kind in (Node, PodList, Pod, Said):
        try:
            read = Answer(status, body, None, "ask", "n").read(kind)
        except DeviceLied:
            continue
        if isinstance(read, Pod):
            assert read.shown.isprintable()
            assert all(note.isprintable() for note in note_of(read, status, body))
