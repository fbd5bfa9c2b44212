"""Two racks of a simulated hall, their batteries on a Modbus server, and a centre over them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.sim.building.hand_clock import HandClock

from iolaus.app.joined import Places
from iolaus.app.recharging import BatteryState, Recharging
from iolaus.energy.centre import Centre
from iolaus.energy.frames import Budget, Report
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.recharge import RechargeRules
from iolaus.model.asset import Report as Found
from iolaus.model.endpoint import Mode as Right
from iolaus.model.endpoint import Target
from iolaus.model.plant import Domain, DomainKind, Load, Plant
from iolaus.observe.buses import Buses
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.gear import wire_units
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.modbus_serve import TcpDoor
from iolaus.sim.building.things import BatteryShelf, Shelf
from iolaus.sim.device import Device
from iolaus.store.facts import Facts
from iolaus.wire.modbus.address import parse_bus

RACKS = ("h1-r01", "h1-r02")
PLATE_W, FLOOR_W = 4_000.0, 1_000.0
RULES = RechargeRules(most_w=100.0, least_w=20.0, spread_s=60.0)
POLICY = PowerPolicy(
    mode=Mode.CONTROL, guard=0.0, cap_error=0.0, read_s=0.0, headroom=True, recharge=RULES
)


def plant(site_w: float | None) -> Plant:
    return Plant(
        domains=(
            Domain("site", DomainKind.SITE, None, site_w),
            *(Domain(rack, DomainKind.RACK, "site", 10_000.0) for rack in RACKS),
        ),
        loads=tuple(Load(f"{rack}-n", rack, FLOOR_W, PLATE_W) for rack in RACKS),
    )


@dataclass
class Stand:
    clock: HandClock
    world: LivePlant
    buses: Buses
    centre: Centre
    room: Recharging
    policy: PowerPolicy = POLICY
    demand_w: float = 2_000.0
    told: list[tuple[str, str, bool]] = field(default_factory=list)
    frames: dict[str, Budget] = field(default_factory=dict)

    @property
    def names(self) -> Sequence[str]:
        """Of the battery shelves."""
        return sorted(gear.name for gear in self.world.floor.of("bbu"))

    def shelf(self, name: str) -> BatteryShelf:
        found = self.world.thing(name)
        assert isinstance(found, BatteryShelf)
        return found

    def empty(self, part: float) -> None:
        for name in self.names:
            for each in self.shelf(name).batteries:
                each.soc = part

    def mains(self, *, there: bool) -> None:
        for gear in self.world.floor.of("shelf"):
            found = self.world.thing(gear.name)
            assert isinstance(found, Shelf)
            found.lose_ac(range(gear.modules), lost=not there)

    def amps(self, name: str) -> float | None:
        """What its units are told to charge with; None while nobody tells them."""
        shelf, now = self.shelf(name), self.clock.now()
        told = {each.override_a for each in shelf.batteries if now < each.until_s}
        assert len(told) < 2
        return next(iter(told), None)

    def centre_round(self) -> None:
        """Edges take what the centre gives, and read it back."""
        now_s = self.clock.monotonic()
        for number, rack in enumerate(RACKS):
            frame, watts = self.frames.get(rack), self.granted.get(rack, FLOOR_W)
            report = Report(
                epoch=frame.epoch if frame else 0,
                seq=frame.seq if frame else 0,
                rack=rack,
                applied_w=watts,
                granted_w=watts,
                demand_w={f"{rack}-n": self.demand_w},
                mono_s=now_s + 1e-3 * number,
                boot="1",
            )
            self.centre.take(report, now_s)
        self.frames = {each.rack: each for each in self.centre.tick(now_s)}

    @property
    def granted(self) -> dict[str, float]:
        return {rack: each.budget_w for rack, each in self.frames.items()}

    async def look(self, seconds: float = 1.0) -> Mapping[str, BatteryState]:
        """So much later: registers are read, the centre goes round, the room looks."""
        await self.clock.advance(seconds)
        for _, bus in self.buses.all():
            for unit in bus.units.values():
                await bus.read_now(unit, [n for n in unit.map.named if n not in unit.absent])
        self.centre_round()
        await self.room.look()
        return {each.name: each for each in self.room.states}


@contextlib.asynccontextmanager
async def stand(
    devices: Sequence[Device], clock: HandClock, *, site_w: float | None, managed: bool = True
) -> AsyncIterator[Stand]:
    world = LivePlant.of(devices, clock)
    wired = wire_units(world.floor, world, clock=clock, faults=Faults(seed=1), baud=0)
    door, facts = TcpDoor(), Facts(clock=clock)
    buses = Buses(clock=clock, tell=lambda _: None)
    hosts = {gear.name: gear for gear in world.floor.of("bbu")}
    await door.open([(gear.host, wired.by_gear[name]) for name, gear in hosts.items()])
    try:
        for name, gear in hosts.items():
            units = ",".join(map(str, wired.by_gear[name].units))
            address = str(parse_bus(f"modbus+tcp://{gear.host}:{door.port}?unit={units}"))
            mode = Right.MANAGED if managed else Right.READ_ONLY
            target = Target(address=address, name=name, labels={"rack": gear.rack}, mode=mode)
            facts.put_target(target)
            facts.record_report(await inventory(buses, target))
        found = _made(clock, world, buses, facts, site_w)
        yield found
    finally:
        await buses.close()
        await door.close()


async def inventory(buses: Buses, target: Target) -> Found:
    return await (await buses.open(target).driver()).inventory()


def _made(
    clock: HandClock, world: LivePlant, buses: Buses, facts: Facts, site_w: float | None
) -> Stand:
    centre = Centre(plant(site_w), POLICY, 1)
    told: list[tuple[str, str, bool]] = []

    def decide(subject: str, action: str, *, advised: bool = False, **_: object) -> None:
        told.append((subject, action, advised))

    stand: Stand

    room = Recharging(
        buses=buses,
        facts=facts,
        places=Places(facts, clock),
        clock=clock,
        policy=lambda: stand.policy,
        running=lambda: stand.centre,
        reserve=centre.reserve,
        decide=decide,
        settled_s=0.0,
    )
    stand = Stand(clock, world, buses, centre, room, told=told)
    return stand


def following(stand: Stand, **changes: object) -> None:
    """Another policy counts from now on."""
    stand.policy = replace(stand.policy, **changes)  # type: ignore[arg-type]
    stand.centre.follow(stand.policy, stand.clock.monotonic())
