"""Certificates that may be served late: looked at again where one was put in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from iolaus.kernel.errors import IolausError
from iolaus.kernel.tasks import end
from iolaus.model.endpoint import Reach
from iolaus.store.facts import Facts

log = structlog.get_logger(__name__)


class LatePins:
    """Whenever an endpoint that was given a certificate cannot be read, it is asked whether it
    serves that one by now. `late(address)` asks, and `read_again(address)` reads it then."""

    def __init__(
        self,
        facts: Facts,
        *,
        late: Callable[[str], Awaitable[bool]],
        read_again: Callable[[str], None],
    ) -> None:
        self._facts, self._late, self._read_again = facts, late, read_again
        self._asking: dict[str, asyncio.Task[None]] = {}
        facts.on_change(self._note)

    async def close(self) -> None:
        await end(*self._asking.values())

    def _note(self, topic: str, payload: object) -> None:
        if topic != "facts.status" or not isinstance(payload, str) or payload in self._asking:
            return
        target, status = self._facts.target_of(payload), self._facts.status_of(payload)
        awaited = target is not None and target.expected is not None
        if awaited and status is not None and status.reach is not Reach.REACHABLE:
            self._asking[payload] = asyncio.create_task(self._ask(payload))

    async def _ask(self, address: str) -> None:
        """One that does not answer is asked again when it was found so again."""
        try:
            with contextlib.suppress(IolausError):
                if await self._late(address):
                    log.info("certificate_served_late", endpoint=address)
                    self._read_again(address)
        finally:
            self._asking.pop(address, None)
