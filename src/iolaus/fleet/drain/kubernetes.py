"""Kubernetes: cordon, evict, uncordon, through its API and nothing else.

The mark is the annotation `iolaus.dev/drain`, written in the same patch that cordons, under the
resource version that was read: either both happened or neither did, and whoever else changed the
node in between wins. The mark says whether the node was ours to cordon, so a node that somebody
had cordoned before stays so afterwards.

Pods leave through the eviction subresource (policy/v1), which keeps PodDisruptionBudgets; a budget
that says no (429) is asked again when the answer says so. As `kubectl drain` does, pods of
DaemonSets, mirror pods and finished pods are left alone, and pods that would be lost for good (no
controller, data in an emptyDir) stop the drain before anything is evicted, unless the settings
say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from iolaus.fleet.drain.kubernetes_objects import (
    AGAINST_BUDGET,
    BUDGET,
    MARK,
    TERMINATING,
    Mark,
    Node,
    Pod,
    PodList,
    Policy,
    count_of,
    has_cause,
    note_of,
    obstacles,
    read_mark,
)
from iolaus.fleet.drain.peer import Answer, Peer
from iolaus.fleet.drain.port import (
    MAX_REMAINING,
    Drained,
    DrainPhase,
    DrainState,
    DrainTarget,
    held,
    mark_text,
    name_of,
    name_there,
    unknown_there,
)
from iolaus.kernel.clock import Clock

BY_HAND: Final = (
    f"wait until it is undone, or remove the annotation {MARK} by hand and uncordon the node"
)
PERMISSION: Final = "give our service account the ClusterRole of docs/drains.md, or renew its token"
PAGE: Final = 500
MAX_PAGES: Final = 20
SETTLE_S: Final = 5.0
"""A scheduler may still bind a pod that it had chosen the node for when the cordon came."""
ASK_AGAIN_S: Final = 10.0


class KubernetesDrains:
    """The drains of one cluster; conforms to `iolaus.fleet.drain.port.Drains`."""

    def __init__(
        self,
        name: str,
        peer: Peer,
        *,
        clock: Clock,
        by: str = "hostname",
        policy: Policy | None = None,
    ) -> None:
        self.name, self._peer, self._clock, self._by = name, peer, clock, by
        self._policy = policy or Policy()
        self._not_before: dict[str, dict[str, float]] = {}

    async def aclose(self) -> None:
        await self._peer.aclose()

    async def begin(self, node: DrainTarget, *, reason: str) -> Drained:
        name, text = name_there(node, self._by), mark_text(reason)
        seen = await self._node(name, "drain")
        if seen is None:
            raise unknown_there(name, self._peer.base)
        mark = read_mark(seen.marked)
        if mark is None and seen.marked is None:
            mark = Mark(reason=text, cordoned=not seen.cordoned, at=self._clock.now())
            await self._cordon(seen, mark)
        elif mark is None or mark.reason != text:
            raise held(name, mark.reason if mark else seen.marked or "", next_step=BY_HAND)
        return Drained(
            adapter=self.name,
            uid=node.uid,
            node=name,
            reason=reason,
            at=mark.at,
            found={"unschedulable": not mark.cordoned},
            did=("cordon",) if mark.cordoned else (),
        )

    async def state(self, node: DrainTarget, drained: Drained) -> DrainState:
        name = name_of(node, drained)
        seen = await self._node(name, "read drain")
        if seen is None:
            return DrainState(phase=DrainPhase.UNKNOWN, detail=f"there is no node {name} any more")
        if not seen.cordoned:
            return DrainState(phase=DrainPhase.REFUSED, detail="somebody uncordoned the node")
        mark = read_mark(seen.marked)
        ours = mark if mark and mark.reason == mark_text(drained.reason) else None
        pods = [pod for pod in await self._pods(name) if not pod.stays]
        remaining = tuple(pod.shown for pod in pods[:MAX_REMAINING])
        if not pods:
            return self._empty(ours)
        if not ours:
            return DrainState(
                phase=DrainPhase.REFUSED,
                detail=f"our mark is gone, and {count_of(pods)} not evicted",
                remaining=remaining,
            )
        if stops := list(obstacles(pods, self._policy)):
            detail = f"nothing was evicted: {'; '.join(stops[:MAX_REMAINING])}"
            return DrainState(phase=DrainPhase.REFUSED, detail=detail, remaining=remaining)
        notes = await self._evict(name, pods)
        detail = "; ".join([f"{count_of(pods)} still there", *notes[:MAX_REMAINING]])
        return DrainState(phase=DrainPhase.DRAINING, detail=detail, remaining=remaining)

    async def undo(self, node: DrainTarget, drained: Drained) -> None:
        name = name_of(node, drained)
        self._not_before.pop(name, None)
        seen = await self._node(name, "undrain")
        mark = read_mark(seen.marked) if seen else None
        if seen is None or mark is None or mark.reason != mark_text(drained.reason):
            return
        spec = {"spec": {"unschedulable": None}} if mark.cordoned and seen.cordoned else {}
        await self._patch(seen, {MARK: None}, spec, operation="undrain")

    def _empty(self, ours: Mark | None) -> DrainState:
        since = self._clock.now() - ours.at if ours else SETTLE_S
        if since < SETTLE_S:
            return DrainState(phase=DrainPhase.DRAINING, detail="it was cordoned just now")
        return DrainState(phase=DrainPhase.DRAINED, detail="no pod is left that has to go")

    async def _node(self, name: str, operation: str) -> Node | None:
        answer = await self._peer.ask(
            "GET",
            f"/api/v1/nodes/{quote(name)}",
            operation=operation,
            subject=name,
            accept=(200, 404),
        )
        if answer.status == 404:
            return None
        seen = answer.read(Node)
        if seen.metadata.name != name or not seen.metadata.resource_version:
            raise answer.lied("this is another object than was asked for")
        return seen

    async def _cordon(self, seen: Node, mark: Mark) -> None:
        text = msgspec.json.encode(mark).decode()
        answer = await self._patch(
            seen, {MARK: text}, {"spec": {"unschedulable": True}}, operation="drain"
        )
        after = answer.read(Node)
        if not after.cordoned or after.marked != text:
            raise answer.lied("it accepted the cordon and did not keep it")

    async def _patch(
        self,
        seen: Node,
        annotations: dict[str, str | None],
        spec: dict[str, Any],
        *,
        operation: str,
    ) -> Answer:
        """A merge patch (RFC 7386) that fails with 409 if the node changed since it was read."""
        metadata = {
            "resourceVersion": seen.metadata.resource_version,
            "annotations": annotations,
        }
        answer = await self._peer.ask(
            "PATCH",
            f"/api/v1/nodes/{quote(seen.metadata.name)}",
            operation=operation,
            subject=seen.metadata.name,
            accept=(200, 409),
            body=msgspec.json.encode({"metadata": metadata, **spec}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        if answer.status == 409:
            raise answer.refused("the node changed while we looked", code="DrainConflict")
        return answer

    async def _pods(self, name: str) -> list[Pod]:
        pods: list[Pod] = []
        params = {"fieldSelector": f"spec.nodeName={name}", "limit": str(PAGE)}
        for _ in range(MAX_PAGES):
            answer = await self._peer.ask(
                "GET", "/api/v1/pods", operation="list pods", subject=name, params=params
            )
            page = answer.read(PodList)
            if any(pod.spec.node_name != name for pod in page.items):
                raise answer.lied("it lists pods of other nodes")
            pods += page.items
            if not page.metadata.more:
                return pods
            params = {**params, "continue": page.metadata.more}
        raise answer.lied("its list of pods does not end")

    async def _evict(self, name: str, pods: Sequence[Pod]) -> list[str]:
        """Ask for each pod to go that is not going yet; the sentences are about those that stay."""
        before, waits = self._not_before.pop(name, {}), dict[str, float]()
        notes: list[str] = []
        now = self._clock.monotonic()
        for pod in pods:
            uid = pod.metadata.uid
            if pod.metadata.deletion_timestamp:
                continue
            if self._policy.wait_for_jobs and pod.owner == "Job":
                notes.append(f"{pod.shown} is a job's and may end")
            elif before.get(uid, now) > now:
                waits[uid] = before[uid]
                notes.append(f"{pod.shown} {AGAINST_BUDGET}")
            else:
                answer = await self._evict_one(pod)
                notes += note_of(pod, answer.status, answer.body)
                if answer.status == 429:
                    waits[uid] = now + (answer.retry_after_s or ASK_AGAIN_S)
                    if not has_cause(answer.body, BUDGET):
                        break
        if waits:
            self._not_before[name] = waits
        return notes

    async def _evict_one(self, pod: Pod) -> Answer:
        """The pod that was seen, not another that has its name since (precondition: its uid)."""
        meta = pod.metadata
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": meta.name, "namespace": meta.namespace},
            "deleteOptions": {"preconditions": {"uid": meta.uid}},
        }
        answer = await self._peer.ask(
            "POST",
            f"/api/v1/namespaces/{quote(meta.namespace, safe='')}"
            f"/pods/{quote(meta.name, safe='')}/eviction",
            operation="evict",
            subject=pod.shown,
            accept=(200, 201, 403, 404, 409, 429, 500),
            body=msgspec.json.encode(eviction),
            headers={"Content-Type": "application/json"},
        )
        if answer.status == 403 and not has_cause(answer.body, TERMINATING):
            raise self._peer.refusal(answer)
        return answer
