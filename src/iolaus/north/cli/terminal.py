"""A console in a terminal: keys to the host, what it says to the screen, `~.` to leave.

What is about the line and not from it (who writes, that it was lost) goes to standard error in
brackets, so that standard output is the host's alone. The escapes are ssh's: a tilde at the
beginning of a line, then a letter; the terminal is put back however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused
from iolaus.kernel.tasks import end
from iolaus.north.cli.client import ServerSilent, verification

HELP: Final = (
    "~. leave   ~t write   ~T take over from who writes   ~g let others write   ~~ a tilde"
)
LEAVE: Final = "leave"
WORDS: Final = {"t": "take", "T": "take over", "g": "give", ".": LEAVE, "?": "help"}
Step = tuple[str, bytes]
"""("type", bytes) or a word of WORDS with nothing."""


class Escapes:
    """What keys mean: typed, or asked of us. Any split of the keys gives the same."""

    def __init__(self) -> None:
        self._at_start, self._tilde = True, False

    def feed(self, keys: bytes) -> Iterator[Step]:
        typed = bytearray()
        for key in keys:
            letter = chr(key)
            if self._tilde:
                self._tilde = False
                if letter in WORDS:
                    if typed:
                        yield "type", bytes(typed)
                        typed.clear()
                    yield WORDS[letter], b""
                    self._at_start = True
                    continue
                typed += b"~" if letter == "~" else b"~" + bytes([key])
            elif self._at_start and letter == "~":
                self._tilde = True
                continue
            else:
                typed.append(key)
            self._at_start = letter in "\r\n"
        if typed:
            yield "type", bytes(typed)


class Screen:
    """What is shown where. `subject` is whose console it is; `greeting` is told once it is known
    that there is one."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._writer: str | None = None
        self._state = self.greeting = ""
        self.failed: IolausError | None = None

    def data(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def tell(self, text: str) -> None:
        plain = "".join(c if c.isprintable() else " " for c in text)
        sys.stderr.write(f"\r\n[iolaus: {plain}]\r\n")
        sys.stderr.flush()

    def told(self, text: str) -> None:
        """A message about the line."""
        said: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        match said.get("type"):
            case "standing":
                self._standing(said)
            case "mark":
                at = datetime.fromtimestamp(float(said["at"]), UTC)
                self.tell(f"{at:%H:%M:%SZ} {said['mark']} {said['text']}".rstrip())
            case "error":
                self.tell(f"{said['message']}; {said['next_step']}")
                self.failed = PolicyRefused(
                    str(said["message"]),
                    operation="open console",
                    subject=self._subject,
                    code=str(said["code"]),
                    next_step=str(said["next_step"]),
                )

    def _standing(self, said: dict[str, Any]) -> None:
        if said["state"] != self._state:
            self._state = str(said["state"])
            way = f" by {said['way']}" if said["way"] and self._state == "open" else ""
            why = f": {said['message']}. {said['next_step']}" if said["message"] else ""
            self.tell(f"{said['node']} is {self._state}{way}{why}")
        if said["writer"] != self._writer:
            self._writer = str(said["writer"])
            self.tell(f"{self._writer} writes" if self._writer else "nobody writes")
        if self.greeting:
            self.tell(self.greeting)
            self.greeting = ""


async def run_terminal(
    url: str, *, subject: str, token: str | None, share: str = "", read_only: bool = False
) -> None:
    """Until the person leaves or the server ends it. Raises `ServerSilent`, `PolicyRefused`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    tls = verification(url) if url.startswith("wss") else None
    screen = Screen(subject)
    try:
        async with connect(
            url,
            additional_headers=headers,
            subprotocols=["iolaus.console", share] if share else None,  # type: ignore[list-item]
            ssl=None if tls is True else tls or None,
            proxy=None,
            compression=None,
            max_size=1 << 22,
        ) as socket:
            await _both(socket, screen, read_only=read_only or not sys.stdin.isatty())
    except InvalidStatus as error:
        raise _refused(error.response.status_code, subject) from None
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise ServerSilent(
            f"the server opens no console: {str(error)[:160]}",
            operation="open console",
            subject=url.partition("?")[0],
            code="ServerSilent",
            next_step="start one with: iolaus up   (or set IOLAUS_URL to one that runs)",
        ) from None


def _refused(status: int, subject: str) -> IolausError:
    if status in (401, 403):
        return PolicyRefused(
            "the server does not let this token, or this link, watch a console",
            operation="open console",
            subject=subject,
            code="TokenInvalid",
            next_step="set IOLAUS_TOKEN to a token with the role operator, firmware-admin or "
            "security; a link may have ended.",
        )
    return OperatorMust(
        f"the server answered {status}",
        operation="open console",
        subject=subject,
        next_step="ask it with: iolaus get nodes",
    )


async def _both(socket: ClientConnection, screen: Screen, *, read_only: bool) -> None:
    if read_only:
        screen.greeting = "watching; Ctrl-C leaves"
        await _show(socket, screen)
        return
    await socket.send('{"do":"take"}')
    showing = asyncio.ensure_future(_show(socket, screen))
    with _raw(sys.stdin.fileno()):
        typing = asyncio.ensure_future(_type(socket, screen, sys.stdin.fileno()))
        await asyncio.wait({showing, typing}, return_when=asyncio.FIRST_COMPLETED)
        await end(showing, typing)


async def _show(socket: ClientConnection, screen: Screen) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            screen.data(message) if isinstance(message, bytes) else screen.told(message)
    if socket.close_code == 4403 and screen.failed is not None:
        raise screen.failed


async def _type(socket: ClientConnection, screen: Screen, descriptor: int) -> None:
    loop, keys = asyncio.get_running_loop(), asyncio.Queue[bytes]()
    loop.add_reader(descriptor, lambda: keys.put_nowait(os.read(descriptor, 4096)))
    escapes = Escapes()
    try:
        while data := await keys.get():
            for word, typed in escapes.feed(data):
                if word == LEAVE:
                    return
                if word == "help":
                    screen.tell(HELP)
                else:
                    wish = msgspec.json.encode({"do": word}).decode()
                    await socket.send(typed if word == "type" else wish)
    except ConnectionClosed:
        return
    finally:
        loop.remove_reader(descriptor)


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
