"""A port of 127.0.0.1 for a server that cannot be asked which one it took.

It lies below those that the system lends to clients. Among them a port that is free now may be some
client's own end a moment later, and stays so when a server that was restarted wants it back; and a
client that knocks until somebody listens may at last be connected to itself.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Final

LENT: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST: Final = 10_000
LENT_FROM: Final = 32_768
TRIES: Final = 100


def free_port(host: str = "127.0.0.1") -> int:
    """One on which nobody listens now; where the system lends nearly all of them, one of those."""
    highest = _lent_from()
    for _ in range(TRIES if highest > LOWEST + TRIES else 0):
        port = LOWEST + secrets.randbelow(highest - LOWEST)
        if _bound(host, port):
            return port
    return _bound(host, 0)


def _bound(host: str, port: int) -> int:
    """The port, or 0 where somebody has it."""
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        found: int = probe.getsockname()[1]
        return found


def _lent_from() -> int:
    try:
        return int(LENT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return LENT_FROM
