"""The serial console of each host: what it has said, and whoever reads it now.

A host has one serial line. All who are connected see the same text and type into the same prompt,
and whoever comes later first sees what was said before (`SCROLLBACK` bytes). Nothing is kept and
nothing runs of a console until it is served (`sim/serve/consoles.py`), and of a served one only
from the first thing that happens to it; kernels chatter only where somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from iolaus.sim import actions
from iolaus.sim.device import Device
from iolaus.sim.effects import Composed, Quiet
from iolaus.sim.manners.terminal import (
    CHATTER,
    DEAD,
    HUNG,
    STARTING,
    Terminal,
    firmware_lines,
    kernel_lines,
)
from iolaus.sim.tree import Resource

SCROLLBACK: Final = 16 << 10
CHATTER_S: Final = (20.0, 70.0)
WISHES: Final = {"poweroff": "GracefulShutdown", "reboot": "ForceRestart"}
Show = Callable[[bytes], None]


class Reader:
    """Somebody who sees the line: `show` is given text, `end` called when there is no more."""

    __slots__ = ("end", "show")

    def __init__(self, show: Show, end: Callable[[], None]) -> None:
        self.show, self.end = show, end


class Line:
    """One host's."""

    __slots__ = ("_born", "_chats", "_device", "_random", "_system", "_turn", "readers", "scroll",
                 "terminal")  # fmt: skip

    def __init__(self, device: Device, system: str) -> None:
        self._device, self._system = device, system
        self._born, self._turn, self._chats = device.clock.monotonic(), 0, False
        self._random = Random(f"{device.options.seed}/{device.name}{system}/console")  # noqa: S311
        self.readers: dict[Reader, None] = {}
        self.scroll = bytearray()
        held = device.kept(system) or {}
        self.terminal = Terminal(
            name=str(held.get("HostName") or device.name),
            accounts=device.options.accounts,
            wish=self._wish,
            uptime_s=lambda: device.clock.monotonic() - self._born,
        )
        if held.get("PowerState") == "On":
            self._firmware()
            for line in kernel_lines(held):
                self.say(self.terminal.says(line))
            self.say(self.terminal.login())

    def say(self, text: str) -> None:
        data = text.encode()
        self.scroll += data
        del self.scroll[:-SCROLLBACK]
        for reader in list(self.readers):
            reader.show(data)

    def typed(self, data: bytes) -> None:
        self.say(self.terminal.take(data.decode("utf-8", "replace")))

    def join(self, reader: Reader) -> None:
        reader.show(bytes(self.scroll))
        self.readers[reader] = None
        if not self._chats:
            self._chats = True
            self._device.later(self._random.uniform(*CHATTER_S), self._chat)

    def leave(self, reader: Reader) -> None:
        self.readers.pop(reader, None)

    def drop(self) -> None:
        """Whoever reads is cut off."""
        for reader in list(self.readers):
            self.leave(reader)
            reader.end()

    def powered(self, state: str) -> None:
        """The host's power goes from one state to the next."""
        self._turn += 1
        if state == "PoweringOn":
            self._firmware()
        elif state == "PoweringOff":
            if self.terminal.state != HUNG:
                self.say(self.terminal.says("systemd-shutdown[1]: Powering off."))
            self.terminal.state = DEAD
        elif state == "Off":
            self.terminal.state = DEAD

    def booted(self) -> None:
        """Its kernel starts, in about the time that the machine took to power on."""
        device, turn = self._device, self._turn
        lines = kernel_lines(device.kept(self._system) or {})
        every_s = device.options.power_on_s / len(lines)
        self.terminal.state, self._born = STARTING, device.clock.monotonic()

        def step(number: int) -> None:
            if self._turn != turn or self.terminal.state != STARTING:
                return
            if number == len(lines):
                self.say(self.terminal.login())
                return
            self.say(self.terminal.says(lines[number]))
            device.later(every_s, lambda: step(number + 1))

        step(0)

    def oops(self) -> None:
        if self.terminal.state not in (DEAD, HUNG):
            self.say(self.terminal.hang())

    def _firmware(self) -> None:
        self.terminal.state, self._born = STARTING, self._device.clock.monotonic()
        lines = firmware_lines(self._device.kept(self._system) or {})
        self.say("\r\n" + "".join(f"{line}\r\n" for line in lines))

    def _chat(self) -> None:
        self._chats = bool(self.readers)
        if self._chats:
            if self.terminal.state not in (DEAD, STARTING, HUNG):
                self.say(self.terminal.says(self._random.choice(CHATTER)))
            self._device.later(self._random.uniform(*CHATTER_S), self._chat)

    def _wish(self, word: str) -> None:
        def reset() -> None:
            body = {"ResetType": WISHES[word]}
            actions.act(self._device, self._system, "ComputerSystem.Reset", body)

        self._device.later(0.0, reset)


class Consoles(Quiet):
    """`ports` are where hosts' consoles are served, by host (none: nothing is kept); lines too.
    `hung` are hosts whose kernel is dead."""

    __slots__ = ("hung", "lines", "ports")

    def __init__(self) -> None:
        self.hung: set[str] = set()
        self.ports: dict[str, int] = {}
        self.lines: dict[str, Line] = {}

    def serve(self, device: Device, port: int, system: str | None = None) -> None:
        """The console of this host (None: of all) is reachable there, and the device says so."""
        for each in [system] if system else hosts(device):
            self.ports[each] = port
            device.patch(each, {"SerialConsole": {"SSH": {"Port": port, "ServiceEnabled": True}}})

    def line(self, device: Device, system: str) -> Line:
        if system not in self.lines:
            self.lines[system] = Line(device, system)
            if system in self.hung:
                self.lines[system].oops()
        return self.lines[system]

    def panic(self, system: str) -> None:
        """The kernel of this host dies."""
        self.hung.add(system)
        if system in self.lines:
            self.lines[system].oops()

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        if path in self.hung and (after or {}).get("PowerState") != "On":
            self.hung.discard(path)
        state = (after or {}).get("PowerState")
        if path not in self.ports or before is None or after is None:
            return
        if state != before.get("PowerState"):
            self.line(device, path).powered(str(state))

    def booted(self, device: Device, path: str) -> None:
        if path in self.ports:
            self.line(device, path).booted()

    def restarted(self, device: Device) -> None:
        """Who reads is cut off; the host goes on. What was reset is said anew."""
        self._drop()
        for system, port in self.ports.items():
            if "SerialConsole" not in (device.kept(system) or {}):
                self.serve(device, port, system)

    def mains(self, device: Device, on: bool) -> None:
        del device
        if not on:
            self._drop()
            for line in self.lines.values():
                line.powered("Off")

    def ended(self, device: Device) -> None:
        del device
        self._drop()

    def truth(self, device: Device) -> Resource:
        del device
        lines = {path: line.terminal.state for path, line in self.lines.items()}
        told: Resource = {"consoles": lines} if lines else {}
        return told | ({"hung": sorted(self.hung)} if self.hung else {})

    def _drop(self) -> None:
        for line in self.lines.values():
            line.drop()


def hosts(device: Device) -> list[str]:
    """The systems that show a serial console."""
    found = (p for p in device.tree.paths() if p.count("/") == 4 and "/Systems/" in p)
    return [path for path in found if "SerialConsole" in (device.kept(path) or {})]


def consoles_of(device: Device) -> Consoles | None:
    """The device's consoles; None if it has no such manners."""
    return next(_all(device.effects), None)


def _all(effects: object) -> Iterator[Consoles]:
    if isinstance(effects, Consoles):
        yield effects
    for part in effects.parts if isinstance(effects, Composed) else ():
        yield from _all(part)
