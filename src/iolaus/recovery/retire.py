"""What a retirement came to, from what its steps read back. Pure.

Three things are told apart for everything that was to be wiped: proved by reading, said by the
device alone, or not possible there. What no step came to is failed, whatever the device says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from iolaus.model.retirement import Wiped

SAID: Final = "wiped/said/"
LOGS, LEFT = "wiped/logs", "wiped/logs-left"
LOGIN, SERVED = "wiped/login", "wiped/certificate"
NOT_OFFERED: Final = "not offered"
WHATS: Final = ("drives", "bios", "logs", "controller")


def wiped_of(asked: Mapping[str, bool], seen: Mapping[str, Any], *, why: str) -> list[Wiped]:
    """`asked` says of each of `WHATS` whether it was to be done, `seen` what was read back, by
    subject; `why` is what stood in the way where something is missing."""
    return [each for what in WHATS for each in _of(what, asked.get(what, False), seen, why)]


def _of(what: str, asked: bool, seen: Mapping[str, Any], why: str) -> Iterator[Wiped]:
    if not asked:
        yield Wiped(what=what, outcome="not-asked")
    elif what in ("drives", "bios"):
        yield from _by_word(what, seen.get(f"{SAID}{what}"), why)
    elif what == "logs":
        yield from _of_logs(seen, why)
    else:
        yield _back("login", seen.get(LOGIN), "our password opens it no more", why)
        yield _back("certificate", seen.get(SERVED), "another certificate is served", why)


def _by_word(what: str, told: Any, why: str) -> Iterator[Wiped]:
    if not isinstance(told, Mapping):
        yield Wiped(what=what, outcome="failed", detail=why)
        return
    for uri in told.get("offered", ()):
        yield Wiped(what=f"{what} {uri}", outcome="said", detail="nothing tells but its answer")
    for uri in told.get("not_offered", ()):
        yield Wiped(what=f"{what} {uri}", outcome="not-offered", detail="it has no way to do it")
    if not told.get("offered") and not told.get("not_offered"):
        yield Wiped(what=what, outcome="not-offered", detail="it shows none")


def _of_logs(seen: Mapping[str, Any], why: str) -> Iterator[Wiped]:
    told = seen.get(LOGS)
    if not isinstance(told, Mapping) or seen.get(LEFT) != 0:
        yield Wiped(what="logs", outcome="failed", detail=why)
        return
    for uri in told.get("offered", ()):
        yield Wiped(what=f"logs {uri}", outcome="proved", detail="nothing is left but its clearing")
    for uri in told.get("not_offered", ()):
        yield Wiped(what=f"logs {uri}", outcome="not-offered", detail="it cannot be cleared")


def _back(what: str, told: Any, good: str, why: str) -> Wiped:
    if told is None:
        return Wiped(what=what, outcome="failed", detail=why)
    if told == NOT_OFFERED:
        step = "it has no way back; take our account from it by hand"
        return Wiped(what=what, outcome="not-offered", detail=step)
    return Wiped(what=what, outcome="proved", detail=f"{good}: {told}")
