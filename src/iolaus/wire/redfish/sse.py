"""Server-sent events, without I/O: bytes in, events out (WHATWG HTML section 9.2, DSP0266 13.5).

Bounded: a line or an event over its bound is dropped whole and counted, and the stream goes on.
The parser keeps the last id and the device's `retry` wish, so a reader that lost the stream asks
again with `Last-Event-ID` and misses nothing the device still holds.
"""

from __future__ import annotations

import codecs

import msgspec

MAX_LINE = 256 * 1024
MAX_EVENT = 1024 * 1024
MAX_RETRY_S = 300.0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One dispatched event. `id` is the last id seen so far, which is what a resume sends."""

    data: str
    id: str | None = None
    event: str = "message"


class Parser:
    """`feed` takes bytes as they come and returns the events they complete."""

    def __init__(
        self,
        *,
        last_event_id: str | None = None,
        max_line: int = MAX_LINE,
        max_event: int = MAX_EVENT,
    ) -> None:
        self.last_event_id = last_event_id
        self.retry_s: float | None = None
        self.dropped = 0
        self._max_line, self._max_event = max_line, max_event
        self.restart()

    def restart(self) -> None:
        """A new stream begins: what was half read of the old one is void, id and retry stay."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = self._after_cr = self._skipping = False
        self._line: list[str] = []
        self._line_size = 0
        self._reset()

    def _reset(self) -> None:
        self._data: list[str] = []
        self._size, self._event, self._too_big = 0, "", False

    def feed(self, chunk: bytes) -> list[Event]:
        text = self._decoder.decode(chunk)
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        if text and self._after_cr:
            self._after_cr, text = False, text.removeprefix("\n")
        if text.endswith("\r"):
            self._after_cr = True
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        *complete, rest = text.split("\n")
        events: list[Event] = []
        for piece in complete:
            self._add(piece)
            self._end_of_line(events)
        self._add(rest)
        return events

    def _add(self, piece: str) -> None:
        self._line_size += len(piece)
        if self._line_size > self._max_line:
            self._skipping = True
            self._line.clear()
        elif piece:
            self._line.append(piece)

    def _end_of_line(self, events: list[Event]) -> None:
        line, skipped = "".join(self._line), self._skipping
        self._line, self._line_size, self._skipping = [], 0, False
        if skipped:
            self._too_big = True
        elif line:
            self._field(line)
        else:
            self._dispatch(events)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(value) + 1
            self._too_big = self._too_big or self._size > self._max_event
            if self._too_big:
                self._data.clear()
            else:
                self._data.append(value)
        elif name == "event":
            self._event = value[:256]
        elif name == "id" and value.isascii() and value.isprintable() and len(value) <= 1024:
            self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 12:
            self.retry_s = min(int(value) / 1000, MAX_RETRY_S)

    def _dispatch(self, events: list[Event]) -> None:
        if self._too_big:
            self.dropped += 1
        elif self._data:
            events.append(
                Event(
                    data="\n".join(self._data),
                    id=self.last_event_id or None,
                    event=self._event or "message",
                )
            )
        self._reset()
