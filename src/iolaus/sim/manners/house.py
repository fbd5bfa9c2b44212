"""All manners of one device, as its effects."""

from __future__ import annotations

from iolaus.sim.effects import Composed, compose
from iolaus.sim.manners.accounts import Accounts
from iolaus.sim.manners.bios import Bios
from iolaus.sim.manners.certificates import Certificates
from iolaus.sim.manners.console import Consoles
from iolaus.sim.manners.drives import Drives
from iolaus.sim.manners.leaks import Leaks
from iolaus.sim.manners.limits import Limits
from iolaus.sim.manners.logs import Logs
from iolaus.sim.manners.media import Media
from iolaus.sim.manners.secure_boot import SecureBoot
from iolaus.sim.manners.smoothing import Smoothing
from iolaus.sim.manners.telemetry import Telemetry
from iolaus.sim.manners.thresholds import Thresholds

ACCOUNTS, SMOOTHING, SECURE_BOOT = Accounts(), Smoothing(), SecureBoot()


def manners_of() -> Composed:
    """What a controller does besides the standard's rules. Rooms without a memory are shared."""
    own = (Bios(), Logs(), Media(), Certificates(), Telemetry(), Leaks(), Limits(), Consoles())
    return compose(ACCOUNTS, *own, Thresholds(), Drives(), SMOOTHING, SECURE_BOOT)
