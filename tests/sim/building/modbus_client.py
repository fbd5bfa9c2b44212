"""A stock Modbus client against the simulated units, and registers as numbers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from iolaus.sim.building.bus import Bus
from iolaus.sim.building.modbus_serve import SerialLine, TcpDoor
from iolaus.sim.building.registers import load_map

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@contextlib.asynccontextmanager
async def served(bus: Bus, *, host: str = "127.61.9.1") -> AsyncIterator[AsyncModbusTcpClient]:
    """The bus behind a TCP door of its own, and a client of it."""
    door = TcpDoor()
    await door.open([(host, bus)])
    client = AsyncModbusTcpClient(host, port=door.port, timeout=5, retries=0)
    try:
        assert await client.connect()
        yield client
    finally:
        client.close()
        await door.close()


@contextlib.asynccontextmanager
async def on_line(bus: Bus) -> AsyncIterator[AsyncModbusSerialClient]:
    """The bus behind a pseudo-terminal, and a client of it."""
    line = SerialLine(bus)
    client = AsyncModbusSerialClient(
        line.path, framer=FramerType.RTU, baudrate=115200, timeout=5, retries=0
    )
    try:
        assert await client.connect()
        yield client
    finally:
        client.close()
        await line.close()


async def read(client: Client, unit: int, kind: str, name: str) -> float:
    """A register by its name in our map, decoded."""
    reg = load_map(kind)[name]
    found = await client.read_holding_registers(reg.at, count=reg.count, device_id=unit)
    assert not found.isError(), found
    return reg.decode(found.registers)


async def read_text(client: Client, unit: int, kind: str, name: str) -> str:
    reg = load_map(kind)[name]
    found = await client.read_holding_registers(reg.at, count=reg.count, device_id=unit)
    data = b"".join(word.to_bytes(2, "big") for word in found.registers)
    return data.rstrip(b"\0").decode()


async def write(client: Client, unit: int, kind: str, name: str, value: float) -> ModbusPDU:
    reg = load_map(kind)[name]
    return await client.write_registers(reg.at, reg.encode(value), device_id=unit)


async def bit(client: Client, unit: int, kind: str, register: str, name: str) -> bool:
    place = next(b.bit for b in load_map(kind)[register].bits if b.name == name)
    return bool(int(await read(client, unit, kind, register)) >> place & 1)


async def set_bits(
    client: Client, unit: int, kind: str, register: str, names: Sequence[str]
) -> ModbusPDU:
    reg = load_map(kind)[register]
    word = sum(1 << b.bit for b in reg.bits if b.name in names)
    return await client.write_register(reg.at, word, device_id=unit)
