"""Nothing changes unrecorded: every request that may change something is in the audit log first.

It stands behind the guard, where it is known who asks, and before every route, so that no route
can forget it. What is asked is on disk before it is done, and what became of it is added after; if
the server dies between the two, the log shows a request without an answer. A log that cannot be
written refuses the request. Bodies are named by their SHA-256 only, and not where they may hold a
password. Who is not let in, at the door or for reading, is recorded by `refused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec
import structlog

from iolaus.kernel.errors import IolausError
from iolaus.model.audit import Record
from iolaus.north.guard import SAFE, refuse
from iolaus.north.refused import RECORDED
from iolaus.store.audit import AuditLog

log = structlog.get_logger(__name__)
Message = MutableMapping[str, Any]
SECRET_BELOW: Final = (
    "/api/v1/discoveries",
    "/api/v1/authorities",
    "/api/v1/credentials",
)
"""Their bodies may hold a password or a key, and a digest of few words can be guessed."""
NO_CHANGE: Final = frozenset({("POST", "/api/v1/causes")})


class Recorded:
    """An ASGI app around another."""

    def __init__(self, inner: Any, *, audit: AuditLog) -> None:
        self.inner, self.audit = inner, audit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not _changes(scope):
            await self.inner(scope, receive, send)
            return
        request = _Request(scope, receive, send)
        scope[RECORDED] = True
        try:
            asked = await self.audit.append(request.asks())
        except IolausError as error:
            await refuse(error, scope, receive, send)
            return
        try:
            await self.inner(scope, request.receive, request.send)
        finally:
            await self._answered(request.answers(asked.number))

    async def _answered(self, record: Record) -> None:
        """It is done and told; that the log does not say so shows as a request unanswered."""
        try:
            await self.audit.append(record)
        except IolausError as error:
            log.warning("audit_answer_lost", subject=record.subject, error=str(error))


class _Request:
    """One request, watched as it passes."""

    def __init__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._status: int | None = None
        secret = str(scope["path"]).startswith(SECRET_BELOW)
        self._body = None if secret else hashlib.sha256()

    def asks(self) -> Record:
        principal = self._scope["state"]["principal"]
        query = self._scope.get("query_string", b"").decode("latin-1")
        told: dict[str, Any] = {"role": principal.role.value}
        if query:
            told["query"] = query
        return self._record("ask", told)

    def answers(self, number: int) -> Record:
        told: dict[str, Any] = {"ask": number, "status": self._status}
        if self._body is not None:
            told["body"] = self._body.hexdigest()
        return self._record("answer", told)

    async def receive(self) -> Message:
        message = await self._receive()
        if self._body is not None and message["type"] == "http.request":
            self._body.update(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        await self._send(message)

    def _record(self, what: str, told: dict[str, Any]) -> Record:
        return Record(
            who=self._scope["state"]["principal"].name,
            what=what,
            subject=f"{self._scope['method']} {self._scope['path']}",
            detail=msgspec.json.encode(told).decode(),
        )


def _changes(scope: Any) -> bool:
    """Whether it may change something, and somebody asks."""
    if scope["type"] != "http" or scope["method"] in SAFE:
        return False
    if (scope["method"], scope["path"]) in NO_CHANGE:
        return False
    query = scope.get("query_string", b"")
    return "principal" in scope.get("state", {}) and b"dryRun=All" not in query
