"""A small hall on a clock of ours, and the plant behind it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from iolaus.sim.twin.serve import Twin

SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 7
  network: {cidr: 127.64.0.0/16}
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
        - {persona: dl365-cpu, u: 30}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet, count: 2}, {template: dry}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
"""


def small_hall(clock: JumpClock) -> Sequence[Device]:
    found = hall_devices(parse_site(SITE, source="test"), HallOptions())
    for device in found:
        device.clock = clock
    return found


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def devices(clock: JumpClock) -> Sequence[Device]:
    return small_hall(clock)


@pytest.fixture
def twin(devices: Sequence[Device], clock: JumpClock) -> Twin:
    return Twin(devices, clock=clock, seed=7)
