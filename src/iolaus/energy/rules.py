"""What an edge goes by: seconds, watts and fractions, worked out from the operator's policies."""

from __future__ import annotations

from typing import Final

import msgspec

from iolaus.energy.policy import LeakPolicy, Mode, PowerPolicy
from iolaus.energy.ports import Sense
from iolaus.energy.reflex import ReflexRules

OFF_ABOVE_C: Final = 8.0
"""So much above what caps is what switches off."""
POLLED: Final = (Sense.LEAK, Sense.FLOW, Sense.COOLANT, Sense.DIE)
SILENT_PERIODS: Final = 4.0
PEAK_PERIODS: Final = 6.0
"""A peak of fewer readings is none."""


class EdgeRules(msgspec.Struct, frozen=True, kw_only=True):
    """`acts` lets budgets be written, `reflexes_act` lets reflexes strike; otherwise what would
    have been done is kept in `Edge.withheld`. Fractions are of nameplate.

    A lease lasts `lease_most_s` at most; an edge that starts waits `start_s` for one before it
    goes to its floors. Demand is the peak of `hold_s` and `margin`; a peak within `near_cap` of
    the cap says nothing. `answer_s` is when a command without an answer has failed, `late_s` how
    long after that it may still come into force. Of `writes_per_minute` one is kept back for a cut
    that must be; `spacing_s` lies between writes of one node that nothing forces, and twice
    that before a raise by less than `worth`; for `stirred_s` after a loss of supply, its return, a
    limit that falls or a new lease they are not counted. A budget that is only a part of what is to
    come is waited with for `partial_s`, so that one write does for both. What failed is tried again
    after `again_s`, doubled up to `backoff_s`. Caps are read again every `audit_s`; not at all
    without `reads`."""

    acts: bool = True
    reflexes_act: bool = True
    lease_most_s: float = 10.0
    start_s: float = 2.0
    period_s: float = 1.0
    hold_s: float = 20.0
    margin: float = 0.035
    near_cap: float = 0.02
    dead_band: float = 0.02
    worth: float = 0.08
    writes_per_minute: int = 6
    spacing_s: float = 5.0
    stirred_s: float = 8.0
    partial_s: float = 2.5
    answer_s: float = 2.0
    late_s: float = 3.0
    again_s: float = 0.5
    backoff_s: float = 10.0
    audit_s: float = 30.0
    reads: bool = True
    look_s: float = 0.25
    reflex: ReflexRules = ReflexRules()


def edge_rules(power: PowerPolicy, leak: LeakPolicy, rack: str = "") -> EdgeRules:
    """The operator's policies as the edge of this rack needs them."""
    modes = power.mode_of(rack), leak.mode_of(rack)
    return EdgeRules(
        acts=modes[0] is Mode.CONTROL,
        reflexes_act=modes[1] is Mode.CONTROL,
        reads=Mode.CONTROL in modes,
        look_s=0.25 if Mode.CONTROL in modes else 1.0,
        lease_most_s=power.lease_s,
        period_s=power.period_s,
        dead_band=power.deadband,
        writes_per_minute=power.writes_per_minute,
        reflex=ReflexRules(
            leak_agree=leak.warning_votes,
            leak_dwell_s=leak.warning_dwell_s,
            leak_cap=leak.warning_cap,
            drain=leak.drain,
            power_off=leak.power_off,
            isolate=leak.isolate,
            liquid_after_s=leak.isolate_liquid_after_s,
            flow_least_lpm=leak.flow_min_lpm,
            flow_cap=leak.flow_cap,
            coolant_cap_c=leak.coolant_max_c,
            coolant_off_c=leak.coolant_max_c + OFF_ABOVE_C,
            die_cap_c=leak.die_max_c,
            die_off_c=leak.die_max_c + OFF_ABOVE_C,
            supply_worst_c=leak.supply_worst_c,
        ),
    )


def paced(rules: EdgeRules, period_s: float) -> EdgeRules:
    """For telemetry that comes every `period_s`: how old a reading may be, over how many of them
    a peak is held, and when a sensor is silent."""
    silent_s = dict.fromkeys(POLLED, SILENT_PERIODS * period_s)
    return msgspec.structs.replace(
        rules,
        period_s=period_s,
        hold_s=max(rules.hold_s, PEAK_PERIODS * period_s),
        reflex=msgspec.structs.replace(rules.reflex, silent_s=silent_s),
    )
