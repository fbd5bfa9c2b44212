"""An image that a controller fetches itself: SimpleUpdate's ImageURI, followed for real.

Only addresses of this machine (127.0.0.0/8) are asked, and only so many bytes are taken: a
simulated hall of ten thousand controllers must not be a way to make its host speak to the world.
Certificates are not checked, as most controllers do not.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp

LONGEST_S: Final = 120.0


class Unfetchable(Exception):
    """No image came from there; the text says why."""


async def fetch(uri: str, *, most_bytes: int) -> bytes:
    """The bytes at an http, https or file URI. Raises Unfetchable."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        raise Unfetchable("it is no URI") from None
    if parts.scheme == "file":
        return await asyncio.to_thread(_file, Path(unquote(parts.path)), most_bytes)
    if parts.scheme not in ("http", "https"):
        raise Unfetchable(f"it cannot be had by {parts.scheme[:20] or 'no protocol'}")
    if not _is_here(host):
        raise Unfetchable("a simulated controller asks addresses of 127.0.0.0/8 only")
    try:
        return await _get(uri, most_bytes)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Unfetchable(type(error).__name__) from None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _get(uri: str, most_bytes: int) -> bytes:
    limit = aiohttp.ClientTimeout(total=LONGEST_S)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.get(uri, ssl=False, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise Unfetchable(f"the server answers {answer.status}")
        found = bytearray()
        async for chunk in answer.content.iter_chunked(1 << 16):
            found += chunk
            if len(found) > most_bytes:
                raise Unfetchable(f"it is larger than {most_bytes} bytes")
        return bytes(found)


def _file(path: Path, most_bytes: int) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > most_bytes:
            raise Unfetchable("it is no file, or too large")
        return path.read_bytes()
    except OSError as error:
        raise Unfetchable(type(error).__name__) from None
