"""How updates go wrong on a simulated machine: by name, on and off at run time.

A fault here changes what the flash does, not what is said of it (tasks that lie and inventories
that are shown otherwise are in the catalogue's own room `updates`). The oracle's truth has what
stands in the banks and what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Composed
from iolaus.sim.firmware.updates import Updates

TRUTH: Final = "flash of GET /truth/NAME has banks, what runs and what waits."


def updates_on(device: Device) -> Updates | None:
    """The device's update service; None if it has none."""
    return next(_all(device.effects), None)


def _all(effects: object) -> Iterator[Updates]:
    if isinstance(effects, Updates):
        yield effects
    for part in effects.parts if isinstance(effects, Composed) else ():
        yield from _all(part)


def _strike(flaw: str) -> Callable[[Device], None]:
    def strike(device: Device) -> None:
        found = updates_on(device)
        if found is not None:
            found.flaws.add(flaw)

    return strike


def _mend(flaw: str) -> Callable[[Device], None]:
    def mend(device: Device) -> None:
        found = updates_on(device)
        if found is not None:
            found.flaws.discard(flaw)

    return mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """`seen` is how a client sees it, `oracle` where the truth is."""

    title: str
    what: str
    source: str
    strike: Callable[[Device], None]
    mend: Callable[[Device], None]
    seen: str = ""
    oracle: str = TRUTH
    fits: str = "devices with an UpdateService"


def _flaw(name: str, title: str, source: str, what: str, seen: str) -> Flaw:
    return Flaw(title=title, what=what, source=source, seen=seen, strike=_strike(name),
                mend=_mend(name))  # fmt: skip


CATALOGUE: Final[Mapping[str, Flaw]] = {
    "update-never-finishes": _flaw(
        "never-finishes", "a flash never finishes", "3: a task lies",
        "Writing begins and does not end: the task runs at 99 % for ever, and the bank that was "
        "being written is worth nothing. A restart of the controller ends it.",
        "TaskState Running, PercentComplete 99; every further update is refused with 503.",
    ),
    "update-ignored": _flaw(
        "ignored", "an update is accepted and nothing happens", "1: and nothing happens",
        "The image is transferred and verified, the task ends well, and nothing was written.",
        "TaskState Completed, UpdateSuccessful; the old version, after any reset.",
    ),
    "image-does-not-boot": _flaw(
        "does-not-boot", "a new image does not boot", "3: a task lies",
        "The update ends well, but at its moment the component does not boot the new image. With "
        "two banks it falls back to the other one; with a single bank it is dead until another "
        "flash. An alert is sent.",
        "The old version after the reset, or a Critical entry without a version.",
    ),
    "image-bricks-controller": _flaw(
        "bricks-controller", "a new image bricks the controller", "15: half-dead hardware",
        "After its update the controller does not come back. Mains has to be cut: then it starts "
        "from the image that it keeps for this. Mending the fault does not revive it.",
        "Connections are refused until mains-lost has been struck and mended.",
    ),
    "image-not-checked": _flaw(
        "accepts-anything", "any image is taken by any component", "3: a task lies",
        "Signatures, devices, identifiers and security versions are not looked at: an image for "
        "another component is written to the first target, and runs.",
        "UpdateSuccessful for an image that is for another component.",
    ),
    "image-old-under-new-name": _flaw(
        "old-image", "old firmware under a new version", "3: a task lies",
        "The component goes on running its old image and says that it is the new version; only "
        "what a root of trust measures shows it.",
        "The new Version; the measurement is that of the old image.",
    ),
    "mains-lost": Flaw(
        title="all power is gone",
        what="The machine has no mains: its controller is silent, its hosts are off, and what was "
        "being written stays half-written. Mending is mains coming back: whatever waits for that "
        "is activated, hosts that were on are started.",
        source="",
        strike=lambda device: device.mains(False),
        mend=lambda device: device.mains(True),
        seen="Silence; afterwards the versions that waited for mains.",
    ),
}  # fmt: skip
