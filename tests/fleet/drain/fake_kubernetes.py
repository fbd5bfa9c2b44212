"""A small Kubernetes API: nodes, pods, merge patches with conflicts, evictions with budgets.

Effects are counted where they happen: `cordons` are patches that changed `unschedulable`,
`evicted` are the uids of pods that were told to go.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fleet.drain.serve import Accident

Object = dict[str, Any]


def failure(status: int, message: str, cause: str = "", retry_after: int = 0) -> web.Response:
    body: Object = {"kind": "Status", "status": "Failure", "message": message, "code": status}
    if cause:
        body["details"] = {"causes": [{"reason": cause, "message": "no"}]}
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return web.json_response(body, status=status, headers=headers)


class FakeKubernetes:
    def __init__(self, token: str = "s3cret") -> None:
        self.token, self.accident = token, Accident()
        self.nodes: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.budgets: dict[str, int] = {}
        self.lingering = False
        self.answers: dict[str, Callable[[], web.Response]] = {}
        self.requests: list[str] = []
        self.cordons: list[tuple[str, bool]] = []
        self.evicted: Counter[str] = Counter()
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)

    def add_node(self, name: str, **spec: Any) -> Object:
        node: Object = {
            "kind": "Node",
            "metadata": {"name": name, "uid": f"n-{next(self._uids)}", "labels": {"a": "b"}},
            "spec": {"podCIDR": "10.1.2.0/24", **spec},
        }
        self.nodes[name] = node
        self.touch(node)
        return node

    def touch(self, node: Object) -> None:
        node["metadata"]["resourceVersion"] = str(next(self._versions))

    def add_pod(self, name: str, node: str, *, owner: str = "ReplicaSet", **more: Any) -> Object:
        uid = f"p-{next(self._uids)}"
        meta: Object = {"name": name, "namespace": "train", "uid": uid, **more.pop("metadata", {})}
        if owner:
            meta["ownerReferences"] = [{"kind": owner, "name": "x", "controller": True}]
        pod: Object = {
            "metadata": meta,
            "spec": {"nodeName": node, "volumes": more.pop("volumes", [])},
            "status": {"phase": more.pop("phase", "Running")},
            **more,
        }
        self.pods[uid] = pod
        return pod

    def bury(self) -> None:
        """Whatever was told to go is gone."""
        self.pods = {
            uid: pod for uid, pod in self.pods.items() if "deletionTimestamp" not in pod["metadata"]
        }

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.accident.middleware()])
        app.router.add_get("/api/v1/nodes/{name}", self._get_node)
        app.router.add_patch("/api/v1/nodes/{name}", self._patch_node)
        app.router.add_get("/api/v1/pods", self._list_pods)
        app.router.add_post("/api/v1/namespaces/{space}/pods/{name}/eviction", self._evict)
        return app

    def _door(self, request: web.Request) -> web.Response | None:
        self.requests.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return failure(401, "Unauthorized")
        answer = self.answers.get(f"{request.method} {request.path}")
        return answer() if answer else None

    async def _get_node(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        node = self.nodes.get(request.match_info["name"])
        return web.json_response(node) if node else failure(404, "nodes not found")

    async def _patch_node(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        assert request.content_type == "application/merge-patch+json"
        node, patch = self.nodes.get(request.match_info["name"]), await request.json()
        if node is None:
            return failure(404, "nodes not found")
        wanted = patch["metadata"].pop("resourceVersion", None)
        if wanted is not None and wanted != node["metadata"]["resourceVersion"]:
            return failure(409, "the object has been modified")
        before = bool(node["spec"].get("unschedulable"))
        merged = merge(node, patch)
        node.clear()
        node.update(merged)
        self.touch(node)
        if before != bool(node["spec"].get("unschedulable")):
            self.cordons.append((node["metadata"]["name"], not before))
        return web.json_response(node)

    async def _list_pods(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        if not self.lingering:
            self.bury()
        field, _, name = request.query["fieldSelector"].partition("=")
        assert field == "spec.nodeName"
        found = [pod for pod in self.pods.values() if pod["spec"]["nodeName"] == name]
        start, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        more = str(start + limit) if start + limit < len(found) else ""
        return web.json_response(
            {"items": found[start : start + limit], "metadata": {"continue": more}}
        )

    async def _evict(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        body = await request.json()
        assert (body["apiVersion"], body["kind"]) == ("policy/v1", "Eviction")
        assert body["metadata"]["name"] == request.match_info["name"]
        names = request.match_info["space"], request.match_info["name"]
        pod = next((p for p in self.pods.values() if self._called(p) == names), None)
        if pod is None:
            return failure(404, "pods not found")
        if body["deleteOptions"]["preconditions"]["uid"] != pod["metadata"]["uid"]:
            return failure(409, "the UID in the precondition does not match")
        budget = pod["metadata"].get("labels", {}).get("budget")
        if budget is not None and self.budgets.get(budget, 0) <= 0:
            return failure(
                429, "Cannot evict pod as it would violate the budget", "DisruptionBudget", 10
            )
        if budget is not None:
            self.budgets[budget] -= 1
        self.evicted[pod["metadata"]["uid"]] += 1
        pod["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
        return web.json_response({"kind": "Status", "status": "Success"}, status=201)

    @staticmethod
    def _called(pod: Object) -> tuple[str, str]:
        return pod["metadata"]["namespace"], pod["metadata"]["name"]


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def without_version(node: Object) -> Object:
    """The node but for what every patch changes, and without an empty map of annotations."""
    copy: Object = json.loads(json.dumps(node))
    del copy["metadata"]["resourceVersion"]
    if not copy["metadata"].get("annotations"):
        copy["metadata"].pop("annotations", None)
    return copy
