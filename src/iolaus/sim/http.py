"""HTTP as bytes: what was asked, what is answered, and one connection's conversation.

One `Connection` per accepted socket, parsed by httptools and answered in order. A reply that
needs no waiting is written in the same turn of the event loop as its request was read; that is
what makes thousands of devices fit in one process. What a reply may do beyond plain bytes, because
real controllers do it: drip, stop in the middle, promise another length, or stream events.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import IO, Any, Protocol, cast

import httptools
import msgspec

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 64
JSON = "application/json; charset=utf-8"
Body = bytes | mmap.mmap
Feed = Callable[[bytes], None]
_STATUS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class Request:
    __slots__ = ("body", "headers", "keep_alive", "method", "path", "query", "user")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str]) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.body: Any = b""
        self.keep_alive = True
        self.user = ""


class Reply:
    """`length` lies about the body's length; `cut_at` resets the connection after so many bytes
    (before its end, where negative: then in the head);
    `drip_bytes_per_s` sends slowly; `hang` never answers; `stream` takes the connection over."""

    __slots__ = ("body", "cut_at", "drip_bytes_per_s", "hang", "headers", "length", "status",
                 "stream")  # fmt: skip

    def __init__(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.body = status, body
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.length: int | None = None
        self.cut_at: int | None = None
        self.drip_bytes_per_s = 0.0
        self.hang = False
        self.stream: Callable[[Connection], Callable[[], None]] | None = None

    @classmethod
    def of(cls, status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        return cls(status, msgspec.json.encode(body), {"Content-Type": JSON, **(headers or {})})


class Service(Protocol):
    """What stands behind a connection. `submit` calls `connection.answer` once, now or later."""

    def connected(self, connection: Connection) -> bool: ...

    def disconnected(self, connection: Connection) -> None: ...

    def submit(self, request: Request, connection: Connection) -> None: ...

    def now(self) -> float: ...

    def upgrade(self, request: Request, connection: Connection) -> Feed | None:
        """Take the connection over for another protocol: what is given what comes from now on.
        None: nothing else is spoken there."""
        ...

    def body_limits(self, path: str) -> tuple[int, int]:
        """How many bytes a body to this path may have, and how many are kept in memory; a larger
        one is kept in a file, and is an mmap to whoever reads it."""
        ...


class Connection(asyncio.Protocol):
    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = self._closing = False
        self._current: Request | None = None
        self._end_stream: Callable[[], None] | None = None
        self._feed: Feed | None = None
        self._dripping: asyncio.Task[None] | None = None
        self._target, self._size = b"", 0
        self._most = self._keep = 0
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._spool: IO[bytes] | None = None
        self.transport: asyncio.Transport | None = None

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        if not self._service.connected(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's interface
        self.transport = None
        if self._end_stream is not None:
            self._end_stream()
        if self._dripping is not None:
            self._dripping.cancel()
        self._unspool()
        self._service.disconnected(self)

    def data_received(self, data: bytes) -> None:
        if self._feed is not None:
            self._feed(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            self._upgrade(data[error.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            self._refuse(501)
        except httptools.HttpParserError:
            self._refuse(400)

    # the parser's side

    def on_message_begin(self) -> None:
        self._target, self._headers, self._chunks, self._size = b"", {}, [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._grow(len(url), MAX_HEAD_BYTES, 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._grow(len(name) + len(value), MAX_HEAD_BYTES, 431)

    def on_headers_complete(self) -> None:
        self._size = 0
        path = self._target.decode("latin-1").partition("?")[0]
        self._most, self._keep = self._service.body_limits(path)
        if self._headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._grow(len(body), self._most, 413)
        if self._closing:
            return
        if self._spool is None and self._size > self._keep:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115  closed when all has come
            self._spool.writelines(self._chunks)
        if self._spool is not None:
            self._spool.write(body)
        else:
            self._chunks.append(body)

    def _unspool(self) -> Body:
        """All that came: in memory, or, if it is more than is kept there, in a file."""
        spool, self._spool = self._spool, None
        if spool is None:
            return b"".join(self._chunks)
        with spool:
            spool.flush()
            return mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)

    def _upgrade(self, rest: bytes) -> None:
        path, _, query = self._target.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("ascii")
        request = Request(method, path, query, self._headers)
        self._feed = self._service.upgrade(request, self)
        if self._feed is None:
            self._refuse(501)
        elif rest:
            self._feed(rest)

    def on_message_complete(self) -> None:
        if self._closing or self._parser.should_upgrade():
            return
        path, _, query = self._target.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("ascii")
        request = Request(method, path, query, self._headers)
        request.body = self._unspool()
        request.keep_alive = self._parser.should_keep_alive()
        if len(self._waiting) >= MAX_PIPELINED:
            self._refuse(429)
        elif self._busy:
            self._waiting.append(request)
        else:
            self._start(request)

    def _grow(self, size: int, limit: int, status: int) -> None:
        self._size += size
        if self._size > limit and not self._closing:
            self._refuse(status)

    def _refuse(self, status: int) -> None:
        """Answer what cannot be understood or is too large, and hang up."""
        if not self._closing:
            self._closing = True
            self.write(self._head(Reply(status), 0, keep_alive=False))
            self.close()

    # answering, in order

    def _start(self, request: Request) -> None:
        self._busy, self._current = True, request
        self._service.submit(request, self)

    def answer(self, reply: Reply) -> None:
        request = self._current
        if self.transport is None or request is None or reply.hang:
            return
        body = b"" if request.method == "HEAD" else reply.body
        if reply.stream is not None:
            self._open_stream(reply)
            return
        length = len(reply.body) if reply.length is None else reply.length
        head = self._head(reply, length, keep_alive=request.keep_alive)
        if reply.drip_bytes_per_s:
            loop = asyncio.get_running_loop()
            self._dripping = loop.create_task(self._drip(head + body, reply.drip_bytes_per_s))
        elif reply.cut_at is not None:
            self.write((head + body)[: len(head) + reply.cut_at])
            asyncio.get_running_loop().call_later(0.01, self.reset)
        else:
            self.write(head + body)
            self._finish(keep_alive=request.keep_alive and length == len(reply.body))

    def _finish(self, *, keep_alive: bool) -> None:
        self._busy, self._current = False, None
        if not keep_alive:
            self.close()
        elif self._waiting and not self._closing:
            self._start(self._waiting.popleft())

    async def _drip(self, data: bytes, rate: float) -> None:
        step = max(1, int(rate / 10))
        for at in range(0, len(data), step):
            self.write(data[at : at + step])
            await asyncio.sleep(step / rate)
        self._finish(keep_alive=False)

    def _open_stream(self, reply: Reply) -> None:
        assert reply.stream is not None
        head = self._head(reply, None, keep_alive=True)
        self.write(head)
        self._end_stream = reply.stream(self)

    def _head(self, reply: Reply, length: int | None, *, keep_alive: bool) -> bytes:
        status = _STATUS.get(reply.status) or f"HTTP/1.1 {reply.status} -\r\n".encode()
        lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
        if length is None:
            lines += "Transfer-Encoding: chunked\r\n"
        elif reply.status != 304 and reply.status >= 200:
            lines += f"Content-Length: {length}\r\n"
        if not keep_alive:
            lines += "Connection: close\r\n"
        date = _date(int(self._service.now()))
        return b"%sOData-Version: 4.0\r\nDate: %s\r\n%s\r\n" % (status, date, lines.encode())

    # what streams and faults use

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def write_chunk(self, data: bytes) -> None:
        self.write(b"%x\r\n%s\r\n" % (len(data), data))

    def at_end(self, ended: Callable[[], None]) -> None:
        """Call it when the connection is gone."""
        self._end_stream = ended

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


_dates: dict[int, bytes] = {}


def _date(second: int) -> bytes:
    found = _dates.get(second)
    if found is None:
        if len(_dates) > 64:
            _dates.clear()
        found = _dates[second] = formatdate(second, usegmt=True).encode()
    return found


class Mute(asyncio.Protocol):
    """Accepts a connection and never says a word."""

    def __init__(self, open_now: set[asyncio.Transport]) -> None:
        self._open_now = open_now
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open_now.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's interface
        if self._transport is not None:
            self._open_now.discard(self._transport)
