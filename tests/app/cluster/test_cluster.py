"""A whole cluster of processes: read, changed, and held while parts of it are killed or frozen."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from iolaus.app.cluster.onemachine import BIN, Cluster, postgres_programs
from iolaus.kernel.errors import OperatorMust

pytestmark = pytest.mark.slow

TAKEN_OVER_S = 10.0
BUSY_S = 6.0
"""More than that, where two cores are shared with everybody else's tests."""


def racks_apart(hosts: Path) -> int:
    """Each rack a shard of its own: in a hall this small all stand in one row. How many racks."""
    document = yaml.safe_load(hosts.read_text())
    for host in document["hosts"]:
        host["labels"].pop("row", None)
        host["mode"] = "managed"
    hosts.write_text(yaml.safe_dump(document))
    return len({host["labels"].get("rack") for host in document["hosts"]})


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    try:
        postgres_programs()
    except OperatorMust as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="cluster", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder), nodes=12, cores=2, edges=3)
        try:
            made.start()
            racks_apart(made.hosts)
            made.discover()
            yield made
        finally:
            made.stop()


def status_of(item: Any) -> Any:
    return item.get("status", item)


def members(cluster: Cluster, core: int = 0, *, within_s: float = 5.0) -> dict[str, Any]:
    """By name; none where nobody answers."""
    found = cluster.ask("/api/v1/members", core=core, within_s=within_s) or {"items": []}
    return {status_of(each)["name"]: status_of(each) for each in found["items"]}


def owned_of(found: dict[str, Any]) -> dict[str, set[str]]:
    """The shards of each edge that is heard."""
    edges = [each for each in found.values() if each["role"] == "edge"]
    return {each["name"]: set(each["shards"]) for each in edges if each["state"] == "serving"}


def leader_of(found: dict[str, Any]) -> str:
    """Who led before says so until it is silent."""
    leading = [each for each in found.values() if each["state"] == "leading"]
    return max(leading, key=lambda each: each["epoch"])["name"] if leading else ""


def owned(cluster: Cluster, core: int = 0) -> dict[str, set[str]]:
    return owned_of(members(cluster, core))


def leader(cluster: Cluster, core: int = 0) -> str:
    return leader_of(members(cluster, core))


def nodes(cluster: Cluster, core: int) -> list[Any]:
    """As that core answers for them; none where it does not."""
    asked = f"/api/v1/nodes?limit={max(500, 2 * cluster.nodes)}"
    found = cluster.ask(asked, core=core, within_s=60.0) or {"items": []}
    return [status_of(each) for each in found["items"]]


def read_since(cluster: Cluster, moment: float, core: int = 0) -> bool:
    """Every node was read after that moment (seconds since 1970); trays have one or two."""
    ages = [each.get("age_s") for each in nodes(cluster, core)]
    young_s = time.time() - moment
    return len(ages) >= cluster.nodes and all(a is not None and a < young_s for a in ages)


def unread(cluster: Cluster, moment: float, core: int = 0) -> str:
    """What was not read after that moment, and what is known of those who should."""
    found, young_s = nodes(cluster, core), time.time() - moment
    old = [each for each in found if each.get("age_s") is None or each["age_s"] >= young_s]
    lines = [f"{len(old)} of {len(found)} nodes are not read since {young_s:.0f} s by core{core}:"]
    for each in old[:10]:
        why = each.get("reachability"), each.get("conditions")
        lines.append(f"  {each.get('name')} at {each.get('endpoint')}: {each.get('age_s')} s {why}")
    lines.extend(f"  {each}" for each in members(cluster, core).values())
    return "\n".join(lines)


def took_s(cluster: Cluster, holds: Callable[[], bool], what: str) -> float:
    began_s = time.monotonic()
    cluster.until(holds, what, within_s=60)
    return time.monotonic() - began_s


def iolaus(cluster: Cluster, *words: str) -> str:
    env = {"IOLAUS_URL": cluster.url(1), "IOLAUS_TOKEN": cluster.token, "PATH": "/bin"}
    done = subprocess.run(
        [str(BIN / "iolaus"), *words], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_cluster_is_held_while_parts_of_it_are_killed_and_frozen(cluster: Cluster) -> None:
    for core in range(2):
        cluster.until(lambda core=core: read_since(cluster, cluster.began, core), "all is read")
    first = owned(cluster)
    racks = set().union(*first.values())
    assert sum(map(len, first.values())) == len(racks), "nothing is owned twice"
    assert "edge" in iolaus(cluster, "get", "members")

    # an edge is killed
    dead = max(first, key=lambda name: len(first[name]))
    cluster.parts[dead].kill()

    def taken_over() -> bool:
        now = owned(cluster)
        now.pop(dead, None)
        return set().union(*now.values(), set()) == racks

    assert took_s(cluster, taken_over, "its shards are taken over") < TAKEN_OVER_S + BUSY_S
    now = time.time()
    cluster.until(lambda: read_since(cluster, now), "what it read is read by others")

    # the core that leads is killed: the other leads, and answers for the same hall
    gone = leader(cluster)
    left = 1 - int(gone.removeprefix("core"))
    cluster.until(lambda: members(cluster)[f"core{left}"]["endpoints"], "the other knows the hall")
    cluster.parts[gone].kill()
    led = took_s(cluster, lambda: leader(cluster, left) == f"core{left}", "the other leads")
    assert led < TAKEN_OVER_S + BUSY_S
    now = time.time()
    cluster.until(lambda: read_since(cluster, now, left), "it knows all that is told")
    cluster.parts[gone].start()

    # an edge is frozen for longer than its leases, and wakes
    cluster.parts[dead].start()
    cluster.until(lambda: len(owned(cluster, left)) == 3, "the killed one is back")
    cluster.until(lambda: all(owned(cluster, left).values()), "and has its share again")
    frozen = next(name for name in owned(cluster, left) if name != dead)
    cluster.parts[frozen].send(signal.SIGSTOP)
    lost = owned(cluster, left)[frozen]

    def others_have_it() -> bool:
        now = owned(cluster, left)
        now.pop(frozen, None)
        return lost <= set().union(*now.values(), set())

    assert took_s(cluster, others_have_it, "its shards are taken over") < TAKEN_OVER_S + BUSY_S
    cluster.parts[frozen].send(signal.SIGCONT)

    def shared_out() -> bool:
        now = owned(cluster, left)
        return len(now) == 3 and sum(map(len, now.values())) == len(racks) == len(
            set().union(*now.values())
        )

    cluster.until(shared_out, "it gave up what is others'")
    now = time.time()
    cluster.until(lambda: read_since(cluster, now, left), "all is read")
