"""The lanes of a house: one to each device, and logins tried beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from iolaus.app.console_lines import OpensLines
from iolaus.app.consoles import Archive
from iolaus.app.sight import Sight
from iolaus.drivers.lane import Aside, Lanes, redfish_conversations
from iolaus.drivers.lane.lanes import Converse
from iolaus.kernel.clock import Clock
from iolaus.store.state import State
from iolaus.store.tries import CountedLogins
from iolaus.wire.redfish.port import SessionLedger

if TYPE_CHECKING:
    from iolaus.app.house import HouseOptions


class Afar(NamedTuple):
    """How devices are reached that other processes own."""

    lanes: Lanes
    sight: Sight
    lines: OpensLines
    archive: Archive


def open_lanes(options: HouseOptions, state: State, clock: Clock) -> Lanes:
    """Trials of logins share everything with the lanes but their sessions."""

    def converse(ledger: SessionLedger) -> Converse:
        return redfish_conversations(
            clock, ledger=ledger, ca_file=options.ca_file, insecure_http=True
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
