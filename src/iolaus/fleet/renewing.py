"""Hands and eyes for certificates: requested, signed, put in, and seen where they are served.

What an endpoint serves is asked by a handshake of its own that sends nothing. Compared with the
pin and with the fingerprint in the journal it is the old certificate, the new one, or another; the
pin moves to the new one, and is on disk, before anybody is told that it is served. So there is no
moment in which an unknown certificate would be accepted, and none in which a crash could leave a
pin that nothing at the address shows: whoever goes on looks again, and moves it. What was signed
for an earlier plan and is served already is not ready to be put in.

A controller may take a certificate and serve it weeks later, when everybody has given up. So the
fingerprint is kept beside the pin before the certificate is sent, and an endpoint that shows
another certificate than the pinned one is asked by a handshake whether it is that one. Nothing but
the last one that was put in is accepted so, and it no more once somebody has pinned another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from iolaus.drivers.ports import Subject, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.fleet.certify import Checked
from iolaus.fleet.signing import Signer
from iolaus.fleet.step_certificate import NEW, OLD, READY, SERVED
from iolaus.kernel.errors import OperatorMust
from iolaus.model.endpoint import Target
from iolaus.model.plan import Action
from iolaus.store.facts import Facts
from iolaus.store.held import Held

RECEIPT: Final = "certificate"


class ShowsCertificates(Protocol):
    """What an address serves. Both send nothing but a TLS handshake."""

    async def shown(self, address: str) -> str:
        """The fingerprint (SHA-256, hex) of what is served there."""
        ...

    async def trusted(self, address: str) -> bool:
        """Whether it is trusted there without any pin: by authority, name and dates."""
        ...


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """As the journal keeps it: nothing of it is secret. `was` is what was served before."""

    pem: str
    fingerprint: str
    was: str


class Renewals:
    """`begun` is the certificate that was signed last for a node (its uid), by the journals of
    what is not over; None where there is none."""

    def __init__(
        self,
        *,
        facts: Facts,
        signer: Signer,
        shows: ShowsCertificates,
        begun: Callable[[str], Awaitable[Mapping[str, Any] | None]],
    ) -> None:
        self._facts, self._signer, self._shows, self._begun = facts, signer, shows, begun
        self._known: dict[str, Signed] = {}

    async def look(
        self, held: Held, uid: str, wanted: Sequence[str], values: dict[str, Any]
    ) -> None:
        """Into `values`; raises what a handshake raises."""
        signed = await self._signed(uid)
        if signed is None:
            values[READY] = False
            return
        shown = await self._shows.shown(held.target.address)
        values[READY] = shown != signed.fingerprint
        if SERVED in wanted:
            values[SERVED] = await self._served(held.target, signed, shown)

    async def request(
        self, driver: RedfishDriver, writes: Writes, held: Held, action: Action, uid: str
    ) -> dict[str, Any]:
        """Have it make a key, and its request signed; the device serves what it served."""
        self._known.pop(uid, None)
        given, target = action.arguments, held.target
        names, authority = [str(name) for name in given["names"]], str(given["authority"])
        words = self._signer.authority(authority).words
        was = await self._shows.shown(target.address)
        asked = await driver.request_certificate(
            writes,
            str(given["collection"]),
            Subject(
                common_name=names[0],
                organization=words.organization,
                unit=words.unit,
                city=words.city,
                state=words.state,
                country=words.country,
                alternative_names=tuple(names),
            ),
        )
        checked: Checked = await self._signer.sign(
            asked.pem, authority, names, device=target.address
        )
        signed = Signed(pem=checked.pem, fingerprint=checked.fingerprint, was=was)
        self._known[uid] = signed
        return {RECEIPT: msgspec.to_builtins(signed)}

    async def install(
        self, driver: RedfishDriver, writes: Writes, uid: str, action: Action
    ) -> dict[str, Any]:
        """Put in what is in the journal and nothing else."""
        signed = await self._signed(uid)
        if signed is None:
            raise OperatorMust(
                "no certificate was signed for it",
                operation="renew certificate",
                subject=writes.address,
                code="NothingSigned",
                next_step="make a new plan.",
            )
        await self._expect(writes.address, signed.fingerprint)
        receipt = await driver.replace_certificate(writes, str(action.arguments["uri"]), signed.pem)
        told: dict[str, Any] = msgspec.to_builtins(receipt)
        return told

    async def late(self, address: str) -> bool:
        """Whether an endpoint serves what was put in and not seen served before; its pin is moved
        then. Raises what a handshake raises."""
        target = self._facts.target_of(address)
        if target is None or target.expected is None:
            return False
        shown = await self._shows.shown(address)
        if shown != target.expected:
            return False
        await self._move_pin(target, shown)
        return True

    async def _expect(self, address: str, fingerprint: str) -> None:
        """On disk before the device can serve it."""
        now = self._facts.target_of(address)
        if now is not None and now.expected != fingerprint:
            self._facts.put_target(msgspec.structs.replace(now, expected=fingerprint))
            await self._facts.flush()

    async def _served(self, target: Target, signed: Signed, shown: str) -> str:
        if shown == signed.fingerprint:
            await self._move_pin(target, shown)
            return NEW
        if shown in (signed.was, target.fingerprint):
            return OLD
        return f"sha256 {shown}, which is neither the old one nor the one that was signed"

    async def _move_pin(self, target: Target, shown: str) -> None:
        """On disk when it returns. Who is trusted without a pin needs none."""
        now = self._facts.target_of(target.address)
        if now is None or now.fingerprint == shown:
            return
        if now.fingerprint is None and await self._shows.trusted(target.address):
            return
        self._facts.put_target(msgspec.structs.replace(now, fingerprint=shown, expected=None))
        await self._facts.flush()

    async def _signed(self, uid: str) -> Signed | None:
        """In this life or an earlier one."""
        if uid not in self._known:
            told = await self._begun(uid)
            if told is None:
                return None
            self._known[uid] = msgspec.convert(told, Signed)
        return self._known[uid]
