"""Finds out what answers at the addresses an operator named, and takes it on.

First contact is the one moment at which a man in the middle can win, so it is explicit: an unknown
certificate is refused with its fingerprint, and pinned only when the operator said so. A pin that
exists is never replaced here. Probing reads the service root and nothing else; credentials are not
used, so a wrong range costs nobody a lock-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec

from iolaus.kernel.errors import IolausError, Unverified
from iolaus.model.endpoint import Reach, Target

AT_ONCE: Final = 128


class Answered(Protocol):
    """What one probe says: the reach, what it is, and the certificate that it showed."""

    @property
    def reach(self) -> Reach: ...

    @property
    def fingerprint(self) -> str | None: ...

    @property
    def error(self) -> IolausError | None: ...


Probe = Callable[[Target], Awaitable[Answered]]


class Picture(Protocol):
    """The part of the store that discovering writes to."""

    def target_of(self, address: str) -> Target | None: ...

    def put_target(self, target: Target) -> None: ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome` is "new", "known", "refused" (its certificate is not trusted), "silent" or
    "failed" (something answers that is not Redfish)."""

    address: str
    outcome: str
    name: str | None = None
    message: str = ""
    next_step: str = ""
    fingerprint: str | None = None


class Discovery:
    """`begin(address)` starts collecting an endpoint that was taken on."""

    def __init__(self, *, picture: Picture, probe: Probe, begin: Callable[[str], None]) -> None:
        self._picture, self._probe, self._begin = picture, probe, begin

    async def run(
        self,
        named: Sequence[Target],
        ranged: Sequence[Target],
        on_found: Callable[[Outcome], None],
        *,
        trust_first: bool = False,
    ) -> None:
        """Try every target. Named ones are taken on even when silent, because their silence is
        a fact; of a range only what answers as Redfish."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(target: Target, *, is_named: bool) -> None:
            async with gate:
                outcome = await self._try(target, is_named=is_named, trust_first=trust_first)
            if outcome is not None:
                on_found(outcome)

        async with asyncio.TaskGroup() as group:
            for target in named:
                group.create_task(one(target, is_named=True))
            for target in ranged:
                group.create_task(one(target, is_named=False))

    async def _try(self, target: Target, *, is_named: bool, trust_first: bool) -> Outcome | None:
        known = self._picture.target_of(target.address)
        target = _with_pin(target, known)
        answered = await self._probe(target)
        if _is_untrusted(answered) and target.fingerprint is None and trust_first:
            pinned = msgspec.structs.replace(target, fingerprint=answered.fingerprint)
            target, answered = pinned, await self._probe(pinned)
        if _is_untrusted(answered):
            return _refused(target, answered)
        if answered.reach is Reach.UNREACHABLE and not is_named:
            return None
        if answered.reach is Reach.UNSUPPORTED:
            return _said(target, "failed", answered) if is_named else None
        self._picture.put_target(target)
        self._begin(target.address)
        if answered.reach is Reach.UNREACHABLE:
            return _said(target, "silent", answered)
        return _said(target, "known" if known else "new", answered)


def _with_pin(target: Target, known: Target | None) -> Target:
    """What is asked now over what was asked before; nothing that was said is forgotten."""
    if known is None:
        return target
    return Target(
        address=target.address,
        name=target.name or known.name,
        labels={**known.labels, **target.labels},
        fingerprint=target.fingerprint or known.fingerprint,
        credential=target.credential or known.credential,
        mode=known.mode,
        also=target.also or known.also,
        expected=None if target.fingerprint else known.expected,
    )


def _is_untrusted(answered: Answered) -> bool:
    return isinstance(answered.error, Unverified)


def _refused(target: Target, answered: Answered) -> Outcome:
    shown = answered.fingerprint
    if target.fingerprint:
        message = f"its certificate is not the pinned one: it shows {shown}"
        step = (
            "find out why it changed; if it was renewed on purpose, give the new fingerprint in a "
            "hosts file."
        )
    else:
        message = f"its certificate is signed by nobody we trust: it shows {shown}"
        step = f"compare the fingerprint, then: iolaus discover {target.address} --trust first"
    return Outcome(
        address=target.address,
        outcome="refused",
        name=target.name,
        message=message,
        next_step=step,
        fingerprint=shown,
    )


def _said(target: Target, outcome: str, answered: Answered) -> Outcome:
    error = answered.error
    return Outcome(
        address=target.address,
        outcome=outcome,
        name=target.name,
        message=error.message if error else "",
        next_step=error.next_step if error else "",
        fingerprint=answered.fingerprint,
    )
