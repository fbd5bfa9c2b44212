"""A host's serial line over SSH to its controller.

The controller's host key is pinned as its certificate is: by the fingerprint that was seen first
and only where somebody said that the first is to be believed. The key is judged before the
password is sent. Two kinds of controllers are met: those with a port that is the line itself, and
those with a command line on which a word leads to it. There the word is typed once the prompt
stands still, and if the same prompt comes back, that is a refusal and its text says why.

Nothing of the user's own SSH set-up is read: no agent, no keys, no known hosts, no configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import asyncssh
import msgspec

from iolaus.kernel.errors import Unverified
from iolaus.wire.console import faults

CONNECT_S: Final = 20.0
PROMPT_S: Final = 5.0
QUIET_S: Final = 0.3
VERDICT_S: Final = 2.0
MOST_BYTES: Final = 64 * 1024
WINDOW: Final = 128 * 1024
ALIVE_S: Final = 20.0
CIPHERS: Final = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Before the others: a piece costs a quarter of what it does with the one that is usually first."""


class SshPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go, and as whom. `word` leads to the line from a command line (""): none is there.
    `key` is the fingerprint of the host key ("SHA256:..."), None: none is known yet."""

    host: str
    port: int
    user: str
    password: str
    word: str = ""
    key: str | None = None
    trust_first: bool = False

    def __repr__(self) -> str:
        return f"SshPlace({self.host!r}, {self.port}, user={self.user!r}, password=...)"

    @property
    def name(self) -> str:
        return f"ssh://{self.host}:{self.port}"


class _Judge(asyncssh.SSHClient):
    """Judges the host key; says the password once."""

    def __init__(self, place: SshPlace) -> None:
        self._place, self.shown, self._said = place, "", False

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        del host, addr, port
        self.shown = key.get_fingerprint()
        if self._place.key is None:
            return self._place.trust_first
        return self.shown == self._place.key

    def password_auth_requested(self) -> str | None:
        return self._once()

    def kbdint_auth_requested(self) -> str | None:
        return "" if not self._said else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Any
    ) -> list[str] | None:
        del name, instructions, lang
        if not prompts:
            return []
        word = self._once() if len(prompts) == 1 else None
        return None if word is None else [word]

    def _once(self) -> str | None:
        """A second try with the same password would only bring the account nearer its lock."""
        if self._said:
            return None
        self._said = True
        return self._place.password


class SshLine:
    """An open line; `shown` is the fingerprint of the host key that was accepted."""

    def __init__(self, connection: Any, process: Any, *, shown: str, began: bytes = b"") -> None:
        self._connection, self._process = connection, process
        self.shown, self._began = shown, began

    async def read(self) -> bytes:
        """What it says next; b"" at its end. Raises `DeviceSilent`."""
        if self._began:
            began, self._began = self._began, b""
            return began
        try:
            data: bytes = await self._process.stdout.read(MOST_BYTES)
        except (asyncssh.Error, OSError) as error:
            raise faults.silent("ssh", _text(error)) from error
        return data

    async def write(self, data: bytes) -> None:
        """Raises `DeviceSilent`."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (asyncssh.Error, OSError) as error:
            raise faults.silent("ssh", _text(error)) from error

    async def aclose(self) -> None:
        self._connection.abort()
        with contextlib.suppress(asyncssh.Error, OSError):
            await self._connection.wait_closed()


async def open_ssh(place: SshPlace) -> SshLine:
    """Raises `DeviceSilent`, `DeviceRefused` (ConsoleLoginRefused, ConsoleBusy), `DeviceLied`, and
    `Unverified` (UnknownHostKey, HostKeyMismatch) with the key that was shown."""
    judge = _Judge(place)
    try:
        async with asyncio.timeout(CONNECT_S):
            connection = await asyncssh.connect(
                place.host,
                place.port,
                username=place.user,
                client_factory=lambda: judge,
                known_hosts=([], [], []),
                client_keys=None,
                agent_path=None,
                config=None,
                encryption_algs=CIPHERS,
                preferred_auth="password,keyboard-interactive",
                keepalive_interval=ALIVE_S,
                keepalive_count_max=3,
            )
    except asyncssh.HostKeyNotVerifiable as error:
        raise _unverified(place, judge.shown) from error
    except asyncssh.PermissionDenied as error:
        raise faults.login_refused(place.name, place.user) from error
    except (TimeoutError, OSError, asyncssh.ConnectionLost) as error:
        raise faults.silent(place.name, _text(error)) from error
    except (asyncssh.Error, ValueError) as error:
        raise faults.lied(place.name, f"it does not speak SSH as we do: {_text(error)}") from error
    return await _entered(connection, place, judge.shown)


async def _entered(connection: Any, place: SshPlace, shown: str) -> SshLine:
    try:
        async with asyncio.timeout(CONNECT_S):
            process = await connection.create_process(
                term_type="vt100", term_size=(80, 24), encoding=None, window=WINDOW
            )
        if not place.word:
            return SshLine(connection, process, shown=shown)
        return SshLine(connection, process, shown=shown, began=await _led(process, place))
    except (TimeoutError, OSError, asyncssh.Error) as error:
        connection.abort()
        raise faults.silent(place.name, _text(error)) from error
    except BaseException:
        connection.abort()
        raise


async def _led(process: Any, place: SshPlace) -> bytes:
    """Type the word that leads to the line; what the line said since."""
    prompt = await _until_quiet(process, PROMPT_S)
    process.stdin.write(place.word.encode() + b"\r")
    said = await _until_quiet(process, VERDICT_S)
    last = prompt.rsplit(b"\n", 1)[-1].strip()
    body = said.split(b"\n", 1)[-1]
    if process.stdout.at_eof() or (last and body.rstrip().endswith(last)):
        raise faults.busy(place.name, faults.told(body.rstrip().removesuffix(last)))
    return body


async def _until_quiet(process: Any, most_s: float) -> bytes:
    """What it says until it says nothing for a moment."""
    found = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            found = await process.stdout.read(MOST_BYTES)
            while len(found) < MOST_BYTES:
                async with asyncio.timeout(QUIET_S):
                    piece = await process.stdout.read(MOST_BYTES)
                if not piece:
                    break
                found += piece
    return found


def _unverified(place: SshPlace, shown: str) -> Unverified:
    if place.key is None:
        return Unverified(
            f"its host key is not known: it shows {shown}",
            operation=faults.OPEN,
            subject=place.name,
            code="UnknownHostKey",
            next_step="compare it with the controller's; if it is right, pin it: "
            "iolaus console NODE --trust first",
        )
    return Unverified(
        f"its host key is not the pinned one: it shows {shown}, pinned is {place.key}",
        operation=faults.OPEN,
        subject=place.name,
        code="HostKeyMismatch",
        next_step="find out why it changed; if that is right, forget the old one: "
        "iolaus console forget-key NODE",
    )


def _text(error: BaseException) -> str:
    return faults.told(str(error).encode()) or type(error).__name__
