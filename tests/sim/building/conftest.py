"""A small hall with every kind of building equipment, and its plant."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from iolaus.sim.building.faults import Faults
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from tests.sim.building.hand_clock import HandClock

SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 7
  network: {cidr: 127.61.0.0/16}
  racks:
    wet:
      place:
        - {persona: orv3-shelf, u: 1, count: 2}
        - {persona: orv3-bbu, u: 3, name: bbu}
        - {persona: gb300-tray, u: 8, count: 3}
    dry:
      place:
        - {persona: rack-pdu, count: 2}
        - {persona: xe9680-h200, u: 4, count: 2, step: 8}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet, count: 2}, {template: dry}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
"""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def devices(clock: HandClock) -> Sequence[Device]:
    found = hall_devices(parse_site(SITE, source="test"), HallOptions())
    for device in found:
        device.clock = clock
    return found


@pytest.fixture
def plant(devices: Sequence[Device], clock: HandClock) -> LivePlant:
    return LivePlant.of(devices, clock)


@pytest.fixture
def faults() -> Faults:
    return Faults(seed=7)
