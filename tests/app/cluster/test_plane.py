"""What still works and what is no longer known, from who is alive and who owns what."""

from __future__ import annotations

from typing import Any

from iolaus.app.cluster.standing import judge_plane
from iolaus.app.roles import Alone
from iolaus.app.round import Round, lateness
from iolaus.kernel.clock import JumpClock
from iolaus.north.dto.members import MemberView
from iolaus.north.members import Plane, ShardView
from iolaus.store.facts import Facts
from iolaus.store.records import Shed


def member(name: str, state: str, *, site: str = "", **fields: Any) -> MemberView:
    role = "edge" if name.startswith("edge") else "core"
    return MemberView(name=name, kind="member", role=role, state=state, site=site, **fields)


def shard(name: str, owner: str, endpoints: int = 10) -> ShardView:
    return ShardView(name=name, owner=owner, endpoints=endpoints, told_s=3.0)


SOUND = (
    member("core1", "leading"),
    member("core2", "standing by"),
    member("edge1", "serving", site="b"),
    member("edge2", "serving", site="b"),
)
OWNED = (shard("b.01", "edge1"), shard("b.02", "edge2"))


def judge(members: Any = SOUND, shards: Any = OWNED, **fields: Any) -> Plane:
    given: dict[str, Any] = {
        "bus": True, "database": "", "rows": 0, "unread": 0, "shed": (), "hung": (),
    }  # fmt: skip
    return judge_plane(members, shards=shards, **{**given, **fields})


def works(plane: Plane) -> dict[str, str]:
    return {each.name: each.works for each in (*plane.works, *plane.parts)}


def test_where_nothing_is_gone_all_works_and_all_is_known() -> None:
    plane = judge()
    assert set(works(plane).values()) == {"yes"}
    assert plane.unknown == ()


def test_a_dead_edge_costs_its_shards_until_another_takes_them() -> None:
    dead = (*SOUND[:3], member("edge2", "silent", site="b", host="h", pid=7, silent_s=9.0))
    plane = judge(dead, (OWNED[0], shard("b.02", "", 30)))
    assert works(plane) | {
        "Reading": "partly",
        "Changes": "partly",
        "Reflexes and caps": "partly",
        "Take-over of edges of b": "no",
        "Take-over of the core": "yes",
    } == works(plane)
    assert plane.unknown == (
        "30 endpoints of b.02: nobody reads them, last told 3 s ago",
        "edge2 (process 7 on h): not heard for 9 s",
    )
    assert works(judge(dead, (shard("b.01", ""),)))["Reading"] == "no"


def test_an_edge_that_reads_more_slowly_than_its_period_is_named() -> None:
    late = lateness(Round(every_s=10.0, late_s=90.0))
    assert late is not None
    alone = Alone(
        Facts(clock=JumpClock()), JumpClock(), "b", lambda: Round(every_s=1.0, late_s=9.0)
    )
    assert [each.reason for each in alone.views()[0].conditions] == ["Overloaded"]
    assert works(alone.plane())["Reading and guarding"] == "partly"
    plane = judge((*SOUND[:3], member("edge2", "serving", site="b", conditions=(late,))))
    reading = next(each for each in plane.works if each.name == "Reading")
    assert (reading.works, reading.why) == ("partly", "slower than the period: edge2")


def test_without_bus_or_database_nothing_is_begun_and_edges_go_on() -> None:
    away = judge(bus=False)
    assert works(away) | {"Reading": "no", "Changes": "no", "Bus": "no"} == works(away)
    assert works(away)["Reflexes and caps"] == "partly", "they go on; it is not seen from here"
    gone = judge(database="it does not answer")
    assert works(gone) | {"Changes": "no", "Writing down": "no", "Reading": "yes"} == works(gone)


def test_what_was_given_up_or_not_read_is_said() -> None:
    shed = Shed(count=5, since=1_700_000_000.0, until=1_700_000_060.0)
    racks = [f"r{number}" for number in range(12)]
    unknown = judge(SOUND[:1], shed=[shed], unread=2, hung=racks).unknown
    assert unknown[0].endswith("r8, r9 and 2 more")
    assert unknown[1] == "5 parcels of readings from 22:13:20 to 22:14:20: an edge had no room"
    assert unknown[2] == "2 parcels that could not be read"


def test_a_core_that_has_not_read_the_hall_would_lead_late() -> None:
    def why(*cores: MemberView) -> str:
        found = judge((*cores, *SOUND[2:])).works
        return next(each.why for each in found if each.name == "Take-over of the core")

    leading = member("core1", "leading", endpoints=20)
    read, fresh = member("core2", "standing by", endpoints=20), member("core3", "standing by")
    assert why(leading, read) == "core2 would lead"
    late = "core3 would have to read the hall first"
    assert why(leading, read, fresh) == f"core2, core3 would lead; {late}"
    assert why(leading) == "no other core stands by"
