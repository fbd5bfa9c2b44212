"""The client library's connection, which keeps up with a building on a busy event loop.

aiomqtt reads one packet a turn of the loop, and needs several turns to hand over a message. A
building says thousands of things at a new connection; in a process that is reading a hall at the
same time, its heartbeat and the confirmations of what we publish would wait behind them until they
count as lost. So all that has come is read and handed over together, up to a bound that leaves the
loop to others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode

AT_ONCE: Final = 200


class Connection(aiomqtt.Client):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._one = self._client.loop_read
        self._client.loop_read = self._read  # type: ignore[method-assign]

    async def batches(self) -> AsyncIterator[Sequence[aiomqtt.Message]]:
        """What came, in its order, until the connection is lost. Raises `aiomqtt.MqttError`."""
        async for message in self.messages:
            more = min(len(self.messages), AT_ONCE)
            yield [message, *(self._queue.get_nowait() for _ in range(more))]

    def _read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Packets for as long as each brings a message."""
        for _ in range(AT_ONCE):
            before = len(self.messages)
            code = self._one(max_packets)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or len(self.messages) == before:
                break
        return code
