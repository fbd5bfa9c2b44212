"""What a core looks through every few seconds, whoever asked: CPU of one pass over a filled hall.

Nothing is simulated but the clock: nodes of the sort that `python -m tests.store.fill` makes, so
that a hall of any size can be measured on a busy machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.store.fill import node
from tests.store.made import T0

from iolaus.app.planting import ANEW_S, Planted, Written
from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Target
from iolaus.recovery.reach import judge_all
from iolaus.recovery.sighting import Lens, sights
from iolaus.recovery.signals import Signals
from iolaus.store.facts import Facts

TIMES = 3
IN_RACK = 18


def passes(*, nodes: int) -> int:
    facts, clock = filled(nodes), JumpClock(T0)
    signals = Signals(now=clock.now, for_s=lambda: 60.0)
    lens = Lens(
        now=T0, interval_s=10.0, slow_interval_s=900.0, silent_for_s=30.0, host_of=signals.of
    )
    first, planted = Planted(Written(), facts, clock), Planted(Written(), facts, clock)

    def plant_again() -> None:
        clock.advance(2 * ANEW_S)
        planted.plant()

    found = {
        "plant, first": _ms(first.plant, nodes, times=1),
        "plant, nothing new": _ms(plant_again, nodes),
        "reach": _ms(lambda: judge_all(sights(facts.all_held(), lens).values()), nodes),
    }
    for name, ms in found.items():
        print(f"{name}: {ms:.4f} ms of CPU a node")
    print(json.dumps({"nodes": nodes, **{name: round(ms, 5) for name, ms in found.items()}}))
    return 0


def filled(nodes: int) -> Facts:
    facts = Facts()
    for number in range(nodes):
        report, rack = node(number, T0), f"h1-r{number // IN_RACK:03}"
        name = f"{rack}-u{number % IN_RACK + 1:02}"
        labels = {"hall": "h1", "rack": rack, "feed": "h1-a,h1-b"}
        facts.put_target(Target(address=report.endpoint, name=name, labels=labels))
        facts.record_report(report)
    return facts


def _ms(look: Callable[[], object], nodes: int, *, times: int = TIMES) -> float:
    if times > 1:
        look()
    began_s = time.process_time()
    for _ in range(times):
        look()
    return 1000 * (time.process_time() - began_s) / times / nodes
