"""Hands and eyes of a retirement: what was wiped, and whether our login and certificate are dead.

After the controller was set back nothing of before holds: it shows another certificate, and it
takes its maker's login or one that nobody knows. The certificate that it shows then is pinned,
because we set it back ourselves a moment ago and nothing but its factory login is sent there. That
our password is dead shows by its maker's being let in, or by a login that is meant to fail, within
the same budget as everywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish.write.erase import erase_drives
from iolaus.drivers.redfish.write.remains import read_remains
from iolaus.drivers.redfish.write.wipe import read_wiped, wipe
from iolaus.fleet.credential.finding import Finder, Vault
from iolaus.fleet.renewing import ShowsCertificates
from iolaus.fleet.step_retire import BIOS_NOW, LEFT, LOGIN, OURS, REMAINS, SAID, SERVED, WIPED
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.endpoint import Target
from iolaus.store.facts import Facts

NOT_OFFERED: Final = "not offered"
FACTORY, NOBODYS = "its maker's", "none of ours"
REQUEST_S: Final = 600.0
Receipts = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""What the journal of a plan that is not over has last, by the node's uid and a key."""


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
        clock: Clock,
        shows: ShowsCertificates,
        open_device: Callable[[Target], Device],
        let_in: Callable[[str], None],
        receipts: Receipts,
    ) -> None:
        self._facts, self._vault, self._finder, self._clock = facts, vault, finder, clock
        self._shows, self._open, self._let_in = shows, open_device, let_in
        self._receipts = receipts
        self._told: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._offers: dict[str, bool] = {}

    async def do(self, uid: str, target: Target, what: str, *, deadline_s: float) -> dict[str, Any]:
        """Send it to the node `uid`; by URI what was wiped, and what offers no way. Returns when
        drives are through with it."""
        most_s = min(deadline_s, REQUEST_S)
        device = self._open(target).writer(Priority.LIFECYCLE, deadline_s=most_s)
        self._told.pop((uid, what), None)
        before = await self._before(target) if what == "controller" else {}
        if before:
            self._told[(uid, what)] = before
        done = erase_drives(device, self._clock) if what == "drives" else wipe(device, what)
        told = {**await done, **before}
        if what == "controller":
            self._offers[target.address] = bool(told["wiped"])
        self._told[(uid, what)] = told
        return {_key(what): told}

    async def _before(self, target: Target) -> dict[str, Any]:
        """As it is shortly before its controller is set back."""
        served = await self._shows.shown(target.address)
        return {"served": served, "remains": await self._remains(target)}

    async def look(
        self, uid: str, target: Target, subjects: Sequence[str], values: dict[str, Any]
    ) -> None:
        """Into `values`; raises what a device's silence or a held login raises."""
        for subject in subjects:
            if subject == LEFT:
                values |= await self._logs(target)
            elif subject == BIOS_NOW:
                values[subject] = await self._read(target, "bios")
            elif subject.startswith(SAID):
                values[subject] = await self._receipt(uid, subject.removeprefix(SAID))
        if LOGIN in subjects or SERVED in subjects:
            before = await self._receipt(uid, "controller") or {}
            values |= await self._controller(target, before)

    async def _receipt(self, uid: str, what: str) -> Mapping[str, Any] | None:
        """What the device said when it was told to, in this life or an earlier one; None where
        nobody knows that it was."""
        if (uid, what) not in self._told:
            found = await self._receipts(uid, _key(what))
            if found is None:
                return None
            self._told[(uid, what)] = found
        return self._told[(uid, what)]

    async def _logs(self, target: Target) -> dict[str, Any]:
        told = await self._read(target, "logs")
        return {LEFT: told["left"], f"{WIPED}logs": told}

    async def _read(self, target: Target, what: str) -> dict[str, Any]:
        return await read_wiped(self._open(target).at(Priority.LIFECYCLE), what)

    async def _remains(self, target: Target) -> dict[str, Any]:
        """What is left there; where it lets nobody read that, why."""
        try:
            return await read_remains(self._open(target).at(Priority.LIFECYCLE))
        except DeviceRefused as refused:
            return {"unread": refused.message}

    async def _controller(self, target: Target, told: Mapping[str, Any]) -> dict[str, Any]:
        """What opens it, what it serves and what is left there; where it has no way back, that is
        said instead."""
        address = target.address
        shown = await self._shows.shown(address)
        own = self._vault.own(address, name=target.credential)
        before = told.get("served") or (target.fingerprint or "")
        if shown == before and not (own is not None and own.fallen):
            if not await self._offered(target):
                return dict.fromkeys((LOGIN, SERVED, REMAINS), NOT_OFFERED)
            return {LOGIN: OURS, SERVED: OURS, REMAINS: None}
        anew = msgspec.structs.replace(target, fingerprint=shown)
        login = await self._login(anew)
        await self._move_pin(target, shown)
        now = (
            await self._remains(anew) if login == FACTORY else {"unread": "nothing known opens it"}
        )
        self._let_in(address)
        remains = {"before": told.get("remains"), "now": now}
        return {SERVED: shown, LOGIN: login, REMAINS: remains}

    async def _offered(self, target: Target) -> bool:
        if target.address not in self._offers:
            told = await self._read(target, "controller")
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


def _key(what: str) -> str:
    """Under which a receipt stands in the journal."""
    return f"wiped-{what}"
