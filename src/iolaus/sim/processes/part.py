"""One part of a shared hall, in its own process: `python -m iolaus.sim.processes.part`.

It serves its devices with an oracle of its own, of which only the process that began it knows. It
ends with that process, however that ends, as its input ends then; signals it leaves to it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from iolaus.kernel.errors import IolausError
from iolaus.sim.command import Companion, ServeOptions, run
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices, site_of
from iolaus.sim.processes.said import Failed, Order, Ports, Ready
from iolaus.sim.server import host_of
from iolaus.sim.tls import Authority


def devices_of(order: Order) -> list[Device]:
    """Raises OperatorMust."""
    file = Path(order.file) if order.file else None
    options = HallOptions(
        nodes=order.nodes,
        user=order.user,
        password_file=Path(order.password_file) if order.password_file else None,
    )
    beside = file.parent if file else None
    site = site_of(file, options)
    return hall_devices(site, options, beside=beside, only=frozenset(order.only))


async def serve(order: Order, devices: Sequence[Device], ports: Ports) -> None:
    """Until the input ends."""
    stop = asyncio.Event()
    await asyncio.get_running_loop().connect_read_pipe(lambda: _End(stop), sys.stdin)
    tls_dir = Path(order.tls_dir) if order.tls_dir else None
    options = ServeOptions(
        port=ports.port,
        tls=bool(order.authority),
        tls_dir=tls_dir,
        faults=Path(order.faults) if order.faults else None,
    )
    await run(
        devices,
        serve=options,
        ready=lambda line: _say(_ready(line, devices)),
        stop=stop,
        signals=False,
        companions=_consoles(ports) if order.console else {},
        authority=Authority(tls_dir, held=order.authority.encode()) if order.authority else None,
    )


def _consoles(ports: Ports) -> Mapping[str, Companion]:
    from iolaus.sim.serve.consoles import serve_consoles  # heavy: only where it is asked for

    return {"console": lambda devices: serve_consoles(devices, port=ports.console)}


def _ready(line: Mapping[str, Any], devices: Sequence[Device]) -> Ready:
    console = line.get("console", {"port": 0, "consoles": 0})
    return Ready(
        ports=Ports(port=line["port"], console=console["port"]),
        consoles=console["consoles"],
        url=line["oracle"]["url"],
        token=line["oracle"]["token"],
        hosts=tuple(map(host_of, devices)),
    )


class _End(asyncio.Protocol):
    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._stop.set()


def _say(word: Ready | Failed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(word) + b"\n")
    sys.stdout.flush()


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        if line := sys.stdin.buffer.readline():
            order = msgspec.json.decode(line, type=Order)
            devices = devices_of(order)
            if line := sys.stdin.buffer.readline():
                uvloop.run(serve(order, devices, msgspec.json.decode(line, type=Ports)))
    except IolausError as error:
        _say(Failed.of(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
