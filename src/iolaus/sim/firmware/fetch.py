"""An image that a controller fetches itself: of an update or a medium, its URI followed for real.

Only addresses of this machine (127.0.0.0/8) are asked, and only so many bytes are taken: a
simulated hall of ten thousand controllers must not be a way to make its host speak to the world.
Certificates are not checked, as most controllers do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp

LONGEST_S: Final = 120.0
PIECE: Final = 1 << 16


class Unfetchable(Exception):
    """No image came from there; the text says why."""


async def fetch(uri: str, *, most_bytes: int) -> bytes:
    """The bytes at an http, https or file URI. Raises Unfetchable."""
    found = bytearray()
    await pour(uri, most_bytes=most_bytes, into=found.extend)
    return bytes(found)


async def pour(
    uri: str,
    *,
    most_bytes: int,
    into: Callable[[bytes], object],
    headers: Mapping[str, str] | None = None,
) -> None:
    """Give what is at an http, https or file URI to `into`, piece by piece; `headers` are sent
    along. Raises Unfetchable."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        raise Unfetchable("it is no URI") from None
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return await asyncio.to_thread(_file, path, _Measure(into, most_bytes))
    if parts.scheme not in ("http", "https"):
        raise Unfetchable(f"it cannot be had by {parts.scheme[:20] or 'no protocol'}")
    if not _is_here(host):
        raise Unfetchable("a simulated controller asks addresses of 127.0.0.0/8 only")
    try:
        await _get(uri, _Measure(into, most_bytes), headers or {})
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Unfetchable(type(error).__name__) from None


class _Measure:
    """Passes pieces on, up to a limit."""

    def __init__(self, into: Callable[[bytes], object], most_bytes: int) -> None:
        self._into, self._most, self._count = into, most_bytes, 0

    def __call__(self, piece: bytes) -> None:
        self._count += len(piece)
        if self._count > self._most:
            raise Unfetchable(f"it is larger than {self._most} bytes")
        self._into(piece)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _get(uri: str, take: _Measure, headers: Mapping[str, str]) -> None:
    limit = aiohttp.ClientTimeout(total=LONGEST_S)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.get(uri, ssl=False, allow_redirects=False, headers=headers) as answer,
    ):
        if answer.status != 200:
            raise Unfetchable(f"the server answers {answer.status}")
        async for piece in answer.content.iter_chunked(PIECE):
            take(piece)


def _file(path: Path, take: _Measure) -> None:
    try:
        if not path.is_file():
            raise Unfetchable("it is no file")
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                take(piece)
    except OSError as error:
        raise Unfetchable(type(error).__name__) from None
