"""Lanes of devices that others own: the same lane, with the bus before its queue.

Whoever holds a far lane notices nothing but time. What is asked goes to the owner of the device's
shard, by a topic that names the owner's epoch, and is put into the owner's own lane there; so there
is one queue, one session and one memory of logins a device, wherever its callers are. No owner is
"not now": nothing was sent. No answer is silence: perhaps it was.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from iolaus.app.cluster.letters import Letter, Reply, Seals, error_of, opened, seal
from iolaus.bus.port import BusAway, Trunk, Unheard
from iolaus.drivers.lane import Lane, Lanes, LaneStats
from iolaus.drivers.lane.cache import key_of
from iolaus.drivers.lane.lane import ROOT
from iolaus.drivers.lane.rules import TIMEOUT_S, upload_s
from iolaus.drivers.lane.session import AfterClose, Conversation
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError, WeErred
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.wire.redfish.expand import Expander
from iolaus.wire.redfish.port import Answer, Credential
from iolaus.wire.redfish.upload import Upload

T = TypeVar("T")
QUEUE_S: Final = 30.0
"""How long a request may wait for its turn at the owner, where its caller says nothing of that."""
CHUNK_BYTES: Final = 512 * 1024
CHUNK_S: Final = 20.0
TRIAL_S: Final = 150.0


def lane_topic(shard: str, epoch: int) -> str:
    return f"lane.{shard}.{epoch}"


class Post:
    """Carries letters. `owner_of` gives who owns a shard, under which epoch; `term` the epoch under
    which this core leads."""

    def __init__(
        self,
        *,
        trunk: Trunk,
        seals: Callable[[], Seals],
        clock: Clock,
        owner_of: Callable[[str], tuple[str, int] | None],
        term: Callable[[], int],
    ) -> None:
        self._trunk, self._seals, self._clock = trunk, seals, clock
        self._owner_of, self._term = owner_of, term

    async def send(self, target: Target, within_s: float, do: str, **words: Any) -> Reply:
        """Raises what the owner's lane raised; `DeviceRefused` (503, NoOwner) where nobody could
        be asked, `DeviceSilent` where no answer came."""
        shard = shard_of(target)
        if (owner := self._owner_of(shard)) is None:
            raise _nobody(target, shard)
        letter = Letter(
            epoch=owner[1],
            term=self._term(),
            until=self._clock.now() + within_s,
            do=do,
            target=target,
            id=secrets.token_hex(8),
            **words,
        )
        try:
            sealed = await self._trunk.ask(
                lane_topic(shard, owner[1]), seal(self._seals(), letter), timeout_s=within_s
            )
        except Unheard:
            raise _nobody(target, shard) from None
        except BusAway as error:
            raise _silent(target, owner[0], error.message) from None
        reply = opened(self._seals(), sealed, Reply)
        if reply.trouble is not None:
            raise error_of(reply.trouble)
        return reply


class FarLane(Lane):
    """A lane whose queue, session and memory are another process's."""

    def __init__(self, target: Target, post: Post) -> None:
        self.address, self.target, self._post = target.address, target, post
        self.expander = Expander()

    async def read(
        self,
        uri: str,
        *,
        priority: Priority,
        deadline_s: float | None = None,
        timeout_s: float | None = None,
        fresh_s: float = 0.0,
    ) -> Answer:
        within_s = deadline_s or (timeout_s or TIMEOUT_S[priority]) + QUEUE_S
        answer = await self._answer(
            within_s,
            "read",
            uri=uri,
            priority=int(priority),
            deadline_s=deadline_s,
            timeout_s=timeout_s,
            fresh_s=fresh_s,
        )
        if key_of(uri) == ROOT:
            self.expander.learn(answer.body)
        return answer

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        if_match: str | None = None,
        deadline_s: float | None = None,
        last_word: Callable[[], None] | None = None,
    ) -> Answer:
        if last_word is not None:
            last_word()
        within_s = deadline_s or TIMEOUT_S[priority] + QUEUE_S
        return await self._answer(
            within_s,
            "write",
            method=method,
            uri=uri,
            body=dict(body) if body is not None else None,
            priority=int(priority),
            if_match=if_match,
            deadline_s=deadline_s,
        )

    async def push(
        self,
        uri: str,
        upload: Upload,
        *,
        priority: Priority = Priority.LIFECYCLE,
        deadline_s: float | None = None,
        last_word: Callable[[], None] | None = None,
    ) -> Answer:
        """The image goes to the owner first, piece by piece, and from there to the device."""
        if last_word is not None:
            last_word()
        image = secrets.token_hex(16)
        pour, offset = await asyncio.to_thread(upload.open), 0
        try:
            while chunk := await asyncio.to_thread(pour.read, CHUNK_BYTES):
                words = {"image": image, "offset": offset, "chunk": chunk}
                await self._post.send(self.target, CHUNK_S, "part", **words)
                offset += len(chunk)
        finally:
            pour.close()
        return await self._answer(
            deadline_s or upload_s(upload.size) + QUEUE_S,
            "push",
            uri=uri,
            image=image,
            offset=upload.size,
            content_type=upload.content_type,
            priority=int(priority),
            deadline_s=deadline_s,
        )

    async def _answer(self, within_s: float, do: str, **words: Any) -> Answer:
        reply = await self._post.send(self.target, within_s, do, **words)
        if reply.answer is None:
            raise _silent(self.target, "its owner", "an answer that is none")
        return reply.answer

    async def fetch(
        self, uri: str, *, priority: Priority, deadline_s: float, max_bytes: int
    ) -> bytes:
        reply = await self._post.send(
            self.target,
            deadline_s + QUEUE_S,
            "fetch",
            uri=uri,
            priority=int(priority),
            deadline_s=deadline_s,
            max_bytes=max_bytes,
        )
        return reply.data or b""

    def log_in_anew(self) -> None:
        """Its owner is told; where it is not heard, the session comes with the next reading."""
        self._telling = asyncio.create_task(self._tell_anew())

    async def _tell_anew(self) -> None:
        with suppress(IolausError):
            await self._post.send(self.target, QUEUE_S, "anew")

    async def aside(
        self, call: Callable[[], Awaitable[T]], *, priority: Priority, deadline_s: float
    ) -> T:
        """Its owner tries logins: see `FarLanes.try_login`."""
        del call, priority, deadline_s
        raise WeErred(
            "a login was to be tried beside its owner",
            operation="try a login",
            subject=self.address,
            code="NotItsOwner",
        )

    async def events(
        self, uri: str, last_event_id: str | None = None, *, timeout_s: float = 90.0
    ) -> AsyncGenerator[Any, None]:
        """Its owner follows them."""
        del uri, last_event_id, timeout_s
        raise DeviceRefused(
            "its owner follows its events", operation="stream", subject=self.address, status=0
        )
        yield

    def bear(self, connections: int | None) -> None:
        """Its owner learns that itself."""

    def use(
        self,
        conversation: Conversation,
        *,
        anonymous: bool = False,
        after_close: AfterClose | None = None,
    ) -> None:
        """Its owner has the logins, too."""

    def stats(self) -> LaneStats:
        """Nothing of it is known here."""
        return LaneStats(
            address=self.address,
            in_flight=0,
            waiting=0,
            sessions=0,
            streams=0,
            limit=0,
            ceiling=0,
            breaker="closed",
            requests=0,
            shared=0,
        )

    async def close(self) -> None:
        """Nothing is open here."""


class FarLanes(Lanes):
    """A far lane for every target."""

    def __init__(self, post: Post) -> None:
        self._post, self._far = post, dict[str, FarLane]()

    def __len__(self) -> int:
        return len(self._far)

    def lane(self, target: Target, credential: Credential | None) -> Lane:
        del credential
        lane = self._far.get(target.address)
        if lane is None:
            lane = self._far[target.address] = FarLane(target, self._post)
        lane.target = target
        return lane

    async def try_login(
        self, target: Target, credential: Credential, *, beside: Credential | None
    ) -> bool:
        reply = await self._post.send(target, TRIAL_S, "login", login=credential, beside=beside)
        return bool(reply.let_in)

    def find(self, address: str) -> Lane | None:
        return self._far.get(address)

    async def drop(self, address: str) -> None:
        self._far.pop(address, None)

    async def close(self) -> None:
        self._far.clear()


def _nobody(target: Target, shard: str) -> DeviceRefused:
    return DeviceRefused(
        f"no edge owns it now (shard {shard})",
        operation="ask",
        subject=target.address,
        code="NoOwner",
        status=503,
        next_step="wait some seconds for another edge to take it; see: iolaus get members",
    )


def _silent(target: Target, owner: str, why: str) -> DeviceSilent:
    return DeviceSilent(
        f"the edge {owner} did not answer: {why}",
        operation="ask",
        subject=target.address,
        code="OwnerSilent",
        next_step="see whether it lives: iolaus get members",
    )
