"""A controller behind the transport port, without sockets: sessions, accounts, and its whims."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from iolaus.kernel.errors import DeviceSilent
from iolaus.wire.redfish.port import Request, Response

ORIGIN = "https://bmc"
SESSIONS = "/redfish/v1/SessionService/Sessions"
Reply = tuple[int, Mapping[str, str], Any]
Route = Callable[[Request], Reply]


class FakeDevice:
    """`pages` are public or private resources by path; `routes` answer instead of them."""

    def __init__(self, *, password: str = "right", slots: int = 4, basic: bool = True) -> None:
        self.password, self.slots, self.basic = password, slots, basic
        self.pages: dict[str, Any] = {"/redfish/v1/": {"Links": {"Sessions": _link(SESSIONS)}}}
        self.routes: dict[tuple[str, str], Route] = {}
        self.sessions: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []
        self.requests: list[Request] = []
        self.logins = 0
        self.silent = False

    async def send(self, request: Request) -> Response:
        path = request.url.removeprefix(ORIGIN)
        self.log.append((request.method, path))
        self.requests.append(request)
        if self.silent:
            raise DeviceSilent("gone", operation=request.method, subject=request.url)
        status, headers, body = self._reply(request, path)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        return Response(status, {k.lower(): v for k, v in headers.items()}, raw)

    def count(self, method: str, path: str) -> int:
        return self.log.count((method, path))

    def _reply(self, request: Request, path: str) -> Reply:
        route = self.routes.get((request.method, path))
        if route is not None:
            return route(request)
        if (request.method, path) == ("POST", SESSIONS):
            return self._login(request)
        if path != "/redfish/v1/" and not self._let_in(request.headers):
            return refuse(401, "Base.1.0.NoValidSession")
        if request.method == "DELETE" and path in self.sessions:
            del self.sessions[path]
            return 204, {}, None
        if request.method == "GET" and path in self.pages:
            return 200, {}, self.pages[path]
        return refuse(404, "Base.1.0.ResourceMissingAtURI")

    def _login(self, request: Request) -> Reply:
        self.logins += 1
        if json.loads(request.body or b"{}").get("Password") != self.password:
            return refuse(401, "Base.1.0.ResourceAtUriUnauthorized")
        if len(self.sessions) >= self.slots:
            return refuse(503, "Base.1.0.SessionLimitExceeded")
        uri = f"{SESSIONS}/{self.logins}"
        self.sessions[uri] = f"token{self.logins}"
        return 201, {"X-Auth-Token": self.sessions[uri], "Location": uri}, {"Id": str(self.logins)}

    def _let_in(self, headers: Mapping[str, str]) -> bool:
        pair = base64.b64encode(f"root:{self.password}".encode()).decode()
        by_basic = self.basic and headers.get("Authorization") == f"Basic {pair}"
        return by_basic or headers.get("X-Auth-Token") in self.sessions.values()


def refuse(status: int, message_id: str = "", message: str = "") -> Reply:
    info = [{"MessageId": message_id, "Message": message}]
    return status, {}, {"error": {"@Message.ExtendedInfo": info}}


def _link(uri: str) -> dict[str, str]:
    return {"@odata.id": uri}


class Ledger:
    """A session ledger in memory."""

    def __init__(self, *uris: str) -> None:
        self.uris = list(uris)

    def remember(self, address: str, session_uri: str) -> None:
        self.uris.append(session_uri)

    def forget(self, address: str, session_uri: str) -> None:
        self.uris.remove(session_uri)

    def ours(self, address: str) -> tuple[str, ...]:
        return tuple(self.uris)
