"""Supply temperatures asked of a simulated building over its broker, within guardrails."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from tests.store.made import asset, report

from iolaus.app.cooling import Cooling
from iolaus.app.joined import Joined, Places
from iolaus.energy.coolant import CoolantRules, Die, dew_point_c, margin_of
from iolaus.energy.decisions import ActuatorState
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.kernel.clock import WallClock
from iolaus.model.asset import Reading
from iolaus.model.building import BuildingDocument, BuildingSpec, Right
from iolaus.model.desired import Metadata
from iolaus.model.endpoint import Target
from iolaus.model.plant import Plant
from iolaus.sim.building.serve import Building, BuildingOptions, serve_building
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets

SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  network: {cidr: 127.62.0.0/16}
  racks: {wet: {place: [{persona: gb300-tray, u: 8}]}}
  halls:
    - name: h1
      rows: [{name: a, racks: [{template: wet}], equip: [{persona: cdu-row}]}]
"""
RACK, UNIT, NODE = "h1-r01", "h1-a-cdu1", "https://127.62.99.1"
RULES = CoolantRules(up_every_s=0.0, down_every_s=0.0)
POLICY = PowerPolicy(mode=Mode.CONTROL, coolant=RULES)
OWN_C = 36.0


@dataclass
class Stand:
    building: Building
    joined: Joined
    facts: Facts
    room: Cooling
    unit: str
    policy: PowerPolicy
    told: list[tuple[str, bool]]

    def die(self, value: float | None) -> None:
        """The one die of the rack is so warm; its limit is 100."""
        now = WallClock().now()
        one = Reading(
            name="GPU 0", asset="a", uri="/t", quantity="Temperature", unit="Cel", value=value,
            at=now, role="gpu_temperature", limits={"upper_critical": 100.0},
        )  # fmt: skip
        told = report(NODE, [asset(key="a", serial="S1")], at=now)
        self.facts.record_report(msgspec.structs.replace(told, readings=(one,)))

    async def look(self) -> ActuatorState:
        await self.room.look()
        (state,) = self.room.states
        return state

    def set_c(self) -> float | None:
        return self._said("LiquidTemperature", "supply-temp-sp")

    def is_heard(self) -> bool:
        """Whether the building has our heartbeat: else it takes no set point."""
        return self._said("Status", "IOLAUS") == 1.0

    def _said(self, kind: str, tag: str) -> float | None:
        points = self.joined.points()
        mine = (p.value for p in points if p.point_type == kind and p.name.endswith(tag))
        return next(mine, None)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60.0):
        while not true():
            await asyncio.sleep(0.02)


def joined_to(building: Building, folder: Path, facts: Facts, allow: Sequence[Right]) -> Joined:
    told = json.loads((building.folder / "credentials.json").read_text())
    secrets = Secrets(folder / "secrets")
    secrets.put("bms", user="IOLAUS", password=told["mqtt"]["IOLAUS"])
    spec = BuildingSpec(
        broker=f"mqtt://{building.told()['mqtt']}", credential="bms", allow=list(allow)
    )
    return Joined(
        BuildingDocument(
            api_version="iolaus.dev/v1", kind="Building", metadata=Metadata(name="b"), spec=spec
        ),
        facts=facts,
        secrets=secrets,
        clock=WallClock(),
        claims=lambda _: None,
        refuse=lambda _: None,
    )


@contextlib.asynccontextmanager
async def stand(
    folder: Path, *, policy: PowerPolicy = POLICY, allow: Sequence[Right] = ("setpoint",)
) -> AsyncIterator[Stand]:
    clock = WallClock()
    facts = Facts(clock=clock)
    facts.put_target(Target(address=NODE, name="n1", labels={"rack": RACK, "row": "a"}))
    devices = hall_devices(parse_site(SITE, source="test"), HallOptions())
    async with serve_building(devices, options=BuildingOptions(serial=False)) as building:
        joined = joined_to(building, folder, facts, allow)
        unit = next(gear.name for gear in building.floor.of("cdu"))
        facts.put_target(Target(address="https://127.62.99.2", name=unit, labels={"row": "a"}))
        told: list[tuple[str, bool]] = []

        def decide(subject: str, action: str, *, advised: bool = False, **_: object) -> None:
            assert subject == unit
            told.append((action, advised))

        found: Stand
        room = Cooling(
            joined=lambda: joined,
            places=Places(facts, clock),
            facts=facts,
            clock=clock,
            plant=Plant,
            policy=lambda: found.policy,
            period_s=600.0,
            decide=decide,
        )
        found = Stand(building, joined, facts, room, unit, policy, told)
        task = asyncio.create_task(joined.run())
        try:
            await until(lambda: found.set_c() == OWN_C and found.is_heard())
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_it_is_asked_for_warmer_while_there_is_margin_and_colder_when_there_is_none(
    tmp_path: Path,
) -> None:
    async with stand(tmp_path) as s:
        assert (await s.look()).state == "unknown"
        s.die(60.0)
        state = await s.look()
        assert (state.state, state.where, state.told, state.reads) == ("asked", RACK, 37.0, OWN_C)
        await until(lambda: s.set_c() == OWN_C + 1.0)
        s.die(85.0)
        assert (await s.look()).state == "holds"
        s.die(95.0)
        assert (await s.look()).told == OWN_C
        await until(lambda: s.set_c() == OWN_C)
        s.die(None)
        state = await s.look()
        assert (state.state, state.why) == ("unknown", "the dies of n1 are not measured")
        s.policy = replace(s.policy, coolant=None)
        await s.room.look()
        assert s.room.states == ()
        assert set(s.joined.link.bms.standing().values()) == {None}
        assert s.told == [("coolant", False)] * 2


async def test_what_is_advised_or_not_allowed_is_told_and_not_asked(tmp_path: Path) -> None:
    async with stand(tmp_path, policy=replace(POLICY, mode=Mode.ADVISE), allow=()) as s:
        s.die(60.0)
        state = await s.look()
        assert (state.state, state.told, state.mode) == ("would ask", None, "advise")
        assert s.told == [("coolant", True)]
        s.policy = replace(POLICY, modes={RACK: Mode.OBSERVE})
        assert (await s.look()).state == "own"
        s.policy = POLICY
        state = await s.look()
        assert state.state == "unmet"
        assert "may not be asked" in state.why
        assert s.joined.link.bms.standing() == {}


@pytest.mark.parametrize(
    ("air_c", "humidity", "dew_c"),
    [(25.0, 50.0, 13.85), (20.0, 100.0, 20.0), (30.0, 80.0, 26.16)],
)
def test_the_dew_point_is_that_of_the_tables(air_c: float, humidity: float, dew_c: float) -> None:
    assert dew_point_c(air_c, humidity) == pytest.approx(dew_c, abs=0.1)


@pytest.mark.parametrize(("air_c", "humidity"), [(None, 50.0), (25.0, None), (25.0, 0.0), (99, 50)])
def test_a_dew_point_that_cannot_be_known_is_unknown(
    air_c: float | None, humidity: float | None
) -> None:
    assert dew_point_c(air_c, humidity) is None


def test_one_hot_die_counts_even_where_another_is_unknown() -> None:
    rules, blind = CoolantRules(), Die("n2", None)
    assert margin_of([Die("n1", 5.0), blind], rules) == (5.0, "")
    assert margin_of([Die("n1", 50.0), blind], rules)[0] is None
    assert margin_of([Die("n1", 50.0)], rules) == (50.0, "")
    assert margin_of([], rules)[0] is None
