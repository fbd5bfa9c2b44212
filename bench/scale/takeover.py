"""How long nobody has a shard, or leads: from the kill of its process until another says it is so.

Wall time, because leases are: six seconds until one runs out, and what the survivors need to
notice and to begin. A busy machine makes it longer. And what it costs that shards change hands, as
the devices count it: requests to those that did, until each was read again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from bench.scale.stand import Moment, Stand, standing
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of

SETTLE_S: Final = 20.0
"""After a first read, and each change of hands: logs are read a period later."""


def takeover(*, nodes: int, times: int) -> int:
    with standing(nodes=nodes, edges=3, cores=2, apart=True) as stand:
        stand.cluster.discover()
        stand.wait(stand.is_read, "every endpoint is read", within_s=600)
        first = stand.requests()
        time.sleep(SETTLE_S)
        edges = [_edge(stand) for _ in range(times)]
        cores = [_core(stand) for _ in range(times)]
    for what, took_s in {
        "edge": [each["killed"]["taken_s"] for each in edges],
        "core": cores,
    }.items():
        said = " ".join(f"{one:.1f}" for one in took_s)
        print(f"{what} killed: another has it after {median(took_s):.1f} s (median of {said})")
    print(f"first read: {sum(first.values()) / len(first):.0f} requests an endpoint")
    for each in edges:
        for what in ("killed", "back"):
            _show(what, each[what])
    print(json.dumps({"edges": edges, "cores": [round(one, 2) for one in cores]}))
    return 0


def _show(what: str, cost: dict[str, float]) -> None:
    count = max(1.0, cost["endpoints"])
    print(
        f"edge {what}: {cost['endpoints']:.0f} endpoints changed hands, all read again after "
        f"{cost['held_s']:.1f} s with {cost['requests'] / count:.1f} requests each, "
        f"{cost['settled'] / count:.1f} with {SETTLE_S:.0f} s more; all edges used "
        f"{cost['cpu_s']:.2f} s of CPU until then"
    )


def _edge(stand: Stand) -> dict[str, Any]:
    """The one with most endpoints dies; everything it had is another's. Then it is back."""
    members, owned = stand.members(), _owned(stand)
    everything = set().union(*owned.values())
    dead = max(owned, key=lambda name: members[name]["endpoints"])

    def others_have_it() -> bool:
        now = _owned(stand)
        now.pop(dead, None)
        return set().union(*now.values(), set()) >= everything

    def has_its_share() -> bool:
        now = _owned(stand)
        return len(now) == len(owned) and all(now.values())

    part = stand.cluster.parts[dead]
    killed = _cost(stand, part.kill, others_have_it, lambda: owned[dead])
    back = _cost(stand, part.start, has_its_share, lambda: _owned(stand)[dead])
    return {"killed": killed, "back": back}


def _cost(
    stand: Stand,
    happens: Callable[[], object],
    over: Callable[[], bool],
    shards: Callable[[], set[str]],
) -> dict[str, float]:
    """Of what happens, to the devices of the shards that changed hands by it."""
    began, before = stand.moment(), stand.requests()
    happens()
    taken_s = stand.wait(over, "its shards are taken", within_s=120)
    held_s = taken_s + _read_again(stand)
    ended, after = stand.moment(), stand.requests()
    moved = _addresses(stand, shards())
    time.sleep(SETTLE_S)
    settled = stand.requests()
    return {
        "endpoints": len(moved),
        "taken_s": round(taken_s, 2),
        "held_s": round(held_s, 1),
        "requests": sum(after[each] - before[each] for each in moved),
        "settled": sum(settled[each] - before[each] for each in moved),
        "cpu_s": round(_cpu_s(ended, began), 2),
    }


def _addresses(stand: Stand, shards: set[str]) -> list[str]:
    """Of the Redfish devices in these shards."""
    numbers = {each.rpartition(".")[2] for each in shards}
    targets = (Target(address=a, labels=labels) for a, labels in stand.labels().items())
    return [each.address for each in targets if shard_of(each).rpartition(".")[2] in numbers]


def _cpu_s(ended: Moment, began: Moment) -> float:
    """Of the edges that run in the end; one that began since then counts whole."""
    mine = [name for name in ended.parts if name.startswith("edge")]
    then = (began.parts[name].cpu_s for name in mine if name in began.parts)
    return sum(ended.parts[name].cpu_s for name in mine) - sum(then)


def _read_again(stand: Stand) -> float:
    """Until every endpoint was read since now."""
    began_s = time.monotonic()

    def is_read() -> bool:
        age_s = stand.summary().get("oldest_age_s")
        return age_s is not None and age_s < time.monotonic() - began_s

    return stand.wait(is_read, "every endpoint is read again", within_s=600)


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
