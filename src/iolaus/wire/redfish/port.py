"""The transport port, and what goes through it.

Everything above speaks `Request` and `Response`; which HTTP library carries them is decided in
one place and can be exchanged, because `Transport` has one method. A response's body is bounded
before it is read: bytes from a device are hostile until parsed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

import msgspec

from iolaus.wire.redfish.upload import Upload


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How a device's certificate is judged. Exactly one way holds, in this order: `fingerprint`
    (SHA-256 of the DER, hex: the pin wins over any authority and over validity dates, because a
    BMC's clock may be wrong), else `ca_file`, else the system's authorities. `insecure_http`
    allows plain `http://` and nothing else."""

    fingerprint: str | None = None
    ca_file: str | None = None
    insecure_http: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is absolute. `timeout_s` bounds the whole exchange, `max_bytes` the answer's body.
    An `upload` is sent instead of a `body`, as it is read from disk.
    With `stream` the body of a 200 is not read: the response's `chunks` yields it, and
    `timeout_s` bounds the wait for the head and then each silence between chunks."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    timeout_s: float = 30.0
    max_bytes: int = 32 * 1024 * 1024
    stream: bool = False
    upload: Upload | None = None


class Response:
    """Header names are lower case. `body` is complete unless the request was a stream."""

    __slots__ = ("body", "chunks", "close", "elapsed_s", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        elapsed_s: float = 0.0,
        chunks: AsyncIterator[bytes] | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.elapsed_s, self.chunks, self.close = elapsed_s, chunks, close


class Transport(Protocol):
    """Carries one request to one device. Redirects are not followed; nothing is retried.

    Raises `DeviceSilent` (no answer in time, connection refused or cut), `DeviceLied` (not HTTP,
    body over `max_bytes`), `Unverified` (certificate not trusted: the message carries the
    fingerprint that was shown).
    """

    async def send(self, request: Request) -> Response: ...


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A BMC account. Never logged: `repr` shows no password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(user={self.user!r}, password=...)"


class SessionLedger(Protocol):
    """Remembers, across a crash, which Redfish sessions are ours, so that they can be reaped.

    `remember` must be durable before it returns. `session_uri` is the session's resource on the
    device; tokens are kept nowhere.
    """

    def remember(self, address: str, session_uri: str) -> None: ...

    def forget(self, address: str, session_uri: str) -> None: ...

    def ours(self, address: str) -> tuple[str, ...]: ...


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A Redfish answer: the parsed JSON object of a 2xx (empty for 204), and what came with it."""

    uri: str
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float
    elapsed_s: float
    etag: str | None = None
    deviations: tuple[tuple[str, str, str], ...] = ()
    """(JSON pointer, rule, detail) of what had to be repaired before the bytes were JSON."""
