"""Where alarms go out, as north meets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from iolaus.model.alarm import Alarm


class ReceiverStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of alarms. `waiting` is how many messages it has not taken yet; `sent_at` when it
    last took one (None: not since the start), `error` why not the last one, `next_step` what to
    do."""

    name: str
    kind: str
    url: str
    waiting: int = 0
    sent_at: float | None = None
    error: str = ""
    next_step: str = ""


class SendsAlarms(Protocol):
    def receivers(self) -> Sequence[ReceiverStanding]:
        """In the order of the file. Raises `OperatorMust` where the file is wrong."""
        ...

    def receivers_of(self, alarm: Alarm) -> Sequence[str]:
        """Who would be told of it."""
        ...

    async def test(self, receiver: str) -> None:
        """Send one an alarm that is over at once. Raises what sending raises, and `OperatorMust`
        where there is no such receiver."""
        ...
