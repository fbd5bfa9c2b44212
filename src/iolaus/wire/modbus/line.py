"""One Modbus line as a port of two methods, and the pymodbus client behind it.

A line does one transaction at a time and repeats nothing: what to do about silence is the bus's to
decide, because only it knows whether the others answer. Silence, a garbled frame and a late
answer are three different things (a unit that is gone, a bad cable, a unit that is slow), so the
bytes that come in are counted beside the frames that can be read. After a time-out on a serial
line the line must be quiet before the next request: RTU frames carry no transaction number, and a
late answer would be taken for the next one's (Modbus over Serial Line 1.02, section 2.5.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, TypeVar

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.modbus.address import BusAddress

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY, NO_PATH, NO_TARGET = 1, 2, 3, 6, 10, 11
ACKNOWLEDGED: Final = 5
CONNECT_S: Final = 3.0
QUIET_S, DRAIN_S = 0.03, 0.6
T = TypeVar("T")
_NEXT: Final = "check the cable, the unit number and the speed of the line; see docs/building.md."
_SAID: Final = {
    ILLEGAL_FUNCTION: "it does not know this function",
    ILLEGAL_ADDRESS: "it has no such register",
    ILLEGAL_VALUE: "it does not take this value",
    ACKNOWLEDGED: "it is still working on the last request",
    BUSY: "it is busy",
}
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class Line(Protocol):
    """`read` and `write` raise `DeviceSilent` (code "ModbusSilent"; "ModbusLate" if something came
    after `patience_s`; "ModbusNoLink" if the line itself cannot be used), `DeviceLied` (code
    "ModbusGarbled": bytes came, and no sound frame) or `DeviceRefused` (`status` is the Modbus
    exception code)."""

    async def read(self, unit: int, at: int, count: int, *, patience_s: float) -> Sequence[int]: ...

    async def write(
        self, unit: int, at: int, words: Sequence[int], *, patience_s: float
    ) -> None: ...

    async def close(self) -> None:
        """Let go of the line; the next request opens it again."""
        ...


class PymodbusLine:
    """TCP, RTU, or RTU frames over TCP, as the address says. Opened at the first request."""

    def __init__(self, address: BusAddress) -> None:
        self.address = address
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._heard = 0

    async def read(self, unit: int, at: int, count: int, *, patience_s: float) -> Sequence[int]:
        client = await self._opened()
        asked = client.read_holding_registers(at, count=count, device_id=unit)
        answer = await self._transact(asked, unit, at, patience_s)
        words = list(answer.registers)
        if len(words) != count:
            raise self._lied(f"unit {unit} answered {len(words)} of {count} words", at)
        return words

    async def write(self, unit: int, at: int, words: Sequence[int], *, patience_s: float) -> None:
        client = await self._opened()
        asked = (
            client.write_register(at, words[0], device_id=unit)
            if len(words) == 1
            else client.write_registers(at, list(words), device_id=unit)
        )
        await self._transact(asked, unit, at, patience_s)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _opened(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        if self._client is None or not self._client.connected:
            await self.close()
            self._client = self._made()
            try:
                done = await self._client.connect()
            except (OSError, ModbusException) as error:
                raise self._no_link(str(error)) from None
            if not done:
                raise self._no_link("it cannot be opened")
        return self._client

    def _made(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        address = self.address
        if address.is_serial:
            return AsyncModbusSerialClient(
                address.where, framer=FramerType.RTU, baudrate=address.baud,
                parity=address.parity, retries=0, reconnect_delay=0,
                timeout=CONNECT_S, trace_packet=self._hear,
            )  # fmt: skip
        framer = FramerType.RTU if address.scheme == "modbus+rtu+tcp" else FramerType.SOCKET
        return AsyncModbusTcpClient(
            address.where, port=address.port, framer=framer, retries=0, reconnect_delay=0,
            timeout=CONNECT_S, trace_packet=self._hear,
        )  # fmt: skip

    def _hear(self, sending: bool, data: bytes) -> bytes:
        self._heard = 0 if sending else self._heard + len(data)
        return data

    async def _transact(
        self, asked: Awaitable[ModbusPDU], unit: int, at: int, patience_s: float
    ) -> ModbusPDU:
        self._heard = 0
        try:
            async with asyncio.timeout(patience_s):
                answer = await asked
        except TimeoutError:
            raise await self._unanswered(unit, at, patience_s) from None
        except (ModbusException, OSError) as error:
            await self.close()
            raise self._no_link(str(error)) from None
        if isinstance(answer, ExceptionResponse):
            raise self._refused(answer.exception_code, unit, at)
        return answer

    async def _unanswered(self, unit: int, at: int, patience_s: float) -> DeviceSilent | DeviceLied:
        if self._heard and self.address.scheme != "modbus+tcp":
            await self._drain()
            return self._lied(f"unit {unit} answered with a wrong check sum", at)
        late = self.address.scheme != "modbus+tcp" and await self._drain()
        return DeviceSilent(
            f"unit {unit} did not answer in {1000 * patience_s:.0f} ms",
            operation="read registers",
            subject=f"{self.address} unit {unit}",
            code="ModbusLate" if late else "ModbusSilent",
            next_step=_NEXT,
        )

    async def _drain(self) -> bool:
        """Wait until nothing comes any more; whether anything came."""
        came = False
        for _ in range(round(DRAIN_S / QUIET_S)):
            self._heard = 0
            await asyncio.sleep(QUIET_S)
            if not self._heard:
                break
            came = True
        return came

    def _refused(self, code: int, unit: int, at: int) -> DeviceRefused | DeviceSilent:
        if code in (NO_PATH, NO_TARGET):
            return DeviceSilent(
                f"the gateway gets no answer from unit {unit}",
                operation="read registers",
                subject=f"{self.address} unit {unit}",
                code="ModbusSilent",
                next_step=_NEXT,
            )
        return DeviceRefused(
            f"unit {unit} refused register {at}: {_SAID.get(code, f'exception {code}')}",
            operation="ask for registers",
            subject=f"{self.address} unit {unit}",
            code="ModbusRefused",
            status=code,
        )

    def _lied(self, why: str, at: int) -> DeviceLied:
        return DeviceLied(
            f"{why} (register {at})",
            operation="read registers",
            subject=str(self.address),
            code="ModbusGarbled",
            next_step=_NEXT,
        )

    def _no_link(self, why: str) -> DeviceSilent:
        return DeviceSilent(
            why or "the line cannot be used",
            operation="open line",
            subject=str(self.address),
            code="ModbusNoLink",
            next_step=_NEXT,
        )
