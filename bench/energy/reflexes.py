"""Goal 6 in virtual time: leaks, lost flow and broken detectors at one edge.

`python -m bench.energy reflexes`. The edge is ticked as its own loop does, every 50 ms; a detector
is heard a little after it trips, a device obeys a little after it is told, the building confirms an
isolation after a while. What is timed is from the trip to the command, or to what the command does.
The same over real protocols, against simulated devices, belongs to the tests of the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from bench.energy.ours import LEAK, POWER
from bench.energy.stays import NEVER
from bench.energy.table import goal
from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget
from iolaus.energy.ports import (
    CapRead,
    CapWrite,
    Command,
    Event,
    Grade,
    IsolationRequest,
    Medium,
    PowerOff,
    Sense,
)
from iolaus.energy.rack import NodeView, RackView, Zone
from iolaus.energy.rules import edge_rules
from iolaus.model.plant import ZoneKind

STEP_S: Final = 0.05
HEARD_S, WRITE_S, CONFIRM_S = 0.05, 0.1, 0.3
TRIP_S, END_S = 10.0, 20.0
NODES: Final = 18
MOST_W, FLOOR_W = 9_700.0, 3_400.0


class Done(NamedTuple):
    """A command, and when it was given and had its effect."""

    at_s: float
    effect_s: float
    command: Command


def rack() -> RackView:
    nodes = tuple(
        NodeView(name=f"n{n}", floor_w=FLOOR_W, nameplate_w=MOST_W, least_w=0.2 * MOST_W)
        for n in range(NODES)
    )
    names = tuple(node.name for node in nodes)
    trays = tuple(
        Zone(name=f"tray-{name}", kind=ZoneKind.TRAY, nodes=(name,), detectors=(f"d-{name}",))
        for name in names
    )
    whole = Zone(name="pan", kind=ZoneKind.RACK, nodes=names, detectors=("d-pan",))
    return RackView(rack="rack", nodes=nodes, zones=(*trays, whole), limit_w=NODES * MOST_W)


def script(events: Sequence[Event]) -> list[Done]:
    """What an edge with a full budget does when these are heard at once at TRIP_S."""
    view = rack()
    edge, now = Edge(view, edge_rules(POWER, LEAK), boot="1"), 0.0
    done: list[Done] = []
    back: list[tuple[float, Callable[[float], None]]] = []
    seq = 0
    while now < END_S:
        if round(now / STEP_S) % 20 == 0:
            seq += 1
            edge.budget(_lease(seq), now)
            for node in view.nodes:
                edge.reading(node.name, 0.8 * MOST_W, 1, now)
        for due, call in [each for each in back if each[0] <= now]:
            call(now)
            back.remove((due, call))
        if abs(now - TRIP_S - HEARD_S) < 1e-6:
            for event in events:
                edge.event(event, now)
        for command in edge.tick(now):
            effect = now + (CONFIRM_S if isinstance(command, IsolationRequest) else WRITE_S)
            done.append(Done(now, effect, command))
            back += _answers(edge, command, effect)
        now = round(now + STEP_S, 6)
    return done


def _lease(seq: int) -> Budget:
    return Budget(
        epoch=1, seq=seq, rack="rack", budget_w=NODES * MOST_W, floor_w=NODES * FLOOR_W,
        expires_in_ms=3000,
    )  # fmt: skip


def _answers(
    edge: Edge, command: Command, effect: float
) -> Iterator[tuple[float, Callable[[float], None]]]:
    if isinstance(command, CapWrite):
        node, watts, ticket = command.node, command.watts, command.ticket
        yield effect, lambda now: edge.written(node, watts, now, ticket=ticket)
    elif isinstance(command, CapRead):
        node, ticket = command.node, command.ticket
        yield effect, lambda now: edge.written(node, FLOOR_W, now, ticket=ticket)
    elif isinstance(command, PowerOff):
        node = command.node
        yield effect, lambda now: edge.powered(node, False, now)
    else:
        medium = command.medium
        yield effect, lambda now: edge.isolated(medium, True, now)


def reflexes() -> int:
    lines = list(measure())
    print(*lines, sep="\n")
    return 1 if any("MISSED" in line for line in lines) else 0


def measure() -> Iterator[str]:
    """Goal 6, each with its distance."""
    tray = script([Event(sense=Sense.LEAK, subject="d-n3", grade=Grade.CRITICAL)])
    offs = [each for each in tray if isinstance(each.command, PowerOff)]
    yield _timed("leak critical to power-off command", offs, 1.0)
    alone = float(len({e.command.node for e in offs if isinstance(e.command, PowerOff)}))
    yield goal("6", "trays switched off by a tray's leak", alone, 1.0, "")
    pan = script([Event(sense=Sense.LEAK, subject="d-pan", grade=Grade.CRITICAL)])
    cuts = [each for each in pan if isinstance(each.command, IsolationRequest)]
    dry = [
        each
        for each in cuts
        if isinstance(each.command, IsolationRequest) and each.command.medium is Medium.LIQUID
    ]
    yield _timed("rack isolation, both requests confirmed", dry, 2.0, effect=True)
    order = [e.command.medium for e in cuts if isinstance(e.command, IsolationRequest)]
    wrong = float(list(dict.fromkeys(order)) != [Medium.ELECTRICAL, Medium.LIQUID])
    yield goal("6", "isolations out of order", wrong, 0.0, "")
    faults = [
        Event(sense=Sense.LEAK, subject=name, grade=Grade.UNKNOWN) for name in ("d-n3", "d-pan")
    ]
    struck = [e for e in script(faults) if isinstance(e.command, IsolationRequest | PowerOff)]
    yield goal("6", "isolations and power-offs from a sensor fault", float(len(struck)), 0.0, "")
    flow = script([Event(sense=Sense.FLOW, subject="loop", grade=Grade.CRITICAL)])
    low = 0.301 * MOST_W
    caps = [e for e in flow if isinstance(e.command, CapWrite) and e.command.watts <= low]
    yield _timed("flow loss to cap in every node", caps, 2.0, effect=True, count=NODES)


def _timed(
    what: str, done: Sequence[Done], most: float, *, effect: bool = False, count: int = 1
) -> str:
    """From the trip to the command (or its effect) that is the `count`th."""
    times = sorted(each.effect_s if effect else each.at_s for each in done if each.at_s >= TRIP_S)
    last = times[count - 1] - TRIP_S if len(times) >= count else NEVER
    return goal("6", what, last, most, "s")
