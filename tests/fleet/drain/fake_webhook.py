"""Somebody's own program behind a webhook: checks signatures, keeps drains by their id."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from typing import Any

from aiohttp import web

from tests.fleet.drain.serve import Accident


class FakeWebhook:
    def __init__(self, secret: str = "k3y") -> None:
        self.secret, self.accident = secret, Accident()
        self.drains: dict[str, dict[str, Any]] = {}
        self.state: dict[str, Any] = {"state": "draining", "detail": "2 jobs", "remaining": ["7"]}
        self.effects: Counter[str] = Counter()
        self.asked: list[tuple[str, str]] = []
        self.answer: web.Response | None = None

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.accident.middleware()])
        app.router.add_post("/drain", self._asked)
        app.router.add_post("/poll", self._asked)
        return app

    async def _asked(self, request: web.Request) -> web.Response:
        body = await request.read()
        good = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(good, request.headers.get("Iolaus-Signature", "")):
            return web.json_response({"state": "drained"}, status=401)
        question = json.loads(body)
        self.asked.append((request.path, question["operation"]))
        answer, self.answer = self.answer, None
        return answer or self._do(question)

    def _do(self, question: dict[str, Any]) -> web.Response:
        operation, name = question["operation"], question["id"]
        if operation == "begin" and name not in self.drains:
            self.drains[name] = question
            self.effects["begin"] += 1
        if operation == "undo":
            self.effects["undo"] += 1 if self.drains.pop(name, None) else 0
            return web.Response(status=204)
        return web.json_response(self.state)
