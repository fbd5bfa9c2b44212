"""When components are asked, with which nonce, and what is kept of every way it can end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from iolaus.drivers.ports import Asked, Priority, Signed
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Report
from iolaus.model.endpoint import EndpointStatus, Mode, Reach, Target
from iolaus.model.evidence import Attester, Exhibit, Outcome, Protocol, Question, Shown
from iolaus.observe.attest import Attestor, AttestRules
from iolaus.observe.collect import Job, Key

WHERE = "https://bmc.test"
KEY = Key(WHERE, Job.ATTEST)


def attester(name: str, **more: Any) -> Attester:
    more.setdefault("action", f"/{name}/ask")
    return Attester(name=name, asset="a", uri=f"/{name}", protocol=Protocol.SPDM, **more)


class Picture:
    """One endpoint, as it is known."""

    def __init__(self, *attesters: Attester, mode: Mode = Mode.MANAGED) -> None:
        self.target = Target(address=WHERE, mode=mode)
        self.attesters = attesters
        self.reach = Reach.REACHABLE

    def target_of(self, address: str) -> Target | None:
        return self.target if address == WHERE else None

    def status_of(self, address: str) -> EndpointStatus | None:
        return EndpointStatus(address=address, reach=self.reach, at=0.0, since=0.0)

    def report_of(self, address: str) -> Report | None:
        return Report(endpoint=address, driver="redfish", redfish_version=None, observed_at=0.0,
                      assets=(), attesters=self.attesters)  # fmt: skip

    def uid(self, address: str, key: str) -> str | None:
        return f"uid-of-{key}"


class Controller:
    """A device and its driver in one: `ends` says how asking an attester ends, `tasks` after how
    many looks a task does."""

    def __init__(self, *, tasks: int = 0) -> None:
        self.ends: dict[str, IolausError] = {}
        self.asked: list[tuple[str, bytes]] = []
        self.tasks, self.looks = tasks, 0

    async def driver(self) -> Controller:
        return self

    def at(self, priority: Priority) -> Any:
        assert priority is Priority.INVENTORY
        return self

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Any:
        assert deadline_s
        return self.at(priority)

    async def ask_signed(
        self, device: object, attester: Attester, question: Question, *, chain: bytes = b""
    ) -> Asked:
        assert chain == b"chain"
        self.asked.append((attester.name, question.nonce))
        if attester.name in self.ends:
            raise self.ends[attester.name]
        if self.tasks:
            return Asked(at=0.0, task="/task")
        return Asked(at=0.0, signed=Signed(measurements=question.nonce))

    async def read_signed(self, device: object, asked: Asked) -> Signed | None:
        self.looks += 1
        if asked.signed is None and self.looks >= self.tasks:
            return Signed(measurements=b"late")
        return asked.signed

    async def read_shown(self, device: object, attester: Attester) -> Shown:
        return Shown(chain=b"chain")


class Shelf:
    def __init__(self) -> None:
        self.kept: list[Exhibit] = []

    async def keep(self, exhibits: Sequence[Exhibit]) -> None:
        self.kept += exhibits


class Stand:
    """An attestor with nothing real around it."""

    def __init__(self, picture: Picture, controller: Controller) -> None:
        self.shelf, self.woken = Shelf(), list[tuple[Key, float]]()
        numbers = itertools.count(1)
        self.attestor = Attestor(
            picture=picture,
            open_device=lambda _: controller,
            keeps=self.shelf,
            clock=JumpClock(),
            wake=lambda key, after_s: self.woken.append((key, after_s)),
            rules=AttestRules(period_s=1000.0, patience_s=10.0, retry_s=50.0),
            draw=lambda size: next(numbers).to_bytes(size, "big"),
        )


async def test_each_is_asked_with_a_nonce_of_its_own_and_all_is_kept() -> None:
    controller = Controller()
    stand = Stand(Picture(attester("one"), attester("two", nonce_size=4)), controller)
    again_s = await stand.attestor.reconcile(KEY)
    assert again_s is not None
    assert 900.0 <= again_s <= 1100.0
    assert controller.asked == [("one", bytes(31) + b"\1"), ("two", bytes(3) + b"\2")]
    for exhibit, (_, nonce) in zip(stand.shelf.kept, controller.asked, strict=True):
        assert exhibit.outcome is Outcome.ANSWERED
        assert exhibit.question is not None
        assert exhibit.question.nonce == exhibit.measurements == nonce
        assert exhibit.asset == "uid-of-a"
        assert exhibit.shown.chain == b"chain"


async def test_a_task_is_waited_for_and_not_for_ever() -> None:
    quick, slow = Controller(tasks=3), Controller(tasks=100)
    stands = [Stand(Picture(attester("one")), each) for each in (quick, slow)]
    for stand in stands:
        await stand.attestor.reconcile(KEY)
    assert stands[0].shelf.kept[0].measurements == b"late"
    assert stands[1].shelf.kept[0].outcome is Outcome.UNREACHABLE
    assert "10 s" in stands[1].shelf.kept[0].why


def error(kind: type[IolausError]) -> IolausError:
    return kind("as it is", operation="POST", subject="x")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(DeviceRefused, Outcome.NONE), (DeviceLied, Outcome.MALFORMED)],
)
async def test_what_one_refuses_or_lies_stops_nobody_else(
    kind: type[IolausError], outcome: Outcome
) -> None:
    controller = Controller()
    controller.ends["one"] = error(kind)
    stand = Stand(Picture(attester("one"), attester("two")), controller)
    await stand.attestor.reconcile(KEY)
    assert [each.outcome for each in stand.shelf.kept] == [outcome, Outcome.ANSWERED]
    assert stand.shelf.kept[0].why == "as it is"


async def test_one_that_is_silent_is_silent_for_all_and_asked_again_sooner() -> None:
    controller = Controller()
    controller.ends["one"] = error(DeviceSilent)
    stand = Stand(Picture(attester("one"), attester("two")), controller)
    assert await stand.attestor.reconcile(KEY) == 50.0
    assert [name for name, _ in controller.asked] == ["one"]
    assert {each.outcome for each in stand.shelf.kept} == {Outcome.UNREACHABLE}


async def test_an_endpoint_that_is_lost_is_not_asked() -> None:
    controller, picture = Controller(), Picture(attester("one"))
    picture.reach = Reach.UNREACHABLE
    stand = Stand(picture, controller)
    await stand.attestor.reconcile(KEY)
    assert controller.asked == []
    assert stand.shelf.kept[0].outcome is Outcome.UNREACHABLE


async def test_a_read_only_endpoint_is_asked_when_somebody_orders_it_and_then_once() -> None:
    controller = Controller()
    stand = Stand(Picture(attester("one"), mode=Mode.READ_ONLY), controller)
    await stand.attestor.reconcile(KEY)
    assert controller.asked == []
    stand.attestor.order(KEY)
    assert stand.woken == [(KEY, 0.0)]
    for _ in range(2):
        await stand.attestor.reconcile(KEY)
    outcomes = [each.outcome for each in stand.shelf.kept]
    assert outcomes == [Outcome.NONE, Outcome.ANSWERED, Outcome.NONE]
    assert "read-only" in stand.shelf.kept[0].why
    assert stand.shelf.kept[0].shown.chain == b"chain"


async def test_what_offers_nothing_or_is_switched_off_is_kept_as_such() -> None:
    controller = Controller()
    picture = Picture(attester("mute", action=""), attester("off", enabled=False))
    stand = Stand(picture, controller)
    await stand.attestor.reconcile(KEY)
    assert controller.asked == []
    assert ["advertises" in each.why for each in stand.shelf.kept] == [True, False]


async def test_where_nobody_can_attest_nobody_comes_again() -> None:
    stand = Stand(Picture(), Controller())
    assert await stand.attestor.reconcile(KEY) is None
    assert await stand.attestor.reconcile(Key("https://gone.test", Job.ATTEST)) is None
