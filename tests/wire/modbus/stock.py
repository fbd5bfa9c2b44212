"""A stock Modbus server with gear of the maps' registers, and a serial cable with faults.

The server is pymodbus's own; what it holds is words by unit and address. The cable is two
pseudo-terminals with a task between them that takes as long for a byte as the line would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from iolaus.wire.modbus.registers import Register, RegisterMap, load_map

Words = dict[int, int]


def words_of(found: RegisterMap, values: Mapping[str, int | str] | None = None) -> Words:
    """Every register of a map, as raw words; those not given are 0."""
    given = values or {}
    return {
        reg.at + n: word
        for reg in found.registers
        for n, word in enumerate(_raw(reg, given.get(reg.name, 0)))
    }


def _raw(reg: Register, value: int | str) -> list[int]:
    size = 2 * reg.count
    if isinstance(value, str):
        data = value.encode()[:size].ljust(size, b"\0")
    else:
        data = (value % (1 << 8 * size)).to_bytes(size, "big")
    return [int.from_bytes(data[n : n + 2], "big") for n in range(0, size, 2)]


@dataclass
class Gear:
    """What answers. `garble` says of each answer whether its check sum is wrong, `silent` are
    units that say nothing, `busy` those that are busy, `delay_s` how long a unit takes."""

    words: dict[int, Words] = field(default_factory=dict)
    garble: Callable[[int], bool] = lambda unit: False
    silent: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    delay_s: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    written: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)

    def put(self, unit: int, kind: str, values: Mapping[str, int | str] | None = None) -> None:
        self.words[unit] = words_of(load_map(kind), values)

    def set(self, unit: int, kind: str, **values: int) -> None:
        for name, value in values.items():
            reg = load_map(kind)[name]
            self.words[unit] |= dict(zip(range(reg.at, reg.end), _raw(reg, value), strict=True))

    def devices(self) -> list[SimDevice]:
        return [self._device(unit, words) for unit, words in self.words.items()]

    def _device(self, unit: int, words: Words) -> SimDevice:
        runs = groupby(enumerate(sorted(words)), key=lambda pair: pair[1] - pair[0])
        data = [
            SimData(run[0], values=[words[at] for at in run], datatype=DataType.REGISTERS)
            for run in ([at for _, at in group] for _, group in runs)
        ]

        async def act(
            function: int,
            start: int,
            address: int,
            count: int,
            current: list[int],
            new: list[int] | list[bool] | None,
        ) -> ExcCodes | None:
            await asyncio.sleep(self.delay_s[unit])
            if unit in self.busy:
                return ExcCodes.DEVICE_BUSY
            for at, word in self.words[unit].items():
                current[at - start] = word
            if new is None:
                self.asked.append((unit, address, count))
            else:
                taken = tuple(int(word) for word in new)
                self.written.append((unit, address, taken))
                self.words[unit] |= dict(zip(range(address, address + count), taken, strict=True))
            return None

        return SimDevice(unit, data, action=act)

    def rtu(self, sending: bool, data: bytes) -> bytes:
        if not sending or not data:
            return data
        if data[0] in self.silent:
            return b""
        return data[:-1] + bytes([data[-1] ^ 0xFF]) if self.garble(data[0]) else data

    def tcp(self, sending: bool, data: bytes) -> bytes:
        return b"" if sending and data and data[6] in self.silent else data


@contextlib.asynccontextmanager
async def on_tcp(gear: Gear) -> AsyncIterator[int]:
    """The gear behind a TCP port."""
    server = ModbusTcpServer(
        gear.devices(), address=("127.0.0.1", 0), ignore_missing_devices=True, trace_packet=gear.tcp
    )
    await server.serve_forever(background=True)
    try:
        assert isinstance(server.transport, asyncio.Server)
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def on_line(gear: Gear, *, baud: int = 0) -> AsyncIterator[str]:
    """The gear on a serial line of this speed (0: no wait); the device file to open."""
    async with cable(baud) as (ours, theirs):
        server = ModbusSerialServer(
            gear.devices(), framer=FramerType.RTU, port=theirs, baudrate=115200,
            ignore_missing_devices=True, trace_packet=gear.rtu,
        )  # fmt: skip
        await server.serve_forever(background=True)
        try:
            yield ours
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def cable(baud: int) -> AsyncIterator[tuple[str, str]]:
    """Two device files joined to each other."""
    ends = [os.openpty(), os.openpty()]
    for master, slave in ends:
        tty.setraw(slave)
        os.set_blocking(master, False)
    loop = asyncio.get_running_loop()
    queues: list[asyncio.Queue[bytes]] = [asyncio.Queue(), asyncio.Queue()]

    def readable(n: int) -> None:
        with contextlib.suppress(OSError):
            queues[n].put_nowait(os.read(ends[n][0], 4096))

    async def carry(n: int) -> None:
        while True:
            data = await queues[n].get()
            await asyncio.sleep(11 * len(data) / baud if baud else 0)
            with contextlib.suppress(OSError):
                os.write(ends[1 - n][0], data)

    for n, (master, _) in enumerate(ends):
        loop.add_reader(master, readable, n)
    tasks = [loop.create_task(carry(n)) for n in (0, 1)]
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)
