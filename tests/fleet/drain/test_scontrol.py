"""`scontrol` and `squeue` as programs: their versions, their words, and death at every call."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from iolaus.fleet.drain.port import Drained, DrainPhase, Drains, DrainTarget
from iolaus.fleet.drain.scontrol import MAX_AT_ONCE
from iolaus.fleet.drain.settings import ScontrolSettings, open_drains
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError, OperatorMust
from tests.fleet.drain.fake_scontrol import FakeCluster, install, node

WHY = "plan 7f3c01 wave canary"
NODE = "gpu-12"


def opened(cluster: FakeCluster, **values: Any) -> Drains:
    settings = ScontrolSettings(
        scontrol=str(cluster.folder / "scontrol"),
        squeue=str(cluster.folder / "squeue"),
        **values,
    )
    return open_drains(settings, name="slurm", clock=JumpClock())


@pytest.mark.parametrize("form", ["json", "old-json", "text"])
async def test_a_drain_from_end_to_end_with_every_version(
    tmp_path: Path, target: DrainTarget, form: str
) -> None:
    cluster = install(tmp_path, node(NODE, "MIXED", alloc_cpus=8), node("gpu-13"), format=form)
    before = cluster.world["nodes"]
    cluster.change(jobs={NODE: ["4711", "4712_3"]})
    drains = opened(cluster)
    drained = await drains.begin(target, reason=WHY)
    assert (drained.node, drained.did) == (NODE, ("drain",))
    assert cluster.node(NODE)["reason"] == f"iolaus: {WHY}"
    state = await drains.state(target, drained)
    assert (state.phase, state.remaining) == (DrainPhase.DRAINING, ("4711", "4712_3"))
    cluster.set_node(NODE, state=["IDLE", "DRAIN"], alloc_cpus=0)
    assert (await drains.state(target, drained)).phase is DrainPhase.DRAINING, "squeue has jobs"
    cluster.change(jobs={})
    assert (await drains.state(target, drained)).phase is DrainPhase.DRAINED
    await drains.undo(target, drained)
    await drains.undo(target, drained)
    assert cluster.world["counts"] == {"drain": 1, "undrain": 1}
    assert cluster.node("gpu-13") == before[1]
    assert cluster.node(NODE) == {**before[0], "state": ["IDLE"], "alloc_cpus": 0}
    old = [call for call in cluster.world["calls"] if "--json" in call]
    assert len(old) == (1 if form == "text" else 7), "an old version is asked in JSON once"


async def test_a_node_that_somebody_drained_is_watched_and_left(
    tmp_path: Path, target: DrainTarget
) -> None:
    cluster = install(tmp_path, node(NODE, "IDLE", "DRAIN", reason="bad DIMM"))
    drains, before = opened(cluster), cluster.world["nodes"]
    drained = await drains.begin(target, reason=WHY)
    assert (drained.did, drained.found) == ((), {"drained": True, "reason": "bad DIMM"})
    assert (await drains.state(target, drained)).phase is DrainPhase.DRAINED
    await drains.undo(target, drained)
    assert cluster.world["nodes"] == before
    assert not any("update" in call for call in cluster.world["calls"])


async def test_a_reason_of_somebody_else_is_never_overwritten(
    tmp_path: Path, target: DrainTarget
) -> None:
    cluster = install(tmp_path, node(NODE, "DOWN", reason="Not responding"))
    with pytest.raises(DeviceRefused) as caught:
        await opened(cluster).begin(target, reason=WHY)
    assert caught.value.code == "DrainHeld"
    assert "Not responding" in caught.value.message
    assert cluster.node(NODE)["reason"] == "Not responding"


async def test_who_takes_our_drain_over_keeps_it(tmp_path: Path, target: DrainTarget) -> None:
    cluster = install(tmp_path, node(NODE))
    drains = opened(cluster)
    drained = await drains.begin(target, reason=WHY)
    cluster.set_node(NODE, reason="Kim: fan")
    await drains.undo(target, drained)
    assert cluster.node(NODE)["state"] == ["IDLE", "DRAIN"]
    assert cluster.node(NODE)["reason"] == "Kim: fan"


async def test_who_resumes_the_node_stops_us(tmp_path: Path, target: DrainTarget) -> None:
    cluster = install(tmp_path, node(NODE))
    drains = opened(cluster)
    drained = await drains.begin(target, reason=WHY)
    cluster.set_node(NODE, state=["IDLE"], reason="")
    assert (await drains.state(target, drained)).phase is DrainPhase.REFUSED


@pytest.mark.parametrize("keeps_reason", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_any_call_nothing_is_done_twice_and_all_is_given_back(
    tmp_path: Path, target: DrainTarget, when: str, *, keeps_reason: bool
) -> None:
    at = 0
    while True:
        at += 1
        cluster = install(tmp_path, node(NODE), keeps_reason=keeps_reason)
        before = cluster.world["nodes"]
        cluster.change(strike={"at": at, "when": when})
        struck = await _play(cluster, target)
        assert cluster.world["counts"] == {"drain": 1, "undrain": 1}
        assert cluster.world["nodes"] == before
        if not struck:
            break
    assert at >= 7


async def _play(cluster: FakeCluster, target: DrainTarget) -> bool:
    """Begin, look and undo; struck once, open anew and begin again from the reason alone."""
    struck = False
    drained: Drained | None = None
    for attempt in range(2):
        drains = opened(cluster)
        try:
            drained = await drains.begin(target, reason=WHY)
            assert (await drains.state(target, drained)).phase is DrainPhase.DRAINED
            break
        except DeviceRefused as error:
            assert "signal 9" in error.message
            assert attempt == 0
            struck = True
    assert drained
    try:
        await opened(cluster).undo(target, drained)
    except DeviceRefused:
        struck = True
        await opened(cluster).undo(target, drained)
    return struck


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        ("slurm_load_node error: Unable to contact slurm controller", DeviceSilent, None),
        ("slurm_update error: Access/permission denied", OperatorMust, "DrainNotAllowed"),
        ("slurm_update error: Invalid node name specified", OperatorMust, "DrainNodeUnknown"),
        ("out of cheese", DeviceRefused, "DrainRefused"),
    ],
)
async def test_its_messages_are_errors_with_a_fault(
    tmp_path: Path, target: DrainTarget, failure: str, kind: type[IolausError], code: str | None
) -> None:
    cluster = install(tmp_path, node(NODE), failure=failure)
    with pytest.raises(kind) as caught:
        await opened(cluster).begin(target, reason=WHY)
    assert type(caught.value) is kind
    assert caught.value.code == (code or "DrainPeerSilent")
    assert failure in caught.value.message


async def test_a_node_that_slurm_does_not_know(tmp_path: Path, target: DrainTarget) -> None:
    with pytest.raises(OperatorMust) as caught:
        await opened(install(tmp_path, node("other"))).begin(target, reason=WHY)
    assert caught.value.code == "DrainNodeUnknown"


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("echo '<html>'", DeviceLied),
        ("echo '{\"nodes\": []}'", DeviceLied),
        ("true", DeviceLied),
        ("head -c 8000000 /dev/zero", DeviceLied),
        ("printf '\\377\\376'", DeviceLied),
        ("sleep 30", DeviceSilent),
        ("exit 3", DeviceRefused),
    ],
)
async def test_hostile_commands(
    tmp_path: Path, target: DrainTarget, body: str, kind: type[IolausError]
) -> None:
    cluster = install(tmp_path, node(NODE))
    drained = await opened(cluster).begin(target, reason=WHY)
    program(tmp_path / "scontrol", body)
    drains = opened(cluster, timeout="1s" if "sleep" in body else "30s")
    with pytest.raises(kind):
        await drains.state(target, drained)


async def test_a_squeue_that_says_something_else_is_no_drained_node(
    tmp_path: Path, target: DrainTarget
) -> None:
    cluster = install(tmp_path, node(NODE))
    drains = opened(cluster)
    drained = await drains.begin(target, reason=WHY)
    for body, kind in (("echo JOBID", DeviceLied), ("exit 1", DeviceRefused)):
        program(tmp_path / "squeue", body)
        with pytest.raises(kind):
            await drains.state(target, drained)


async def test_a_command_that_is_not_there(tmp_path: Path, target: DrainTarget) -> None:
    settings = ScontrolSettings(scontrol=str(tmp_path / "none"))
    with pytest.raises(OperatorMust) as caught:
        await open_drains(settings, name="slurm").begin(target, reason=WHY)
    assert caught.value.code == "CommandNotFound"


async def test_many_nodes_take_their_turns(tmp_path: Path) -> None:
    names = [f"gpu-{index}" for index in range(20)]
    here = tmp_path / "now"
    here.mkdir()
    body = f"touch {here}/$$; ls {here} | wc -l >> {tmp_path}/seen; sleep 0.05; rm {here}/$$\n"
    body += "printf 'NodeName=%s\\n State=IDLE+DRAIN\\n' $3"
    program(tmp_path / "scontrol", body)
    settings = ScontrolSettings(scontrol=str(tmp_path / "scontrol"), squeue="")
    drains = open_drains(settings, name="slurm", clock=JumpClock())
    targets = [DrainTarget(uid=name, name=name, hostname=name) for name in names]
    receipts = await asyncio.gather(*(drains.begin(each, reason=WHY) for each in targets))
    assert [receipt.node for receipt in receipts] == names
    assert all(receipt.did == () for receipt in receipts), "drained already, by somebody"
    most = max(int(line) for line in (tmp_path / "seen").read_text().split())
    assert 1 < most <= MAX_AT_ONCE
