"""What a process does for a hall: everything, or a part (docs/design/0009)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from iolaus import __version__
from iolaus.app.round import Round, lateness
from iolaus.kernel.clock import Clock
from iolaus.north.dto.members import MemberView
from iolaus.north.members import Plane, Work
from iolaus.observe.collect import Job
from iolaus.store.facts import Facts


class Alone:
    """`north.members.KnowsMembers` where one process holds the hall."""

    def __init__(self, facts: Facts, clock: Clock, site: str, round_: Callable[[], Round]) -> None:
        self._facts, self._site, self._since, self._round = facts, site, clock.now(), round_

    def views(self) -> tuple[MemberView, ...]:
        host = socket.gethostname()
        mine = MemberView(
            name=host,
            kind="member",
            role=Role.ALL.value,
            state="alone",
            site=self._site,
            host=host,
            pid=os.getpid(),
            version=__version__,
            endpoints=sum(1 for _ in self._facts.all_held()),
            waiting=self._facts.waiting,
            started_at=datetime.fromtimestamp(self._since, UTC),
            conditions=(late,) if (late := lateness(self._round())) else (),
        )
        return (mine,)

    def plane(self) -> Plane:
        trouble = str(self._facts.trouble or "")
        written = "no" if trouble else "yes"
        late = lateness(self._round())
        return Plane(
            works=(
                Work(
                    name="Reading and guarding",
                    works="partly" if late else "yes",
                    why=late.message if late else "",
                ),
                Work(name="Changes", works=written, why=trouble),
                Work(name="Take-over", works="no", why="one process holds this hall"),
            ),
            parts=(Work(name="State database", works=written, why=trouble),),
        )


class Role(StrEnum):
    ALL = "all"
    CORE = "core"
    """Answers, judges, plans and conducts; devices are others'."""
    EDGE = "edge"
    """Owns devices: reads them, guards their racks, carries out what it is asked."""


READING: Final = (
    Job.INVENTORY,
    Job.HOT,
    Job.LOGS,
    Job.EVENTS,
    Job.SUBSCRIPTION,
    Job.BESIDE,
    Job.SENTRY,
)
JOBS: Final[Mapping[Role, tuple[Job, ...]]] = {
    Role.ALL: tuple(Job),
    Role.CORE: (Job.ATTEST, Job.SURVEY),
    Role.EDGE: READING,
}
