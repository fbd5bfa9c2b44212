"""The owner's door: letters for its devices, put into their lanes if they may still be.

A letter is obeyed under the epoch that it names, if that is the one under which the shard is owned
at this moment, if no newer leader is known, and as long as it is worth an effect. All of it is
asked again when its turn has come, just before the device: a process that was frozen in between
wakes up there. How late it is, is told by the clock of the cores and not by this machine's, which
may be set. A letter with an effect that comes twice is carried out once, and both hear of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from iolaus.app.cluster.far import lane_topic
from iolaus.app.cluster.letters import (
    ConsoleTold,
    Letter,
    Reply,
    Seals,
    answered,
    opened,
    seal,
    trouble_of,
)
from iolaus.bus.port import Trunk
from iolaus.drivers.lane import Lane, Lanes
from iolaus.drivers.lane.rules import TIMEOUT_S
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.wire.redfish.port import Answer, Credential
from iolaus.wire.redfish.upload import Upload

log = structlog.get_logger(__name__)
TERM: Final = "cluster.term"
MOST_IMAGES: Final = 64
HEARD: Final = 60
"""Of so many words of the leader the one that came soonest tells its time."""
EFFECTS: Final = frozenset(("write", "push", "login", "type"))
REMEMBERED_S: Final = 120.0
"""Beyond the time in which it is worth an effect, for clocks that differ."""


class _Begun(NamedTuple):
    """A letter's answer, perhaps still to come."""

    until_s: float
    answer: asyncio.Future[bytes]


class Door:
    """`epoch_of` is under which a shard is owned now (None: it is not); `credential_of` the login
    of a target. `folder` holds images while they are on their way. `consoles` has the lines of
    hosts."""

    def __init__(
        self,
        *,
        trunk: Trunk,
        seals: Seals,
        lanes: Lanes,
        clock: Clock,
        epoch_of: Callable[[str], int | None],
        credential_of: Callable[[Target], Credential | None],
        folder: Path,
        consoles: Callable[[Letter], Awaitable[ConsoleTold]] | None = None,
    ) -> None:
        self._trunk, self._seals, self._lanes, self._clock = trunk, seals, lanes, clock
        self._epoch_of, self._credential_of = epoch_of, credential_of
        self._folder, self._consoles = folder, consoles
        self._images: dict[str, Path] = {}
        self._open: dict[str, AsyncExitStack] = {}
        self._begun: dict[str, _Begun] = {}
        self.term = 0
        self._ahead_s: deque[float] = deque(maxlen=HEARD)

    async def open(self, shard: str, epoch: int) -> None:
        """Answer for a shard under this epoch, and under no other."""
        await self.close(shard)
        stack = self._open[shard] = AsyncExitStack()
        await stack.enter_async_context(self._trunk.answer(lane_topic(shard, epoch), self.answer))

    async def close(self, shard: str) -> None:
        if (stack := self._open.pop(shard, None)) is not None:
            await stack.aclose()

    async def close_all(self) -> None:
        """Nothing more is answered, and what was on its way is gone."""
        for shard in list(self._open):
            await self.close(shard)
        for path in self._images.values():
            path.unlink(missing_ok=True)

    def led(self, term: int, now: float | None = None) -> None:
        """A core leads under this epoch; who led before does no longer. It was `now` there when it
        said so."""
        if term > self.term:
            self._ahead_s.clear()
        self.term = max(self.term, term)
        if now is not None and term == self.term:
            self._ahead_s.append(now - self._clock.monotonic())

    def _now(self) -> float:
        """The leader's, a little behind at most; ours until it was heard."""
        if not self._ahead_s:
            return self._clock.now()
        return self._clock.monotonic() + max(self._ahead_s)

    async def answer(self, sealed: bytes) -> bytes:
        try:
            letter = opened(self._seals, sealed, Letter)
        except IolausError as error:
            return seal(self._seals, Reply(trouble=trouble_of(error)))
        if letter.do not in EFFECTS or not letter.id:
            return await self._answer(letter)
        if (begun := self._begun.get(letter.id)) is not None:
            return await asyncio.shield(begun.answer)
        answer = self._begin(letter)
        try:
            answer.set_result(await self._answer(letter))
        finally:
            answer.cancel()
        return answer.result()

    def _begin(self, letter: Letter) -> asyncio.Future[bytes]:
        now_s = self._clock.monotonic()
        while self._begun:
            oldest = next(iter(self._begun))
            if self._begun[oldest].until_s > now_s:
                break
            del self._begun[oldest]
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        worth_s = max(0.0, letter.until - self._now())
        self._begun[letter.id] = _Begun(now_s + worth_s + REMEMBERED_S, answer)
        return answer

    async def _answer(self, letter: Letter) -> bytes:
        said = self._obey(letter)
        return await answered(
            self._seals, said, Reply, who="owner", operation="ask", subject="device"
        )

    async def _obey(self, letter: Letter) -> Reply:
        self._must_hold(letter)
        self.led(letter.term)
        if letter.console is not None and self._consoles is not None:
            return Reply(console=await self._consoles(letter))
        if letter.do == "part":
            await asyncio.to_thread(self._keep, letter)
            return Reply()
        lane = self._lanes.lane(letter.target, self._credential_of(letter.target))
        if letter.do == "read":
            return Reply(answer=await self._read(lane, letter))
        if letter.do == "write":
            return Reply(answer=await self._write(lane, letter))
        if letter.do == "push":
            return Reply(answer=await self._push(lane, letter))
        if letter.do == "fetch":
            return Reply(data=await self._fetch(lane, letter))
        if letter.do == "anew":
            lane.log_in_anew()
            return Reply()
        assert letter.login is not None
        let_in = await self._lanes.try_login(letter.target, letter.login, beside=letter.beside)
        return Reply(let_in=let_in)

    def stale(self, term: int, until: float) -> str:
        """Why what a core asked under `term`, to be done until then, is not done ("": it is)."""
        if term < self.term:
            return f"a newer core leads (epoch {self.term}, not {term})"
        if self._now() > until:
            return "it came too late to be worth an effect"
        return ""

    def _must_hold(self, letter: Letter) -> None:
        """Raises `DeviceRefused` (503): nothing was sent."""
        epoch = self._epoch_of(shard_of(letter.target))
        why = self.stale(letter.term, letter.until)
        if epoch is None or epoch != letter.epoch:
            why = "it is not ours under the epoch that was named"
        if why:
            raise DeviceRefused(
                why,
                operation=letter.do,
                subject=letter.target.address,
                code="Fenced",
                status=503,
                next_step="nothing: whoever leads or owns now goes on.",
            )

    async def _read(self, lane: Lane, letter: Letter) -> Answer:
        return await lane.read(
            letter.uri,
            priority=Priority(letter.priority),
            deadline_s=letter.deadline_s,
            timeout_s=letter.timeout_s,
            fresh_s=letter.fresh_s,
        )

    async def _fetch(self, lane: Lane, letter: Letter) -> bytes:
        return await lane.fetch(
            letter.uri,
            priority=Priority(letter.priority),
            deadline_s=letter.deadline_s or TIMEOUT_S[Priority.LIFECYCLE],
            max_bytes=letter.max_bytes,
        )

    async def _write(self, lane: Lane, letter: Letter) -> Answer:
        return await lane.write(
            letter.method,
            letter.uri,
            letter.body,
            priority=Priority(letter.priority),
            if_match=letter.if_match,
            deadline_s=letter.deadline_s,
            last_word=lambda: self._must_hold(letter),
        )

    # --- images -------------------------------------------------------------------------------

    def _keep(self, letter: Letter) -> None:
        """One piece of an image, in its place. Raises `DeviceRefused` for a piece out of order."""
        path = self._images.get(letter.image)
        if path is None:
            path = self._folder / f"image-{secrets.token_hex(8)}"
            path.touch(mode=0o600)
            self._forget_oldest()
            self._images[letter.image] = path
        with path.open("r+b") as image:
            if image.seek(0, 2) < letter.offset:
                raise _broken(letter)
            image.seek(letter.offset)
            image.write(letter.chunk)

    def _forget_oldest(self) -> None:
        while len(self._images) >= MOST_IMAGES:
            oldest = next(iter(self._images))
            self._images.pop(oldest).unlink(missing_ok=True)

    async def _push(self, lane: Lane, letter: Letter) -> Answer:
        path = self._images.pop(letter.image, None)
        if path is None or path.stat().st_size != letter.offset:
            raise _broken(letter)
        try:
            return await lane.push(
                letter.uri,
                Upload(letter.content_type, (path,)),
                priority=Priority(letter.priority),
                deadline_s=letter.deadline_s,
                last_word=lambda: self._must_hold(letter),
            )
        finally:
            with suppress(OSError):
                path.unlink()


def _broken(letter: Letter) -> DeviceRefused:
    return DeviceRefused(
        "its image did not arrive whole",
        operation="push",
        subject=letter.target.address,
        code="ImageBroken",
        status=503,
        next_step="nothing: it is sent again.",
    )
