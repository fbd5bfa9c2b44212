"""Hands and eyes of a retirement: what was wiped, and whether our login and certificate are dead.

After the controller was set back nothing of before holds: it shows another certificate, and it
takes its maker's login or one that nobody knows. The certificate that it shows then is pinned,
because we set it back ourselves a moment ago and nothing but its factory login is sent there. That
our password is dead shows by its maker's being let in, or by a login that is meant to fail, within
the same budget as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish.write.wipe import read_wiped, wipe
from iolaus.fleet.credential.finding import Finder, Vault
from iolaus.fleet.renewing import ShowsCertificates
from iolaus.fleet.step_retire import LEFT, LOGIN, OURS, SAID, SERVED, WIPED
from iolaus.model.endpoint import Target
from iolaus.store.facts import Facts

NOT_OFFERED: Final = "not offered"
FACTORY, NOBODYS = "its maker's", "none of ours"


class Device(Protocol):
    """One device through its lane."""

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


class Wiping:
    """`let_in(address)` is called when the endpoint is to be read with another login."""

    def __init__(
        self,
        *,
        facts: Facts,
        vault: Vault,
        finder: Finder,
        shows: ShowsCertificates,
        open_device: Callable[[Target], Device],
        let_in: Callable[[str], None],
    ) -> None:
        self._facts, self._vault, self._finder = facts, vault, finder
        self._shows, self._open, self._let_in = shows, open_device, let_in
        self._before: dict[str, str] = {}
        self._offers: dict[str, bool] = {}

    async def do(self, target: Target, what: str, *, deadline_s: float) -> dict[str, Any]:
        """Send it; by URI what was wiped, and what offers no way."""
        if what == "controller":
            self._before[target.address] = await self._shows.shown(target.address)
        device = self._open(target).writer(Priority.LIFECYCLE, deadline_s=deadline_s)
        told = await wipe(device, what)
        if what == "controller":
            self._offers[target.address] = bool(told["wiped"])
        return {**told, "what": what, "served": self._before.get(target.address, "")}

    async def look(self, target: Target, subjects: Sequence[str], values: dict[str, Any]) -> None:
        """Into `values`; raises what a device's silence or a held login raises."""
        for subject in subjects:
            if subject == LEFT:
                values |= await self._logs(target)
            elif subject.startswith(SAID):
                values |= await self._said(target, subject.removeprefix(SAID))
        if LOGIN in subjects or SERVED in subjects:
            values |= await self._controller(target)

    async def _logs(self, target: Target) -> dict[str, Any]:
        told = await read_wiped(self._open(target).at(Priority.LIFECYCLE), "logs")
        return {LEFT: told["left"], f"{WIPED}logs": told}

    async def _said(self, target: Target, what: str) -> dict[str, Any]:
        told = await read_wiped(self._open(target).at(Priority.LIFECYCLE), what)
        return {f"{SAID}{what}": told}

    async def _controller(self, target: Target) -> dict[str, Any]:
        """What opens it and what it serves; where it has no way back, that is said instead."""
        address = target.address
        shown = await self._shows.shown(address)
        own = self._vault.own(address, name=target.credential)
        before = self._before.get(address) or (target.fingerprint or "")
        if shown == before and not (own is not None and own.fallen):
            if not await self._offered(target):
                return {LOGIN: NOT_OFFERED, SERVED: NOT_OFFERED}
            return {LOGIN: OURS, SERVED: OURS}
        login = await self._login(msgspec.structs.replace(target, fingerprint=shown))
        await self._move_pin(target, shown)
        self._let_in(address)
        return {SERVED: shown, LOGIN: login}

    async def _offered(self, target: Target) -> bool:
        if target.address not in self._offers:
            told = await read_wiped(self._open(target).at(Priority.LIFECYCLE), "controller")
            self._offers[target.address] = bool(told["offered"])
        return self._offers[target.address]

    async def _login(self, target: Target) -> str:
        """Its maker's is tried first: an account has one password, so where that opens ours is
        dead. Only where nothing else opens it ours is tried, which is meant to fail. The pin moves
        afterwards, so that nobody else tries a dead password meanwhile."""
        address = target.address
        own = self._vault.own(address, name=target.credential)
        if own is None or own.fallen:
            return NOBODYS if own is None else FACTORY
        async with self._finder.turn(address):
            found = await self._finder.find(target, refused=own.login)
            opens = not found and await self._finder.attempt(target, own, own.login)
        if opens:
            return OURS
        return FACTORY if found else NOBODYS

    async def _move_pin(self, target: Target, shown: str) -> None:
        now = self._facts.target_of(target.address)
        if now is not None and now.fingerprint not in (None, shown):
            self._facts.put_target(msgspec.structs.replace(now, fingerprint=shown, expected=None))
            await self._facts.flush()
