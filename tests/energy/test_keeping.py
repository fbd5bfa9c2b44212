"""What people hold beside what is so: whether it is kept, why not, and what of it rings."""

from __future__ import annotations

import msgspec
import pytest

from iolaus.energy.edge import Edge
from iolaus.energy.holding import HeldCap, Sight, sights
from iolaus.energy.keeping import CODE, by_rack, judged_caps, keeping, keepings
from iolaus.energy.policy import Mode
from iolaus.energy.standing import EdgeStanding
from iolaus.kernel.clock import JumpClock
from iolaus.model.alarm_kinds import ALARM_KINDS
from tests.energy.racks import World, rack
from tests.north.powering import Room

CAP = HeldCap(subject="r1", rack="r1", watts=2400, until=100, by="ana", reason="why", at=-50)
SIGHT = Sight(
    subject="r1", asked_w=2400, in_force_w=2400, floor_w=1600, drawn_w=2300, nodes=4
)  # fmt: skip


def standing(*held: Sight, **more: object) -> EdgeStanding:
    (found,) = Room(JumpClock()).edges()
    return msgspec.structs.replace(found, **{"held": held, **more})


def seen(**more: object) -> Sight:
    return msgspec.structs.replace(SIGHT, **more)


@pytest.mark.parametrize(
    ("sight", "mode", "kept", "reason"),
    [
        ({}, "control", True, "Kept"),
        ({"drawn_w": None}, "control", True, "Kept"),
        ({"drawn_w": None}, "observe", None, "NotRead"),
        ({"in_force_w": 2404}, "control", True, "Kept"),
        ({"in_force_w": 2404.5}, "control", False, "OnItsWay"),
        ({"drawn_w": 2520}, "control", True, "Kept"),
        ({"drawn_w": 2530}, "observe", False, "DrawsMore"),
        ({"in_force_w": 2600, "floor_w": 2600}, "control", False, "FloorsAbove"),
        ({"floor_w": 2600}, "control", True, "Kept"),
        ({"unseen": ("n7",)}, "control", None, "NotRead"),
        ({"unseen": ("n7",), "drawn_w": 2530}, "control", False, "DrawsMore"),
        ({"in_force_w": 2900, "silent": ("n1",)}, "control", False, "NodesSilent"),
        ({"in_force_w": 2900, "unread": ("n1",)}, "control", None, "NotRead"),
        ({"in_force_w": 2900, "unread": ("n1",), "silent": ("n2",)}, "control", False,
         "NodesSilent"),
        ({"in_force_w": 2900, "stubborn": ("n1",)}, "control", False, "CapNotTaken"),
        ({"in_force_w": 2900, "floor_w": 2600}, "observe", False, "NotHeld"),
        ({"in_force_w": 2900}, "advise", False, "NotHeld"),
    ],
)  # fmt: skip
def test_what_stands_between_a_cap_and_the_machines_is_named(
    sight: dict[str, object], mode: str, kept: bool | None, reason: str
) -> None:
    found = keeping(CAP, standing(seen(**sight), mode=Mode(mode)), now=10)
    assert (found.kept, found.reason) == (kept, reason)
    assert found.kept or (found.message and found.next_step)
    young = msgspec.structs.replace(CAP, at=5)
    soon = keeping(young, standing(seen(**sight), mode=Mode(mode)), now=10)
    waits = reason in ("DrawsMore", "OnItsWay")
    assert (soon.kept, soon.reason) == ((None, "JustSet") if waits else (kept, reason))


@pytest.mark.parametrize(
    ("cap", "edge", "kept", "reason"),
    [
        ({}, None, None, "NoEdge"),
        ({}, {"state": "hung"}, None, "EdgeSilent"),
        ({}, {"held": None}, None, "NotTold"),
        ({}, {}, False, "NotHeard"),
        ({"subject": "n9"}, {}, False, "NodeGone"),
        ({"until": 9}, {}, False, "NotTakenBack"),
        ({"until": 9}, {"state": "hung"}, None, "EdgeSilent"),
    ],
)
def test_what_nobody_tells_is_not_known_and_what_is_not_there_is_not_kept(
    cap: dict[str, object], edge: dict[str, object] | None, kept: bool | None, reason: str
) -> None:
    held = msgspec.structs.replace(CAP, **cap)
    found = keeping(held, None if edge is None else standing(**edge), now=10)
    assert (found.kept, found.reason) == (kept, reason)
    assert found.message
    assert found.next_step


def test_only_what_is_known_rings_or_returns_and_an_ended_cap_is_over() -> None:
    key = ("powercap/r1", CODE)
    rang = [key, ("powercap/gone", CODE), ("uid", "DeviceSilent")]
    over = {("powercap/gone", CODE): None}
    above = standing(seen(in_force_w=2900, floor_w=2600))
    judged = judged_caps([CAP], [above], rang, now=10)
    occurrence = judged.pop(key)
    assert judged == over
    assert occurrence
    assert occurrence.key == key
    assert (occurrence.subject, occurrence.rack) == ("r1", "r1")
    assert "2400 W: floors of 2600 W" in occurrence.message
    assert judged_caps([CAP], [standing(seen())], rang, now=10) == {key: None, **over}
    assert judged_caps([CAP], [], rang, now=10) == over
    assert CODE in ALARM_KINDS
    assert list(by_rack(keepings([CAP], [], now=10))) == ["r1"]


def test_an_edge_tells_of_what_is_held_and_floors_that_rose_are_seen() -> None:
    world = World(Edge(rack()))
    world.lease(4000, 200)
    world.busy(900, 200)
    world.run(20)
    assert sights(world.edge, world.now_s) == ()
    world.edge.hold(2400, {"n1": 500, "n9": 500}, world.now_s)
    world.run(24)
    told = {each.subject: each for each in sights(world.edge, world.now_s)}
    assert told.keys() == {"r1", "n1"}
    assert told["r1"].in_force_w == world.total_w <= 2400
    assert told["n1"].in_force_w == told["n1"].drawn_w == world.caps["n1"] <= 500
    assert (told["n1"].nodes, told["n1"].floor_w) == (1, 400)
    higher = Edge(rack(floor_w=700))
    higher.inherit(world.edge, world.now_s)
    world.edge = higher
    higher.hold(2400, {"n1": 500}, world.now_s)
    world.lease(4000, 60, seq=1)
    world.run(40)
    (found,) = (each for each in sights(higher, world.now_s) if each.subject == "r1")
    assert (found.floor_w, found.in_force_w) == (2800, world.total_w)
    assert world.total_w == 2800


def test_a_node_that_falls_silent_is_named() -> None:
    world = World(Edge(rack()))
    world.lease(4000, 200)
    world.busy(900, 200)
    world.run(20)
    world.delay = lambda: None
    world.edge.hold(2000, {}, world.now_s)
    world.run(40)
    (found,) = sights(world.edge, world.now_s)
    assert found.silent == ("n0", "n1", "n2", "n3")
    assert found.in_force_w > 2000
