"""A person drains: the node is draining until somebody with a name says that it is done.

There is nothing to undo, because we did nothing; giving the node back is that person's matter too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from iolaus.fleet.drain.port import Drained, DrainPhase, DrainState, DrainTarget, name_of
from iolaus.kernel.clock import Clock


class ManualWord(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class ManualMark(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of the drain of one node, and who."""

    word: ManualWord
    by: str
    note: str = ""


Marks = Callable[[str, str], Awaitable[ManualMark | None]]
"""The last word on the drain of (asset uid, reason); None: nobody said anything yet."""


class ManualDrains:
    """Drains by people; conforms to `iolaus.fleet.drain.port.Drains`."""

    def __init__(self, name: str, marks: Marks, *, clock: Clock) -> None:
        self.name, self._marks, self._clock = name, marks, clock

    async def aclose(self) -> None:
        return

    async def begin(self, node: DrainTarget, *, reason: str) -> Drained:
        at = self._clock.now()
        return Drained(adapter=self.name, uid=node.uid, node=node.name, reason=reason, at=at)

    async def state(self, node: DrainTarget, drained: Drained) -> DrainState:
        name, mark = name_of(node, drained), await self._marks(node.uid, drained.reason)
        if mark is None:
            detail = f"a person must drain {name} and say so: {drained.reason}"
            return DrainState(phase=DrainPhase.DRAINING, detail=detail)
        phases = {
            ManualWord.DONE: DrainPhase.DRAINED,
            ManualWord.REFUSED: DrainPhase.REFUSED,
        }
        note = f": {mark.note}" if mark.note else ""
        return DrainState(phase=phases[mark.word], detail=f"{mark.by} says {mark.word}{note}")

    async def undo(self, node: DrainTarget, drained: Drained) -> None:
        name_of(node, drained)
