"""A small slurmrestd: one cluster's nodes behind `/slurm/v0.0.40`, with failures as documents."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.fleet.drain.serve import Accident


def failure(status: int, error: str, number: int = 2009) -> web.Response:
    errors = [{"error": error, "error_number": number, "description": "", "source": "x"}]
    return web.json_response({"errors": errors, "warnings": [], "nodes": []}, status=status)


class FakeSlurmrestd:
    def __init__(self, *nodes: dict[str, Any], token: str = "jwt") -> None:
        self.nodes = {node["name"]: node for node in nodes}
        self.token, self.accident = token, Accident()
        self.counts = {"DRAIN": 0, "UNDRAIN": 0}
        self.users: set[str] = set()
        self.answer: web.Response | None = None

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.accident.middleware()])
        app.router.add_get("/slurm/v0.0.40/node/{name}", self._get)
        app.router.add_post("/slurm/v0.0.40/node/{name}", self._post)
        return app

    def _door(self, request: web.Request) -> web.Response | None:
        self.users.add(request.headers.get("X-SLURM-USER-NAME", ""))
        if request.headers.get("X-SLURM-USER-TOKEN") != self.token:
            return failure(401, "Authentication failure", 401)
        answer, self.answer = self.answer, None
        if answer is None and request.match_info["name"] not in self.nodes:
            return failure(500, "Invalid node name specified")
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        node = self.nodes[request.match_info["name"]]
        return web.json_response({"nodes": [node], "errors": [], "warnings": []})

    async def _post(self, request: web.Request) -> web.Response:
        if stop := self._door(request):
            return stop
        node, wanted = self.nodes[request.match_info["name"]], await request.json()
        for state in wanted.get("state", []):
            self.counts[state] += 1
            node["state"] = [each for each in node["state"] if each != "DRAIN"]
            node["state"] += ["DRAIN"] if state == "DRAIN" else []
        node["reason"] = wanted.get("reason", node["reason"])
        return web.json_response({"errors": [], "warnings": []})
