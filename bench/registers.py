"""What reading registers costs us: CPU seconds per 1,000 readings of a block over TCP, and per
1,000 readings made of them.

    python -m bench.registers [--shelves 32] [--seconds 5]

The gear is another process that answers every block at once, so that only our side is counted:
schedule, transaction, decoding, readings. Each shelf is a bus of its own, as it is in a hall, with
a management module and six rectifiers, read at the rates of `iolaus serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time

from iolaus.drivers.modbus.readings import Now, readings_of
from iolaus.drivers.modbus.things import things_of
from iolaus.kernel.clock import WallClock
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import Bus, Rates
from iolaus.wire.modbus.line import PymodbusLine
from iolaus.wire.modbus.registers import load_map

UNITS = {32: "hpr-pmm", **dict.fromkeys(range(192, 198), "hpr-psu")}
MOVING = (80, 82, 87)
"""Registers that say something else each time, as currents and powers do."""


def answer(request: bytes, count: int) -> bytes:
    """A sound answer to any reading of holding registers (Modbus Application Protocol 6.3)."""
    at, words = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    data = b"".join(
        (count * 7 % 4000 if word in MOVING else 0).to_bytes(2, "big")
        for word in range(at, at + words)
    )
    head = request[:4] + (3 + len(data)).to_bytes(2, "big")
    return head + request[6:8] + bytes([len(data)]) + data


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = 0
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            count += 1
            writer.write(answer(await reader.readexactly(12), count))


async def gear() -> None:
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def shelf(port: int) -> Bus:
    clock = WallClock()
    bus = Bus(
        "bench", PymodbusLine(parse_bus(f"modbus+tcp://127.0.0.1:{port}")), clock, rates=Rates()
    )
    for unit, name in UNITS.items():
        bus.add(unit, load_map(name))
    return bus


async def measure(port: int, *, shelves: int, seconds: float) -> dict[str, float]:
    buses = [shelf(port) for _ in range(shelves)]
    tasks = [asyncio.create_task(bus.run()) for bus in buses]
    await asyncio.sleep(2.0)
    before, began, at = sum(b.transactions for b in buses), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    spent, took_s = time.process_time() - began, time.monotonic() - at
    reads = sum(bus.transactions for bus in buses) - before
    began, made = time.process_time(), 0
    for bus in buses:
        now = Now(time.monotonic(), time.time())
        made += len(readings_of(bus, things_of(bus.units.values()), now))
    laid = time.process_time() - began
    for bus in buses:
        await bus.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "shelves": shelves,
        "reads_per_second": round(reads / took_s, 1),
        "cpu_s_per_1000_reads": round(1000 * spent / max(reads, 1), 4),
        "cpu_percent_of_a_core": round(100 * spent / took_s, 1),
        "readings": made,
        "cpu_s_per_1000_readings": round(1000 * laid / made, 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.registers")
    parser.add_argument("--shelves", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--gear", action="store_true", help="be the gear")
    given = parser.parse_args()
    if given.gear:
        asyncio.run(gear())
        return
    command = [sys.executable, "-m", "bench.registers", "--gear"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            port = int(child.stdout.readline())
            found = asyncio.run(measure(port, shelves=given.shelves, seconds=given.seconds))
            print(json.dumps(found))
        finally:
            child.kill()


if __name__ == "__main__":
    main()
