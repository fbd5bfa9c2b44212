"""What stands between a device's socket and its protocol: time, slots and faults.

A real controller answers few requests at a time and takes its time about each. A request waits
for one of the device's slots (or is refused with 503), holds it for as long as the latency model
and the fault rules say, and is answered. Without latency, limit or fault it is answered within
the turn of the event loop that read it.
"""

from __future__ import annotations

import fnmatch
import math
from collections import deque

from iolaus.sim.clock import after, stands
from iolaus.sim.device import Device
from iolaus.sim.faults import Armed, Faults
from iolaus.sim.http import Connection, Feed, Reply, Request
from iolaus.sim.redfish import Redfish
from iolaus.sim.replies import refusal

MAX_UPLOAD_BYTES = 65 << 20
_UPDATES = "/redfish/v1/UpdateService"


class Front:
    def __init__(self, device: Device) -> None:
        self.device = device
        self.faults = Faults(device)
        self.connections: set[Connection] = set()
        self._redfish = Redfish(device)
        self._queue: deque[tuple[Request, Connection]] = deque()
        self._hung: dict[Connection, int] = {}

    # the connection's side

    def body_limits(self, path: str) -> tuple[int, int]:
        limit = self.device.options.max_body_bytes
        if path.startswith(_UPDATES) and path in self._redfish.upload_paths():
            return MAX_UPLOAD_BYTES, limit
        return limit, limit

    def now(self) -> float:
        return self.device.now()

    def connected(self, connection: Connection) -> bool:
        limit = self.device.options.max_connections
        if limit and len(self.connections) >= limit:
            return False
        self.connections.add(connection)
        counters = self.device.counters
        counters.connections += 1
        counters.open_connections = len(self.connections)
        return True

    def disconnected(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.device.counters.open_connections = len(self.connections)
        for _ in range(self._hung.pop(connection, 0)):
            self._leave(0)

    def submit(self, request: Request, connection: Connection) -> None:
        device = self.device
        device.counters.arrived(request.method, request.path, device.clock.monotonic())
        slots = device.options.slots
        if not slots or device.counters.in_flight < slots:
            self._enter(request, connection)
        elif device.options.refuse_when_full:
            headers = {"Retry-After": "1"}
            name = "ServiceTemporarilyUnavailable"
            connection.answer(refusal(503, name, "1", headers=headers))
        else:
            self._queue.append((request, connection))

    def upgrade(self, request: Request, connection: Connection) -> Feed | None:
        """What speaks WebSockets at this path, if anything does."""
        self.device.counters.arrived(request.method, request.path, self.device.clock.monotonic())
        opens = self.device.sockets.get(request.path)
        return opens(request, connection) if opens is not None else None

    # a request's life

    def _enter(self, request: Request, connection: Connection) -> None:
        self.device.counters.entered()
        struck = self.faults.strike(request) if self.faults.armed else []
        if any(armed.rule.hang for armed in struck):
            self._hung[connection] = self._hung.get(connection, 0) + 1
            return
        delay = self.latency_s(request.path) + (self.faults.delay_s(struck) if struck else 0.0)
        clock = self.device.clock
        if delay > 0 and not stands(clock):
            after(clock, delay, lambda: self._answer(request, connection, struck))
        else:
            self._answer(request, connection, struck)

    def _answer(self, request: Request, connection: Connection, struck: list[Armed]) -> None:
        reply = self._struck(request, struck) if struck else self._redfish.respond(request)
        if self.faults.bends:
            reply = self.faults.shown(request, reply)
        self._leave(reply.status)
        connection.answer(reply)

    def _struck(self, request: Request, struck: list[Armed]) -> Reply:
        instead = self.faults.before(struck, request)
        reply = self._redfish.respond(request) if instead is None else instead
        return self.faults.after(struck, request, reply)

    def _leave(self, status: int) -> None:
        self.device.counters.left(status)
        while self._queue:
            request, connection = self._queue.popleft()
            if connection.transport is not None:
                self._enter(request, connection)
                return

    def latency_s(self, path: str) -> float:
        latency = self.device.options.latency
        if not latency.median_s and not latency.floor_s:
            return 0.0
        factor = next((f for glob, f in latency.factors if fnmatch.fnmatchcase(path, glob)), 1.0)
        spread = math.exp(latency.sigma * self.device.random.gauss(0, 1)) if latency.sigma else 1.0
        return max(latency.floor_s, latency.median_s * spread * factor)
