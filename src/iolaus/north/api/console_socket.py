"""A console over a WebSocket: bytes are the host's, text is about the line.

From the server a binary message is what the host said, in order, from the offset on that `begin`
names; a text message is JSON: `begin`, `standing` (who watches, who writes, how the line is),
`mark` (the line was opened, lost, had again, before the byte at its offset), `error`. To the server
a binary message is what is typed, and text is JSON: `{"do": "take" | "take over" | "give"}`.

Each socket reads the recording at its own pace. What is typed and refused is told as `error` and
is not kept for later.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import WebSocket

from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.north.consoles import Seat
from iolaus.store.recordings import Moment

STEP: Final = 64 << 10
TAIL: Final = 16 << 10
MOST_TYPED: Final = 4096
GATHER_S: Final = 0.05
"""What comes within so long is told at once: a line at full speed says a hundred words a second."""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin", tag_field="type"):
    offset: int
    end: int


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag="mark", tag_field="type"):
    mark: str
    at: float
    offset: int
    text: str


class Wrong(msgspec.Struct, frozen=True, kw_only=True, tag="error", tag_field="type"):
    code: str
    message: str
    next_step: str


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reader asks for beside typing."""

    do: str


_WISH: Final = msgspec.json.Decoder(Wish)


class Visit:
    """One socket at one seat."""

    def __init__(self, socket: WebSocket[Any, Any, Any], seat: Seat, *, offset: int) -> None:
        self._socket, self._seat = socket, seat
        self._offset = max(offset, seat.recording.start)
        self._told = b""
        self._marked, self._marks = 0.0, 0
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Until the reader goes."""
        hearing = asyncio.ensure_future(self._hear())
        telling = asyncio.ensure_future(self._tell())
        try:
            await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._seat.leave()
            await end(hearing, telling)

    async def _tell(self) -> None:
        recording, loop = self._seat.recording, asyncio.get_running_loop()
        await self._say(Begin(offset=self._offset, end=recording.end))
        for moment in recording.moments(since=self._offset):
            self._marked = max(self._marked, moment.at)
        self._marks = recording.marks
        while True:
            await self._stand()
            await self._catch_up()
            told_at = loop.time()
            await self._seat.news()
            await asyncio.sleep(told_at + GATHER_S - loop.time())

    async def _catch_up(self) -> None:
        """All that is recorded and was not told, marks where they belong."""
        recording = self._seat.recording
        marks: list[Moment] = []
        if recording.marks != self._marks:
            self._marks = recording.marks
            marks = [m for m in recording.moments(since=self._offset) if self._is_new(m)]
        for moment in marks:
            await self._until(moment.offset)
            self._marked = moment.at
            await self._say(
                Mark(mark=moment.mark, at=moment.at, offset=moment.offset, text=moment.text)
            )
        await self._until(recording.end)

    def _is_new(self, moment: Moment) -> bool:
        return bool(moment.mark) and moment.at > self._marked

    async def _until(self, end: int) -> None:
        while self._offset < end:
            began, data = self._seat.recording.read(self._offset, min(STEP, end - self._offset))
            if not data:
                return
            if began != self._offset:
                await self._say(Begin(offset=began, end=self._seat.recording.end))
            async with self._sending:
                await self._socket.send_bytes(data)
            self._offset = began + len(data)

    async def _stand(self) -> None:
        standing = msgspec.to_builtins(self._seat.standing)
        for name in ("start", "end"):
            del standing[name]
        told = msgspec.json.encode({"type": "standing", **standing})
        if told != self._told:
            self._told = told
            async with self._sending:
                await self._socket.send_text(told.decode())

    async def _say(self, what: msgspec.Struct) -> None:
        async with self._sending:
            await self._socket.send_text(msgspec.json.encode(what).decode())

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data, text = message.get("bytes"), message.get("text")
            try:
                if isinstance(data, bytes) and data:
                    await self._seat.type(data[:MOST_TYPED])
                elif text:
                    await self._wish(str(text))
            except IolausError as error:
                await self._say(
                    Wrong(code=error.code, message=error.message, next_step=error.next_step)
                )

    async def _wish(self, text: str) -> None:
        try:
            wish = _WISH.decode(text)
        except msgspec.MsgspecError:
            return
        if wish.do in ("take", "take over"):
            await self._seat.take(force=wish.do == "take over")
        elif wish.do == "give":
            self._seat.give()
