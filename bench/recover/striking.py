"""What befalls the ill: faults of the catalogue, and hands that are not ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
from tests.survival.stage import Ground

from bench.recover.ground import Rack, Server, until
from iolaus.sim.catalogue.strike import Order
from iolaus.sim.catalogue.truth import life_of
from iolaus.sim.cords import strip
from iolaus.sim.device import Device
from iolaus.sim.firmware.examples import example
from iolaus.sim.firmware.faults import updates_on
from iolaus.sim.personas.parts.flash import CONTROLLER

FACTORY: Final = ("admin", "factory-default")
LATER_S: Final = 4.0
SESSIONS: Final = 8
NEW: Final = "99.1"


class Striker:
    """Of one script; `mend` takes back what it struck."""

    def __init__(self, rack: Rack, ground: Ground, server: Server) -> None:
        self._rack, self._script = rack, rack.script
        self._ground, self._server = ground, server
        self._hands: Mapping[str, Callable[[Device], Awaitable[None]]] = {
            "switch-off": self._switch_off,
            "update": self._push,
            "flash": self._flash,
            "attest": self._attest,
            "fill": self._fill,
            "refuse": self._refuse,
        }
        self._struck: list[str] = []

    async def prepare(self) -> None:
        """What was so before."""
        if self._script.prepare == "factory":
            await self._give_factory()
        if self._script.prepare == "others":
            for device in self._rack.ill:
                device.gate.accounts["tool"] = device.gate.accounts["root"]

    async def strike(self, ill: Sequence[Device]) -> None:
        striking = self._ground.oracle.striking
        for fault, given in self._script.faults:
            if fault in self._hands:
                await asyncio.gather(*(self._hands[fault](device) for device in ill))
                continue
            for device in ill:
                struck = await striking.strike(
                    Order(fault=fault, select=device.name, given=dict(given))
                )
                self._struck.append(struck.key)
        if self._script.alone:
            await self._everybody()

    async def _everybody(self) -> None:
        """Not they are silent: we are."""
        ill = {device.name for device in self._rack.ill}
        for name in self._ground.hall.places:
            if name not in ill:
                order = Order(fault="silent", select=name)
                self._struck.append((await self._ground.oracle.striking.strike(order)).key)

    async def mend(self) -> None:
        while self._struck:
            key = self._struck.pop()
            await self._ground.oracle.striking.mend(key)

    async def before(self) -> None:
        """What a person does before asking for the way back."""
        if self._script.prepare == "later":
            await self._give_factory()

    async def meanwhile(self) -> None:
        """What happens while it is under way."""
        if self._script.prepare == "returns":
            await asyncio.sleep(LATER_S)
            await self.mend()

    # --- hands that are not ours --------------------------------------------------------------

    async def _give_factory(self) -> None:
        """A person gives the maker's login."""
        hosts = [device.address for device in self._rack.ill]
        spec: dict[str, Any] = {"name": f"maker-{self._script.name}", "user": FACTORY[0],
                                "password": FACTORY[1], "recovers": hosts}  # fmt: skip
        await self._server.ask("POST", "credentials", {"spec": spec})

    async def _switch_off(self, device: Device) -> None:
        """Somebody took its outlets."""
        for each in self._rack.strips:
            cords = strip(each)
            for number, machine in cords.machines.items() if cords else ():
                if machine.device is device:
                    path = f"/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/{number}"
                    each.patch(path, {"PowerState": "Off"})

    async def _fill(self, device: Device) -> None:
        """Somebody holds every session, and ours has ended."""
        gate, user = device.gate, "tool" if self._script.prepare == "others" else "root"
        gate.drop_all()
        gate.limit = SESSIONS
        for _ in range(SESSIONS):
            gate.login({"UserName": user, "Password": gate.accounts[user].password})

    async def _refuse(self, device: Device) -> None:
        """It says that its sessions are all taken, whatever is closed or restarted."""
        device.gate.drop_all()
        device.gate.limit = -1

    async def _push(self, device: Device) -> None:
        """A maker's tool pushes an image for the controller."""
        life, updates = life_of(device), updates_on(device)
        assert life is not None
        assert updates is not None
        here = next(h for h in updates.memory.here(device) if h.part.wakes == CONTROLLER)
        image = example(life.persona.name, {here.path.rpartition("/")[2]: NEW})
        place = str((device.get("/redfish/v1/UpdateService") or {})["MultipartHttpPushUri"])
        form = aiohttp.FormData()
        form.add_field("UpdateParameters", aiohttp.JsonPayload({"Targets": [here.path]}))
        form.add_field("UpdateFile", image, filename="image.fwpkg",
                       content_type="application/octet-stream")  # fmt: skip
        account = next(iter(device.gate.accounts.values()))
        auth = aiohttp.encode_basic_auth("root", account.password)
        context = ssl.create_default_context(cafile=str(self._ground.ca_file))
        context.check_hostname = False
        async with (
            aiohttp.ClientSession(headers={"Authorization": auth}) as http,
            http.post(device.address + place, data=form, ssl=context) as answer,
        ):
            if answer.status >= 300:
                raise RuntimeError(f"{device.name}: {answer.status} {await answer.text()}")

    async def _flash(self, device: Device) -> None:
        """It is pushed, and the controller restarted for it."""
        await self._push(device)
        updates = updates_on(device)
        assert updates is not None

        async def written() -> bool:
            return updates.work is None or updates.work.over

        await until(written, f"{device.name} took the image")
        device.restart()

    async def _attest(self, device: Device) -> None:
        for name in self._server.hosts_of(device):
            await self._server.ask("POST", "attest", {"nodes": [name], "labelSelector": ""})
