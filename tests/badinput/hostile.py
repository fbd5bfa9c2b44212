"""Servers on loopback that do what a device must not: each plays one trick on every connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

ROOT = b"""{"@odata.id": "/redfish/v1", "@odata.type": "#ServiceRoot.v1_9_0.ServiceRoot",
"Id": "RootService", "Name": "Root", "RedfishVersion": "1.9.0", "Vendor": "Contoso",
"UUID": "92384634-2938-2342-8820-489239905423",
"Systems": {"@odata.id": "/redfish/v1/Systems"},
"SessionService": {"@odata.id": "/redfish/v1/SessionService"},
"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}"""


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]


Trick = Callable[["Talk"], None]


class Talk:
    """One connection, from the hostile side."""

    def __init__(self, channel: socket.socket, server: Hostile) -> None:
        self.channel, self.server = channel, server

    def asked(self) -> Asked | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.channel.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, *_ = [*first.split(" "), "", ""]
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length") or 0):
            body += self.channel.recv(65536)
        found = Asked(method, path, headers)
        self.server.asked.append(found)
        return found

    def say(self, data: bytes) -> None:
        self.channel.sendall(data)

    def answer(
        self,
        body: bytes = b"{}",
        *,
        status: str = "200 OK",
        kind: str = "application/json",
        head: str = "",
        length: int | None = None,
    ) -> None:
        size = len(body) if length is None else length
        first = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n"
        self.say(f"{first}{head}\r\n".encode() + body)


class Hostile:
    """Listens on a free port; `asked` is every request it could read."""

    def __init__(self, trick: Trick, *, tls: ssl.SSLContext | None = None) -> None:
        self.trick, self.tls = trick, tls
        self.asked: list[Asked] = []
        self._open: set[socket.socket] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        for channel in list(self._open):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                channel, _ = self._socket.accept()
                threading.Thread(target=self._play, args=(channel,), daemon=True).start()

    def _play(self, channel: socket.socket) -> None:
        self._open.add(channel)
        with contextlib.suppress(OSError, ValueError), channel:
            talking: socket.socket = channel
            if self.tls is not None:
                talking = self.tls.wrap_socket(channel, server_side=True)
                self._open.add(talking)
            with talking:
                self.trick(Talk(talking, self))
        self._open.discard(channel)


def always(
    body: bytes,
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    head: str = "",
    length: int | None = None,
) -> Trick:
    """Every request gets this answer."""

    def play(talk: Talk) -> None:
        while talk.asked() is not None:
            talk.answer(body, status=status, kind=kind, head=head, length=length)
            if length is not None:
                return

    return play


def root_then(rest: Callable[[Talk, Asked], None]) -> Trick:
    """A service root for everyone; `rest` answers all else."""

    def play(talk: Talk) -> None:
        while (asked := talk.asked()) is not None:
            if asked.path.rstrip("/") == "/redfish/v1" and asked.method == "GET":
                talk.answer(ROOT)
            elif asked.path.rstrip("/") == "/redfish":
                talk.answer(b'{"v1": "/redfish/v1/"}')
            else:
                rest(talk, asked)

    return play


def refuse(status: str, head: str = "", body: bytes = b"{}") -> Callable[[Talk, Asked], None]:
    return lambda talk, _: talk.answer(body, status=status, head=head)


def silent(talk: Talk) -> None:
    """Reads and never answers."""
    while talk.asked() is not None:
        pass


def half(talk: Talk) -> None:
    """A head, half a body, then nothing for ever."""
    if talk.asked() is not None:
        talk.answer(ROOT[:40], length=len(ROOT))
        time.sleep(3600)


def banner(data: bytes) -> Trick:
    """A protocol whose server speaks first, and hangs up on nonsense."""

    def play(talk: Talk) -> None:
        talk.say(data)
        talk.channel.recv(65536)

    return play


def mute(talk: Talk) -> None:
    """A protocol that hangs up on what it does not understand, without a word."""
    talk.channel.recv(65536)


def huge(size: int) -> Trick:
    """One JSON object of about so many bytes."""

    def play(talk: Talk) -> None:
        while talk.asked() is not None:
            filler = b"x" * (1 << 20)
            talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            body = size - size % (1 << 20)
            talk.say(f"Content-Length: {body + 11}\r\n\r\n".encode() + b'{"Name": "')
            for _ in range(body >> 20):
                talk.say(filler)
            talk.say(b"}")

    return play


def endless(talk: Talk) -> None:
    """A body in chunks that never end."""
    if talk.asked() is not None:
        talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            talk.say(b"10000\r\n" + b" " * 65536 + b"\r\n")


def redirecting(where: Callable[[Talk, Asked], str]) -> Trick:
    def play(talk: Talk) -> None:
        while (asked := talk.asked()) is not None:
            talk.answer(b"", status="301 Moved", head=f"Location: {where(talk, asked)}\r\n")

    return play
