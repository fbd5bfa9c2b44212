"""What a hall costs its edges, core, bus and database, while it is read first and while it is held.

`grow` gives each edge the same number of nodes and adds edges: where the cost of a node stays the
same, the cluster grows in proportion. `hold` is one size, up to the largest twin.
"""

from __future__ import annotations

import json
import signal
import time
from typing import Any

from bench.scale.stand import KINDS, PATIENCE_S, Moment, Stand, standing
from bench.scale.watch import Watch

SETTLE_S = 20.0
PHASES = ("first", "held")


def grow(*, edges: tuple[int, ...], nodes: int, window_s: float) -> int:
    """`nodes` an edge."""
    rows = []
    for count in edges:
        with standing(nodes=nodes * count, edges=count, apart=True) as stand:
            rows.append(measured(stand, count, window_s))
        show(rows[-1])
    for row in rows[1:]:
        for phase in PHASES:
            say = [f"{kind} {times(row, rows[0], phase, kind):.2f}" for kind in KINDS]
            head = f"{row['edges']} edges, {phase}: CPU a request, times that of {rows[0]['edges']}"
            print(f"{head}: {', '.join(say)}")
    print(json.dumps(rows))
    return 0 if all(row["unread"] == 0 for row in rows) else 1


def times(row: dict[str, Any], first: dict[str, Any], phase: str, kind: str) -> float:
    cost, base = (float(each[phase][kind]["ms_request"]) for each in (row, first))
    return cost / max(1e-9, base)


def hold(*, nodes: int, edges: int, window_s: float, within_s: float, poll_every: float) -> int:
    """It tells how it stands all the time, and what was reached when `within_s` are over, or when
    it is ended (Ctrl-C, SIGTERM)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began_s = time.monotonic()
    with standing(nodes=nodes, edges=edges, poll_every=poll_every) as stand:
        print(f"ready after {time.monotonic() - began_s:.0f} s: {_mb(stand.moment())}", flush=True)
        row = measured(stand, edges, window_s, watch=Watch(stand), within_s=within_s)
    show(row)
    table(row)
    print(json.dumps(row), flush=True)
    return 0 if row["unread"] == 0 and not row["cut"] else 1


def measured(
    stand: Stand,
    edges: int,
    window_s: float,
    *,
    watch: Watch | None = None,
    within_s: float = PATIENCE_S,
) -> dict[str, Any]:
    """Both phases of one cluster. One that is watched may be cut short: then what it was until
    then."""
    marks = [stand.moment()]
    cut = False
    try:
        _play(stand, marks, window_s, watch, within_s)
    except KeyboardInterrupt:
        if watch is None:
            raise
        cut = True
        print("cut short; until then:", flush=True)
    marks += [stand.moment()] * (4 - len(marks))
    began, read, settled, ended = marks
    found = stand.told()
    nodes, endpoints = found["kinds"].get("node", 0), found["endpoints"]["total"]
    members = stand.members()
    return {
        "edges": edges,
        "nodes": nodes,
        "endpoints": endpoints,
        "cut": cut,
        "unread": endpoints - found["inventoried"],
        "unreachable": endpoints - found["endpoints"].get("reachable", 0),
        "shares": [each["endpoints"] for each in members.values() if each["role"] == "edge"],
        "waiting": {name: each["waiting"] for name, each in members.items()},
        "first_s": round(read.at - began.at, 1),
        "first": phase(began, read, nodes),
        "held_s": round(ended.at - settled.at, 1),
        "held": phase(settled, ended, nodes),
        "mb": {kind: [round(mb) for mb in ended.mb(kind)] for kind in KINDS},
    }


def _play(
    stand: Stand, marks: list[Moment], window_s: float, watch: Watch | None, within_s: float
) -> None:
    """Read, settled, held: a mark after each."""
    stand.cluster.discover()
    if watch is None:
        stand.wait(stand.is_read, "every endpoint is read")
    else:
        print("all are discovered", flush=True)
        watch.wait(stand.is_read, within_s=within_s)
    for rest_s in (SETTLE_S, window_s):
        marks.append(stand.moment())
        _rest(rest_s, watch)
    marks.append(stand.moment())


def _rest(for_s: float, watch: Watch | None) -> None:
    if watch is None:
        time.sleep(for_s)
    else:
        watch.wait(lambda: False, within_s=for_s)


def phase(began: Moment, ended: Moment, nodes: int) -> dict[str, Any]:
    """CPU by kind: seconds, milliseconds a node, and milliseconds for one request to a device."""
    requests, nodes = max(1, ended.requests - began.requests), max(1, nodes)
    found: dict[str, Any] = {"requests": requests, "requests_node": round(requests / nodes, 1)}
    for kind in KINDS:
        cpu_s = ended.cpu_s(kind, began)
        found[kind] = {
            "cpu_s": round(cpu_s, 2),
            "ms_node": round(1000 * cpu_s / nodes, 2),
            "ms_request": round(1000 * cpu_s / requests, 3),
        }
    return found


def show(row: dict[str, Any]) -> None:
    head = f"{row['nodes']} nodes ({row['endpoints']} endpoints), {row['edges']} edges"
    print(f"{head}: read in {row['first_s']} s, {row['unread']} unread, "
          f"{row['unreachable']} out of reach, shares {row['shares']}")  # fmt: skip
    for name in PHASES:
        each = row[name]
        costs = ", ".join(f"{kind} {each[kind]['ms_request']}" for kind in KINDS)
        seconds = ", ".join(f"{kind} {each[kind]['cpu_s']}" for kind in KINDS)
        print(f"  {name}: {each['requests']} requests, {each['requests_node']} a node; CPU s: "
              f"{seconds}; CPU ms a request: {costs}")  # fmt: skip
    print(f"  held for {row['held_s']} s; MB: {row['mb']}; waiting: {row['waiting']}", flush=True)


def table(row: dict[str, Any]) -> None:
    """As docs/sizing.md has it."""
    held_s = max(1e-9, row["held_s"])
    rows = {
        f"{row['nodes']} nodes ({row['endpoints']} endpoints), {row['edges']} edges": [
            "edges", "core", "three bus servers", "PostgreSQL", "simulator",
        ],
        "---": ["---"] * len(KINDS),
        "read first: ms of CPU a request": [row["first"][kind]["ms_request"] for kind in KINDS],
        "held: ms of CPU a request": [row["held"][kind]["ms_request"] for kind in KINDS],
        "held: ms of CPU a second for each node": [
            round(row["held"][kind]["ms_node"] / held_s, 2) for kind in KINDS
        ],
        "memory at the end, MB": [" + ".join(map(str, row["mb"][kind])) for kind in KINDS],
    }  # fmt: skip
    for name, cells in rows.items():
        print(f"| {' | '.join(map(str, [name, *cells]))} |")


def _mb(moment: Moment) -> str:
    return ", ".join(f"{kind} {sum(moment.mb(kind)):.0f} MB" for kind in KINDS)
