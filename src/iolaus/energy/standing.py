"""How an edge stands, as a value for whoever looks: people, metrics, alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from iolaus.energy.holding import Sight, sights
from iolaus.energy.policy import Mode
from iolaus.energy.ports import CapWrite, Command, Grade, IsolationRequest, Latch, PowerOff, Sense
from iolaus.energy.reflex import Alarm, Hold
from iolaus.energy.run import Done, EdgeRun
from iolaus.model.alarm import Occurrence
from iolaus.model.alarming import Key
from iolaus.model.hosts import fold
from iolaus.model.naming import slug
from iolaus.model.plant import ZoneKind

KEPT: Final = 20
UID: Final = "energy/"
HUNG_S: Final = 5.0
_CODES: Final = {
    Sense.LEAK: "LeakWarning",
    Sense.FLOW: "FlowLost",
    Sense.COOLANT: "OverTemperature",
    Sense.DIE: "OverTemperature",
    Sense.RACK_POWER: "OverLimit",
    Sense.FEED: "FeedLost",
    Sense.REDUNDANCY: "RedundancyLost",
    Sense.BATTERY: "BatteryDischarging",
    Sense.BUILDING: "BuildingLinkLost",
}
_ZONES: Final = tuple(f"{kind} " for kind in ZoneKind)
CODES: Final = frozenset({*_CODES.values(), "LeakCritical", "EdgeSilent", "LeaseExpired"})
"""The alarms that edges ring."""


class EdgeStanding(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: observing; starting; leased; falling or floor (no lease: on its way, or there);
    held (a latch or a loss); hung. Powers are watts (None: unknown), `latency_ms` p50 and p99 of
    the last turns. `drawn_w` is what it drew in the last minutes, a value a second, and `swing_w`
    the widest difference in it. `done` are the last deeds, newest first; `would` is what its mode
    forbade. `unread` stand in the rack, and nothing is known of them yet. `held` is what people
    hold there; None from an edge that does not tell it."""

    rack: str
    mode: Mode
    reflexes: Mode
    state: str
    epoch: int
    seq: int
    nodes: tuple[str, ...]
    floor_w: float
    nameplate_w: float
    limit_w: float | None
    budget_w: float | None
    applied_w: float
    granted_w: float
    demand_w: float
    measured_w: float | None
    swing_w: float | None
    drawn_w: tuple[float | None, ...]
    unreachable: tuple[str, ...]
    latches: tuple[Latch, ...]
    holds: tuple[Hold, ...]
    alarms: tuple[Alarm, ...]
    done: tuple[Done, ...]
    would: tuple[str, ...]
    restarts: int
    latency_ms: tuple[float | None, float | None]
    latency_counts: tuple[int, ...]
    latency_sum_s: float
    lapses: int
    fallback_s: float | None
    beat_age_s: float
    unread: tuple[str, ...] = ()
    held: tuple[Sight, ...] | None = None


def standing_of(
    run: EdgeRun, *, mode: Mode, reflexes: Mode, restarts: int, now_s: float
) -> EdgeStanding:
    """Cheap, and changes nothing."""
    edge = run.edge
    report, leased = edge.report(now_s), edge.leased(now_s)
    drawn = tuple(watts for _, watts in run.drawn)
    known = [watts for watts in drawn if watts is not None]
    latches = tuple(edge.reflexes.latches.values())
    age_s = max(0.0, now_s - run.beat_s)
    return EdgeStanding(
        rack=edge.rack.rack,
        mode=mode,
        reflexes=reflexes,
        state=_state(run, mode, leased=leased, held=bool(latches), age_s=age_s),
        epoch=report.epoch,
        seq=report.seq,
        nodes=tuple(edge.names),
        floor_w=edge.floor_w,
        nameplate_w=sum(node.nameplate_w for node in edge.rack.nodes),
        limit_w=edge.rack.limit_w,
        budget_w=edge.budget_w(now_s) if leased else None,
        applied_w=report.applied_w,
        granted_w=report.granted_w,
        demand_w=sum(report.demand_w.values()),
        measured_w=report.measured_w,
        swing_w=max(known) - min(known) if known else None,
        drawn_w=drawn,
        unreachable=report.unreachable,
        latches=latches,
        holds=edge.verdict.holds,
        alarms=edge.verdict.alarms,
        done=tuple(list(run.done)[: -KEPT - 1 : -1]),
        would=would(edge.withheld)[:KEPT],
        restarts=restarts,
        latency_ms=(run.latency.quantile_ms(0.5), run.latency.quantile_ms(0.99)),
        latency_counts=tuple(run.latency.counts),
        latency_sum_s=run.latency.sum_s,
        lapses=run.fallback.times,
        fallback_s=run.fallback.reached_s,
        beat_age_s=age_s,
        unread=edge.unread,
        held=sights(edge, now_s),
    )


def _state(run: EdgeRun, mode: Mode, *, leased: bool, held: bool, age_s: float) -> str:
    if age_s > HUNG_S:
        return "hung"
    if held or run.edge.verdict.holds:
        return "held"
    if mode is Mode.OBSERVE:
        return "observing"
    if leased:
        return "leased"
    if run.fallback.times and run.fallback.reached_s is None:
        return "falling"
    return "floor" if all(cap.settled for cap in run.edge.caps) else "starting"


def would(withheld: Iterable[Command]) -> tuple[str, ...]:
    """What rules forbade lately, the newest first: of each node the last cap, and nodes of which
    the same is so in one line."""
    newest = list(withheld)[::-1]
    caps = {c.node: c for c in reversed(newest) if isinstance(c, CapWrite)}
    alike: dict[tuple[float, str], list[str]] = {}
    for cap in caps.values():
        alike.setdefault(_cap_words(cap), []).append(cap.node)
    lines = {words: _caps_line(nodes, *words) for words, nodes in alike.items()}
    said: dict[str, None] = {}
    for each in newest:
        if isinstance(each, CapWrite):
            said[lines[_cap_words(caps[each.node])]] = None
        else:
            said[_words(each)] = None
    return tuple(said)


def _caps_line(nodes: Sequence[str], watts: float, because: str) -> str:
    each_w = " each" if len(nodes) > 1 else ""
    return f"cap {_folded(tuple(sorted(nodes)))} at {watts:g} W{each_w}: {because}"


@lru_cache(maxsize=4096)
def _folded(nodes: tuple[str, ...]) -> str:
    """A rack's nodes are the same every other second."""
    return fold(nodes)


def _cap_words(cap: CapWrite) -> tuple[float, str]:
    return cap.watts, cap.because


def _words(command: Command) -> str:
    match command:
        case PowerOff():
            return f"power off {command.node}: {command.because}"
        case IsolationRequest():
            return f"isolate {command.rack} ({command.medium}): {command.because}"
        case _:
            return f"read the cap of {command.node}"


def occurrences(edge: EdgeStanding) -> Iterator[Occurrence]:
    """What of it a person must do something about; of what several racks tell (a feed, a unit of
    the row, the building) each tells the same. Pure."""
    acted = "" if edge.reflexes is Mode.CONTROL else f" (mode {edge.reflexes}: nothing was done)"
    for latch in edge.latches:
        code = _CODES[latch.sense]
        if latch.sense is Sense.LEAK and latch.grade is Grade.CRITICAL:
            code = "LeakCritical"
        yield _rings(edge, code, latch.subject, f"{latch.because}{acted}")
    for hold in edge.holds:
        code = _CODES[Sense(hold.name.partition("/")[0])]
        yield _rings(edge, code, hold.subject, hold.because)
    if edge.state == "hung":
        because = f"its loop has not come round for {edge.beat_age_s:.0f} s"
        yield _rings(edge, "EdgeSilent", edge.rack, because)
    if edge.mode is Mode.CONTROL and edge.state in ("floor", "falling"):
        yield _rings(edge, "LeaseExpired", edge.rack, "it has no lease and stands at its floors")


def judged(edges: Iterable[EdgeStanding], rang: Iterable[Key]) -> dict[Key, Occurrence | None]:
    """What rings, and of what rang (`rang`) what rings no more. Pure."""
    found: dict[Key, Occurrence | None] = dict.fromkeys(
        key for key in rang if key[1] in CODES and key[0].startswith(UID)
    )
    for edge in edges:
        for each in occurrences(edge):
            found[each.key] = found.get(each.key) or each
    return found


def _rings(edge: EdgeStanding, code: str, subject: str, message: str) -> Occurrence:
    return Occurrence(
        code=code,
        uid=f"{UID}{subject}",
        subject=slug(subject.partition(" ")[2] if subject.startswith(_ZONES) else subject),
        message=message,
        rack=edge.rack if subject == edge.rack else "",
        labels={"rack": edge.rack},
    )
