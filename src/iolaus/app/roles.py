"""What a process does for a hall: everything, or a part (docs/design/0009)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from iolaus import __version__
from iolaus.kernel.clock import Clock
from iolaus.north.dto.members import MemberView
from iolaus.observe.collect import Job
from iolaus.store.facts import Facts


class Alone:
    """`north.members.KnowsMembers` where one process holds the hall."""

    def __init__(self, facts: Facts, clock: Clock, site: str) -> None:
        self._facts, self._site, self._since = facts, site, clock.now()

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
        )
        return (mine,)


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
    Role.CORE: (Job.ATTEST,),
    Role.EDGE: READING,
}
