"""Batteries charge out of what is free, one after another, and never over a limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.recharge import Battery, recharge
from iolaus.model.plant import Domain, DomainKind, Plant

PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, 1000.0),
        Domain("feed-a", DomainKind.FEED, "site", 600.0),
        Domain("feed-b", DomainKind.FEED, "site", 600.0),
        Domain("row", DomainKind.BUSWAY, "feed-a", 500.0, ("feed-b",), efficiency=0.9),
        Domain("rack-1", DomainKind.RACK, "row", 300.0),
        Domain("rack-2", DomainKind.RACK, "row", 300.0),
    )
)
FREE = {"site": 200.0, "feed-a": 200.0, "feed-b": 200.0, "row": 90.0, "rack-1": 300.0}


def test_who_there_is_no_room_for_waits() -> None:
    batteries = [
        Battery(name="one", domain="rack-1", most_w=80.0, least_w=20.0, charge=0.5),
        Battery(name="two", domain="rack-1", most_w=80.0, least_w=20.0, charge=0.2),
    ]
    assert recharge(PLANT, batteries, FREE) == {"two": 80.0, "one": 0.0}


def test_priority_goes_first_and_who_charges_already_goes_on() -> None:
    batteries = [
        Battery(name="empty", domain="rack-1", most_w=80.0, least_w=20.0, charge=0.0),
        Battery(name="busy", domain="rack-1", most_w=80.0, least_w=20.0, charge=0.9, charging=True),
    ]
    assert recharge(PLANT, batteries, FREE) == {"busy": 80.0, "empty": 0.0}
    first = Battery(name="first", domain="rack-1", most_w=60.0, priority=3)
    assert recharge(PLANT, [*batteries, first], FREE) == {"first": 60.0, "busy": 30.0, "empty": 0.0}


def test_the_unknown_has_nothing_and_the_full_wants_nothing() -> None:
    lost = Battery(name="lost", domain="rack-2", most_w=80.0)
    full = Battery(name="full", domain="rack-1", most_w=80.0, charge=1.0)
    assert recharge(PLANT, [lost, full], FREE) == {"lost": 0.0, "full": 0.0}
    blind = FREE | {"feed-b": None}
    one = Battery(name="one", domain="rack-1", most_w=80.0)
    assert recharge(PLANT, [one], blind) == {"one": 0.0}


batteries = st.lists(
    st.builds(
        Battery,
        name=st.uuids().map(str),
        domain=st.sampled_from(["rack-1", "rack-2", "row"]),
        most_w=st.floats(0.0, 400.0),
        least_w=st.floats(0.0, 50.0),
        charge=st.none() | st.floats(0.0, 1.0),
        priority=st.integers(0, 3),
        charging=st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(batteries, st.fixed_dictionaries({name: st.floats(-50.0, 400.0) for name in PLANT.by_name}))
def test_no_limit_is_ever_overrun_and_order_does_not_matter(
    some: list[Battery], free: dict[str, float]
) -> None:
    given_w = recharge(PLANT, some, free)
    assert given_w == recharge(PLANT, some[::-1], free)
    below = {"rack-1": ["rack-1"], "rack-2": ["rack-2"], "row": ["rack-1", "rack-2", "row"]}
    for name, members in below.items():
        watts = sum(given_w[each.name] for each in some if each.domain in members)
        assert watts <= max(0.0, free[name]) + 1e-6
    upstream = sum(given_w.values()) / 0.9
    assert upstream <= max(0.0, min(free["site"], free["feed-a"], free["feed-b"])) + 1e-6
    for each in some:
        assert given_w[each.name] == 0.0 or each.least_w <= given_w[each.name] <= each.most_w
