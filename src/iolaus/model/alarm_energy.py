"""The alarms of power, heat and leaks: what an edge saw, and what its reflexes have done.

A reflex acts in a second and by itself; what is left for a person is to look, to repair, and to
release what it holds. So nearly all of these stand until the latch or the loss behind them is gone.
"""

from __future__ import annotations

from typing import Final

from iolaus.model.alarm import AlarmKind, Priority

_RELEASE: Final = "Look on site; when it is repaired: iolaus latch release RACK --reason ..."

ENERGY: Final = (
    AlarmKind(
        code="LeakCritical",
        priority=Priority.CRITICAL,
        means="A leak reflex has struck, or would have: a detector of the zone reads critical.",
        consequence="In control the power of the zone is cut already and stays cut. In observe or "
        "advise nothing was done: liquid stands near live parts.",
        response=(
            "See what struck and what was done: iolaus describe edge/RACK.",
            "Where nothing was done, take the power off: iolaus power off NODE.",
            _RELEASE,
            "Power comes back by a person's decision only: iolaus power on NODE.",
        ),
        clears="when its latch is released.",
    ),
    AlarmKind(
        code="LeakWarning",
        priority=Priority.HIGH,
        means="Two detectors of a zone, or one for a while, read a leak warning.",
        consequence="In control its nodes are held at a low cap and get no new work; liquid may "
        "reach live parts.",
        response=(
            "See which detectors: iolaus get leaks, iolaus describe edge/RACK.",
            'Move the work away: iolaus drain NODE --reason "leak warning".',
            _RELEASE,
        ),
        clears="when its latch is released.",
        causes=("LeakCritical",),
    ),
    AlarmKind(
        code="FlowLost",
        priority=Priority.CRITICAL,
        means="Coolant does not flow, or a pump is lost.",
        consequence="Dies reach their limit within seconds at full power; in control they are "
        "capped, and switched off when coolant or die grow too hot.",
        response=(
            "Look at the coolant unit: pumps, valves, filters, level.",
            "See how hot it grows: iolaus get sensors -l rack=RACK.",
            _RELEASE,
        ),
        clears="when its latch is released.",
    ),
    AlarmKind(
        code="OverTemperature",
        priority=Priority.CRITICAL,
        means="Coolant or a die is hotter than it may be.",
        consequence="It throttles, ages, and trips; in control it is capped or switched off.",
        response=(
            "See what of it: iolaus describe edge/RACK.",
            "Look at flow and supply temperature of its loop.",
            _RELEASE,
        ),
        clears="when its latch is released.",
        causes=("FlowLost",),
    ),
    AlarmKind(
        code="OverLimit",
        priority=Priority.CRITICAL,
        means="A rack draws more than its limit.",
        consequence="A breaker trips within a minute or two; in control the rack is at its floors.",
        response=(
            "See who draws: iolaus top nodes --sort power -l rack=RACK.",
            "See what has no cap or keeps a higher one: iolaus describe edge/RACK.",
            _RELEASE,
        ),
        clears="when its latch is released.",
    ),
    AlarmKind(
        code="FeedLost",
        priority=Priority.CRITICAL,
        means="A feed, or a shelf's input, carries nothing.",
        consequence="What stands in for it carries everything: the next loss is dark. In control "
        "the rack falls to what was armed for this loss.",
        response=(
            "Look at the breaker and at the switchgear above it.",
            "See what is left: iolaus get plant.",
        ),
        clears="by itself, some seconds after the feed is back.",
    ),
    AlarmKind(
        code="RedundancyLost",
        priority=Priority.HIGH,
        means="A power shelf has lost supplies that it needs to lose another.",
        consequence="The next supply that fails takes the rack down, or overloads the others.",
        response=(
            "See which: iolaus describe powershelf/NAME.",
            "Replace the supply.",
        ),
        clears="by itself, some seconds after it is back.",
        causes=("FeedLost",),
    ),
    AlarmKind(
        code="BatteryDischarging",
        priority=Priority.HIGH,
        means="A rack lives on its battery.",
        consequence="It is dark when that is empty; in control its budget shrinks with the charge.",
        response=("Look at the feed and the shelf of the rack.",),
        clears="by itself, when it discharges no more.",
        causes=("FeedLost",),
    ),
    AlarmKind(
        code="BuildingLinkLost",
        priority=Priority.HIGH,
        means="The building's system says nothing any more.",
        consequence="Its worst permitted supply temperature is assumed; nobody hears a request to "
        "isolate a rack.",
        response=(
            "Look at the broker and at the link to it.",
            "Have the facility watch its supply temperature by hand meanwhile.",
        ),
        clears="by itself, when its heartbeat is heard again.",
    ),
    AlarmKind(
        code="EdgeSilent",
        priority=Priority.HIGH,
        means="A rack's edge does not come round, or its reports do not reach the centre.",
        consequence="Its reflexes may not work; it is granted its floor, and charged with what it "
        "may still use.",
        response=(
            "See whether it is started again and again: iolaus describe edge/RACK.",
            "Look at the server's load and at its log.",
        ),
        clears="by itself, when it is heard again.",
        delay_on_s=10.0,
        delay_off_s=10.0,
    ),
    AlarmKind(
        code="LeaseExpired",
        priority=Priority.MEDIUM,
        means="A rack that is in control has no lease: no centre says what it may draw.",
        consequence="It stands at its floors, and work there is slow.",
        response=(
            "See what the centre lacks: iolaus get plant, and the server's log.",
            "See that a server runs: iolaus summary.",
        ),
        clears="by itself, with the next budget.",
        delay_on_s=10.0,
        causes=("EdgeSilent",),
    ),
    AlarmKind(
        code="CapNotKept",
        priority=Priority.HIGH,
        means="More may be drawn than a person allowed a rack or a node, or what was in force "
        "before their cap is not put back after its end.",
        consequence="Whoever set it relies on it: a breaker, a feed or a unit that is worked on "
        "may carry more than it should.",
        response=(
            "See what stands between: iolaus describe powercap/NAME.",
            "Tell whoever set it; until it is kept, move work away: iolaus drain NODE --reason ...",
            "Where it is not needed any more: iolaus power cap clear NAME.",
        ),
        clears="by itself, when the cap is kept or ended.",
        delay_on_s=60.0,
        delay_off_s=10.0,
        causes=("RackSilent", "HallSilent", "EdgeSilent"),
    ),
)
