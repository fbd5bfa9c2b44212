"""Cords: which machine hangs on which outlets, so that an outlet that is switched cuts it.

A machine says by its label `outlets` where it is plugged in ("h1-r07-pdu1/12,h1-r07-pdu2/12").
While one of its cords carries power it lives; when the last one goes, its controller and its hosts
go, and they come back with the first. An outlet may be dead: it says that it is on, and gives
nothing. A machine in a bay of a rack manager says so as well (`slot`: "h1-r07-rmc/Bay3"): who
resets the bay cuts everything in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet, compose
from iolaus.sim.hall_life import Life
from iolaus.sim.hall_lumped import Lumped
from iolaus.sim.outcome import Outcome
from iolaus.sim.tree import Resource

LABEL: Final = "outlets"
SLOT: Final = "slot"
RESET: Final = "Chassis.Reset"
OFF: Final = frozenset({"Off", "PoweringOff"})
Undo = Callable[[], None]


class Machine:
    """What hangs on its cords; `live` are those that carry power."""

    def __init__(self, device: Device, cords: Iterable[str]) -> None:
        self.device, self.cords = device, tuple(cords)
        self.live = set(self.cords)

    def told(self, cord: str, *, on: bool) -> None:
        lit = bool(self.live)
        (self.live.add if on else self.live.discard)(cord)
        if bool(self.live) != lit:
            self.device.mains(bool(self.live))


class Nobody(Life):
    """What an outlet feeds into which nothing is plugged."""

    def drawn_w(self, t: float) -> float:
        del t
        return 0.0

    def usual_w(self) -> float:
        return 0.0


class Strip(Quiet):
    """The outlets of one strip, by number; `dead` are those that give nothing."""

    def __init__(self, device: Device, machines: Mapping[str, Machine]) -> None:
        self.device, self.machines = device, machines
        self.dead: dict[str, str] = {}
        self.off: set[str] = set()

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        del device
        number = path.rpartition("/")[2]
        if before is None or after is None or "OutletType" not in after:
            return
        off = after.get("PowerState") in OFF
        if off == (number in self.off):
            return
        (self.off.add if off else self.off.discard)(number)
        if off and self.dead.get(number) == "cycle":
            del self.dead[number]
        self.carries(number)

    def carries(self, number: str) -> None:
        """Whether it gives power now: its meter shows it, and its machine is told, unless a
        stepped plant is there to tell it."""
        on = number not in self.off and number not in self.dead
        life = self.device.live
        if isinstance(life, Life) and number.isdigit():
            (life.outlets_off.discard if on else life.outlets_off.add)(int(number) - 1)
            if type(life.physics) is not Lumped:
                life.physics.plugged(int(number) - 1, on=on)
                return
        if (machine := self.machines.get(number)) is not None:
            machine.told(f"{self.device.name}/{number}", on=on)


class Bays(Quiet):
    """The bays of one rack manager, by their chassis' ids, with the machines in them."""

    def __init__(self, machines: Mapping[str, Sequence[Machine]]) -> None:
        self.machines = machines

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        bay, kind = path.rpartition("/")[2], str(body.get("ResetType", "PowerCycle"))
        if action != RESET or bay not in self.machines:
            return None
        if kind != "On":
            self._carries(device, path, bay, on=False)
        if kind == "PowerCycle":
            wait = device.options.power_off_s
            device.later(wait, lambda: self._carries(device, path, bay, on=True))
        elif kind == "On":
            self._carries(device, path, bay, on=True)
        return Outcome()

    def _carries(self, device: Device, path: str, bay: str, *, on: bool) -> None:
        device.patch(path, {"PowerState": "On" if on else "Off"})
        for machine in self.machines[bay]:
            machine.told(f"{device.name}/{bay}", on=on)


def settle(devices: Iterable[Device]) -> None:
    """Every machine that says in which bay it is sits there from now on."""
    every = {device.name: device for device in devices}
    seated: dict[str, dict[str, list[Machine]]] = defaultdict(lambda: defaultdict(list))
    for device in every.values():
        name, slash, bay = device.labels.get(SLOT, "").partition("/")
        if slash:
            seated[name][bay].append(Machine(device, [f"{name}/{bay}"]))
    for name, machines in seated.items():
        found = every.get(name)
        if found is not None and not any(isinstance(e, Bays) for e in parts_of(found)):
            found.effects = compose(Bays(machines), found.effects)


def parts_of(device: Device) -> Iterable[object]:
    parts: Iterable[object] = getattr(device.effects, "parts", ())
    return parts


def plug(devices: Iterable[Device]) -> None:
    """Every machine that says where it is plugged in hangs there from now on."""
    every = {device.name: device for device in devices}
    plugged: dict[str, dict[str, Machine]] = defaultdict(dict)
    for device in every.values():
        cords = [word.strip() for word in device.labels.get(LABEL, "").split(",") if word.strip()]
        machine = Machine(device, cords)
        for cord in cords:
            name, _, number = cord.partition("/")
            plugged[name][number] = machine
    for name, machines in plugged.items():
        if (found := every.get(name)) is not None and strip(found) is None:
            found.effects = compose(found.effects, Strip(found, machines))
            _meter(found, machines)


def _meter(strip_: Device, machines: Mapping[str, Machine]) -> None:
    """A strip that stands outside of racks shows what hangs on it, too."""
    life = strip_.live
    numbers = [int(number) for number in machines if number.isdigit()]
    if not isinstance(life, Life) or life.feeds or not numbers:
        return
    nobody = Nobody(life.persona, seed="nobody")
    fed = {n: machines[str(n)].device.live for n in numbers if str(n) in machines}
    every = [fed.get(n) for n in range(1, max(numbers) + 1)]
    life.feeds = [each if isinstance(each, Life) else nobody for each in every]
    life.share = 1.0 / max(len(machine.cords) for machine in machines.values())


def strip(device: Device) -> Strip | None:
    """The cords of a strip; None where nobody is plugged in."""
    return next((each for each in parts_of(device) if isinstance(each, Strip)), None)


def kill_outlets(device: Device, strips: Iterable[Device], *, cure: str, most: int = 0) -> Undo:
    """The outlets that this machine hangs on (`most`: so many of them, 0: all) give nothing any
    more, until they were switched off and on (`cure` "cycle"), or it is given back."""
    found: list[tuple[Strip, str]] = []
    for each in strips:
        cords = strip(each)
        for number, machine in cords.machines.items() if cords else ():
            if cords is not None and machine.device is device:
                found.append((cords, number))
    found = found[: most or len(found)]
    for cords, number in found:
        cords.dead[number] = cure
        cords.carries(number)

    def mend() -> None:
        for cords, number in found:
            if cords.dead.pop(number, None) is not None:
                cords.carries(number)

    return mend
