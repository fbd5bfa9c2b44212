"""An answer that does not end: its head first, then its bytes as they come.

Between libcurl and the reader stands a bounded buffer; while it is full the device waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pycurl

from iolaus.wire.redfish.body import BodyGarbled, Unpack
from iolaus.wire.redfish.curl import Easy, Multi
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request, Response, Trust

_PAUSE_ABOVE = 1024 * 1024


class Flow(Easy):
    """One streamed request. Anything but a 200 is collected like an ordinary answer."""

    def __init__(self, multi: Multi) -> None:
        super().__init__(multi)
        self._began: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting: list[bytes] = []
        self._size, self._paused, self._flowing = 0, False, False
        self._news = asyncio.Event()
        self._transfer: asyncio.Future[pycurl.Curl] | None = None
        self.handle.setopt(pycurl.HEADERFUNCTION, self._head_line)

    async def run(self, request: Request, trust: Trust, *, fresh: bool = False) -> Response:
        """The answer once its head is there; `timeout_s` bounds the wait for it."""
        self.begin(request, trust, fresh=fresh)
        self._transfer = self._multi.start(self)
        self._transfer.add_done_callback(self._over)
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._began
        except TimeoutError as error:
            message = f"no answer within {request.timeout_s:g} s"
            raise silent(request, message) from error
        finally:
            if not self._flowing:
                self.stop()

    def stop(self) -> None:
        if self._transfer is not None:
            self._transfer.cancel()
        self._news.set()

    def _set_time_limit(self, limit_ms: int) -> None:
        self.handle.setopt(pycurl.CONNECTTIMEOUT_MS, limit_ms)

    def _head_line(self, line: bytes) -> None:
        self._head.write(line)
        if line.strip() or self._flowing or self._began.done():
            return
        self._seen = None
        status, headers = self.head()
        if status == 200:
            self._flowing = True
            chunks = self._chunks(headers.get("content-encoding", ""))
            self._began.set_result(Response(status, headers, b"", chunks=chunks, close=self.stop))

    def _take(self, data: bytes) -> int:
        if not self._flowing:
            return super()._take(data)
        if self._size > _PAUSE_ABOVE:
            self._paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self._waiting.append(data)
        self._size += len(data)
        self._news.set()
        return len(data)

    def _over(self, transfer: asyncio.Future[pycurl.Curl]) -> None:
        self._news.set()
        failure = None if transfer.cancelled() else transfer.exception()
        if isinstance(failure, pycurl.error):
            self._fault = self.fault_of(failure)
        if self._began.done():
            return
        if transfer.cancelled():
            self._began.set_exception(silent(self.request, "the pool was closed"))
        elif failure is not None:
            self._began.set_exception(self._fault or failure)
        else:
            with contextlib.suppress(asyncio.InvalidStateError):
                self._began.set_result(self.response())

    async def _chunks(self, coding: str) -> AsyncIterator[bytes]:
        try:
            unpack = Unpack(coding)
            async for data in self._arriving():
                for piece in unpack.feed(data):
                    yield piece
        except TimeoutError as error:
            message = f"the stream was silent for {self.request.timeout_s:g} s"
            raise silent(self.request, message) from error
        except BodyGarbled as error:
            raise lied(self.request, str(error), "NotHttp") from error
        finally:
            self.stop()

    async def _arriving(self) -> AsyncIterator[bytes]:
        while True:
            for data in self._taken():
                yield data
            if self._transfer is None or (self._transfer.done() and not self._waiting):
                break
            async with asyncio.timeout(self.request.timeout_s):
                await self._news.wait()
        if self._fault is not None:
            raise self._fault

    def _taken(self) -> list[bytes]:
        taken, self._waiting, self._size = self._waiting, [], 0
        if self._transfer is not None and not self._transfer.done():
            self._news.clear()
            if self._paused:
                self._paused = False
                self.handle.pause(pycurl.PAUSE_CONT)
        return taken
