"""The address that people know: every core answers there, and passes on to the one that leads.

Bytes are passed on as they are, both ways, so that streams, sockets and TLS need nothing of it. A
core that knows of no leader says so at once; whoever asks comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.kernel.tasks import end

CHUNK: Final = 64 * 1024
CONNECT_S: Final = 3.0
NOBODY: Final = (
    b'{"type":"about:blank","title":"No core leads","status":503,"code":"NoLeader",'
    b'"detail":"no core leads at present","next_step":"ask again in some seconds; then see: '
    b'iolaus doctor"}'
)
REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    b"Retry-After: 2\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(NOBODY), NOBODY)
)
Where = tuple[str, int]


def split_address(text: str) -> Where:
    """HOST:PORT. Raises `OperatorMust`."""
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise OperatorMust(
            "it is not HOST:PORT",
            operation="read address",
            subject=text,
            code="BadAddress",
            next_step="give one like 10.0.0.5:8080.",
        )
    return host.strip("[]") or "127.0.0.1", int(port)


class Front:
    """`to` says where the leader is asked; None: nobody leads. `tls`: a refusal in the clear would
    not be understood, so the connection is closed."""

    def __init__(self, listen: str, to: Callable[[], Where | None], *, tls: bool = False) -> None:
        self._listen, self._to, self._tls = listen, to, tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises `OperatorMust` for an address that cannot be bound."""
        host, port = split_address(self._listen)
        try:
            self._server = await asyncio.start_server(self._meet, host, port)
        except OSError as error:
            raise OperatorMust(
                f"the address is in use or may not be bound: {error.strerror}",
                operation="listen on",
                subject=self._listen,
                code="AddressInUse",
                next_step="stop what listens there, or choose another with --listen HOST:PORT.",
            ) from None

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await end(*self._tasks)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if (where := self._to()) is not None:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(CONNECT_S):
                        theirs = await asyncio.open_connection(*where)
                    await self._join((reader, writer), theirs)
                    return
            if not self._tls:
                writer.write(REFUSAL)
                with suppress(OSError):
                    await writer.drain()
        finally:
            writer.close()

    async def _join(
        self,
        ours: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        theirs: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        forth = asyncio.create_task(_pass(ours[0], theirs[1]))
        back = asyncio.create_task(_pass(theirs[0], ours[1]))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.ALL_COMPLETED)
        finally:
            await end(forth, back)
            theirs[1].close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one end is done; then the other is told so."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
