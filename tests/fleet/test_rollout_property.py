"""Limits hold over random halls, failures and timings, and a roll-out ends or says why not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.topology import topology_of
from iolaus.model.rollout import RolloutState
from tests.examples import examples
from tests.fleet.planned import NOW, base_of, image, planned, tray, want
from tests.fleet.rollout_hall import Chances, Hall

IMAGES = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
shares = st.sampled_from([1, 2, 3, "10%", "34%", "100%", None])


@st.composite
def halls(draw: st.DrawFn) -> list[NodeFacts]:
    """A few racks on two coolant units, some with shelves of their own."""
    nodes = []
    atomic = draw(st.booleans())
    for rack in range(draw(st.integers(1, 4))):
        for unit in range(draw(st.integers(1, 4))):
            labels = {"cdu": f"c{rack % 2}", **({"nvlink": f"nv{rack}"} if atomic else {})}
            nodes.append(tray(f"r{rack}-u{unit}", labels=labels))
        for shelf in range(draw(st.sampled_from([0, 0, 2, 3]))):
            labels = {"power-needed": "1", "cdu": f"c{rack % 2}"}
            nodes.append(tray(f"r{rack}-s{shelf}", kind="powershelf", labels=labels))
    return nodes


@st.composite
def rollouts(draw: st.DrawFn) -> dict[str, Any]:
    per_domain = draw(st.sampled_from([{}, {"cdu": 1}, {"cdu": 2, "nvlink": "atomic"},
                                       {"nvlink": "atomic"}]))  # fmt: skip
    limits: dict[str, Any] = {"perDomain": per_domain, "bricks": draw(st.integers(0, 2))}
    if (most := draw(shares)) is not None:
        limits["maxUnavailable"] = most
    if (dark := draw(st.sampled_from([None, 0, 1, 2]))) is not None:
        limits["maxDarkRacks"] = dark
    if keep := draw(st.sampled_from([None, "N", "N+1"])):
        limits["keepPowerRedundancy"] = keep
    found: dict[str, Any] = {"limits": limits}
    waves = draw(st.integers(0, 2))
    found["waves"] = [
        {"name": "canary", "max": 2, "soak": draw(st.sampled_from(["0s", "10m", "1h"]))},
        {"name": "rest", "batch": draw(st.sampled_from([1, 3, "50%"])), "soak": "20m"},
    ][:waves]
    if draw(st.booleans()):
        found["window"] = {"cron": "0 2 * * *", "duration": "4h"}
    if draw(st.booleans()):
        found["drain"] = {"adapter": "slurm"}
    if draw(st.booleans()):
        found["gates"] = [{"name": "alarms", "expr": "critical_alarms == 0"}]
    if draw(st.booleans()):
        found["approvals"] = [{"group": "ops"}]
    node, wave = st.sampled_from(["rollback", "leave"]), st.sampled_from(["pause", "continue"])
    found["onFailure"] = {"node": draw(node), "wave": draw(wave)}
    return found


troubles = st.builds(
    Chances,
    fail=st.sampled_from([0.0, 0.1, 0.4]),
    lose=st.sampled_from([0.0, 0.1]),
    turn_bad=st.sampled_from([0.0, 0.05]),
    outages=st.sampled_from([0.0, 0.02, 0.1]),
    unclear=st.sampled_from([0.0, 0.05, 0.3]),
)


@pytest.mark.slow
@settings(max_examples=examples(250, 800), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    nodes=halls(),
    rollout=rollouts(),
    chances=troubles,
    seed=st.integers(0, 2**32),
    aborts=st.booleans(),
)
def test_a_roll_out_keeps_every_limit_and_ends(
    nodes: list[NodeFacts], rollout: dict[str, Any], chances: Chances, seed: int, aborts: bool
) -> None:
    base = base_of(firmware={"components": [want("bmc", "1.8")]}, rollout=rollout)
    drains = "drain" in rollout
    nodes = [n for n in nodes if not (drains and n.kind == "powershelf")]
    plan = planned(nodes, base, *IMAGES)
    hall = Hall(
        plan,
        random=Random(seed),
        start=NOW,
        chances=chances,
        power=dict(topology_of(nodes).power),
        approve_after_s=3600.0 if plan.approvals else 0.0,
        aborts=aborts,
    )
    hall.run()
    assert hall.state in (RolloutState.DONE, RolloutState.ABORTED)
