"""The plant as data: who feeds whom, by parent and by second cord."""

from __future__ import annotations

from iolaus.model.plant import Domain, DomainKind, Load, Plant

PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, limit_w=1e6),
        Domain("a", DomainKind.FEED, "site", 5e5),
        Domain("b", DomainKind.FEED, "site", 5e5),
        Domain("r1", DomainKind.RACK, "a", 1e5, standby=("b",)),
        Domain("r2", DomainKind.RACK, "b", None),
    ),
    loads=(Load("n1", "r1", 500, 5000), Load("n2", "r2", 500, 5000), Load("n3", "r1", 500, 5000)),
)


def test_both_feeders_carry_a_rack_with_two_cords() -> None:
    assert PLANT.children == {
        "site": ("a", "b"),
        "a": ("r1",),
        "b": ("r1", "r2"),
        "r1": (),
        "r2": (),
    }
    assert PLANT.by_name["r1"].feeders == ("a", "b")


def test_loads_stand_in_their_racks() -> None:
    assert {rack: [each.name for each in found] for rack, found in PLANT.by_rack.items()} == {
        "r1": ["n1", "n3"],
        "r2": ["n2"],
    }
    assert [each.name for each in PLANT.racks] == ["r1", "r2"]


def test_the_way_up_ends_even_in_a_circle() -> None:
    assert [each.name for each in PLANT.above("r1")] == ["a", "site"]
    circle = Plant(domains=(Domain("x", DomainKind.FEED, "y"), Domain("y", DomainKind.FEED, "x")))
    assert [each.name for each in circle.above("x")] == ["y"]
