"""What is accepted of an endpoint while its certificate is renewed: the old, the new, no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from iolaus.drivers.ports import Receipt, SigningRequest, Subject, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.fleet.certify import Made, make_authority
from iolaus.fleet.renewing import RECEIPT, Renewals
from iolaus.fleet.signing import Signer
from iolaus.fleet.step_certificate import INSTALL, NEW, OLD, READY, REQUEST, SERVED
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceSilent, OperatorMust
from iolaus.model.authority import Authority, Words
from iolaus.model.endpoint import Target
from iolaus.model.plan import Action, Verb
from iolaus.store.authorities import read_authority
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from tests.fleet.test_certify import request as csr_of

ADDRESS, UID = "https://10.0.0.5", "uid-n1"
WAS = "a" * 64
ASK = Action(
    verb=Verb.RENEW_CERTIFICATE,
    subject=REQUEST,
    arguments={"authority": "hall-ca", "collection": "/c", "names": ["10.0.0.5"]},
)
PUT = Action(verb=Verb.RENEW_CERTIFICATE, subject=INSTALL, arguments={"uri": "/c/1"})


def shown_by(pem: str) -> str:
    """The fingerprint of the first certificate in it."""
    return x509.load_pem_x509_certificates(pem.encode())[0].fingerprint(hashes.SHA256()).hex()


class Ours:
    """One authority, in memory."""

    def __init__(self, clock: JumpClock) -> None:
        self._made: Made = make_authority("hall-ca", words=Words(), days=900, now=clock.now())

    def get(self, name: str) -> Authority | None:
        if name != "hall-ca":
            return None
        return read_authority(name, self._made.certificate, kind="local")

    def key_of(self, name: str) -> str | None:
        return self._made.key if name == "hall-ca" else None


class Controller:
    """A device that serves a certificate: at once, or when it has `restarts` looks behind it."""

    def __init__(self, *, restarts: int = 0, name: str = "10.0.0.5") -> None:
        self.serves, self.waits, self.installed = WAS, "", ""
        self._restarts, self._name = restarts, name
        self.address = ADDRESS

    async def request_certificate(
        self, _: Writes, collection: str, subject: Subject
    ) -> SigningRequest:
        assert subject.common_name == "10.0.0.5"
        return SigningRequest(pem=csr_of(self._name), collection=collection)

    async def replace_certificate(self, _: Writes, uri: str, pem: str) -> Receipt:
        self.installed = pem
        return Receipt(method="POST", uri=uri, status=200, at=0.0)

    async def shown(self, address: str) -> str:
        assert address == ADDRESS
        if self.installed and self._restarts:
            self._restarts -= 1
            raise DeviceSilent("it restarts", operation="pin", subject=address)
        return self.serves

    async def trusted(self, address: str) -> bool:
        return False


class Room:
    """One endpoint, a journal, and hands that may die and come again."""

    def __init__(self, controller: Controller) -> None:
        self.clock, self.device = JumpClock(), controller
        self.facts = Facts(clock=self.clock)
        self.facts.put_target(Target(address=ADDRESS, fingerprint=WAS))
        self.journal: dict[str, Mapping[str, Any]] = {}
        self.ours = Ours(self.clock)
        self.hands = self.born()

    def born(self) -> Renewals:
        async def begun(uid: str) -> Mapping[str, Any] | None:
            return self.journal.get(uid)

        self.hands = Renewals(
            facts=self.facts,
            signer=Signer(self.ours, clock=self.clock),
            shows=self.device,
            begun=begun,
        )
        return self.hands

    @property
    def held(self) -> Held:
        held = self.facts.held(ADDRESS)
        assert held is not None
        return held

    @property
    def _driver(self) -> tuple[RedfishDriver, Writes]:
        return cast(RedfishDriver, self.device), cast(Writes, self.device)

    async def request(self, *, note: bool = True) -> str:
        """The fingerprint that was signed; `note`: the journal took the receipt."""
        receipt = await self.hands.request(*self._driver, self.held, ASK, UID)
        if note:
            self.journal[UID] = receipt[RECEIPT]
        return str(receipt[RECEIPT]["fingerprint"])

    async def install(self) -> None:
        await self.hands.install(*self._driver, UID, PUT)

    async def look(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        await self.hands.look(self.held, UID, [READY, SERVED], values)
        return values


async def test_the_pin_moves_when_the_new_one_is_served_and_not_before() -> None:
    room = Room(Controller())
    new = await room.request()
    assert await room.look() == {READY: True, SERVED: OLD}
    await room.install()
    assert await room.look() == {READY: True, SERVED: OLD}
    assert room.held.target.fingerprint == WAS
    room.device.serves = new
    assert (await room.look())[SERVED] == NEW
    assert room.held.target.fingerprint == new


async def test_another_certificate_is_never_accepted() -> None:
    room = Room(Controller())
    await room.request()
    await room.install()
    room.device.serves = "f" * 64
    assert "neither the old one nor the one that was signed" in (await room.look())[SERVED]
    assert room.held.target.fingerprint == WAS


async def test_what_is_served_after_everybody_gave_up_is_known_and_becomes_the_pin() -> None:
    room = Room(Controller())
    new = await room.request()
    await room.install()
    assert await room.hands.late(ADDRESS) is False, "it serves the old one still"
    room.journal.clear()
    room.born()
    room.device.serves = new
    assert await room.hands.late(ADDRESS) is True
    assert (room.held.target.fingerprint, room.held.target.expected) == (new, None)
    assert await room.hands.late(ADDRESS) is False


async def test_late_or_not_another_certificate_is_never_accepted() -> None:
    room = Room(Controller())
    await room.request()
    await room.install()
    room.device.serves = "f" * 64
    assert await room.hands.late(ADDRESS) is False
    assert room.held.target.fingerprint == WAS


async def test_nothing_is_expected_any_more_once_somebody_pinned_another() -> None:
    room = Room(Controller())
    room.device.serves = await room.request()
    await room.install()
    room.facts.put_target(Target(address=ADDRESS, fingerprint="c" * 64))
    assert await room.hands.late(ADDRESS) is False
    assert room.held.target.fingerprint == "c" * 64


async def test_what_was_signed_and_not_put_in_is_not_expected() -> None:
    room = Room(Controller())
    room.device.serves = await room.request()
    assert await room.hands.late(ADDRESS) is False
    assert room.held.target.fingerprint == WAS


async def test_hands_that_die_are_followed_by_others_that_read_the_journal() -> None:
    room = Room(Controller(restarts=1))
    new = await room.request()
    room.born()
    await room.install()
    room.device.serves = new
    room.born()
    with pytest.raises(DeviceSilent):
        await room.look()
    assert (await room.look())[SERVED] == NEW
    assert room.held.target.fingerprint == new


async def test_what_the_journal_did_not_take_is_signed_again() -> None:
    room = Room(Controller())
    await room.request(note=False)
    room.born()
    assert await room.look() == {READY: False}
    with pytest.raises(OperatorMust, match="no certificate was signed"):
        await room.install()
    assert await room.request() == room.journal[UID]["fingerprint"]


async def test_what_an_earlier_plan_put_in_is_not_ready_again() -> None:
    room = Room(Controller())
    room.device.serves = await room.request()
    assert (await room.look())[READY] is False


async def test_a_request_for_another_host_is_not_signed() -> None:
    room = Room(Controller(name="10.0.0.6"))
    with pytest.raises(DeviceLied, match=r"is for 10\.0\.0\.6"):
        await room.request()
    assert await room.look() == {READY: False}
