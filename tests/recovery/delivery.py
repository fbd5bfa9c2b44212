"""A delivery: factory-fresh machines of three makes on the wire, and some that are not as ordered.

Every machine has a factory password of its own, as makers ship them. Of the wrong ones each is
wrong in one way: another serial, another model, the identity of another machine, or silence once
its first password was sent.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from structlog.testing import capture_logs

from iolaus.app.house import HouseOptions, open_house
from iolaus.app.house_onboarding import Tempo
from iolaus.fleet.certify import make_authority
from iolaus.model.authority import Words
from iolaus.model.expected import ExpectedHardware
from iolaus.observe.collect import Periods
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from tests.fleet.build import baseline
from tests.survival.stage import (
    LANES,
    ROLLOUTS,
    STREAMS,
    SUBSCRIPTIONS,
    Ground,
    Stage,
    free_socket,
    served,
)

MAKES: Final = ("dl365-cpu", "xe9680-h200", "sys-hgx-b200")
SYSTEMS: Final = {
    "dl365-cpu": "/redfish/v1/Systems/1",
    "xe9680-h200": "/redfish/v1/Systems/System.Embedded.1",
    "sys-hgx-b200": "/redfish/v1/Systems/1",
}
CA: Final = "hall-ca"
TEMPO: Final = Tempo(every_s=0.3, gather_s=0.6)
SITE: Final = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {{name: delivery}}
spec:
  seed: {seed}
  network: {{cidr: 127.86.0.0/16}}
  demo: {{imperfections: false}}
  devices:
{rows}
"""
CALM: Final = Periods(
    hot_s=5.0, inventory_s=120.0, logs_s=60.0, retry_s=0.3, retry_max_s=1.0, patience_s=3.0
)
PATIENT: Final = msgspec.structs.replace(
    ROLLOUTS, pace=msgspec.structs.replace(ROLLOUTS.pace, longest_look_s=30.0)
)
"""A look on a busy machine takes more than a few seconds, and is begun anew when it is cut off."""
QUICK: Final = {"task_s": 0.2, "power_on_s": 0.05, "power_off_s": 0.05, "bmc_reset_s": 0.2}


class Truck:
    """What came: `wrong` says of whom how, by name; the list is of what was ordered."""

    def __init__(self, devices: Sequence[Device], wrong: Mapping[str, str]) -> None:
        self.devices, self.wrong = list(devices), dict(wrong)
        self.makes = {d.name: MAKES[n % len(MAKES)] for n, d in enumerate(devices)}
        self.factory = {d.name: f"Fresh-{d.name}-{d.options.seed or 7}x" for d in devices}
        self.ordered = {d.name: self.identity(d) for d in devices}
        for device in devices:
            object.__setattr__(device.options, "accounts", {"root": self.factory[device.name]})
            device.gate.restore()
        for name, how in wrong.items():
            self._spoil(self.named(name), how)

    @property
    def right(self) -> list[Device]:
        return [d for d in self.devices if d.name not in self.wrong]

    def named(self, name: str) -> Device:
        return next(d for d in self.devices if d.name == name)

    def system(self, device: Device) -> str:
        return SYSTEMS[self.makes[device.name]]

    def identity(self, device: Device) -> dict[str, str]:
        shown: Mapping[str, Any] = device.get(self.system(device)) or {}
        return {k: str(shown[k]) for k in ("SerialNumber", "Model", "UUID")}

    def document(self, **spec: Any) -> ExpectedHardware:
        nodes = [
            {
                "serial": self.ordered[d.name]["SerialNumber"],
                "name": d.name,
                "model": self.ordered[d.name]["Model"],
                "address": d.address,
                "credential": f"factory.{d.name}",
            }
            for d in self.devices
        ]
        said = {"approval": "unattended", "firstContact": "pin", "role": "train", **spec}
        document = {
            "apiVersion": "iolaus.dev/v1",
            "kind": "ExpectedHardware",
            "metadata": {"name": "delivery"},
            "spec": {"nodes": nodes, **said},
        }
        return msgspec.convert(document, ExpectedHardware)

    def _spoil(self, device: Device, how: str) -> None:
        system = self.system(device)
        if how == "serial":
            device.patch(system, {"SerialNumber": f"XX{device.name.upper()}99"})
        elif how == "model":
            device.patch(system, {"Model": "Something Else 9000"})
        elif how == "clone":
            twin = next(d for d in self.right if self.makes[d.name] == self.makes[device.name])
            device.patch(system, {k: v for k, v in self.identity(twin).items() if k != "Model"})
        else:
            assert how == "silent", how


def delivered(rows: str, seed: int) -> list[Device]:
    site = parse_site(SITE.format(rows=rows, seed=seed), source="-")
    return [seat.device() for seat in build_hall(site)]


def distinct(devices: Sequence[Device]) -> bool:
    """Serials are drawn by chance, and of hundreds two may be one."""
    shown = [d.get(SYSTEMS[MAKES[n % len(MAKES)]]) or {} for n, d in enumerate(devices)]
    return len({str(each["SerialNumber"]) for each in shown}) == len(devices)


def truck(count: int, wrong: Mapping[str, str] = {}) -> Truck:
    """So many machines, named n000 and on."""
    rows = "\n".join(
        f"    - {{name: n{n:03}, persona: {MAKES[n % len(MAKES)]}}}" for n in range(count)
    )
    devices = next(filter(distinct, (delivered(rows, seed) for seed in itertools.count(5))))
    for device in devices:
        for name, value in QUICK.items():
            object.__setattr__(device.options, name, value)
    return Truck(devices, wrong)


@asynccontextmanager
async def receiving(
    folder: Path,
    ground: Ground,
    lorry: Truck,
    *,
    periods: Periods = CALM,
    tempo: Tempo = TEMPO,
    **spec: Any,
) -> AsyncIterator[Stage]:
    """A house that expects the delivery and knows nothing else of it: its factory logins are kept,
    an authority and a baseline are there, and the list is applied."""
    async with AsyncExitStack() as stack:
        said = stack.enter_context(capture_logs())
        door = free_socket()
        stack.callback(door.close)
        options = HouseOptions(
            state_dir=folder / "state",
            demo=True,
            periods=periods,
            lanes=LANES,
            streams=STREAMS,
            subscriptions=SUBSCRIPTIONS,
            rollouts=PATIENT,
            onboarding=tempo,
        )
        house = await stack.enter_async_context(open_house(options))
        state = house.state
        if CA not in state.authorities.all():
            made = make_authority(CA, words=Words(), days=3650, now=house.clock.now())
            state.authorities.put(CA, certificate=made.certificate, key=made.key, days=397)
        for device in lorry.devices:
            factory = f"factory.{device.name}"
            if state.secrets.get(factory) is None:
                state.secrets.put(factory, user="root", password=lorry.factory[device.name])
        wanted = baseline(
            "fresh",
            labels={"role": "train"},
            bmc={"ntp": ["10.0.0.1"]},
            rollout={"waves": [{"name": "all"}], "limits": {"bricks": 5}},
        )
        if state.baselines.get("fresh") is None:
            await state.baselines.put(wanted, at=0.0, by="ana", source="test")
        await stack.enter_async_context(served(house, door))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(ground, house, http, f"http://127.0.0.1:{door.getsockname()[1]}")
        stage.logs = said
        document = lorry.document(**{"authority": CA, "baseline": "fresh", **spec})
        await house.onboarding.put_list(document, by="ana", source="test")
        house.begin_all(spread=False)
        yield stage


def standings(on: Stage) -> dict[str, tuple[str, str]]:
    """(state, reason) by the machine that was seen."""
    names = {device.address: device.name for device in on.hall.devices}
    return {
        names[each.candidate.address]: (each.standing.state.value, each.standing.reason)
        for each in on.house.onboarding.progressed()
        if each.candidate is not None
    }
