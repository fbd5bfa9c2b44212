"""A server that says exactly the bytes a test wants, at the pace it wants.

Raw asyncio, no HTTP library: what is tested is how the product takes bytes no library would send.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self


class Asked(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Talk:
    """One connection, from the device's side."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: RawServer
    ) -> None:
        self._reader, self._writer, self._server = reader, writer, server
        self.number = server.connections

    async def asked(self) -> Asked:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        seen = Asked(method, target, headers, body, self.number)
        self._server.seen.append(seen)
        return seen

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self, body: bytes = b"{}", *, status: str = "200 OK", head: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n"
        await self.say(f"HTTP/1.1 {status}\r\n{head}{length}\r\n".encode() + body)

    async def hang(self) -> None:
        await asyncio.sleep(3600)

    def cut(self) -> None:
        """Reset the connection without a goodbye."""
        self._writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]


class RawServer:
    """Plays `script` on each connection; `seen` are the requests read, in order."""

    def __init__(
        self,
        script: Script,
        *,
        context: ssl.SSLContext | None = None,
        rotate: tuple[ssl.SSLContext, ...] = (),
    ) -> None:
        self.seen: list[Asked] = []
        self.connections = 0
        self._script, self._context = script, context
        self._tasks: set[asyncio.Task[None]] = set()
        self._rotate = list(rotate)

    async def __aenter__(self) -> Self:
        if self._context is not None and self._rotate:
            self._context.sni_callback = self._next_certificate
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._context, limit=2**20
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        scheme = "https" if self._context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next_certificate(self, channel: ssl.SSLObject, *_: object) -> None:
        """Each handshake takes the next certificate; the last one stays."""
        channel.context = self._rotate.pop(0) if len(self._rotate) > 1 else self._rotate[0]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        lost = (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError)
        with contextlib.suppress(*lost):
            await self._script(Talk(reader, writer, self))
        self._tasks.discard(task)
        writer.transport.abort()


async def keep_answering(talk: Talk) -> None:
    while True:
        await talk.asked()
        await talk.answer(b'{"Name": "ok"}')
