"""A webhook: whoever runs the work has a program of their own that drains.

Each question is a POST of JSON whose body is signed with HMAC-SHA256 (RFC 2104) under a shared
secret, in the header `Iolaus-Signature: sha256=HEX`; `at` is in the body, so that an old question
can be told from a new one. `id` names the drain (this asset, this reason): asked twice to begin
the same one, the program does nothing twice, and asked to undo it, it undoes what that one did.
It answers `{"state": "draining" | "drained" | "refused", "detail": "..."}`; any other word is
unknown, which is not drained.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from iolaus.fleet.drain.peer import Answer, Peer
from iolaus.fleet.drain.port import (
    MAX_REMAINING,
    Drained,
    DrainPhase,
    DrainState,
    DrainTarget,
)
from iolaus.kernel.clock import Clock

SIGNATURE: Final = "Iolaus-Signature"
PERMISSION: Final = "let both sides have the same secret, and the same time"
_TOLD: Final = {"draining", "drained", "refused"}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    state: str
    detail: str = ""
    remaining: list[str] = []


def drain_id(uid: str, reason: str) -> str:
    """32 hex digits that are the same whenever the same drain is meant."""
    return hashlib.sha256(f"{uid}\0{reason}".encode("utf-8", "replace")).hexdigest()[:32]


class WebhookDrains:
    """One such program; conforms to `iolaus.fleet.drain.port.Drains`. `poll` is asked for the
    state. `secret` is called for each question."""

    def __init__(
        self, name: str, peer: Peer, poll: Peer, *, secret: Callable[[], str], clock: Clock
    ) -> None:
        self.name, self._peer, self._poll = name, peer, poll
        self._secret, self._clock = secret, clock

    async def aclose(self) -> None:
        await self._peer.aclose()
        await self._poll.aclose()

    async def begin(self, node: DrainTarget, *, reason: str) -> Drained:
        answer = await self._ask(self._peer, "begin", node, reason)
        state = _state(answer)
        if state.phase is DrainPhase.REFUSED:
            raise answer.refused(state.detail or "it does not want this node drained")
        if state.phase is DrainPhase.UNKNOWN:
            raise answer.lied("it does not say whether the drain began")
        return Drained(
            adapter=self.name,
            uid=node.uid,
            node=node.name,
            reason=reason,
            at=self._clock.now(),
            did=("asked",),
        )

    async def state(self, node: DrainTarget, drained: Drained) -> DrainState:
        return _state(await self._ask(self._poll, "state", node, drained.reason))

    async def undo(self, node: DrainTarget, drained: Drained) -> None:
        await self._ask(self._peer, "undo", node, drained.reason)

    async def _ask(self, peer: Peer, operation: str, node: DrainTarget, reason: str) -> Answer:
        name = drain_id(node.uid, reason)
        body = msgspec.json.encode(
            {
                "operation": operation,
                "id": name,
                "at": self._clock.now(),
                "reason": reason,
                "node": node,
            }
        )
        digest = hmac.new(self._secret().encode(), body, hashlib.sha256).hexdigest()
        return await peer.ask(
            "POST",
            "",
            operation={"begin": "drain", "state": "read drain", "undo": "undrain"}[operation],
            subject=node.name,
            accept=(200, 202, 204) if operation == "undo" else (200, 202),
            body=body,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": f"{name}-{operation}",
                SIGNATURE: f"sha256={digest}",
            },
        )


def _state(answer: Answer) -> DrainState:
    said = answer.read(Said)
    detail = _plain(said.detail, 500)
    if said.state not in _TOLD:
        return DrainState(
            phase=DrainPhase.UNKNOWN, detail=f"it says {_plain(said.state, 40)!r}: {detail}"
        )
    remaining = tuple(_plain(each, 200) for each in said.remaining[:MAX_REMAINING])
    return DrainState(phase=DrainPhase(said.state), detail=detail, remaining=remaining)


def _plain(text: str, most: int) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:most])
