"""The lanes of a house: one to each device, logins tried beside them; and lines to buses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Never

from iolaus.app.console_lines import OpensLines
from iolaus.app.consoles import Archive
from iolaus.app.sight import Sight
from iolaus.drivers.lane import Aside, Lanes, redfish_conversations
from iolaus.drivers.lane.lanes import Converse
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused
from iolaus.store.state import State
from iolaus.store.tries import CountedLogins
from iolaus.wire.modbus.address import BusAddress
from iolaus.wire.redfish.port import SessionLedger
from iolaus.wire.redfish.transport import KEEP_ALIVE_S, open_transport

if TYPE_CHECKING:
    from iolaus.app.house import HouseOptions


class Afar(NamedTuple):
    """How devices are reached that other processes own."""

    lanes: Lanes
    sight: Sight
    lines: OpensLines
    archive: Archive


class NoLine:
    """`wire.modbus.line.Line` of a process that leaves buses to others, as a core does."""

    def __init__(self, where: BusAddress) -> None:
        self._where = where

    async def read(self, unit: int, at: int, count: int, *, patience_s: float) -> Never:
        del unit, at, count, patience_s
        raise self._refused("read")

    async def write(self, unit: int, at: int, words: Sequence[int], *, patience_s: float) -> Never:
        del unit, at, words, patience_s
        raise self._refused("write")

    async def close(self) -> None: ...

    def _refused(self, operation: str) -> DeviceRefused:
        return DeviceRefused(
            "a core opens no line to a bus: the edge that owns it does",
            operation=operation,
            subject=str(self._where),
            code="NotHere",
            next_step="see who is there: iolaus get members",
        )


def open_lanes(options: HouseOptions, state: State, clock: Clock) -> Lanes:
    """Trials of logins share everything with the lanes but their sessions. A connection is kept
    until the poll after next: a handshake costs as much as a poll."""
    keep_alive_s = max(KEEP_ALIVE_S, 2.0 * options.periods.hot_s)

    def converse(ledger: SessionLedger) -> Converse:
        return redfish_conversations(
            clock,
            ledger=ledger,
            ca_file=options.ca_file,
            insecure_http=True,
            transport=partial(open_transport, keep_alive_s=keep_alive_s),
        )

    logins = CountedLogins(
        state.logins, state.tries, policy_of=state.secrets.policy_of, clock=clock
    )
    return Lanes(
        converse(state.sessions),
        clock,
        rules=options.lanes,
        logins=logins,
        trials=converse(Aside(state.sessions)),
    )
