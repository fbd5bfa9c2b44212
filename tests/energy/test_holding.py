"""What people hold down: by the edge, in the file, and within the floors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.edge import Edge
from iolaus.energy.holding import (
    HeldCap,
    cap_file,
    held_nodes,
    must_fit,
    shares_of,
)
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from tests.energy.racks import World, rack

CAP = HeldCap(subject="n1", rack="r1", watts=600, until=9e9, by="ana", reason="why", at=1.0)


def test_a_node_that_is_held_falls_at_once_and_comes_back_after() -> None:
    world = World(Edge(rack()))
    world.lease(4000, 200)
    world.busy(900, 200)
    world.run(20)
    assert world.caps["n1"] > 900
    world.edge.hold(None, {"n1": 600}, world.now_s)
    world.run(22)
    assert world.caps["n1"] == 600
    assert world.caps["n3"] > 900
    world.edge.hold(None, {}, world.now_s)
    world.run(60)
    assert world.caps["n1"] > 900


def test_a_rack_that_is_held_stays_within_and_never_below_its_floors() -> None:
    world = World(Edge(rack()))
    world.lease(4000, 200)
    world.busy(900, 200)
    world.run(20)
    world.edge.hold(2400, {}, world.now_s)
    world.run(24)
    assert world.total_w <= 2400
    world.edge.hold(100, {"n0": 1}, world.now_s)
    world.run(30)
    assert world.total_w == 1600


def test_floors_and_nameplates_bound_what_may_be_asked() -> None:
    view = rack()
    nodes = held_nodes(view, "r1")
    must_fit(nodes, 1600, subject="r1")
    with pytest.raises(PolicyRefused):
        must_fit(nodes, 1599, subject="r1")
    with pytest.raises(OperatorMust):
        must_fit(nodes, 4001, subject="r1")
    assert sum(shares_of(nodes, 2000).values()) <= 2000
    assert held_nodes(view, "elsewhere") == ()


def test_the_file_outlives_the_process_and_a_spoilt_one_is_told(tmp_path: Path) -> None:
    kept = cap_file(tmp_path / "new" / "caps.json")
    assert kept.load() == ()
    kept.save([CAP])
    assert kept.load() == (CAP,)
    kept.path.write_text("{")
    with pytest.raises(OperatorMust):
        kept.load()


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        cap_file(Path("x")).parse(data)
    except OperatorMust:
        return
