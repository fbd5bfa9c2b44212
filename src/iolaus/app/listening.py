"""The HTTP server of a house: it listens until it is told to stop, and leaves closing to others."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

import uvicorn
from litestar import Litestar

from iolaus.app.house import House
from iolaus.kernel.errors import OperatorMust

WEBSOCKETS: Final = "websockets-sansio"


class Server(uvicorn.Server):
    """Stops at SIGINT or SIGTERM and leaves the rest of closing to whoever opened the house:
    the stock server raises the signal once more, which would cut that short. A second signal
    changes nothing, as closing takes a few seconds at most."""

    takes_signals = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self.takes_signals:
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def make_server(house: House, *, takes_signals: bool = True) -> Server:
    """The HTTP server; its `serve()` returns at SIGINT or SIGTERM, or once `should_exit` is set."""
    host, _, port = house.options.listen.rpartition(":")
    certificate, key = house.options.tls or (None, None)
    server = Server(
        uvicorn.Config(
            house.application(),
            host=host.strip("[]") or "127.0.0.1",
            port=int(port),
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
            ws=WEBSOCKETS,
        )
    )
    server.takes_signals = takes_signals
    return server


def warm() -> None:
    """Load what the first server of a process loads, without one: half of the time that it takes to
    make it, for a process that stands by and will have to make it soon."""
    uvicorn.Config(
        Litestar(logging_config=None), log_config=None, lifespan="on", ws=WEBSOCKETS
    ).load()


async def server_of(house: House, *, takes_signals: bool = True) -> Server:
    """As `make_server`, in a thread: to build the application takes seconds on a busy machine, in
    which racks are guarded and leases held."""
    return await asyncio.to_thread(make_server, house, takes_signals=takes_signals)


async def run_server(server: uvicorn.Server, listen: str) -> None:
    """Serve until a signal; an address that cannot be bound is the operator's to change."""
    try:
        await server.serve()
    except SystemExit:
        raise OperatorMust(
            "the address is in use or may not be bound",
            operation="listen on",
            subject=listen,
            code="AddressInUse",
            next_step="stop what listens there, or choose another with --listen 127.0.0.1:PORT.",
        ) from None
