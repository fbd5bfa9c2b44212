"""Serial consoles: the ways to one that a machine tells of, and which of them is taken.

A way is what the endpoint itself says (Redfish's HostSerialConsole), never what its maker usually
does. Three are known. A WebSocket runs in the TLS whose certificate is pinned already, so it needs
no further trust and goes first; SSH has a host key of its own; IPMI's RMCP+ lets whoever asks for
it try passwords off line, so it is the last. What is switched off is not tried. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from iolaus.kernel.errors import DeviceRefused


class Way(StrEnum):
    WEBSOCKET = "websocket"
    SSH = "ssh"
    IPMI = "ipmi"


ORDER: Final = tuple(Way)
"""The way that is taken where several are open."""
_CARET: Final = re.compile(r"(?:\^|Ctrl[ +-]+)([A-Za-z\[\]\\^_])", re.IGNORECASE)


class ConsoleWay(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a host's serial line. `enabled` None: it is not said. `word` is what leads there
    from the controller's own command line (DSP2046, SerialConsoleProtocol.ConsoleEntryCommand),
    `leave` the key that leads back, as one byte (b"": none); `path` is a WebSocket's."""

    way: Way
    enabled: bool | None = None
    port: int = 0
    path: str = ""
    word: str = ""
    leave: bytes = b""


class ConsoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine says of its host's console. `most` is how many may be on it at once; `said`
    are the URIs at which it was read."""

    said: str
    ways: tuple[ConsoleWay, ...] = ()
    most: int | None = None


def leaving(shown: str) -> bytes:
    """The control byte of a HotKeySequenceDisplay ("^\\", "Ctrl-]"); b"" where it names none."""
    found = _CARET.search(shown)
    return bytes([ord(found[1].upper()) & 0x1F]) if found else b""


def chosen(facts: ConsoleFacts, *, wanted: Way | None = None, subject: str) -> ConsoleWay:
    """The way to take. Raises `DeviceRefused`: it has no console (NoConsole), not this way
    (NoSuchWay), or has switched it off (ConsoleDisabled)."""
    if not facts.ways:
        raise _refused(
            "it tells of no serial console",
            "NoConsole",
            subject,
            "see what it says: iolaus describe NODE; its firmware may have to be newer.",
        )
    meant = [each for each in facts.ways if wanted in (None, each.way)]
    if not meant:
        known = ", ".join(each.way for each in facts.ways)
        raise _refused(
            f"it has no console by {wanted}", "NoSuchWay", subject, f"it tells of: {known}."
        )
    able = sorted(
        (each for each in meant if each.enabled is not False), key=lambda w: ORDER.index(w.way)
    )
    if not able:
        raise _refused(
            f"its console is switched off ({', '.join(each.way for each in meant)})",
            "ConsoleDisabled",
            subject,
            "switch it on at the controller (SerialConsole, ServiceEnabled).",
        )
    return able[0]


def also_open(facts: ConsoleFacts, way: ConsoleWay) -> Sequence[str]:
    """The other ways that might do, by name."""
    return [each.way for each in facts.ways if each is not way and each.enabled is not False]


def _refused(message: str, code: str, subject: str, next_step: str) -> DeviceRefused:
    return DeviceRefused(
        message, operation="open console", subject=subject, code=code, next_step=next_step
    )
