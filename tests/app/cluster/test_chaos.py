"""A cluster of processes that is hurt in every way for as long as is asked, while it works.

`make soak ARGS="-s -k chaos"` does it for half an hour on 5,000 nodes; CHAOS_S, CHAOS_NODES,
CHAOS_EDGES and CHAOS_SEED say otherwise. Under way are restarts of all nodes in waves, plan after
plan, telemetry, an operator who writes, and one who holds racks at less than they draw. A model is
given what was asked, acknowledged and done, and says what does not fit (`history.py`).
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import pytest
from tests.app.cluster.history import doubled, lost, undone, unfenced
from tests.app.cluster.labours import Labours
from tests.app.cluster.links import Links, linked
from tests.app.cluster.nemesis import Hurt, Nemesis, rounds
from tests.app.cluster.parrot import Parrot
from tests.app.cluster.squeeze import Squeeze, policy_for, racks_of
from tests.app.cluster.test_cluster import (
    leader,
    leader_of,
    members,
    owned_of,
    racks_apart,
    read_since,
    unread,
)

from iolaus.app.cluster.onemachine import Cluster, postgres_programs
from iolaus.app.planting import POWER_FILE
from iolaus.kernel.errors import OperatorMust

SECONDS = float(os.environ.get("CHAOS_S", "1800"))
NODES = int(os.environ.get("CHAOS_NODES", "5000"))
EDGES = int(os.environ.get("CHAOS_EDGES", "4"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
KEPT = os.environ.get("CHAOS_DIR", "")
TAKEN_OVER_S = 10.0
BUSY_S = float(os.environ.get("CHAOS_BUSY_S", "6"))
"""More than that, where two cores are shared with everybody else's work."""
OURS = {"parrot", "nemesis"}
COUNTED = ("edge", "core")
WITHIN_S = 900.0 + NODES
ANSWERED_S = 2.0
EVERY_S = max(0.1, NODES / 500)
"""So often it is looked whether all was read: that is asked of the core, too."""
UNREAD_S = 30.0


@pytest.fixture
def links() -> Iterator[Links]:
    with linked() as made:
        yield made


@contextmanager
def kept_folder() -> Iterator[Path]:
    """With the logs and states of all; it stays where CHAOS_DIR names one that is not there yet."""
    if KEPT:
        yield Path(KEPT)
        return
    with tempfile.TemporaryDirectory(prefix="chaos", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def cluster(links: Links) -> Iterator[Cluster]:
    try:
        postgres_programs()
    except OperatorMust as error:
        pytest.skip(str(error))
    with kept_folder() as folder:
        made = Cluster(folder, nodes=NODES, cores=2, edges=EDGES, through=links.through)
        try:
            made.start_bus()
            made.start_database()
            made.start_hall()
            racks_apart(made.hosts)
            write_policy(made)
            made.start_work()
            made.until(lambda: leader(made) != "", "a core leads")
            began_s = time.monotonic()
            made.discover()
            until_read(made, made.began, 0)
            print(f"{NODES} nodes are read after {time.monotonic() - began_s:.0f} s", flush=True)
            yield made
        finally:
            made.stop()


def write_policy(cluster: Cluster) -> None:
    """Caps are written, and each rack is known to the plant, whichever core leads first."""
    policy = policy_for(racks_of(cluster.hosts))
    for core in range(2):
        folder = cluster.folder / f"core{core}"
        folder.mkdir(mode=0o700)
        (folder / POWER_FILE).write_text(policy)


def until_read(cluster: Cluster, moment: float, core: int) -> None:
    """What is not, and who should read it, is told every half a minute."""
    told_s = time.monotonic()

    def is_read() -> bool:
        nonlocal told_s
        if read_since(cluster, moment, core):
            return True
        if time.monotonic() - told_s > UNREAD_S:
            told_s = time.monotonic()
            print(f"{time.strftime('%X')} {unread(cluster, moment, core)}", flush=True)
        return False

    cluster.until(is_read, "all is read", WITHIN_S, every_s=EVERY_S)


class Watch:
    """Asks each core all the time who leads and who owns, so that take-overs can be timed: each in
    a thread of its own, as one that is frozen answers nobody."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ended = cluster, threading.Event()
        self.owned, self.leader = dict[str, set[str]](), ""
        self._threads = [threading.Thread(target=self._run, args=[core]) for core in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self, core: int) -> None:
        while not self._ended.wait(max(0.2, NODES / 5000)):
            if found := members(self._cluster, core, within_s=ANSWERED_S):
                self.owned, self.leader = owned_of(found), leader_of(found)

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def taken_over_s(watch: Watch, hurt: Hurt, within_s: float) -> float | None:
    """From now until what a part did is another's; None where it did nothing."""
    led, had, began_s = watch.leader == hurt.who, watch.owned.get(hurt.who, set()), time.monotonic()
    if not led and not had:
        return None

    def others() -> bool:
        if led:
            return watch.leader not in ("", hurt.who)
        rest = [shards for name, shards in watch.owned.items() if name != hurt.who]
        return had <= set().union(*rest)

    while not others():
        if time.monotonic() - began_s > within_s:
            return within_s
        time.sleep(0.05)
    return time.monotonic() - began_s


def is_waited_for(hurt: Hurt) -> bool:
    """Whether it lasts until others have taken over."""
    return hurt.kind in ("kill", "freeze") and hurt.who.startswith(COUNTED) and hurt.for_s >= 8


def hurt_for(cluster: Cluster, links: Links, seconds: float) -> dict[str, list[float]]:
    """Hurt, and healed; the seconds that each sort of take-over lasted."""
    nemesis, watch, took = Nemesis(cluster, links), Watch(cluster), dict[str, list[float]]()
    parts = [name for name in cluster.parts if name != "hall"]
    pairs = [pair for pair in links.pairs() if not pair & OURS]
    until_s, struck = time.monotonic() + seconds, Counter[str]()
    try:
        for hurt in chain.from_iterable(rounds(SEED, parts=parts, pairs=pairs)):
            if time.monotonic() > until_s:
                print(dict(struck))
                break
            nemesis.until_ready()
            cluster.until(lambda: watch.leader != "", "a core leads")
            print(f"{time.strftime('%X')} {hurt}", flush=True)
            heal, began_s = nemesis.strike(hurt), time.monotonic()
            struck[hurt.kind] += 1
            try:
                if is_waited_for(hurt):
                    lasted = taken_over_s(watch, hurt, 60.0)
                    if lasted is not None:
                        print(f"  taken over in {lasted:.1f} s", flush=True)
                        took.setdefault(hurt.who[:4], []).append(lasted)
                time.sleep(max(0.0, hurt.for_s - (time.monotonic() - began_s)))
            finally:
                heal()
    finally:
        watch.close()
    return took


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 3 * WITHIN_S + 3600)
def test_nothing_is_lost_doubled_or_done_unfenced_while_everything_is_hurt(
    cluster: Cluster, links: Links
) -> None:
    with ExitStack() as stack:
        parrot = Parrot(cluster.bus("parrot"), cluster.password, seed=SEED)
        stack.callback(parrot.close)
        labours = Labours(cluster)
        labours.look()
        squeeze = Squeeze(
            ask=labours.ask,
            oracle=labours.oracle,
            racks=racks_of(cluster.hosts),
            devices=labours.devices,
        )
        labours.start()
        stack.callback(labours.close)
        squeeze.start()
        stack.callback(squeeze.finish)
        took = hurt_for(cluster, links, SECONDS)
        nemesis_free = time.time()
        for core in range(2):
            until_read(cluster, nemesis_free, core)
        squeeze.finish()
        labours.finish()
    told = {name: [round(each, 1) for each in seconds] for name, seconds in took.items()}
    print(f"taken over in {told}; {parrot.said} messages said again; {labours.told()}")
    print(squeeze.told())
    assert lost(labours.writes, labours.found()) == []
    assert doubled(labours.effects(), labours.asked) == []
    assert undone(labours.effects(), labours.done) == []
    assert unfenced(parrot.holds) == []
    assert squeeze.wrong == []
    assert squeeze.pressed, squeeze.told()
    assert all(each < TAKEN_OVER_S + BUSY_S for seconds in took.values() for each in seconds), told
