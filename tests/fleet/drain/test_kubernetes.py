"""Cordon, evict, uncordon against a cluster that behaves: budgets, conflicts, other hands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from iolaus.fleet.drain.kubernetes import SETTLE_S, KubernetesDrains
from iolaus.fleet.drain.kubernetes_objects import MARK, Policy
from iolaus.fleet.drain.peer import Peer
from iolaus.fleet.drain.port import Drained, DrainPhase, DrainState, DrainTarget
from iolaus.fleet.drain.settings import KubernetesSettings, open_drains
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, OperatorMust, WeErred
from tests.fleet.drain.fake_kubernetes import FakeKubernetes, failure, without_version
from tests.fleet.drain.serve import served
from tests.peers.certificate import Identity

NODE = "gpu-12"
WHY = "plan 7f3c01 wave canary"


class World:
    """One cluster over TLS, and drains of it that can be thrown away and opened anew."""

    def __init__(self, cluster: FakeKubernetes, url: str, clock: JumpClock, tls: Identity) -> None:
        self.cluster, self.clock, self._url, self._tls = cluster, clock, url, tls
        self._open: list[KubernetesDrains] = []
        self.drains = self.restart()

    def restart(self, **policy: bool) -> KubernetesDrains:
        peer = Peer(
            self._url,
            headers=lambda: {"Authorization": "Bearer s3cret"},
            permission="renew",
            ca_file=str(self._tls.certificate),
            timeout_s=20,
        )
        self.drains = KubernetesDrains(
            "k8s", peer, clock=self.clock, by="short-hostname", policy=Policy(**policy)
        )
        self._open.append(self.drains)
        return self.drains

    async def close(self) -> None:
        for drains in self._open:
            await drains.aclose()

    @property
    def node(self) -> dict[str, Any]:
        return self.cluster.nodes[NODE]


@pytest.fixture
async def world(clock: JumpClock, tls: Identity) -> AsyncIterator[World]:
    cluster = FakeKubernetes()
    cluster.add_node(NODE)
    cluster.add_node("gpu-13")
    async with served(cluster.app(), context=tls.server) as url:
        world = World(cluster, url, clock, tls)
        yield world
        await world.close()


async def until_over(world: World, target: DrainTarget, drained: Drained) -> DrainState:
    for _ in range(20):
        state = await world.drains.state(target, drained)
        if state.phase is not DrainPhase.DRAINING:
            return state
        world.clock.advance(3)
    raise AssertionError(state)


async def test_a_drain_from_end_to_end(world: World, target: DrainTarget) -> None:
    before = without_version(world.node)
    for name in ("a", "b"):
        world.cluster.add_pod(name, NODE)
    elsewhere = world.cluster.add_pod("c", "gpu-13")
    drained = await world.drains.begin(target, reason=WHY)
    assert (drained.did, drained.found) == (("cordon",), {"unschedulable": False})
    assert world.node["spec"]["unschedulable"] is True
    mark = json.loads(world.node["metadata"]["annotations"][MARK])
    assert mark == {"reason": WHY, "cordoned": True, "at": world.clock.now()}
    state = await world.drains.state(target, drained)
    assert state.phase is DrainPhase.DRAINING
    assert state.remaining == ("train/a", "train/b")
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED
    assert world.cluster.evicted.total() == 2
    assert world.cluster.evicted[elsewhere["metadata"]["uid"]] == 0
    await world.drains.undo(target, drained)
    assert without_version(world.node) == before
    count = len(world.cluster.cordons)
    await world.drains.undo(target, drained)
    assert len(world.cluster.cordons) == count == 2


async def test_an_empty_node_is_drained_once_the_scheduler_has_heard(
    world: World, target: DrainTarget
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINING
    world.clock.advance(SETTLE_S)
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINED


async def test_pods_of_the_node_itself_and_finished_ones_stay(
    world: World, target: DrainTarget
) -> None:
    cluster = world.cluster
    cluster.add_pod("exporter", NODE, owner="DaemonSet", volumes=[{"emptyDir": {}}])
    cluster.add_pod(
        "etcd", NODE, owner="", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}
    )
    cluster.add_pod("done", NODE, owner="Job", phase="Succeeded")
    cluster.add_pod("bad", NODE, owner="Job", phase="Failed")
    drained = await world.drains.begin(target, reason=WHY)
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED
    assert cluster.evicted.total() == 0
    assert len(cluster.pods) == 4


async def test_a_budget_is_asked_again_only_when_it_said_so(
    world: World, target: DrainTarget
) -> None:
    labels = {"labels": {"budget": "trainers"}}
    pod = world.cluster.add_pod("a", NODE, metadata=labels)
    drained = await world.drains.begin(target, reason=WHY)
    for _ in range(3):
        state = await world.drains.state(target, drained)
        assert state.phase is DrainPhase.DRAINING
        assert "PodDisruptionBudget" in state.detail
    asked = [line for line in world.cluster.requests if line.endswith("eviction")]
    assert len(asked) == 1, "10 s were asked for"
    world.cluster.budgets["trainers"] = 1
    world.clock.advance(11)
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED
    assert world.cluster.evicted == {pod["metadata"]["uid"]: 1}


async def test_a_pod_that_takes_its_time_is_told_once(world: World, target: DrainTarget) -> None:
    world.cluster.lingering = True
    pod = world.cluster.add_pod("a", NODE)
    drained = await world.drains.begin(target, reason=WHY)
    for _ in range(3):
        assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINING
        world.clock.advance(10)
    assert world.cluster.evicted == {pod["metadata"]["uid"]: 1}
    world.cluster.bury()
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINED


@pytest.mark.parametrize(
    ("fields", "allow", "words"),
    [
        ({"owner": ""}, "evict_unmanaged", "no controller"),
        ({"volumes": [{"name": "d", "emptyDir": {}}]}, "delete_empty_dir", "emptyDir"),
    ],
)
async def test_what_would_be_lost_for_good_stops_the_drain_before_anything_is_evicted(
    world: World, target: DrainTarget, fields: dict[str, Any], allow: str, words: str
) -> None:
    world.cluster.add_pod("a", NODE)
    world.cluster.add_pod("precious", NODE, **fields)
    drained = await world.drains.begin(target, reason=WHY)
    state = await world.drains.state(target, drained)
    assert state.phase is DrainPhase.REFUSED
    assert "train/precious" in state.detail
    assert words in state.detail
    assert world.cluster.evicted.total() == 0
    world.restart(**{allow: True})
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED


async def test_jobs_may_be_waited_for(world: World, target: DrainTarget) -> None:
    job = world.cluster.add_pod("job", NODE, owner="Job", volumes=[{"emptyDir": {}}])
    world.restart(wait_for_jobs=True)
    drained = await world.drains.begin(target, reason=WHY)
    state = await world.drains.state(target, drained)
    assert state.phase is DrainPhase.DRAINING
    assert "may end" in state.detail
    job["status"]["phase"] = "Succeeded"
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED
    assert world.cluster.evicted.total() == 0


async def test_a_node_that_was_cordoned_stays_so(world: World, target: DrainTarget) -> None:
    world.node["spec"]["unschedulable"] = True
    before = without_version(world.node)
    drained = await world.drains.begin(target, reason=WHY)
    assert (drained.did, drained.found) == ((), {"unschedulable": True})
    assert (await until_over(world, target, drained)).phase is DrainPhase.DRAINED
    await world.drains.undo(target, drained)
    assert without_version(world.node) == before
    assert world.cluster.cordons == []


async def test_a_node_that_somebody_uncordoned_is_not_cordoned_again(
    world: World, target: DrainTarget
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    del world.node["spec"]["unschedulable"]
    world.cluster.touch(world.node)
    assert await world.drains.begin(target, reason=WHY) == drained
    state = await world.drains.state(target, drained)
    assert (state.phase, state.detail) == (DrainPhase.REFUSED, "somebody uncordoned the node")
    await world.drains.undo(target, drained)
    assert MARK not in world.node["metadata"]["annotations"]
    assert world.cluster.cordons == [(NODE, True)]


async def test_without_our_mark_nothing_is_evicted_and_nothing_uncordoned(
    world: World, target: DrainTarget
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    world.cluster.add_pod("a", NODE)
    del world.node["metadata"]["annotations"][MARK]
    state = await world.drains.state(target, drained)
    assert state.phase is DrainPhase.REFUSED
    await world.drains.undo(target, drained)
    assert world.node["spec"]["unschedulable"] is True
    assert world.cluster.evicted.total() == 0


@pytest.mark.parametrize("text", ['{"reason":"other plan","cordoned":true,"at":1}', "mine", "{}"])
async def test_another_mark_is_never_overwritten(
    world: World, target: DrainTarget, text: str
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    world.node["metadata"]["annotations"][MARK] = text
    with pytest.raises(DeviceRefused) as caught:
        await world.drains.begin(target, reason=WHY)
    assert caught.value.code == "DrainHeld"
    assert MARK in caught.value.next_step
    await world.drains.undo(target, drained)
    assert world.node["metadata"]["annotations"][MARK] == text
    assert world.node["spec"]["unschedulable"] is True


async def test_who_changes_the_node_in_between_wins(world: World, target: DrainTarget) -> None:
    world.cluster.answers[f"PATCH /api/v1/nodes/{NODE}"] = lambda: failure(409, "modified")
    with pytest.raises(DeviceRefused) as caught:
        await world.drains.begin(target, reason=WHY)
    assert (caught.value.status, caught.value.code) == (409, "DrainConflict")
    world.cluster.answers.clear()
    assert (await world.drains.begin(target, reason=WHY)).did == ("cordon",)


async def test_many_pods_are_read_page_by_page(world: World, target: DrainTarget) -> None:
    for index in range(1201):
        world.cluster.add_pod(f"d{index}", NODE, owner="DaemonSet")
    world.cluster.add_pod("last", NODE)
    drained = await world.drains.begin(target, reason=WHY)
    state = await world.drains.state(target, drained)
    assert state.remaining == ("train/last",)


async def test_a_pod_that_was_made_anew_under_its_name_is_not_evicted(
    world: World, target: DrainTarget
) -> None:
    old = world.cluster.add_pod("a-0", NODE, owner="StatefulSet")
    drained = await world.drains.begin(target, reason=WHY)
    uid = old["metadata"]["uid"]
    world.cluster.answers["GET /api/v1/pods"] = lambda: web.json_response({"items": [old]})
    del world.cluster.pods[uid]
    world.cluster.add_pod("a-0", "gpu-13", owner="StatefulSet")
    state = await world.drains.state(target, drained)
    assert "HTTP 409" in state.detail
    assert world.cluster.evicted.total() == 0


EVICTION = "POST /api/v1/namespaces/train/pods/a/eviction"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: failure(500, "more than one PodDisruptionBudget"), "more than one"),
        (lambda: failure(429, "too many requests"), "no time"),
        (lambda: failure(403, "is being terminated", "NamespaceTerminating"), "terminated"),
        (lambda: failure(404, "gone"), "1 pod is still there"),
        (lambda: web.Response(status=500, text="<html>"), "HTTP 500"),
    ],
)
async def test_evictions_that_are_refused_are_told(
    world: World, target: DrainTarget, answer: Callable[[], web.Response], words: str
) -> None:
    world.cluster.add_pod("a", NODE)
    drained = await world.drains.begin(target, reason=WHY)
    world.cluster.answers[EVICTION] = answer
    state = await world.drains.state(target, drained)
    assert state.phase is DrainPhase.DRAINING
    assert words in state.detail


async def test_a_missing_permission_is_the_operators_matter(
    world: World, target: DrainTarget
) -> None:
    world.cluster.add_pod("a", NODE)
    drained = await world.drains.begin(target, reason=WHY)
    world.cluster.answers[EVICTION] = lambda: failure(403, "pods/eviction is forbidden")
    with pytest.raises(OperatorMust) as caught:
        await world.drains.state(target, drained)
    assert (caught.value.code, caught.value.next_step) == ("DrainNotAllowed", "renew")
    world.cluster.token = "renewed"
    with pytest.raises(OperatorMust):
        await world.drains.begin(target, reason=WHY)


async def test_a_node_that_is_not_there(world: World, target: DrainTarget) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    del world.cluster.nodes[NODE]
    with pytest.raises(OperatorMust) as caught:
        await world.drains.begin(target, reason=WHY)
    assert caught.value.code == "DrainNodeUnknown"
    assert (await world.drains.state(target, drained)).phase is DrainPhase.UNKNOWN
    await world.drains.undo(target, drained)


async def test_a_receipt_of_another_node_is_our_own_fault(
    world: World, target: DrainTarget
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    other = DrainTarget(uid="other", name="other", hostname="gpu-13")
    with pytest.raises(WeErred):
        await world.drains.undo(other, drained)


GOOD = {"metadata": {"name": NODE, "resourceVersion": "1"}, "spec": {"unschedulable": True}}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (f"GET /api/v1/nodes/{NODE}", lambda: web.Response(text="<html>")),
        (f"GET /api/v1/nodes/{NODE}", lambda: web.Response(text="[" * 100_000)),
        (f"GET /api/v1/nodes/{NODE}", lambda: web.Response(body=b'{"\xff": 1}')),
        (f"GET /api/v1/nodes/{NODE}", lambda: web.json_response({**GOOD, "spec": None})),
        (f"GET /api/v1/nodes/{NODE}", lambda: web.json_response({**GOOD, "metadata": {"name": 1}})),
        (
            f"GET /api/v1/nodes/{NODE}",
            lambda: web.json_response(
                {**GOOD, "metadata": {"name": "gpu-13", "resourceVersion": "1"}}
            ),
        ),
        (f"PATCH /api/v1/nodes/{NODE}", lambda: web.json_response({**GOOD, "spec": {}})),
        ("GET /api/v1/pods", lambda: web.json_response({"items": None})),
        (
            "GET /api/v1/pods",
            lambda: web.json_response(
                {"items": [{"metadata": {"name": "x"}, "spec": {"nodeName": "gpu-13"}}]}
            ),
        ),
        (
            "GET /api/v1/pods",
            lambda: web.json_response({"items": [], "metadata": {"continue": "for ever"}}),
        ),
    ],
)
async def test_answers_that_cannot_be_true_are_lies_and_never_a_drain(
    world: World, target: DrainTarget, path: str, answer: Callable[[], web.Response]
) -> None:
    async def talk() -> None:
        drained = await world.drains.begin(target, reason=WHY)
        await world.drains.state(target, drained)

    world.cluster.answers[path] = answer
    with pytest.raises(DeviceLied):
        await talk()


async def play(world: World, target: DrainTarget) -> list[str]:
    """Drain and give back, as somebody does who is struck at any request and begins again with
    nothing but what is on disk: the target and the reason."""
    struck: list[str] = []

    async def survive(step: str) -> Drained | None:
        try:
            drained = await world.drains.begin(target, reason=WHY)
            if step == "drain":
                state = await until_over(world, target, drained)
                assert state.phase is DrainPhase.DRAINED
            if step == "undo":
                await world.drains.undo(target, drained)
        except DeviceSilent:
            struck.append(step)
            world.restart()
            return None
        return drained

    drained = await survive("begin") or await survive("begin")
    assert drained
    for _ in range(2):
        if await survive("drain"):
            break
    try:
        await world.drains.undo(target, drained)
    except DeviceSilent:
        struck.append("undo")
        await world.restart().undo(target, drained)
    return struck


@pytest.mark.parametrize("cordoned", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_struck_at_any_request_nothing_is_done_twice_and_all_is_given_back(
    world: World, target: DrainTarget, when: str, *, cordoned: bool
) -> None:
    cluster, at = world.cluster, 0
    while True:
        at += 1
        cluster.add_node(NODE, **({"unschedulable": True} if cordoned else {}))
        before = without_version(world.node)
        cluster.pods.clear()
        cluster.evicted.clear()
        cluster.cordons.clear()
        pods = [cluster.add_pod(name, NODE)["metadata"]["uid"] for name in ("a", "b")]
        cluster.accident.strike(at, when)
        struck = await play(world, target)
        assert dict(cluster.evicted) == dict.fromkeys(pods, 1)
        assert cluster.cordons == ([] if cordoned else [(NODE, True), (NODE, False)])
        assert without_version(world.node) == before
        if not cluster.accident.struck:
            break
        assert len(struck) == 1
    assert at > 10


async def test_opened_from_settings_its_token_is_read_for_each_request(
    world: World, target: DrainTarget, tls: Identity, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    async with served(world.cluster.app(), context=tls.server) as url:
        settings = KubernetesSettings(
            url=url,
            token_file=str(token),
            ca_file=str(tls.certificate),
            node="label:k8s",
        )
        drains = open_drains(settings, name="k8s", clock=world.clock)
        with pytest.raises(OperatorMust) as caught:
            await drains.begin(target, reason=WHY)
        assert "old" not in str(caught.value)
        token.write_text("s3cret\n")
        assert (await drains.begin(target, reason=WHY)).node == NODE
        await drains.aclose()
