"""How long until another core leads a large hall: nodes in the database, none simulated.

A core that takes the lead has to know all of them, whoever reads them; so they are made up and put
into PostgreSQL, and no edge is begun.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from statistics import median

from tests.store.fill import hot_of, node
from tests.store.made import T0

from bench.scale.stand import Stand, usage
from iolaus.app.cluster.onemachine import Cluster
from iolaus.app.serving import first_token
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.store.facts import Facts
from iolaus.store.state import make_private

BATCH = 250
PATIENCE_S = 300.0


def take_over_filled(*, nodes: int, times: int) -> int:
    with tempfile.TemporaryDirectory(prefix="iolaus-filled-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), nodes=nodes, cores=2, edges=0)
        try:
            cluster.start_bus()
            cluster.start_database()
            asyncio.run(_fill(cluster.database("fill"), nodes))
            make_private(cluster.folder / "core0")  # a hall that is not new has its files there
            first_token(cluster.folder / "core0")
            cluster.start_work()
            found = [_killed(Stand(cluster), nodes) for _ in range(times)]
        finally:
            cluster.stop()
    for name, what in (
        ("led_s", "until another core leads and answers"),
        ("read_s", "until it has answered for a page of nodes, too"),
        ("cpu_s", "CPU that it used for both"),
    ):
        each = " ".join(f"{one[name]:.1f}" for one in found)
        print(f"{what}: {median(one[name] for one in found):.1f} s (median of {each})")
    print(json.dumps({"nodes": nodes, "each": found}))
    return 0


async def _fill(database: str, nodes: int) -> None:
    facts = Facts(database=database)
    await facts.start()
    for number in range(nodes):
        made = node(number, T0)
        address = made.endpoint
        facts.put_target(Target(address=address, name=f"n{number}", labels={"site": "main"}))
        facts.record_status(EndpointStatus(address=address, reach=Reach.REACHABLE, at=T0, since=T0))
        facts.record_report(made)
        facts.record_hot(hot_of(made, T0 + 100))
        if number % BATCH == BATCH - 1:
            await facts.flush()
    await facts.close()


def _killed(stand: Stand, nodes: int) -> dict[str, float]:
    """The core that leads is killed when the other knows the hall."""
    cluster = stand.cluster

    def known() -> bool:
        members = list(stand.members().values())
        states = sorted(each["state"] for each in members)
        knows = all(each["endpoints"] == nodes for each in members)
        return knows and states == ["leading", "standing by"]

    stand.wait(known, "the other core knows the hall", within_s=PATIENCE_S)
    gone = next(name for name, each in stand.members().items() if each["state"] == "leading")
    left = 1 - int(gone.removeprefix("core"))
    process = cluster.parts[f"core{left}"].process
    assert process is not None
    before = usage(process.pid)
    cluster.parts[gone].kill()
    led_s = stand.wait(
        lambda: cluster.ask("/healthz", core=left, within_s=1.0) is not None,
        "the other answers",
        within_s=PATIENCE_S,
    )
    read_s = led_s + stand.wait(
        lambda: cluster.ask("/api/v1/nodes?limit=100", core=left, within_s=30.0) is not None,
        "the other lists nodes",
        within_s=PATIENCE_S,
    )
    cpu_s = usage(process.pid).cpu_s - before.cpu_s
    cluster.parts[gone].start()
    return {"led_s": round(led_s, 2), "read_s": round(read_s, 2), "cpu_s": round(cpu_s, 2)}
