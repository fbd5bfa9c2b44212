"""The centre over a bus, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses

from iolaus.app.centring import Centring, HouseCentre
from iolaus.bus.local import LocalBus
from iolaus.energy.centre import Centre
from iolaus.energy.frames import Budget, Report, budget_topic, encode, report_topic
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.kernel.clock import JumpClock
from iolaus.model.lease import Lease
from iolaus.model.plant import Domain, DomainKind, Load, Plant

PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, 1_500.0),
        Domain("r1", DomainKind.RACK, "site", 1_000.0),
        Domain("r2", DomainKind.RACK, "site", 1_000.0),
    ),
    loads=(Load("n1", "r1", 100.0, 1_000.0), Load("n2", "r2", 100.0, 1_000.0, priority=3)),
)
POLICY = PowerPolicy(mode=Mode.CONTROL, guard=0.0, cap_error=0.0)


async def edge(bus: LocalBus, clock: JumpClock, rack: str, seen: dict[str, Budget]) -> None:
    """Reports at once what it was given, and once a second."""

    async def take() -> None:
        async with bus.subscribe(budget_topic(rack)) as frames:
            async for data in frames:
                seen[rack] = data

    taking = asyncio.create_task(take())
    try:
        for _ in range(12):
            last = seen.get(rack)
            watts = last.budget_w if last else 100.0
            told = Report(
                epoch=last.epoch if last else 0, seq=last.seq if last else 0, rack=rack,
                applied_w=watts, granted_w=watts, mono_s=clock.monotonic() + 1e-3, boot="1",
            )  # fmt: skip
            bus.publish(report_topic(rack), encode(told))
            await clock.sleep(1.0)
    finally:
        taking.cancel()


async def test_racks_that_report_get_budgets_by_priority_and_rubbish_is_counted() -> None:
    bus, clock = LocalBus(), JumpClock()
    centring = Centring(Centre(PLANT, POLICY, 1), bus=bus, clock=clock)
    seen: dict[str, Budget] = {}
    running = asyncio.create_task(centring.run())
    await asyncio.sleep(0)
    bus.publish(report_topic("r1"), b"rubbish")
    await asyncio.gather(*(edge(bus, clock, rack, seen) for rack in ("r1", "r2")))
    assert (seen["r2"].budget_w, seen["r1"].budget_w) == (1_000.0, 500.0)
    assert centring.unread == 1
    newer = Report(epoch=2, seq=1, rack="r1", applied_w=0, granted_w=0, mono_s=1e9, boot="2")
    bus.publish(report_topic("r1"), newer)
    await asyncio.wait_for(running, 60)
    assert centring.centre.deposed


class Leases:
    """One holder at a time; the epoch grows with every taking."""

    def __init__(self) -> None:
        self.epoch, self.held = 0, False

    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None:
        if self.held:
            return None
        self.epoch, self.held = self.epoch + 1, True
        return Lease(name=name, holder=holder, epoch=self.epoch, expires_at=now + ttl_s)

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None:
        del ttl_s, now
        return lease if self.held else None

    async def release(self, lease: Lease) -> None:
        del lease
        self.held = False


async def test_another_plant_gets_another_centre_and_a_policy_counts_in_a_moment() -> None:
    bus, clock, leases = LocalBus(), JumpClock(), Leases()
    plants = [PLANT]
    house = HouseCentre(
        plant=lambda: plants[-1], policy=POLICY, bus=bus, clock=clock, leases=leases
    )
    task = asyncio.create_task(house.run())
    for number in range(3):
        await clock.sleep(1.0)
        assert house.centring is not None
        assert (house.centring.centre.epoch, leases.epoch) == (number + 1, number + 1)
        domains = (dataclasses.replace(PLANT.domains[0], limit_w=1_000.0 + number),)
        plants.append(dataclasses.replace(PLANT, domains=(*domains, *PLANT.domains[1:])))
        house.follow(dataclasses.replace(POLICY, name=f"p{number}"))
        await clock.sleep(10.0)
        assert not task.done()
        assert house.centring.centre.plant is plants[-1]
        assert house.centring.centre.policy.name == f"p{number}"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not leases.held
