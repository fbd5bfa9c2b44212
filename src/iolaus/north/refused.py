"""Who was not let in: every 401 and 403 that is not the answer to a recorded request.

Anybody who can reach the port can be refused, as often as they like, and the audit log keeps all
that is written to it; so what is refused is written at once the first time, and then counted. A
client and its answer are one line at once and one more, with their number, when the minute is over
and anybody asks for anything; at most `MOST` of them in a minute, and the rest is one line
together. A log that cannot be written changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.audit import Record
from iolaus.store.audit import AuditLog

log = structlog.get_logger(__name__)
REFUSALS: Final = frozenset({401, 403})
WINDOW_S: Final = 60.0
MOST: Final = 32
MOST_PATH: Final = 200
RECORDED: Final = "iolaus.recorded"
"""Set in the scope of a request that stands in the log with its answer."""
Who = tuple[str, str, int]
"""(name of the token or "", address of the client, status)"""


class Refused:
    """An ASGI app around all others."""

    def __init__(self, inner: Any, *, audit: AuditLog, clock: Clock) -> None:
        self.inner, self._audit, self._clock = inner, audit, clock
        self._counts: dict[Who, int] = {}
        self._others = 0
        self._ends = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            if scope["type"] == "lifespan":
                await self._turn()
            return
        if self._counts and self._clock.monotonic() >= self._ends:
            await self._turn()

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] in REFUSALS:
                await self._note(scope, message["status"])
            await send(message)

        await self.inner(scope, receive, watched)

    async def _note(self, scope: Any, status: int) -> None:
        if scope.get(RECORDED):
            return
        principal = scope.get("state", {}).get("principal")
        client = scope.get("client") or ("", 0)
        who = (principal.name if principal else "", str(client[0]), status)
        if not self._counts:
            self._ends = self._clock.monotonic() + WINDOW_S
        if who in self._counts:
            self._counts[who] += 1
        elif len(self._counts) >= MOST:
            self._others += 1
        else:
            self._counts[who] = 0
            subject = f"{scope['method']} {scope['path'][:MOST_PATH]}"
            await self._write([_record(who, subject, status=status)])

    async def _turn(self) -> None:
        """A window ends: what was only counted is told."""
        counts, others = self._counts, self._others
        self._counts, self._others = {}, 0
        told = [
            _record(who, "requests", status=who[2], more=count)
            for who, count in counts.items()
            if count
        ]
        if others:
            told.append(_record(("", "others", 0), "requests", more=others))
        await self._write(told)

    async def _write(self, records: Iterable[Record]) -> None:
        try:
            for record in records:
                await self._audit.append(record)
        except IolausError as error:
            log.warning("audit_refusal_lost", error=str(error))


def _record(who: Who, subject: str, **told: int) -> Record:
    name, client, _ = who
    detail = msgspec.json.encode({"client": client, **told}).decode()
    return Record(who=name or "nobody", what="refuse", subject=subject, detail=detail)
