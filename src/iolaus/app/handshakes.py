"""What an address serves, by handshakes that send nothing: certificates are looked at before they
are trusted with a word, and again where one was put in that may be served late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from iolaus.kernel.errors import DeviceLied, IolausError
from iolaus.model.endpoint import Reach
from iolaus.store.facts import Facts
from iolaus.wire.redfish.trust import first_contact, verifies

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 10.0


class Handshakes:
    """`fleet`'s port `ShowsCertificates`. `ca_file` are the authorities that are trusted where
    nothing is pinned; None: the system's."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file

    async def shown(self, address: str) -> str:
        return await first_contact(address, timeout_s=PATIENCE_S)

    async def trusted(self, address: str) -> bool:
        try:
            return await verifies(address, self._ca_file, timeout_s=PATIENCE_S)
        except DeviceLied:
            return False


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
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
