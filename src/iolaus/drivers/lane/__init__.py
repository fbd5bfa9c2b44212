"""Everything to a device goes through its lane (docs/design/0003-lanes.md).

    lanes = Lanes(redfish_conversations(clock, ledger=ledger), clock)
    device = lanes.lane(target, credential).at(Priority.TELEMETRY, deadline_s=20)
    answer = await device.get("/redfish/v1/Systems/1", fresh_s=5)

Order, number, session, deadline, silence, cache and back-off are the lane's; nobody above retries,
waits or counts.
"""

from iolaus.drivers.lane.auth import AuthRules, HeldBack, LoginMemory
from iolaus.drivers.lane.breaker import BreakerRules, BreakerState
from iolaus.drivers.lane.cache import CacheRules
from iolaus.drivers.lane.lane import Lane, LaneReads, LaneWrites
from iolaus.drivers.lane.lanes import Lanes, redfish_conversations
from iolaus.drivers.lane.limit import LimitRules
from iolaus.drivers.lane.rules import GivenUp, Heard, LaneRules, LaneStats
from iolaus.drivers.lane.session import Conversation
from iolaus.drivers.lane.trial import Aside

__all__ = [
    "Aside",
    "AuthRules",
    "BreakerRules",
    "BreakerState",
    "CacheRules",
    "Conversation",
    "GivenUp",
    "Heard",
    "HeldBack",
    "Lane",
    "LaneReads",
    "LaneRules",
    "LaneStats",
    "LaneWrites",
    "Lanes",
    "LimitRules",
    "LoginMemory",
    "redfish_conversations",
]
