"""Batteries over a real Modbus wire: one after another, out of what is free, and only by leave."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.app.charging import POLICY, RULES, following, stand
from tests.sim.building.hand_clock import HandClock

from iolaus.energy.policy import Mode
from iolaus.energy.recharge import delays
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site

SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 7
  network: {cidr: 127.61.0.0/16}
  racks:
    cells:
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: orv3-bbu, u: 3, name: bbu}
        - {persona: gb300-tray, u: 8}
  halls: [{name: h1, rows: [{name: a, racks: [{template: cells, count: 2}]}]}]
"""
UNITS = 6
ALL_W = RULES.most_w * UNITS


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def devices(clock: HandClock) -> Sequence[Device]:
    found = hall_devices(parse_site(SITE, source="test"), HallOptions())
    for device in found:
        device.clock = clock
    return found


async def test_after_mains_are_back_they_charge_one_after_another_and_caps_make_room(
    devices: Sequence[Device], clock: HandClock
) -> None:
    """There is room for one shelf and a part of the other beside what the nodes demand; caps had
    been given all of it."""
    site_w = 4_000.0 + 1.1 * ALL_W
    async with stand(devices, clock, site_w=site_w) as s:
        one, two = s.names
        await s.look()
        assert {s.shelf(name).delay_s for name in (one, two)} == {0.0, RULES.spread_s}
        for _ in range(3):
            await s.look()
        assert sum(s.granted.values()) == pytest.approx(site_w)
        s.empty(0.5)
        s.mains(there=False)
        states = await s.look()
        assert {each.state for each in states.values()} == {"gives"}
        s.mains(there=True)
        first = await s.look()
        assert {each.state for each in first.values()} == {"waits"}
        assert s.amps(one) == s.amps(two) == 0.0
        states = first
        for _ in range(4):
            states = await s.look()
            given = sum(each.given_w for each in states.values())
            assert sum(s.granted.values()) + given <= site_w + 1e-6
        assert sorted(each.state for each in states.values()) == ["charging", "waits"]
        (busy,) = [name for name, each in states.items() if each.state == "charging"]
        amps = s.amps(busy)
        assert amps is not None
        assert amps * 54.0 * UNITS == pytest.approx(ALL_W, rel=0.01)
        assert (busy, "recharge charging", False) in s.told
        for each in s.shelf(busy).batteries:
            each.soc = 1.0
        for _ in range(4):
            states = await s.look()
        assert {name: each.state for name, each in states.items() if name == busy} == {busy: "full"}
        assert [each.state for name, each in states.items() if name != busy] == ["charging"]


async def test_who_stops_speaking_gives_nothing_more(
    devices: Sequence[Device], clock: HandClock
) -> None:
    async with stand(devices, clock, site_w=20_000.0) as s:
        s.empty(0.5)
        for _ in range(3):
            await s.look()
        assert all(s.amps(name) for name in s.names)
        await s.look(RULES.hold_s * 0.6)
        assert all(s.amps(name) for name in s.names)
        await clock.advance(RULES.hold_s + 1.0)
        assert [s.amps(name) for name in s.names] == [None, None]
        following(s, recharge=None)
        assert await s.look() == {}
        assert s.centre.rooms.reserved == {}


@pytest.mark.parametrize("mode", [Mode.ADVISE, Mode.OBSERVE])
async def test_what_is_only_advised_is_told_and_not_done(
    devices: Sequence[Device], clock: HandClock, mode: Mode
) -> None:
    async with stand(devices, clock, site_w=20_000.0) as s:
        following(s, mode=mode)
        s.empty(0.5)
        states = await s.look()
        assert [s.amps(name) for name in s.names] == [None, None]
        assert {s.shelf(name).delay_s for name in s.names} == {0.0}
        advised = {(name, "recharge charging", True) for name in s.names}
        expected = advised if mode is Mode.ADVISE else set()
        assert {each for each in s.told if "charging" in each[1]} == expected
        assert {each.state for each in states.values()} == (
            {"charging"} if mode is Mode.ADVISE else {"own"}
        )
        following(s, mode=Mode.ADVISE, modes={"h1-r01": Mode.CONTROL})
        for _ in range(3):
            await s.look()
        assert [s.amps(name) is None for name in s.names] == [False, True]


async def test_below_a_limit_that_nobody_knows_they_go_by_their_own_rule(
    devices: Sequence[Device], clock: HandClock
) -> None:
    async with stand(devices, clock, site_w=None) as s:
        s.empty(0.2)
        states = await s.look()
        assert {each.state for each in states.values()} == {"own"}
        assert all("nobody says" in each.why for each in states.values())
        assert [s.amps(name) for name in s.names] == [None, None]


async def test_a_shelf_that_may_only_be_read_is_told_of(
    devices: Sequence[Device], clock: HandClock
) -> None:
    async with stand(devices, clock, site_w=20_000.0, managed=False) as s:
        s.empty(0.2)
        states = await s.look()
        assert {(each.state, each.why) for each in states.values()} == {
            ("unmet", "it is read-only")
        }


def test_nobody_begins_with_another_and_nobody_later_than_a_unit_can_wait() -> None:
    names = [f"s{number}" for number in range(8)]
    told = delays(names, 300.0)
    assert len(set(told.values())) == len(names)
    assert max(told.values()) == 300.0
    assert max(delays(names, 7_200.0).values()) == 600.0
    assert delays(["alone"], 300.0) == {"alone": 0.0}
    assert POLICY.recharge is RULES
