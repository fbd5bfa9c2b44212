"""How long nobody has a shard, or leads: from the kill of its process until another says it is so.

Wall time, because leases are: six seconds until one runs out, and what the survivors need to
notice and to begin. A busy machine makes it longer. And what it costs that a shard changes hands:
requests at the devices and CPU of the edges, beyond those of holding the hall for as long.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from bench.scale.stand import Moment, Stand, standing

HOLD_S: Final = 20.0
"""So long the hall is held before, for what that costs."""
AFTER_S: Final = 30.0
"""So long all counts that is sent after a change of hands: logs are read some periods later."""


def takeover(*, nodes: int, times: int) -> int:
    with standing(nodes=nodes, edges=3, cores=2, apart=True) as stand:
        stand.cluster.discover()
        stand.wait(stand.is_read, "every endpoint is read", within_s=600)
        first = stand.moment().requests / stand.told()["endpoints"]["total"]
        time.sleep(HOLD_S)
        edges = [_edge(stand) for _ in range(times)]
        cores = [_core(stand) for _ in range(times)]
    found = {"edge": [each["taken_s"] for each in edges], "core": cores}
    for what, took_s in found.items():
        said = " ".join(f"{one:.1f}" for one in took_s)
        print(f"{what} killed: another has it after {median(took_s):.1f} s (median of {said})")
    print(f"first read: {first:.0f} requests an endpoint")
    for each in edges:
        for what in ("killed", "back"):
            _show(what, each[what])
    print(json.dumps({"edges": edges, "cores": [round(one, 2) for one in cores]}))
    return 0


def _show(what: str, cost: dict[str, float]) -> None:
    count = max(1.0, cost["endpoints"])
    print(
        f"edge {what}: {cost['endpoints']:.0f} endpoints changed hands, all read again after "
        f"{cost['held_s']:.1f} s; beyond holding them {cost['requests'] / count:.1f} requests and "
        f"{1000 * cost['cpu_s'] / count:.0f} ms of the edges' CPU an endpoint"
    )


def _edge(stand: Stand) -> dict[str, Any]:
    """The one with most shards dies; everything it had is another's. Then it is back."""
    owned = _owned(stand)
    everything = set().union(*owned.values())
    dead = max(owned, key=lambda name: len(owned[name]))
    part, count = stand.cluster.parts[dead], _endpoints(stand)

    def others_have_it() -> bool:
        now = _owned(stand)
        now.pop(dead, None)
        return set().union(*now.values(), set()) >= everything

    def has_its_share() -> bool:
        now = _owned(stand)
        return len(now) == len(owned) and all(now.values())

    killed = _cost(stand, part.kill, others_have_it, count[dead])
    back = _cost(stand, part.start, has_its_share, 0)
    back["endpoints"] = _endpoints(stand)[dead]
    return {"taken_s": round(killed["taken_s"], 2), "killed": killed, "back": back}


def _cost(
    stand: Stand, happens: Callable[[], object], over: Callable[[], bool], endpoints: int
) -> dict[str, float]:
    """From when it happens, beyond what the hall costs while it is held."""
    before = stand.moment()
    time.sleep(HOLD_S)
    began = stand.moment()
    happens()
    taken_s = stand.wait(over, "its shards are taken", within_s=120)
    held_s = taken_s + _read_again(stand)
    time.sleep(AFTER_S)
    ended = stand.moment()
    part = (ended.at - began.at) / (began.at - before.at)
    spent_s = _cpu_s(ended, began) - part * _cpu_s(began, before)
    requests = ended.requests - began.requests - part * (began.requests - before.requests)
    return {
        "endpoints": endpoints,
        "taken_s": taken_s,
        "held_s": round(held_s, 1),
        "requests": round(requests),
        "cpu_s": round(spent_s, 2),
    }


def _cpu_s(ended: Moment, began: Moment) -> float:
    """Of the edges that run in the end; one that began since then counts whole."""
    mine = [name for name in ended.parts if name.startswith("edge")]
    now_s = sum(ended.parts[name].cpu_s for name in mine)
    then = (began.parts[name].cpu_s for name in mine if name in began.parts)
    return now_s - sum(then)


def _read_again(stand: Stand) -> float:
    """Until every endpoint was read since now."""
    began_s = time.monotonic()

    def is_read() -> bool:
        age_s = stand.summary().get("oldest_age_s")
        return age_s is not None and age_s < time.monotonic() - began_s

    return stand.wait(is_read, "every endpoint is read again", within_s=600)


def _endpoints(stand: Stand) -> dict[str, int]:
    members = stand.members().items()
    return {name: each["endpoints"] for name, each in members if each["role"] == "edge"}


def _core(stand: Stand) -> float:
    """The one that leads dies; the other answers for the hall."""
    cluster = stand.cluster
    gone = next(name for name, each in stand.members().items() if each["state"] == "leading")
    left = 1 - int(gone.removeprefix("core"))
    cluster.parts[gone].kill()
    took_s = stand.wait(
        lambda: cluster.ask("/healthz", core=left, within_s=1.0) is not None,
        "the other answers",
        within_s=120,
    )
    cluster.parts[gone].start()
    stand.wait(
        lambda: cluster.ask("/healthz", core=1 - left, within_s=1.0) is not None,
        "the killed one is back",
        within_s=120,
    )
    return took_s


def _owned(stand: Stand) -> dict[str, set[str]]:
    return {
        name: set(each["shards"])
        for name, each in stand.members().items()
        if each["role"] == "edge" and each["state"] == "serving"
    }
