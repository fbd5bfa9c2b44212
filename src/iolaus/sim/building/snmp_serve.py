"""SNMP agents for the PDUs of a hall: v2c with communities, v3 with users.

One engine serves all PDUs, each at an address of its own and all at one port: engines are heavy,
and what tells PDUs apart is where a request came in. Reading needs the read community or the v3
user; switching outlets needs the write community or the v3 user, who must sign and encrypt.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import cmdrsp
from pysnmp.entity.rfc3413.context import SnmpContext
from pysnmp.proto.rfc1905 import endOfMibView, noSuchInstance
from pysnmp.smi import error
from pysnmp.smi.instrum import AbstractMibInstrumController

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.plant import Gear, Plant
from iolaus.sim.building.snmp_tree import CYCLE, OFF, ON, PduTree

CYCLE_S: Final = 5.0
TRIES: Final = 50
ALL: Final = (1, 3, 6, 1)
NOTHING: Final = (0, 0)
"""A view that holds no object; the library allows all to who has no view at all."""
V2C, V3 = 2, 3
RESPONDERS: Final = (
    cmdrsp.GetCommandResponder,
    cmdrsp.NextCommandResponder,
    cmdrsp.BulkCommandResponder,
    cmdrsp.SetCommandResponder,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnmpAccess:
    """Who may ask. Made per hall, but for the read community that everybody knows."""

    read: str = "public"
    write: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    user: str = "iolaus"
    auth: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    privacy: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)


class Door(udp.UdpAsyncioTransport):  # type: ignore[misc]
    """A PDU's socket; deaf while its link is lost."""

    def __init__(self, name: str, faults: Faults) -> None:
        super().__init__()
        self._name, self._faults = name, faults

    def datagram_received(self, datagram: bytes, transportAddress: Any) -> None:  # noqa: N803
        if not self._faults.strikes("link-loss", self._name, "snmp"):
            super().datagram_received(datagram, transportAddress)


class Trees(AbstractMibInstrumController):  # type: ignore[misc]
    """All PDUs' trees; which one is meant is told by the door the request came through."""

    def __init__(self, engine: SnmpEngine) -> None:
        self._engine = engine
        self.by_domain: dict[tuple[int, ...], PduTree] = {}

    def _tree(self) -> PduTree:
        context = self._engine.observer.get_execution_context("rfc3412.receiveMessage:request")
        return self.by_domain[tuple(context["transportDomain"])]

    def read_variables(self, *asked: Any, **context: Any) -> list[Any]:
        tree, found = self._tree(), []
        for n, (name, value) in enumerate(asked):
            _admit(context, "read", name, value, n)
            got = tree.get(tuple(name))
            found.append((name, noSuchInstance if got is None else got))
        return found

    def read_next_variables(self, *asked: Any, **context: Any) -> list[Any]:
        tree, found = self._tree(), []
        for n, (name, value) in enumerate(asked):
            _admit(context, "read", name, value, n)
            following = tree.after(tuple(name))
            if following is None:
                found.append((name, endOfMibView))
            else:
                found.append((name.clone(following[0]), following[1]))
        return found

    def write_variables(self, *asked: Any, **context: Any) -> list[Any]:
        """All or nothing, as the standard asks."""
        tree, acts = self._tree(), []
        for n, (name, value) in enumerate(asked):
            _admit(context, "write", name, value, n)
            put = tree.putter(tuple(name))
            if put is None:
                raise error.NotWritableError(name=name, idx=n)
            acts.append((put, _operation(name, value, n)))
        for put, operation in acts:
            put(operation)
        return list(asked)


def _operation(name: Any, value: Any, n: int) -> int:
    try:
        operation = int(value)
    except (TypeError, ValueError):
        raise error.WrongTypeError(name=name, idx=n) from None
    if operation not in (OFF, ON, CYCLE):
        raise error.WrongValueError(name=name, idx=n)
    return operation


def _admit(context: dict[str, Any], view: str, name: Any, value: Any, n: int) -> None:
    """Raises unless who asks may; the library says so by raising, or by answering True."""
    rest = {word: found for word, found in context.items() if word not in ("acFun", "idx")}
    if context["acFun"](view, (name, value), idx=n, **rest):
        raise error.NoAccessError(name=name, idx=n)


class SnmpDoors:
    """The agents of all PDUs. `port` is theirs in common."""

    def __init__(
        self, plant: Plant, *, clock: Clock, faults: Faults, access: SnmpAccess | None = None
    ) -> None:
        self.access = access or SnmpAccess()
        self.port = 0
        self._plant, self._clock, self._faults = plant, clock, faults
        self._engine: SnmpEngine | None = None
        self._cycling: set[asyncio.Task[None]] = set()

    def open(self, gear: Sequence[Gear], *, port: int = 0) -> None:
        """Raises OperatorMust when the port is not to be had."""
        sockets = bind_datagram([item.host for item in gear], port)
        if not sockets:
            return
        self.port = sockets[0].getsockname()[1]
        engine = self._engine = SnmpEngine()
        trees = Trees(engine)
        for n, (item, sock) in enumerate(zip(gear, sockets, strict=True)):
            domain = (*udp.DOMAIN_NAME, n)
            trees.by_domain[domain] = PduTree(
                item, self._plant, clock=self._clock, faults=self._faults, cycle=self._cycle
            )
            door = Door(item.name, self._faults).open_server_mode(sock=sock)
            config.add_transport(engine, domain, door)
        self._enrol(engine)
        context = SnmpContext(engine)
        context.unregister_context_name(b"")
        context.register_context_name(b"", trees)
        for responder in RESPONDERS:
            responder(engine, context)

    def _enrol(self, engine: SnmpEngine) -> None:
        access = self.access
        config.add_v1_system(engine, "reader", access.read)
        config.add_v1_system(engine, "writer", access.write)
        config.add_v3_user(
            engine, access.user,
            config.USM_AUTH_HMAC192_SHA256, access.auth,
            config.USM_PRIV_CFB128_AES, access.privacy,
        )  # fmt: skip
        config.add_vacm_user(engine, V2C, "reader", "noAuthNoPriv", ALL, NOTHING)
        config.add_vacm_user(engine, V2C, "writer", "noAuthNoPriv", ALL, ALL)
        config.add_vacm_user(engine, V3, access.user, "authPriv", ALL, ALL)

    def _cycle(self, name: str, n: int) -> None:
        task = asyncio.get_running_loop().create_task(self._off_and_on(name, f"outlet.{n}"))
        self._cycling.add(task)
        task.add_done_callback(self._cycling.discard)

    async def _off_and_on(self, name: str, point: str) -> None:
        self._plant.set_point(name, point, 0.0)
        await self._clock.sleep(CYCLE_S)
        self._plant.set_point(name, point, 1.0)

    async def close(self) -> None:
        for task in self._cycling:
            task.cancel()
        if self._engine is not None:
            self._engine.close_dispatcher()
        await asyncio.sleep(0)


def bind_datagram(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A socket on each address, all at the same port (0: one that is free on all)."""
    for attempt in range(TRIES):
        sockets: list[socket.socket] = []
        chosen = port
        try:
            for host in hosts:
                sockets.append(_bound(host, chosen))
                chosen = chosen or sockets[0].getsockname()[1]
            return sockets
        except OSError as found:
            for sock in sockets:
                sock.close()
            if port or attempt + 1 == TRIES:
                raise OperatorMust(
                    f"cannot listen on {hosts[len(sockets)]}:{chosen}: {found.strerror}",
                    operation="start",
                    subject="SNMP agents",
                    code="PortTaken",
                    next_step="Choose another SNMP port.",
                ) from None
    return []


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
