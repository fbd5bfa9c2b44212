"""Consoles that others hold: the line of a host, carried from the edge that owns its endpoint.

The edge opens the line, once for all, and records it. Whoever watches is fed from that recording:
bytes are asked for from an offset on, so that they come in order, none twice, and what is not taken
is not sent but waits on the edge's disk. A line that was cut, be it at the host or on the bus, is
fetched from where it was left. Where another edge owns the endpoint now, it opens the line anew,
and that it was taken over is said.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

from iolaus.app.cluster.far import Post
from iolaus.app.cluster.letters import ConsoleAsk, ConsoleTold
from iolaus.app.console_lines import Opened, Wanted
from iolaus.kernel.errors import DeviceSilent, IolausError, WeErred

OPEN_S: Final = 75.0
WAIT_S: Final = 4.0
"""How long the edge waits for a host to say something before it answers that it did not."""
SLACK_S: Final = 4.0
TYPE_S: Final = 15.0
LEAVE_S: Final = 5.0
TAIL_BYTES: Final = 16 << 10
"""So much of what was said before is shown to who comes first."""


class Left(NamedTuple):
    """Where a console was left: at which member, before which byte of its recording."""

    member: str
    offset: int


class FarLines:
    """`app.console_lines.OpensLines`."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self.left: dict[str, Left] = {}

    async def open(self, wanted: Wanted) -> Opened:
        before = self.left.get(wanted.uid)
        ask = ConsoleAsk(
            do="open",
            uid=wanted.uid,
            node=wanted.place.node,
            systems=wanted.place.systems,
            way=wanted.way,
            host_key=wanted.host_key,
            first=wanted.first,
            kept=wanted.kept(),
            member=before.member if before else "",
            offset=before.offset if before else 0,
            tail=TAIL_BYTES,
        )
        told = await self.ask(wanted, ask, OPEN_S)
        if told.way is None:
            raise _nonsense(wanted)
        self.left[wanted.uid] = Left(told.member, told.offset)
        return Opened(FarLine(self, wanted, shown=told.shown), told.way, _word(before, told))

    async def ask(self, wanted: Wanted, ask: ConsoleAsk, within_s: float) -> ConsoleTold:
        """Raises as `Post.send`, and what the edge's own line raised."""
        do = "type" if ask.do == "type" else "console"
        reply = await self._post.send(wanted.place.target, within_s, do, console=ask)
        if reply.console is None:
            raise _nonsense(wanted)
        return reply.console


class FarLine:
    """`drivers.ports.SerialLine`."""

    def __init__(self, lines: FarLines, wanted: Wanted, *, shown: str) -> None:
        self._lines, self._wanted, self.shown = lines, wanted, shown

    def _ask(self, do: str, *, data: bytes = b"") -> ConsoleAsk:
        left, wanted = self._lines.left[self._wanted.uid], self._wanted
        return ConsoleAsk(
            do=do,
            uid=wanted.uid,
            node=wanted.place.node,
            systems=wanted.place.systems,
            kept=wanted.kept(),
            member=left.member,
            offset=left.offset,
            wait_s=WAIT_S,
            data=data,
        )

    async def read(self) -> bytes:
        """Raises `DeviceSilent`, too, where the edge gave up what was not fetched."""
        while True:
            ask = self._ask("read")
            told = await self._lines.ask(self._wanted, ask, WAIT_S + SLACK_S)
            if told.offset != ask.offset:
                self._lines.left[self._wanted.uid] = Left(told.member, told.offset)
                raise _given_up(self._wanted, told.member, told.offset - ask.offset)
            if told.data:
                offset = told.offset + len(told.data)
                self._lines.left[self._wanted.uid] = Left(told.member, offset)
                return told.data

    async def write(self, data: bytes) -> None:
        await self._lines.ask(self._wanted, self._ask("type", data=data), TYPE_S)

    async def aclose(self) -> None:
        """An edge that is not told notices by itself that nobody asks."""
        with suppress(IolausError):
            await self._lines.ask(self._wanted, self._ask("leave"), LEAVE_S)


def _word(before: Left | None, told: ConsoleTold) -> str:
    """What is to be known of how it goes on."""
    if before is None:
        return f"at {told.member}"
    if before.member != told.member:
        return f"taken over by {told.member} from {before.member}"
    if (lost := told.offset - before.offset) > 0:
        return f"at {told.member}, which had no room for {lost} bytes in between"
    return f"at {told.member}"


def _nonsense(wanted: Wanted) -> WeErred:
    return WeErred(
        "its edge brought what is no answer",
        operation="open console",
        subject=wanted.place.node,
        code="AnswerUnreadable",
        next_step="run one version on all machines.",
    )


def _given_up(wanted: Wanted, member: str, count: int) -> DeviceSilent:
    return DeviceSilent(
        f"{member} had no room for {count} bytes that nobody fetched in time",
        operation="read console",
        subject=wanted.place.node,
        code="ConsoleGap",
        next_step="nothing: it goes on behind the gap.",
    )
