"""One lane per address, for thousands of addresses.

A second caller with the same address gets the same lane, whatever it holds in its hand: that is
what makes limits, sessions and back-off per device true. A new credential or pin is taken over by
the lane that exists. Closing deletes every session, many devices at once but not all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from iolaus.drivers.lane.auth import LoginMemory
from iolaus.drivers.lane.lane import Lane
from iolaus.drivers.lane.rules import Heard, LaneRules
from iolaus.drivers.lane.session import AfterClose, Conversation
from iolaus.drivers.lane.trial import is_let_in
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Target
from iolaus.wire.redfish.client import Redfish
from iolaus.wire.redfish.expand import Verdicts
from iolaus.wire.redfish.port import Credential, SessionLedger, Trust
from iolaus.wire.redfish.transport import OpenTransport, open_transport

CLOSING_AT_ONCE: Final = 256
TRIAL_S: Final = 120.0

Converse = Callable[[Target, Credential | None], tuple[Conversation, AfterClose | None]]
Identity = tuple[Credential | None, str | None]


class Lanes:
    """`converse` opens a device's conversation; see `redfish_conversations`. `logins` remembers
    refused ones over a restart; `trials` opens conversations that leave others' sessions alone."""

    def __init__(
        self,
        converse: Converse,
        clock: Clock,
        *,
        rules: LaneRules | None = None,
        on_silence: Heard | None = None,
        logins: LoginMemory | None = None,
        trials: Converse | None = None,
    ) -> None:
        self._trials = trials or converse
        self._converse, self._clock, self._logins = converse, clock, logins
        self._rules, self._on_silence = rules or LaneRules(), on_silence
        self._lanes: dict[str, tuple[Lane, Identity]] = {}
        self._verdicts = Verdicts()

    def __len__(self) -> int:
        return len(self._lanes)

    def lane(self, target: Target, credential: Credential | None) -> Lane:
        """The address's lane; made, or told of another credential or pin, where needed."""
        identity = (credential, target.fingerprint)
        known = self._lanes.get(target.address)
        if known is None:
            self._lanes[target.address] = self._open(target, credential), identity
        elif known[1] != identity:
            conversation, after_close = self._converse(target, credential)
            known[0].use(conversation, anonymous=credential is None, after_close=after_close)
            self._lanes[target.address] = known[0], identity
        return self._lanes[target.address][0]

    def _open(self, target: Target, credential: Credential | None) -> Lane:
        conversation, after_close = self._converse(target, credential)
        return Lane(
            target.address,
            conversation,
            self._clock,
            rules=self._rules,
            anonymous=credential is None,
            on_silence=self._on_silence,
            after_close=after_close,
            logins=self._logins,
            verdicts=self._verdicts,
        )

    async def try_login(
        self, target: Target, credential: Credential, *, beside: Credential | None
    ) -> bool:
        """Whether the device lets this login in, tried once and beside the lane, which goes on
        with `beside`. Raises `DeviceSilent`, `DeviceLied`, or `DeviceRefused` where it gave no
        verdict. Counts nothing: that is the caller's."""
        lane = self.lane(target, beside)
        conversation, after_close = self._trials(target, credential)

        async def trial() -> bool:
            return await is_let_in(conversation)

        try:
            return await lane.aside(trial, priority=Priority.LIFECYCLE, deadline_s=TRIAL_S)
        finally:
            if after_close is not None:
                await after_close()

    def find(self, address: str) -> Lane | None:
        known = self._lanes.get(address)
        return known[0] if known else None

    async def drop(self, address: str) -> None:
        """The address is no longer ours: close its lane."""
        known = self._lanes.pop(address, None)
        if known is not None:
            await known[0].close()

    async def close(self) -> None:
        """Close every lane; sessions that cannot be deleted stay in the ledger."""
        lanes, self._lanes = [lane for lane, _ in self._lanes.values()], {}
        todo = iter(lanes)
        workers = min(CLOSING_AT_ONCE, len(lanes))
        await asyncio.gather(*(_close_each(todo) for _ in range(workers)))


async def _close_each(todo: Iterator[Lane]) -> None:
    for lane in todo:
        await lane.close()


def redfish_conversations(
    clock: Clock,
    *,
    ledger: SessionLedger | None = None,
    ca_file: str | None = None,
    insecure_http: bool = False,
    transport: Callable[[Trust], OpenTransport] = open_transport,
) -> Converse:
    """Conversations over HTTPS, each judged by its target's pin or the common authority."""

    def converse(
        target: Target, credential: Credential | None
    ) -> tuple[Conversation, AfterClose | None]:
        opened = transport(
            Trust(fingerprint=target.fingerprint, ca_file=ca_file, insecure_http=insecure_http)
        )
        return Redfish(target.address, opened, credential, clock, ledger=ledger), opened.aclose

    return converse
