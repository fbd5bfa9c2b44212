"""The generic driver has every capability that writes, and every vendor's has them too."""

from __future__ import annotations

import pytest

from iolaus.drivers import ports
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.registry import find_driver

CAPABILITIES = (
    ports.SetsPower,
    ports.ResetsManager,
    ports.SwitchesBank,
    ports.UpdatesFirmware,
    ports.WritesSettings,
    ports.SetsManager,
    ports.SetsBoot,
    ports.RotatesCredentials,
    ports.RenewsCertificates,
)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("identity", [{}, {"vendor": "HPE", "oem": "Hpe"}])
def test_a_driver_can_write(capability: type, identity: dict[str, str]) -> None:
    assert isinstance(find_driver(identity), capability)


def test_and_a_type_checker_agrees() -> None:
    driver = RedfishDriver()
    power: ports.SetsPower = driver
    manager: ports.ResetsManager = driver
    banks: ports.SwitchesBank = driver
    updates: ports.UpdatesFirmware = driver
    settings: ports.WritesSettings = driver
    sets: ports.SetsManager = driver
    boot: ports.SetsBoot = driver
    accounts: ports.RotatesCredentials = driver
    certificates: ports.RenewsCertificates = driver
    found = (power, manager, banks, updates, settings, sets, boot, accounts, certificates)
    assert all(each is driver for each in found)
