"""How long it takes to plan and to decide: `python -m bench.plan [NODES]` (10240).

A hall of nodes in racks, half of them with firmware, BIOS and controller to be changed; everything
is made in memory. Prints the plan with its digest, its text, and a decision in mid-roll-out:
from scratch, and followed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.follow import Decider
from iolaus.fleet.images import Image
from iolaus.fleet.judge import Judge
from iolaus.fleet.plan import Surroundings, make_plan
from iolaus.fleet.plan_text import plan_text
from iolaus.fleet.rollout import decide
from iolaus.fleet.topology import topology_of
from iolaus.fleet.world import Standing, World
from iolaus.model.asset import Firmware, ManagerSetting, Setting
from iolaus.model.desired import Baseline, Kept
from iolaus.model.plan import Plan
from iolaus.model.rollout import (
    NodeProgress,
    NodeState,
    Progress,
    RolloutState,
    Turned,
    WaveProgress,
)

T = TypeVar("T")
NOW = 1_700_000_000.0
TURNS = 400
PARTS = ("BMC", "BIOS", "EROT", "CPLD", "NIC_0", "NIC_1", *(f"GPU_{n}" for n in range(8)))
SPEC = {
    "selector": {"matchLabels": {"model": "GB300"}},
    "firmware": {
        "components": [
            {"match": {"component": "bmc"}, "version": "1.8"},
            {"match": {"component": "bios"}, "version": "2.4", "after": ["bmc"]},
            {"match": {"component": "gpu"}, "version": "97.2"},
        ]
    },
    "bios": {"raw": {"EgmMode": "Disabled"}},
    "bmc": {"ntp": ["10.0.0.1"]},
    "rollout": {
        "drain": {"adapter": "slurm"},
        "waves": [{"name": "canary", "max": 8, "soak": "1h"}, {"name": "rest", "batch": "5%"}],
        "limits": {"maxUnavailable": "6%", "maxDarkRacks": 2, "perDomain": {"cdu": 40}},
    },
}


def node(number: int) -> NodeFacts:
    rack, unit = divmod(number, 18)
    right = number % 2 == 0
    name = f"h1-r{rack + 1:03}-u{unit + 1:02}"
    old = {"BMC": "1.7", "BIOS": "2.3", **{f"GPU_{n}": "97.1" for n in range(8)}}
    new = {"BMC": "1.8", "BIOS": "2.4", **{f"GPU_{n}": "97.2" for n in range(8)}}
    versions = new if right else old
    return NodeFacts(
        uid=f"uid-{number:05}",
        name=name,
        key="Systems/1",
        endpoint=f"https://{name}",
        kind="node",
        labels={"rack": f"h1-r{rack + 1:03}", "cdu": f"c{rack // 16}", "model": "GB300"},
        fields={"vendor": "Acme", "model": "GB300", "health": "OK", "power_state": "On"},
        managed=True,
        observed_at=NOW,
        firmware=tuple(
            Firmware(
                component=part,
                name=part,
                version=versions.get(part, "3.1"),
                asset="Systems/1",
                uri=f"/redfish/v1/UpdateService/FirmwareInventory/{part}",
                kind=part.partition("_")[0].lower(),
            )
            for part in PARTS
        ),
        settings=tuple(
            Setting(asset="Systems/1", name=name, value="Disabled" if right else "Enabled")
            for name in ("EgmMode", *(f"Attribute{n}" for n in range(150)))
        ),
        manager=(
            ManagerSetting(name="ntp.servers", value=("10.0.0.1",) if right else (), uri="/m"),
            ManagerSetting(name="ntp.enabled", value=right, uri="/m"),
        ),
        capabilities=frozenset(("update.multipart", "power.reset", "manager.reset", "bios")),
    )


def under_way(plan: Plan) -> Progress:
    """The canaries are over, half of the rest is done, and three hundred are worked on."""
    canary, rest = plan.waves[0], plan.waves[1]
    done, busy = len(rest.nodes) // 2, 300
    states = [NodeState.DONE] * done + [NodeState.RUNNING] * busy
    nodes = dict(zip(rest.nodes, states, strict=False)) | dict.fromkeys(
        canary.nodes, NodeState.DONE
    )
    return Progress(
        plan="p",
        state=RolloutState.RUNNING,
        nodes={
            each.uid: NodeProgress(
                uid=each.uid,
                state=nodes.get(each.uid, NodeState.WAITING),
                started_at=NOW - 900.0,
                ended_at=NOW - 60.0,
            )
            for each in plan.nodes
            if each.steps
        },
        waves=(
            WaveProgress(name=canary.name, state="passed", since=NOW - 7200.0),
            WaveProgress(name=rest.name, state="began", since=NOW - 3600.0),
        ),
        since=NOW - 9000.0,
    )


def timed(what: str, work: Callable[[], T]) -> T:
    begun = time.perf_counter()
    found = work()
    print(f"{what:32} {time.perf_counter() - begun:7.3f} s", flush=True)
    return found


def followed(plan: Plan, half: Progress, world: World) -> None:
    """What a decision costs whoever follows it: before each, one node ends and one begins."""
    whole = {each.uid: NodeProgress(uid=each.uid, state=NodeState.SKIPPED) for each in plan.nodes}
    nodes = Turned(whole | dict(half.nodes))
    progress, decider = msgspec.structs.replace(half, nodes=nodes), Decider()
    decider(plan, progress, world, NOW)
    running = [uid for uid, each in nodes.items() if each.state is NodeState.RUNNING]
    begun = time.process_time()
    for uid in running[:TURNS]:
        nodes[uid] = NodeProgress(uid=uid, state=NodeState.DONE, ended_at=NOW - 1.0)
        for other in decider(plan, progress, world, NOW).start:
            nodes[other] = NodeProgress(uid=other, state=NodeState.RUNNING, started_at=NOW)
    each_ms = (time.process_time() - begun) / len(running[:TURNS]) * 1e3
    print(f"{'one that is followed':32} {each_ms:7.3f} ms of CPU each", flush=True)


def main(nodes: int) -> None:
    document = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": "base"},
        "spec": SPEC,
    }
    baseline = msgspec.convert(document, Baseline)
    kept = Kept(baseline=baseline, generation=1, at=NOW)
    versions = {"BMC": "1.8", "BIOS": "2.4", "gpu": "97.2"}
    image = Image(file="all.fwpkg", sha256="0" * 64, size=1, versions=versions)
    facts = [node(number) for number in range(nodes)]
    judge = Judge([baseline])
    judged = timed(f"judge {nodes} nodes", lambda: [(f, judge.judge(f, now=NOW)) for f in facts])
    pairs = [(f, drift) for f, drift in judged if drift is not None]
    around = timed(
        "topology",
        lambda: Surroundings(topology=topology_of(facts), images={image.file: image}),
    )
    plan = timed("plan", lambda: make_plan(kept, pairs, around, now=NOW))
    timed("digest", lambda: plan.digest)
    text = timed("text", lambda: plan_text(plan))
    steps = sum(len(each.steps) for each in plan.nodes)
    print(f"{len(plan.nodes)} nodes, {steps} steps, {len(text.splitlines())} lines of text")
    seen = Standing(at=NOW)
    world = World(nodes={each.uid: seen for each in plan.nodes})
    progress = Progress(plan="p", state=RolloutState.RUNNING)
    timed("first decision", lambda: decide(plan, progress, world, NOW))
    timed("each further decision", lambda: decide(plan, progress, world, NOW))
    half = under_way(plan)
    timed("a decision in mid-roll-out", lambda: decide(plan, half, world, NOW))
    followed(plan, half, world)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_240)
