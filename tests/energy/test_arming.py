"""What is armed for a loss fits what is left, for all racks together and before it happens."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.arming import arm
from iolaus.energy.policy import PowerPolicy, Redundancy
from iolaus.model.plant import Domain, DomainKind, Load, Plant


def plant(limit_a: float, limit_b: float, racks: int = 4) -> Plant:
    names = [f"r{i}" for i in range(racks)]
    feeds = (
        Domain(name="a", kind=DomainKind.FEED, limit_w=limit_a),
        Domain(name="b", kind=DomainKind.FEED, limit_w=limit_b),
    )
    shelves = tuple(
        Domain(
            name=name,
            kind=DomainKind.RACK,
            parent="ab"[i % 2],
            standby=("ba"[i % 2],),
            limit_w=9000,
        )
        for i, name in enumerate(names)
    )
    loads = tuple(
        Load(name=f"{n}-{i}", rack=n, floor_w=400, nameplate_w=1000, priority=i)
        for n in names
        for i in range(3)
    )
    return Plant(domains=(*feeds, *shelves), loads=loads)


@settings(max_examples=40, deadline=None)
@given(a=st.floats(5000, 20_000), b=st.floats(5000, 20_000))
def test_racks_that_go_by_it_fit_the_feed_that_is_left(a: float, b: float) -> None:
    armed = arm(plant(a, b), PowerPolicy(redundancy=Redundancy.SHARED, guard=0.015))
    for lost, left_w in (("a", b), ("b", a)):
        total = sum(by_loss[lost] for by_loss in armed.values())
        assert total <= left_w * (1 - 0.015) + 1e-3
        assert all(by_loss[lost] >= 1200 - 1e-6 for by_loss in armed.values())


def test_where_nothing_can_stand_in_nothing_is_armed() -> None:
    alone = Plant(
        domains=(
            Domain(name="a", kind=DomainKind.FEED, limit_w=5000),
            Domain(name="r0", kind=DomainKind.RACK, parent="a", limit_w=5000),
        ),
        loads=(Load(name="n", rack="r0", floor_w=400, nameplate_w=1000),),
    )
    assert arm(alone, PowerPolicy()) == {}
