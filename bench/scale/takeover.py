"""How long nobody has a shard, or leads: from the kill of its process until another says it is so.

Wall time, because leases are: six seconds until one runs out, and what the survivors need to
notice and to begin. A busy machine makes it longer.
"""

from __future__ import annotations

import json
from statistics import median

from bench.scale.stand import Stand, standing


def takeover(*, nodes: int, times: int) -> int:
    with standing(nodes=nodes, edges=3, cores=2, apart=True) as stand:
        stand.cluster.discover()
        stand.wait(stand.is_read, "every endpoint is read", within_s=600)
        found = {
            "edge": [_edge(stand) for _ in range(times)],
            "core": [_core(stand) for _ in range(times)],
        }
    for what, took_s in found.items():
        each = " ".join(f"{one:.1f}" for one in took_s)
        print(f"{what} killed: another has it after {median(took_s):.1f} s (median of {each})")
    print(json.dumps({what: [round(one, 2) for one in took_s] for what, took_s in found.items()}))
    return 0


def _edge(stand: Stand) -> float:
    """The one with most shards dies; everything it had is another's."""
    owned = _owned(stand)
    everything = set().union(*owned.values())
    dead = max(owned, key=lambda name: len(owned[name]))
    stand.cluster.parts[dead].kill()

    def others_have_it() -> bool:
        now = _owned(stand)
        now.pop(dead, None)
        return set().union(*now.values(), set()) >= everything

    took_s = stand.wait(others_have_it, "its shards are taken", within_s=120)
    stand.cluster.parts[dead].start()
    stand.wait(lambda: len(_owned(stand)) == len(owned), "it is back", within_s=120)
    stand.wait(lambda: all(_owned(stand).values()), "it has its share again", within_s=120)
    return took_s


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
