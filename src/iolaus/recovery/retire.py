"""What a retirement came to, from what its steps read back. Pure.

Three things are told apart for everything that was to be wiped: proved by reading, said by the
device alone, or not possible there. What no step came to is failed, whatever the device says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from iolaus.model.retirement import Wiped

SAID: Final = "wiped/said/"
BIOS_NOW: Final = "wiped/bios"
LOGS, LEFT = "wiped/logs", "wiped/logs-left"
LOGIN, SERVED, REMAINS = "wiped/login", "wiped/certificate", "wiped/remains"
NOT_OFFERED: Final = "not offered"
FEW: Final = 5
WHATS: Final = ("drives", "bios", "logs", "controller")


def wiped_of(asked: Mapping[str, bool], seen: Mapping[str, Any], *, why: str) -> list[Wiped]:
    """`asked` says of each of `WHATS` whether it was to be done, `seen` what was read back, by
    subject; `why` is what stood in the way where something is missing."""
    return [each for what in WHATS for each in _of(what, asked.get(what, False), seen, why)]


def _of(what: str, asked: bool, seen: Mapping[str, Any], why: str) -> Iterator[Wiped]:
    if not asked:
        yield Wiped(what=what, outcome="not-asked")
    elif what == "drives":
        yield from _of_drives(seen.get(f"{SAID}drives"), why)
    elif what == "bios":
        yield from _of_bios(seen.get(f"{SAID}bios"), seen.get(BIOS_NOW), why)
    elif what == "logs":
        yield from _of_logs(seen, why)
    else:
        yield _back("login", seen.get(LOGIN), "our password opens it no more", why)
        yield _back("certificate", seen.get(SERVED), "another certificate is served", why)
        yield from _of_remains(seen.get(REMAINS), why)


def _of_drives(told: Any, why: str) -> Iterator[Wiped]:
    """Nothing that can be read shows what a drive holds: what it said is all there is."""
    if not isinstance(told, Mapping):
        yield Wiped(what="drives", outcome="failed", detail=why)
        return
    for uri, words in told.get("wiped", {}).items():
        yield Wiped(what=f"drives {uri}", outcome="said", detail=str(words))
    yield from _without_a_way("drives", told)


def _of_bios(told: Any, now: Any, why: str) -> Iterator[Wiped]:
    if not isinstance(told, Mapping):
        yield Wiped(what="bios", outcome="failed", detail=why)
        return
    differs = now.get("differs", {}) if isinstance(now, Mapping) else {}
    for uri in told.get("wiped", ()):
        found, what = differs.get(uri), f"bios {uri}"
        if found is None:
            yield Wiped(what=what, outcome="said", detail="it tells no defaults to compare with")
        elif found:
            few = ", ".join(found[:FEW]) + (" and others" if len(found) > FEW else "")
            yield Wiped(what=what, outcome="said", detail=f"not at their defaults: {few}")
        else:
            yield Wiped(what=what, outcome="proved", detail="all settings are at their defaults")
    yield from _without_a_way("bios", told)


def _without_a_way(what: str, told: Mapping[str, Any]) -> Iterator[Wiped]:
    for uri in told.get("not_offered", ()):
        yield Wiped(what=f"{what} {uri}", outcome="not-offered", detail="it has no way to do it")
    if not told.get("wiped") and not told.get("not_offered"):
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


def _of_remains(told: Any, why: str) -> Iterator[Wiped]:
    """Accounts, keys, subscriptions and servers, as they are after the controller was set back."""
    if told == NOT_OFFERED or not isinstance(told, Mapping):
        for what in ("accounts", "keys", "subscriptions", "servers"):
            yield _back(what, told, "", why)
        return
    now, before = told.get("now") or {}, told.get("before") or {}
    if unread := now.get("unread"):
        for what in ("accounts", "keys", "subscriptions", "servers"):
            yield Wiped(what=what, outcome="said", detail=f"nobody could read it: {unread}")
        return
    yield _accounts(now.get("accounts") or [], before.get("accounts"))
    yield _none_left("keys", now.get("keys"))
    yield _none_left("subscriptions", now.get("subscriptions"))
    yield _servers(now.get("servers"), before.get("servers"))


def _accounts(now: Sequence[str], before: Sequence[str] | None) -> Wiped:
    """The one by which it was read is its maker's; of more nothing tells whose they are."""
    gone = sorted(set(before or ()) - set(now))
    told = f"left: {', '.join(now) or 'none'}" + (f"; gone: {', '.join(gone)}" if gone else "")
    return Wiped(what="accounts", outcome="proved" if len(now) <= 1 else "said", detail=told)


def _none_left(what: str, now: Any) -> Wiped:
    if now is None:
        return Wiped(what=what, outcome="not-offered", detail="it has no place for any")
    count = now if isinstance(now, int) else len(now)
    named = "" if isinstance(now, int) else ": " + ", ".join(str(each) for each in now)
    if count:
        return Wiped(what=what, outcome="failed", detail=f"{count} left{named}")
    return Wiped(what=what, outcome="proved", detail="none is left")


def _servers(now: Sequence[str] | None, before: Sequence[str] | None) -> Wiped:
    if now is None:
        return Wiped(what="servers", outcome="not-offered", detail="it has no place for any")
    if not now:
        return Wiped(what="servers", outcome="proved", detail="none is left")
    told = f"it names {', '.join(now)}"
    if before is not None and not set(now) & set(before):
        return Wiped(what="servers", outcome="proved", detail=f"{told}, none of those of before")
    return Wiped(what="servers", outcome="said", detail=f"{told}; nothing tells whose they are")
