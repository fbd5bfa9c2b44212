"""One candidate in a process of its own: `python -m bench.transport.measure NAME PORT PIN S N`.

GETs per second of this process's CPU time over N kept-alive connections with at most 32 requests
in flight, and what each open connection costs in resident memory. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

import psutil
import uvloop

from bench.transport.candidates import CANDIDATES
from bench.transport.server import BODY, address
from iolaus.wire.redfish.port import Request, Trust
from iolaus.wire.redfish.transport import OpenTransport

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "OData-Version": "4.0",
    "X-Auth-Token": "0123456789abcdef0123456789abcdef",
}
IN_FLIGHT = 32


async def _get(transport: OpenTransport, host: str, port: int, what: str) -> None:
    url = f"https://{host}:{port}/redfish/v1/Chassis/Self/{what}"
    answer = await transport.send(Request(method="GET", url=url, headers=_HEADERS))
    if answer.status != 200 or len(answer.body) != len(BODY):
        raise SystemExit(f"wrong answer: {answer.status}, {len(answer.body)} bytes")


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


async def measure(name: str, port: int, pin: str, seconds: float, devices: int) -> None:
    candidate = next(each for each in CANDIDATES if each.name == name)
    hosts = [address(index) for index in range(devices)]
    async with candidate.open(Trust(fingerprint=pin)) as transport:
        await asyncio.gather(*(_get(transport, host, port, "slow") for host in hosts[:8]))
        before = _resident()
        await asyncio.gather(*(_get(transport, host, port, "slow") for host in hosts[8:]))
        per_connection = (_resident() - before) / (devices - 8)
        count, until = 0, time.monotonic() + seconds

        async def work(mine: list[str]) -> None:
            nonlocal count
            while time.monotonic() < until:
                for host in mine:
                    await _get(transport, host, port, "Sensors")
                    count += 1

        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.gather(*(work(hosts[lane::IN_FLIGHT]) for lane in range(IN_FLIGHT)))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    row = {"gets": count, "cpu_s": cpu, "wall_s": wall, "bytes_per_connection": per_connection}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    who, where, shown, how_long, how_many = sys.argv[1:]
    uvloop.run(measure(who, int(where), shown, float(how_long), int(how_many)))
