"""A server's side of its heir (`app.heir`): its will as it changes, and a beat.

The heir is there only while an edge here may raise caps; a hall that is observed needs none. Its
will is written anew when a rack, a floor or a login is another, and a heir that died is replaced.
A server that ends on purpose says so and waits until its boosts are taken back: then nothing is
left behind, neither a cap nor a process.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from iolaus.app.edges import Edges
from iolaus.app.heir import Line, Will, succeed
from iolaus.app.roles import Role
from iolaus.kernel.clock import Clock
from iolaus.model.asset import Report
from iolaus.model.endpoint import Target
from iolaus.wire.redfish.port import Credential

if TYPE_CHECKING:
    from iolaus.app.house import House

log = structlog.get_logger(__name__)
BEAT_S: Final = 0.5
ANEW_S: Final = 30.0
END_S: Final = 10.0
BEAT: Final = b"{}\n"
HEIRS_S: Final = {Role.ALL: 60.0, Role.CORE: 0.0, Role.EDGE: 4.5}
"""How long an heir tries: racks of an edge may be another's six seconds after its death."""


class Bequest:
    """`boot` is a word that differs for every start of the server; `lease_s` is the policy's, and
    `last_s` how long an heir tries: shorter than until somebody else may own the racks."""

    def __init__(
        self,
        *,
        edges: Edges,
        boot: str,
        directory: Path,
        clock: Clock,
        target_of: Callable[[str], Target | None],
        report_of: Callable[[str], Report | None],
        credential_of: Callable[[Target], Credential | None],
        lease_s: Callable[[], float],
        last_s: float,
        ca_file: str | None = None,
    ) -> None:
        self._edges, self._boot, self._directory, self._clock = edges, boot, directory, clock
        self._target_of, self._report_of = target_of, report_of
        self._credential_of, self._lease_s, self._ca_file = credential_of, lease_s, ca_file
        self._last_s = last_s
        self._heir: asyncio.subprocess.Process | None = None
        self._said: tuple[Any, ...] = ()
        self._said_s = float("-inf")

    @property
    def is_kept(self) -> bool:
        """Whether an heir lives."""
        return self._heir is not None and self._heir.returncode is None

    def note_login(self, *_: object) -> None:
        """A login is another now."""
        self._said_s = float("-inf")

    async def run(self) -> None:
        """Until cancelled; then the boosts are taken back."""
        succeed(self._directory, self._boot)
        try:
            while True:
                try:
                    await self._beat()
                except (OSError, asyncio.IncompleteReadError) as error:
                    log.warning("the heir is gone", error=str(error))
                    self._heir = None
                await self._clock.sleep(BEAT_S)
        finally:
            await self._end()

    async def _beat(self) -> None:
        floors = self._floors()
        if not floors and not self.is_kept:
            return
        if not self.is_kept:
            self._heir, self._said = await begin_heir(), ()
        now_s = self._clock.monotonic()
        news = (self._edges.hands.seats, floors, self._lease_s())
        if news != self._said or now_s - self._said_s >= ANEW_S:
            self._said, self._said_s = news, now_s
            await self._say(msgspec.json.encode(Line(will=self._will(floors))) + b"\n")
        else:
            await self._say(BEAT)

    async def _say(self, line: bytes) -> None:
        assert self._heir is not None
        assert self._heir.stdin is not None
        self._heir.stdin.write(line)
        await self._heir.stdin.drain()

    def _floors(self) -> dict[str, float]:
        """What each node may be left with, of the racks in which caps are raised here."""
        seats = self._edges.hands.seats
        return {
            node.name: min(node.floor_w, running.run.edge.reflexes.limit_w(node.name))
            for running in self._edges.running.values()
            if running.run.edge.rules.acts
            for node in running.view.nodes
            if node.name in seats and seats[node.name].managed
        }

    def _will(self, floors: Mapping[str, float]) -> Will:
        seats = tuple(self._edges.hands.seats[name] for name in floors)
        targets = [target for seat in seats if (target := self._target_of(seat.address))]
        logins = [(each.address, self._credential_of(each)) for each in targets]
        reports = [(each.address, self._report_of(each.address)) for each in targets]
        return Will(
            boot=self._boot,
            directory=str(self._directory),
            seats=seats,
            floors=floors,
            targets=tuple(targets),
            logins={at: (login.user, login.password) for at, login in logins if login},
            drivers={at: report.driver for at, report in reports if report},
            ca_file=self._ca_file,
            lease_s=self._lease_s(),
            last_s=self._last_s,
        )

    async def _end(self) -> None:
        heir, self._heir = self._heir, None
        if heir is None or heir.returncode is not None or heir.stdin is None:
            return
        try:
            async with asyncio.timeout(END_S):
                heir.stdin.write(msgspec.json.encode(Line(end=True)) + b"\n")
                heir.stdin.close()
                await heir.wait()
        except (OSError, TimeoutError) as error:
            log.warning("the heir did not end", error=str(error))
            heir.kill()
            await heir.wait()


def bequest_of(house: House) -> Bequest:
    """A house's, told of its logins as they change."""
    made = Bequest(
        edges=house.edges.edges,
        boot=secrets.token_hex(8),
        directory=house.state.directory,
        clock=house.clock,
        target_of=house.state.facts.target_of,
        report_of=house.state.facts.report_of,
        credential_of=house.credential_of,
        lease_s=lambda: house.edges.power.lease_s,
        last_s=HEIRS_S[house.options.role],
        ca_file=house.options.ca_file,
    )
    house.state.secrets.on_change(made.note_login)
    return made


async def begin_heir() -> asyncio.subprocess.Process:
    """A process of its own session: what ends ours does not reach it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "iolaus.app.heir"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
