"""What hurts a cluster of processes: drawn from a seed, struck by name, healed again.

Each hurt is of one kind and hits one part, or the link between two. Slow disks: PostgreSQL waits
before every commit, and the file of an edge's outbox is held by another for seconds.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

import psycopg
from tests.app.cluster.links import Links

from iolaus.app.cluster.onemachine import Cluster

COMMIT_DELAY = 100_000
"""Microseconds; PostgreSQL takes no more."""
HELD_S = 4.0


class Hurt(NamedTuple):
    kind: str
    who: str
    whom: str = ""
    for_s: float = 3.0

    def __str__(self) -> str:
        pair = f"{self.who}-{self.whom}" if self.whom else self.who
        return f"{self.kind} {pair} for {self.for_s:.0f} s"


def rounds(
    seed: int, *, parts: Sequence[str], pairs: Sequence[frozenset[str]]
) -> Iterator[list[Hurt]]:
    """For ever: rounds in which each kind comes once and each sort of part is killed once, in
    another order and to others every time. Pure."""
    dice = random.Random(seed)
    sorts = sorted({part.rstrip("0123456789") for part in parts})
    edges = [part for part in parts if part.startswith("edge")]
    owners = [part for part in parts if part.startswith(("edge", "core"))]
    while True:
        found = [
            Hurt("kill", dice.choice([p for p in parts if p.startswith(sort)]), for_s=for_s)
            for sort in sorts
            for for_s in [dice.choice((dice.uniform(1, 4), dice.uniform(9, 14)))]
        ]
        found += [
            Hurt("freeze", dice.choice(edges), for_s=dice.uniform(8, 12)),
            Hurt("freeze", dice.choice(owners), for_s=dice.uniform(1, 12)),
            Hurt("slow disk", "postgres", for_s=dice.uniform(3, 8)),
            Hurt("slow disk", dice.choice(edges), for_s=HELD_S),
        ]
        for kind in ("cut", "hush"):
            for one, other in (sorted(dice.choice(pairs)) for _ in range(2)):
                found.append(Hurt(kind, one, other, dice.uniform(2, 12)))
        dice.shuffle(found)
        yield found


class Nemesis:
    def __init__(self, cluster: Cluster, links: Links) -> None:
        self._cluster, self._links = cluster, links
        self._locked: list[sqlite3.Connection] = []

    def strike(self, hurt: Hurt) -> Callable[[], None]:
        """Do it; what is returned heals it."""
        part, pair = self._cluster.parts.get(hurt.who), frozenset((hurt.who, hurt.whom))
        if hurt.kind == "cut":
            self._links.cut(pair)
            return lambda: self._links.heal(pair)
        if hurt.kind == "hush":
            self._links.hush(pair)
            return lambda: self._links.heal(pair)
        assert part is not None
        if hurt.kind == "kill":
            part.kill()
            return part.start
        if hurt.kind == "freeze":
            part.send(signal.SIGSTOP)
            return lambda: part.send(signal.SIGCONT)
        assert hurt.kind == "slow disk"
        return self._slow_database() if hurt.who == "postgres" else self._hold_outbox(hurt.who)

    def _slow_database(self) -> Callable[[], None]:
        def say(*statements: str) -> None:
            with psycopg.connect(self._cluster.database("nemesis"), autocommit=True) as connection:
                for statement in (*statements, "SELECT pg_reload_conf()"):
                    connection.execute(statement.encode())

        say(
            f"ALTER SYSTEM SET commit_delay = {COMMIT_DELAY}",
            "ALTER SYSTEM SET commit_siblings = 0",
        )
        return lambda: say("ALTER SYSTEM RESET ALL")

    def _hold_outbox(self, edge: str) -> Callable[[], None]:
        """Whoever writes waits; a file that is not there yet is not held."""
        path = self._cluster.folder / edge / "outbox.db"
        if not path.exists():
            return lambda: None
        held = sqlite3.connect(path, isolation_level=None, timeout=HELD_S)
        with suppress(sqlite3.OperationalError):
            held.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            with closing(held), suppress(sqlite3.Error):
                held.execute("ROLLBACK")

        return let_go

    def until_ready(self, within_s: float = 120.0) -> None:
        """PostgreSQL and a majority of the bus answer again: whatever else is told of comes by
        itself."""

        def answers() -> bool:
            with (
                suppress(psycopg.Error),
                psycopg.connect(self._cluster.database("nemesis"), connect_timeout=2),
            ):
                return True
            return False

        until_s = time.monotonic() + within_s
        while not answers():
            assert time.monotonic() < until_s, "PostgreSQL is not back"
            time.sleep(0.2)
