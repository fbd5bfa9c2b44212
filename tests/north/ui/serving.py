"""A real server for pages: uvicorn on a free port of this machine, in a thread with its own loop.

The picture belongs to that loop, so a test changes it through `do`. `stop` and `start` are an
outage: the same port, the same facts.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import uvicorn

from iolaus.bus.local import LocalBus
from iolaus.kernel.clock import Clock, WallClock
from iolaus.north.api import create_app
from iolaus.north.auth import Auth
from iolaus.north.context import Context, KeepsSeries
from iolaus.store.facts import Facts

T = TypeVar("T")
START_S = 120.0


def make_context(
    facts: Facts,
    clock: Clock,
    *,
    auth: Auth | None = None,
    series: KeepsSeries | None = None,
    interval_s: float = 10.0,
) -> Context:
    bus = LocalBus()
    facts.on_change(bus.publish)
    return Context(
        facts=facts,
        bus=bus,
        clock=clock,
        auth=auth or Auth(demo=True),
        version="0.1.0",
        series=series,
        interval_s=interval_s,
    )


class Serving:
    def __init__(self, context: Context) -> None:
        self.context = context
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(self.context),
            host="127.0.0.1",
            port=self._port,
            log_level="critical",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._up.wait(0.02)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(START_S)
        assert not self._thread.is_alive()

    def do(self, change: Callable[[], T]) -> T:
        """Call it where the picture lives."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(lambda: done.set_result(change()))
        return done.result(START_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve()


@contextmanager
def serving(
    facts: Facts,
    *,
    auth: Auth | None = None,
    series: KeepsSeries | None = None,
    interval_s: float = 10.0,
) -> Iterator[Serving]:
    """With a long `interval_s`, what was read stays fresh for as long as a test takes."""
    context = make_context(facts, WallClock(), auth=auth, series=series, interval_s=interval_s)
    server = Serving(context)
    server.start()
    try:
        yield server
    finally:
        server.stop()
