"""What happened, newest first, in a bounded memory that one noisy device cannot take for itself.

Events are numbered in the order in which we learnt of them, which is the only order that a
device with a wrong clock cannot disturb. An endpoint that floods us loses its own oldest events
before anyone else loses one. A device that replays its log after a reboot is recognised by
`dedup` within a window that is bounded too.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

import msgspec

from iolaus.model.endpoint import Event

MESSAGE_CHARS = 4096


class EventLog:
    """At most `most` events in all and `most_each` of one endpoint; `window` dedup keys."""

    def __init__(
        self, *, most: int = 50_000, most_each: int = 2_000, window: int = 100_000
    ) -> None:
        self._most, self._most_each, self._window = most, most_each, window
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._of: dict[str, deque[int]] = {}
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._last = 0
        self._evicted: list[int] = []

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event, *, number: int | None = None) -> int | None:
        """The event's number, or None for one that was seen before."""
        if event.dedup is not None and not self._remember((event.endpoint, event.dedup)):
            return None
        self._last = number if number is not None else self._last + 1
        self._events[self._last] = event
        mine = self._of.setdefault(event.endpoint, deque())
        mine.append(self._last)
        if len(mine) > self._most_each:
            self._evict(mine[0])
        elif len(self._events) > self._most:
            self._evict(next(iter(self._events)))
        return self._last

    def newest(self, *, endpoint: str | None = None) -> Iterator[tuple[int, Event]]:
        numbers = reversed(self._events if endpoint is None else self._of.get(endpoint, deque()))
        return ((number, self._events[number]) for number in numbers)

    def rename_asset(self, old: str, new: str) -> None:
        for number, event in self._events.items():
            if event.asset == old:
                self._events[number] = msgspec.structs.replace(event, asset=new)

    @property
    def next_number(self) -> int:
        return self._last + 1

    def take_evicted(self) -> list[int]:
        evicted, self._evicted = self._evicted, []
        return evicted

    def _remember(self, key: tuple[str, str]) -> bool:
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._window:
            self._seen.popitem(last=False)
        return True

    def _evict(self, number: int) -> None:
        endpoint = self._events.pop(number).endpoint
        mine = self._of[endpoint]
        mine.remove(number)
        if not mine:
            del self._of[endpoint]
        self._evicted.append(number)


def fit(event: Event) -> Event:
    """The event with its texts bounded and made of characters that any store can hold."""
    changes = {
        name: fitted
        for name in ("message", "before", "after", "component", "origin", "dedup")
        if (text := getattr(event, name)) is not None and (fitted := fit_text(text)) != text
    }
    return msgspec.structs.replace(event, **changes) if changes else event


def fit_text(text: str, most: int = MESSAGE_CHARS) -> str:
    return text[:most].encode("utf-8", "replace").decode("utf-8").replace("\0", "�")
