"""The whole building side of a hall, started and stopped as one.

`serve_building` puts Modbus units, the message broker with the building system and the grid, and
the PDUs' SNMP agents beside a hall's devices: `async with serve_building(devices) as building`.
Where everything answers stands in `building.told()` (the ready line), in full in `building.json`
of its folder, and as labels of the devices. Passwords and keys stand in files of that folder that
only this user can read. Whoever plays the hall asks through `building.asked` (the oracle).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.tasks import end
from iolaus.sim.building.bms import Bms
from iolaus.sim.building.bms_points import Integration
from iolaus.sim.building.broker import HOST, Account, Broker, private
from iolaus.sim.building.bus import Bus
from iolaus.sim.building.faults import CATALOGUE, Faults
from iolaus.sim.building.folders import private_folder
from iolaus.sim.building.gear import Wired, wire_units
from iolaus.sim.building.grid import Grid, Target
from iolaus.sim.building.guard import Limits
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.modbus_serve import SerialLine, TcpDoor
from iolaus.sim.building.mqtt_link import MqttLink
from iolaus.sim.building.plant import Floor, Plant
from iolaus.sim.building.snmp_serve import SnmpDoors
from iolaus.sim.device import Device

AGENT_TOPICS: Final = ("grid/v1/dsx-flex-agent/#", "grid/v1/infra/#")
INTEGRATIONS: Final = (
    Integration(name="IOLAUS", may=frozenset({"isolate", "tray", "setpoint"})),
    Integration(name="MEPAI1", may=frozenset({"setpoint"})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingOptions:
    """Ports of 0 are taken free. `baud` overrules the speed of serial lines (0: no wait);
    `folder` keeps keys and passwords (None: a temporary one that goes with the hall)."""

    modbus_port: int = 0
    snmp_port: int = 0
    baud: int | None = None
    serial: bool = True
    integrations: Sequence[Integration] = INTEGRATIONS
    limits: Limits = field(default_factory=Limits)
    grid: str = "acme-energy"
    timetable: Sequence[tuple[float, Target]] = ()
    folder: Path | None = None
    seed: int = 0


class Building:
    """What runs. `faults` are armed here; `bms.judged` and `grid.heard_of` say what came of it."""

    def __init__(
        self, floor: Floor, plant: Plant, *, options: BuildingOptions, clock: Clock, folder: Path
    ) -> None:
        self.floor, self.plant, self.options, self.folder = floor, plant, options, folder
        self.faults = Faults(seed=options.seed)
        self.wired: Wired = wire_units(
            floor, plant, clock=clock, faults=self.faults, baud=options.baud
        )
        self.bms = Bms(
            floor,
            plant,
            clock=clock,
            faults=self.faults,
            integrations=options.integrations,
            limits=options.limits,
        )
        self.grid = Grid(
            options.grid, folder, clock, self.faults, seed=options.seed, timetable=options.timetable
        )
        self.broker = Broker(_accounts(options))
        self.modbus, self.snmp = TcpDoor(), SnmpDoors(plant, clock=clock, faults=self.faults)
        self.lines: dict[str, SerialLine] = {}
        self.links = [
            MqttLink(party, self.broker, clock=clock, faults=self.faults)
            for party in (self.bms, self.grid)
        ]

    async def open(self) -> None:
        """Everything but the links. Raises OperatorMust."""
        hosts = {gear.name: gear.host for gear in self.floor.gear}
        buses: list[tuple[str, Bus]] = [(hosts[n], bus) for n, bus in self.wired.by_gear.items()]
        await self.modbus.open(buses, port=self.options.modbus_port)
        if self.options.serial:
            self.lines = {rack: SerialLine(bus) for rack, bus in self.wired.lines.items()}
        self.snmp.open(list(self.floor.of("pdu")), port=self.options.snmp_port)
        await self.broker.start()
        self._write()

    async def close(self) -> None:
        await self.broker.stop()
        await self.snmp.close()
        for line in self.lines.values():
            await line.close()
        await self.modbus.close()

    def _write(self) -> None:
        passwords = {user: item.password for user, item in self.broker.accounts.items()}
        secrets = {"mqtt": passwords, "snmp": asdict(self.snmp.access)}
        private(self.folder / "credentials.json", json.dumps(secrets, indent=1))
        where = {**self.told(), "things": self.addresses(), "lines": self.serial_paths()}
        (self.folder / "building.json").write_text(json.dumps(where, indent=1))

    # Where it is

    def told(self) -> dict[str, Any]:
        """For the ready line: ports and files; `building.json` has every address."""
        return {
            "modbus": {"port": self.modbus.port, "addresses": len(self.modbus.hosts)},
            "serial": len(self.lines),
            "mqtt": f"{HOST}:{self.broker.port}",
            "snmp": {"port": self.snmp.port, "addresses": len(list(self.floor.of("pdu")))},
            "points": len(self.bms.points),
            "grid": self.grid.topic,
            "folder": str(self.folder),
            "credentials": str(self.folder / "credentials.json"),
        }

    def addresses(self) -> dict[str, dict[str, Any]]:
        """By thing: where it answers, and its unit numbers there."""
        found: dict[str, dict[str, Any]] = {}
        for gear in self.floor.gear:
            bus = self.wired.by_gear.get(gear.name)
            if bus is not None:
                units = {str(number): unit.map.name for number, unit in bus.units.items()}
                where = f"{gear.host}:{self.modbus.port}"
                found[gear.name] = {"modbus": where, "units": units}
            if gear.family == "pdu":
                found[gear.name] = {"snmp": f"{gear.host}:{self.snmp.port}"}
            if gear.rack in self.lines and bus is not None and gear.family != "cdu":
                found[gear.name]["serial"] = self.lines[gear.rack].path
        return found

    def serial_paths(self) -> dict[str, str]:
        return {rack: line.path for rack, line in self.lines.items()}

    def label(self, devices: Sequence[Device]) -> None:
        """Write the addresses into the devices' labels, and so into the hosts file."""
        where = self.addresses()
        for device in devices:
            words = where.get(device.name, {})
            device.labels |= {word: str(words[word]) for word in words if word != "units"}

    # What may be asked of it

    async def restart_broker(self) -> None:
        await self.broker.restart()

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
        """The oracle's questions. Raises ValueError for a verb that is not known."""
        if verb == "restart-broker":
            await self.restart_broker()
            return {"mqtt": f"{HOST}:{self.broker.port}"}
        if verb not in _VERBS:
            raise ValueError(f"unknown verb; known are {sorted([*_VERBS, 'restart-broker'])}")
        return msgspec.to_builtins(_VERBS[verb](self, body))


def _accounts(options: BuildingOptions) -> Sequence[Account]:
    """The building, the grid, each integration (which may be an agent of the grid too), and one
    that only listens."""
    integrations = [
        Account(user=item.name, publish=[f"BMS/v1/{item.name}/Value/#", *AGENT_TOPICS])
        for item in options.integrations
    ]
    return [
        Account(user="bms", publish=["BMS/v1/PUB/#"]),
        Account(user="grid", publish=[f"grid/v1/isv/{options.grid}/#"]),
        Account(user="viewer"),
        *integrations,
    ]


def _arm(building: Building, body: Mapping[str, Any]) -> Any:
    return asdict(building.faults.arm(**body))


def _faults(building: Building, body: Mapping[str, Any]) -> Any:
    del body
    armed = [asdict(fault) for fault in building.faults.armed]
    return {"known": CATALOGUE, "armed": armed, "struck": building.faults.struck}


def _read(building: Building, body: Mapping[str, Any]) -> Any:
    return {"value": building.plant.read(str(body["thing"]), str(body["point"]))}


def _set(building: Building, body: Mapping[str, Any]) -> Any:
    building.plant.set_point(str(body["thing"]), str(body["point"]), float(body["value"]))
    return _read(building, body)


def _rack(act: Callable[..., None], word: str) -> Callable[[Building, Mapping[str, Any]], Any]:
    def play(building: Building, body: Mapping[str, Any]) -> Any:
        if not isinstance(building.plant, LivePlant):
            raise TypeError("this plant plays its own leaks")
        act(building.plant, str(body["rack"]), **{word: bool(body.get(word, True))})
        return {"rack": body["rack"], word: bool(body.get(word, True))}

    return play


def _links(building: Building, body: Mapping[str, Any]) -> Any:
    del body
    return {
        link.user: {
            "connections": link.connections,
            "turns": link.turns,
            "messages": link.messages,
            "trouble": link.trouble,
        }
        for link in building.links
    }


def _set_load(building: Building, body: Mapping[str, Any]) -> Any:
    targets = [Target(**item) for item in body["targets"]]
    return {"correlation": building.grid.set_load(*targets)}


_VERBS: Final[Mapping[str, Callable[[Building, Mapping[str, Any]], Any]]] = {
    "arm": _arm,
    "disarm": lambda b, body: [asdict(fault) for fault in b.faults.disarm(body.get("word"))],
    "faults": _faults,
    "read": _read,
    "set": _set,
    "spill": _rack(LivePlant.spill, "wet"),
    "break-sensor": _rack(LivePlant.break_sensor, "faulty"),
    "judged": lambda b, _: [
        {**asdict(item), "response": item.response.name} for item in b.bms.judged
    ],
    "set-load": _set_load,
    "links": _links,
    "heard": lambda b, _: [asdict(item) for item in b.grid.heard_of],
}


@contextlib.asynccontextmanager
async def serve_building(
    devices: Sequence[Device],
    *,
    options: BuildingOptions | None = None,
    clock: Clock | None = None,
    floor: Floor | None = None,
    plant: Plant | None = None,
) -> AsyncIterator[Building]:
    """The building side of these devices, which must have their addresses. `plant`, given
    with its `floor`, stands in for their lives. Raises OperatorMust."""
    options, clock = options or BuildingOptions(), clock or WallClock()
    if plant is None or floor is None:
        lives = LivePlant.of(devices, clock)
        plant, floor = lives, lives.floor
    folder = options.folder or private_folder("iolaus-building-")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    building = Building(
        floor,
        plant,
        options=replace(options, folder=folder),
        clock=clock,
        folder=folder,
    )
    try:
        await building.open()
        building.label(devices)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(link.run()) for link in building.links]
            try:
                yield building
            finally:
                for task in tasks:
                    await end(task)
    finally:
        await building.close()
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
