"""The porter's own process: `python -m iolaus.sim.serve.porter FD`.

It listens on the sockets it is handed and hands on every connection it accepts. It knows no TLS
and no devices. When the hall that started it goes, however it goes, its channel ends and so does
this process.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import signal
import socket
import sys
from typing import Final

BACKLOG: Final = 100
NUMBER: Final = 4
ASKED: Final = 0
FULL_MS: Final = 2


class Porter:
    def __init__(self, channel: socket.socket) -> None:
        self._channel, self._eyes = channel, selectors.DefaultSelector()
        self._doors: dict[int, socket.socket] = {}
        self._eyes.register(channel, selectors.EVENT_READ, -1)
        self._room = select.poll()
        self._room.register(channel, select.POLLOUT)

    def run(self) -> None:
        while True:
            for key, _ in self._eyes.select():
                if key.data < 0:
                    if not self._told():
                        return
                elif key.data in self._doors:
                    self._hand_on(key.data)

    def _told(self) -> bool:
        """A number with a socket opens a door, a number alone closes it; 0 asks whether all that
        was told before is done."""
        data, files, _, _ = socket.recv_fds(self._channel, NUMBER, 1)
        if not data:
            return False
        number = int.from_bytes(data, "big")
        if files:
            door = self._doors[number] = socket.socket(fileno=files[0])
            door.setblocking(False)
            door.listen(BACKLOG)
            self._eyes.register(door, selectors.EVENT_READ, number)
            self._channel.send(data)
        elif number in self._doors:
            door = self._doors.pop(number)
            self._eyes.unregister(door)
            door.close()
        elif number == ASKED:
            self._channel.send(data)
        return True

    def _hand_on(self, number: int) -> None:
        """Not while the channel is full: who waits in it for the hall could not be told to close
        a door, and both would wait for ever."""
        if not self._room.poll(FULL_MS):
            return
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            found, _ = self._doors[number].accept()
            with found:
                socket.send_fds(self._channel, [number.to_bytes(NUMBER, "big")], [found.fileno()])


def main(words: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the hall, not before
    with socket.socket(fileno=int(words[0])) as channel, contextlib.suppress(OSError):
        Porter(channel).run()


if __name__ == "__main__":
    main(sys.argv[1:])
