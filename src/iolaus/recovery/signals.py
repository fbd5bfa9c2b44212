"""What is said of hosts in band: by an agent, a scheduler, a monitor. The newest word counts, and
not for long.

A host that is well says so again and again; so a signal that is too old says nothing any more, and
is no proof that the host is dead. Whoever watches hosts says "silent" when it means that. What is
said here is kept in memory alone: after a restart it is said anew within its own period.
"""

from __future__ import annotations

from collections.abc import Callable

from iolaus.model.reach import HostSight

MOST: int = 200_000


class Signals:
    """`now` is our receive time, seconds since 1970; `for_s` is how long a word counts."""

    def __init__(self, *, now: Callable[[], float], for_s: Callable[[], float]) -> None:
        self._now, self._for_s = now, for_s
        self._said: dict[str, HostSight] = {}

    def say(self, uid: str, *, alive: bool, source: str, detail: str = "") -> None:
        """Somebody says that the host of this node is alive, or silent."""
        if uid not in self._said and len(self._said) >= MOST:
            del self._said[next(iter(self._said))]
        self._said[uid] = HostSight(
            alive=alive, source=source[:64], detail=detail[:256], at=self._now()
        )

    def of(self, uid: str) -> HostSight:
        """As it counts now: `alive` None where nobody said it lately."""
        said = self._said.get(uid)
        if said is None or said.at is None:
            return HostSight()
        if self._now() - said.at > self._for_s():
            return HostSight(source=said.source, detail="said too long ago to count", at=said.at)
        return said
