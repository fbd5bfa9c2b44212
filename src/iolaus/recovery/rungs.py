"""The rungs of the ladder, and which of them lead out of what.

A rung says what it takes away meanwhile, how long it may take, and how often it may be used: on
one node, in a rack, in the fleet. A fleet in which a dozen outlets must be cycled in an hour has
another trouble than dead controllers, and then a person looks. What leads out of a finding stands
in one table, softest first; a finding that no rung leads out of goes to a person at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from iolaus.model.reach import Verdict
from iolaus.model.recovery import RungName

N = RungName
V = Verdict


class Rung(NamedTuple):
    """`stops_host`: what runs on the node goes down with it. Times are seconds."""

    name: RungName
    text: str
    stops_host: bool
    timeout_s: float
    cool_down_s: float
    per_hour: int
    per_rack_hour: int


def _rung(
    name: RungName, text: str, *, stops: bool, minutes: float, cool: float, hour: int, rack: int
) -> Rung:
    return Rung(name, text, stops, 60.0 * minutes, 60.0 * cool, hour, rack)


RUNGS: Final[Mapping[RungName, Rung]] = MappingProxyType(
    {
        each.name: each
        for each in (
            _rung(
                N.WAIT,
                "Wait for it to come back by itself",
                stops=False,
                minutes=3,
                cool=0,
                hour=1000,
                rack=100,
            ),
            _rung(
                N.SETTLE_LOGIN,
                "Find the login that it takes",
                stops=False,
                minutes=5,
                cool=10,
                hour=100,
                rack=36,
            ),
            _rung(
                N.CLOSE_SESSIONS,
                "Close the sessions of our account that nobody uses",
                stops=False,
                minutes=2,
                cool=10,
                hour=100,
                rack=36,
            ),
            _rung(
                N.RESET_MANAGER,
                "Restart its controller",
                stops=False,
                minutes=10,
                cool=30,
                hour=20,
                rack=4,
            ),
            _rung(
                N.NMI,
                "Send the host an NMI, so that it writes its crash dump",
                stops=True,
                minutes=3,
                cool=30,
                hour=20,
                rack=4,
            ),
            _rung(
                N.RESTART,
                "Ask the host to restart",
                stops=True,
                minutes=15,
                cool=30,
                hour=30,
                rack=4,
            ),
            _rung(
                N.FORCE_RESTART,
                "Restart the host by force",
                stops=True,
                minutes=15,
                cool=30,
                hour=20,
                rack=4,
            ),
            _rung(
                N.POWER_ON, "Power the host on", stops=False, minutes=15, cool=10, hour=30, rack=6
            ),
            _rung(
                N.POWER_CYCLE,
                "Power-cycle the host",
                stops=True,
                minutes=15,
                cool=30,
                hour=12,
                rack=3,
            ),
            _rung(
                N.SWITCH_BANK,
                "Boot the controller's other firmware bank",
                stops=False,
                minutes=15,
                cool=60,
                hour=6,
                rack=2,
            ),
            _rung(
                N.REFLASH,
                "Push the last good image again",
                stops=False,
                minutes=40,
                cool=60,
                hour=6,
                rack=2,
            ),
            _rung(
                N.MAINS,
                "Take the mains away and give it back, by the controller",
                stops=True,
                minutes=20,
                cool=60,
                hour=6,
                rack=2,
            ),
            _rung(
                N.OUTLET,
                "Take the mains away and give it back, at its outlets",
                stops=True,
                minutes=20,
                cool=60,
                hour=4,
                rack=2,
            ),
            _rung(
                N.SLOT,
                "Take its slot's power away and give it back, at the rack manager",
                stops=True,
                minutes=20,
                cool=60,
                hour=4,
                rack=2,
            ),
            _rung(
                N.RESCUE,
                "Start the host from the rescue image, once",
                stops=True,
                minutes=30,
                cool=60,
                hour=4,
                rack=2,
            ),
            _rung(
                N.ISOLATE,
                "Close the ports of the host, and its way to the controller",
                stops=False,
                minutes=5,
                cool=0,
                hour=1000,
                rack=100,
            ),
            _rung(
                N.REJOIN,
                "Open again what was closed of the host",
                stops=False,
                minutes=5,
                cool=0,
                hour=100,
                rack=36,
            ),
            _rung(
                N.HOLD_OFF,
                "Cut the host off, and let it not start by itself",
                stops=True,
                minutes=10,
                cool=0,
                hour=1000,
                rack=100,
            ),
        )
    }
)

LADDERS: Final[Mapping[Verdict, tuple[RungName, ...]]] = MappingProxyType(
    {
        V.HOST_HUNG: (
            *(N.NMI, N.RESTART, N.FORCE_RESTART, N.POWER_CYCLE, N.RESET_MANAGER),
            *(N.MAINS, N.OUTLET, N.SLOT, N.POWER_ON, N.RESCUE),
        ),
        V.HOST_PATH_DEAD: (N.RESET_MANAGER, N.MAINS, N.OUTLET, N.SLOT, N.POWER_ON),
        V.CONTROLLER_DEAD: (N.WAIT, N.OUTLET, N.SLOT, N.POWER_ON),
        V.NODE_SILENT: (N.WAIT, N.OUTLET, N.SLOT, N.POWER_ON),
        V.POWER_GONE: (N.OUTLET, N.POWER_ON),
        V.LOGIN_LOST: (N.SETTLE_LOGIN,),
        V.SESSIONS_FULL: (N.CLOSE_SESSIONS, N.RESET_MANAGER),
        V.UPDATE_WEDGED: (N.RESET_MANAGER, N.MAINS, N.OUTLET, N.SLOT, N.POWER_ON),
        V.FIRMWARE_BROKEN: (
            *(N.SWITCH_BANK, N.REFLASH, N.RESET_MANAGER, N.MAINS, N.OUTLET, N.SLOT, N.POWER_ON),
        ),
        V.HOST_OFF: (N.POWER_ON,),
        V.COMPROMISED: (N.ISOLATE, N.HOLD_OFF),
    }
)
"""What is not here is a person's."""

PERSON: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        V.HOST_HUNG: "look at its console and its parts, and open a case with the evidence",
        V.HOST_PATH_DEAD: "reseat or replace the board between controller and host",
        V.CONTROLLER_DEAD: "drain its host; then pull its mains by hand, or replace the controller",
        V.NODE_SILENT: "look at it: its lamps, its cable, its power",
        V.POWER_GONE: "look at its outlets, cords and breaker, and at its supplies",
        V.LOGIN_LOST: "give its login (iolaus credential add), or reset it at the machine",
        V.SESSIONS_FULL: "find out who holds its sessions",
        V.UPDATE_WEDGED: "see what the update left; recover the firmware by the maker's port",
        V.FIRMWARE_BROKEN: "recover the firmware by the maker's port, or push the image again",
        V.SUPPLY_FAILED: "replace the supply",
        V.HOST_OFF: "look why it does not start: its supplies, its log",
        V.RACK_NETWORK: "see to the rack's management switch and its uplink",
        V.SWITCH_SILENT: "see to the switch itself: its power, its uplink; then to those behind it",
        V.RACK_POWER: "see to the rack's feed, breaker and shelves",
        V.RACK_SILENT: "look at the rack: its switch, then its power",
        V.CUT_OFF: "check this server's network first",
        V.COMPROMISED: "look into it; nothing here starts it again",
        V.UNKNOWN: "find out what it is: nothing is done to what is not known",
        V.WELL: "nothing",
    }
)
