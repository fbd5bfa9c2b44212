"""Consoles as north meets them: who is on which, and a seat at one.

A seat reads from the recording and not from the line, so that a slow reader holds up nobody and
misses nothing; it is told when there is more. One seat at a time may write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from iolaus.model.console import Way
from iolaus.store.recordings import Recording
from iolaus.store.searching import Hit


class ConsoleStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A console as it stands. `state`: "connecting", "open", "lost" (it is tried again), "refused"
    (it is not: a person has to do something first), "idle" (nobody needs it; its recording is
    kept). `start` and `end` are the offsets that are recorded; times are seconds since 1970."""

    uid: str
    node: str
    state: str
    since: float
    start: int = 0
    end: int = 0
    way: str = ""
    message: str = ""
    code: str = ""
    next_step: str = ""
    writer: str = ""
    watchers: tuple[str, ...] = ()
    kept: bool = False


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes. `may_write`: their role lets them."""

    name: str
    may_write: bool = False


class Seat(Protocol):
    """One reader's, until `leave`."""

    @property
    def recording(self) -> Recording: ...

    @property
    def standing(self) -> ConsoleStanding: ...

    async def news(self) -> None:
        """Returns when there is more to read, or something else about the console changed."""
        ...

    async def take(self, *, force: bool = False) -> None:
        """Become the one who writes. `PolicyRefused`: the role may not, the endpoint is read-only,
        or (not with `force`) somebody else writes."""
        ...

    def give(self) -> None:
        """Write no more."""
        ...

    async def type(self, data: bytes) -> None:
        """`PolicyRefused` without having taken; `DeviceSilent` where the line is not open."""
        ...

    def leave(self) -> None: ...


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What is sought in the recordings of nodes, between two times where they are given (seconds
    since 1970): lines that hold all `words`, at most so many; or bytes from `offset` on, at most
    so many."""

    uids: tuple[str, ...]
    words: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    most: int = 0
    offset: int = 0

    @property
    def uid(self) -> str:
        """The one node's."""
        (uid,) = self.uids
        return uid


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that were found, by uid. `unheard` are members of a cluster that may hold recordings
    and did not answer."""

    hits: Mapping[str, Sequence[Hit]]
    unheard: tuple[str, ...] = ()


class ConsoleShare(msgspec.Struct, frozen=True, kw_only=True):
    """That whoever has a text may watch one console until a time. `digest` is the SHA-256 of its
    secret part, in hex."""

    id: str
    digest: str
    uid: str
    node: str
    made_by: str
    made_at: float
    expires_at: float


class ConsoleRoom(Protocol):
    """All raise `OperatorMust` where what is kept cannot be written."""

    def all(self) -> Sequence[ConsoleStanding]:
        """Those that are open, wanted or recorded, by name."""
        ...

    async def find(self, sought: Sought) -> Findings:
        """Lines that hold all words, the newest `most` of each node."""
        ...

    async def replay(self, sought: Sought) -> AsyncIterator[bytes] | None:
        """What the one node said in that time; None: nothing was ever recorded."""
        ...

    async def join(
        self, uid: str, guest: Guest, *, way: Way | None = None, trust_first: bool = False
    ) -> Seat:
        """Opens the console if nobody has it open. Raises `OperatorMust` for what is no node."""
        ...

    async def keep(self, uid: str, *, kept: bool, by: str) -> ConsoleStanding:
        """Record it from now on whether anybody watches or not; or no longer."""
        ...

    async def forget_key(self, uid: str, *, by: str) -> bool:
        """Forget the SSH host key that was pinned; False: none was."""
        ...

    async def share(self, uid: str, *, by: str, for_s: float) -> tuple[str, ConsoleShare]:
        """The text that lets watch, told once, and what is kept of it."""
        ...

    async def note(self, who: str, did: str, node: str) -> None:
        """Write into the audit log that somebody read what was recorded."""
        ...

    async def unshare(self, ident: str, *, by: str) -> bool: ...

    def shares(self) -> Sequence[ConsoleShare]: ...

    def shared(self, text: str) -> ConsoleShare | None:
        """What a text lets watch now; None: nothing."""
        ...
