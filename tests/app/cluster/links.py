"""The network between the processes of a cluster, as a test would have it: each link is a port of
127.0.0.1 behind which the other stands, and can be cut (connections end, new ones are refused) or
hushed (nothing ends and nothing arrives: half-open, as with a switch that drops everything)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 64 * 1024
Pair = frozenset[str]


class _Link:
    def __init__(self, port: int) -> None:
        self.port, self.cut = port, False
        self.flows = asyncio.Event()
        self.flows.set()
        self.ends: set[asyncio.StreamWriter] = set()
        self.server: asyncio.Server | None = None

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            await self.flows.wait()
            if self.cut:
                return
            theirs = await asyncio.open_connection("127.0.0.1", self.port)
            ends.add(theirs[1])
            if self.cut:
                return
            self.ends |= ends
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, theirs[1]))
                both.create_task(self._pass(theirs[0], writer))
        except* OSError:
            pass
        finally:
            self.ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self.flows.wait()
            writer.write(chunk)
            await writer.drain()
        await writer.drain()
        raise ConnectionResetError  # one end is done, so both are

    def set(self, *, cut: bool, flows: bool) -> None:
        self.cut = cut
        if flows:
            self.flows.set()
        else:
            self.flows.clear()
        if cut:
            for end in self.ends:
                end.transport.abort()


class Links:
    """In a thread of its own; `through` is for `Cluster`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: dict[tuple[str, str], _Link] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def through(self, who: str, whom: str, port: int) -> int:
        return asyncio.run_coroutine_threadsafe(self._open(who, whom, port), self._loop).result()

    async def _open(self, who: str, whom: str, port: int) -> int:
        link = self._links.get((who, whom))
        if link is None:
            link = self._links[who, whom] = _Link(port)
            link.server = await asyncio.start_server(link.meet, "127.0.0.1", 0)
        assert link.server is not None
        found: int = link.server.sockets[0].getsockname()[1]
        return found

    def pairs(self) -> list[Pair]:
        return sorted({frozenset(each) for each in self._links}, key=sorted)

    def cut(self, pair: Pair) -> None:
        self._set(pair, cut=True, flows=True)

    def hush(self, pair: Pair) -> None:
        self._set(pair, cut=False, flows=False)

    def heal(self, pair: Pair) -> None:
        self._set(pair, cut=False, flows=True)

    def _set(self, pair: Pair, *, cut: bool, flows: bool) -> None:
        async def work() -> None:
            for names, link in self._links.items():
                if frozenset(names) == pair:
                    link.set(cut=cut, flows=flows)

        asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def close(self) -> None:
        async def work() -> None:
            for link in self._links.values():
                if link.server is not None:
                    link.server.close()
            while rest := asyncio.all_tasks() - {asyncio.current_task()}:  # some were just begun
                for task in rest:
                    task.cancel()
                await asyncio.gather(*rest, return_exceptions=True)

        with suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(work(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def linked() -> Iterator[Links]:
    links = Links()
    try:
        yield links
    finally:
        links.close()
