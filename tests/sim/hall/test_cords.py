"""Outlets and what hangs on them: a machine lives while one of its cords carries power."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from iolaus.kernel.clock import Clock, JumpClock
from iolaus.sim.actions import set_power
from iolaus.sim.catalogue.rooms.standing import somebody
from iolaus.sim.clock import VirtualClock
from iolaus.sim.cords import kill_outlets, plug
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from tests.sim.firmware.stage import SITE

ROWS = """\
    - {name: box, persona: dl365-cpu, labels: {outlets: "a/3, b/7"}}
    - {name: a, persona: rack-pdu}
    - {name: b, persona: rack-pdu}
"""
SYSTEM = "/redfish/v1/Systems/1"


class Socket:
    """Where the box stands on the network."""

    def __init__(self) -> None:
        self.state = "up"

    def down(self, how: str) -> None:
        self.state = how

    def up(self) -> None:
        self.state = "up"

    def reissue(self) -> None: ...

    def install(self, pem: bytes) -> None: ...

    def shown(self) -> bytes:
        return b""


@pytest.fixture
def devices() -> list[Device]:
    return plugged(JumpClock())


def plugged(clock: Clock) -> list[Device]:
    seats = build_hall(parse_site(SITE % ROWS, source="-"))
    found = [seat.device(clock=clock) for seat in seats]
    plug(found)
    found[0].socket = Socket()
    return found


def outlet(strip: Device, number: int, state: str) -> None:
    strip.patch(f"/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/{number}", {"PowerState": state})


def power(box: Device) -> str:
    return str((box.kept(SYSTEM) or {})["PowerState"])


async def test_it_is_dark_when_its_last_cord_is_and_lives_with_its_first(
    devices: Sequence[Device],
) -> None:
    box, a, b = devices
    outlet(a, 3, "Off")
    outlet(a, 3, "Off")
    outlet(b, 8, "Off")
    assert (power(box), box.dark) == ("On", False)
    outlet(b, 7, "Off")
    assert (power(box), box.dark, box.restarts) == ("Off", True, 0)
    box.up()
    assert isinstance(box.socket, Socket)
    assert box.socket.state == "silence", "without power nobody answers"
    outlet(a, 3, "On")
    assert (power(box), box.dark, box.restarts) == ("On", False, 1)
    outlet(b, 7, "On")
    assert box.restarts == 1


async def test_a_host_that_is_to_stay_off_stays_off(devices: Sequence[Device]) -> None:
    box, a, b = devices
    box.patch(SYSTEM, {"PowerRestorePolicy": "AlwaysOff"})
    for state in ("Off", "On"):
        outlet(a, 3, state)
        outlet(b, 7, state)
    assert power(box) == "Off"
    assert not box.dark
    set_power(box, SYSTEM, "On")
    assert power(box) == "On"


async def test_nobody_powers_on_what_has_no_mains() -> None:
    clock = VirtualClock()
    box, a, b = plugged(clock)
    box.patch(SYSTEM, {"PowerRestorePolicy": "AlwaysOff"})
    leave = somebody(box, {"after_s": 1.0})
    set_power(box, SYSTEM, "Off")
    await clock.advance(5.0)
    assert power(box) == "On", "somebody did"
    outlet(a, 3, "Off")
    outlet(b, 7, "Off")
    await clock.advance(5.0)
    assert power(box) == "Off"
    outlet(a, 3, "On")
    assert power(box) == "Off", "as long off as before somebody comes by"
    await clock.advance(5.0)
    assert power(box) == "On"
    leave()


async def test_a_dead_outlet_says_on_and_gives_nothing_until_it_is_cured(
    devices: Sequence[Device],
) -> None:
    box, a, b = devices
    place = "/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/3"
    mend = kill_outlets(box, devices, cure="cycle")
    shown = a.get(place) or {}
    assert (shown["PowerState"], shown["PowerWatts"]["Reading"]) == ("On", 0)
    assert box.dark
    outlet(a, 3, "Off")
    outlet(a, 3, "On")
    assert not box.dark
    mend()
    mend = kill_outlets(box, devices, cure="never")
    for strip, number in ((a, 3), (b, 7)):
        outlet(strip, number, "Off")
        outlet(strip, number, "On")
    assert box.dark
    mend()
    assert not box.dark
    kill_outlets(box, devices, cure="never", most=1)
    assert not box.dark


async def test_a_strip_outside_of_racks_meters_what_hangs_on_it(devices: Sequence[Device]) -> None:
    box, a, b = devices
    where = "/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/{}"
    for strip, number in ((a, 3), (b, 7)):
        watts = (strip.get(where.format(number)) or {})["PowerWatts"]["Reading"]
        other = (strip.get(where.format(2)) or {})["PowerWatts"]["Reading"]
        assert watts > 50
        assert other == 0
    assert not box.dark
