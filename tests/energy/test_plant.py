"""Building the plant from claims: conflicts are kept, the safer counts, the impossible is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.energy.network import compile_network
from iolaus.energy.plant import Claim, build_plant, claims_of_served
from iolaus.energy.policy import PowerPolicy, Redundancy
from iolaus.model.plant import DomainKind, PlantConflict

SITE = "plant/h1"
CLAIMS = (
    Claim(SITE, "domain/site", "kind", "site"),
    Claim(SITE, "domain/site", "limit_w", 1e6),
    Claim(SITE, "domain/a", "kind", "feed"),
    Claim(SITE, "domain/a", "parent", "site"),
    Claim(SITE, "domain/a", "limit_w", 5e5),
    Claim(SITE, "domain/b", "kind", "feed"),
    Claim(SITE, "domain/b", "parent", "site"),
    Claim(SITE, "domain/b", "limit_w", 5e5),
    Claim(SITE, "domain/r1", "parent", "a"),
    Claim(SITE, "domain/r1", "limit_w", 1.3e5),
    Claim("discovery", "load/n1", "rack", "r1"),
    Claim("discovery", "load/n1", "nameplate_w", 10_000.0),
    Claim("discovery", "load/n1", "floor_w", 3_000.0),
    Claim(SITE, "load/n1", "priority", 3.0),
)


def test_what_all_say_is_the_plant() -> None:
    plant = build_plant(CLAIMS)
    assert [(each.name, each.kind, each.parent) for each in plant.domains] == [
        ("site", DomainKind.SITE, None),
        ("a", DomainKind.FEED, "site"),
        ("b", DomainKind.FEED, "site"),
        ("r1", DomainKind.RACK, "a"),
    ]
    load = plant.loads[0]
    assert (load.name, load.rack, load.floor_w, load.priority) == ("n1", "r1", 3_000.0, 3)
    assert not plant.conflicts
    assert not plant.gaps


def test_the_lower_limit_counts_while_sources_differ_and_both_are_shown() -> None:
    plant = build_plant((*CLAIMS, Claim("dsx", "domain/r1", "limit_w", 1.1e5)), first=(SITE,))
    assert plant.by_name["r1"].limit_w == 1.1e5
    assert plant.conflicts == (
        PlantConflict("domain/r1", "limit_w", ((SITE, "130000"), ("dsx", "110000")), "110000"),
    )


def test_the_higher_nameplate_counts_while_sources_differ() -> None:
    plant = build_plant((*CLAIMS, Claim(SITE, "load/n1", "nameplate_w", 12_000.0)))
    assert plant.loads[0].nameplate_w == 12_000.0


def test_a_rack_that_two_sources_hang_on_two_feeds_counts_whole_at_both() -> None:
    served = claims_of_served([("dsx", "b", "servesId", ("r1",)), ("dsx", "x", "associateId", "b")])
    plant = build_plant((*CLAIMS, *served), first=(SITE,))
    rack = plant.by_name["r1"]
    assert (rack.parent, rack.standby, rack.alone) == ("a", ("b",), True)
    assert {each.field for each in plant.conflicts} == {"parent", "kind"}
    network = compile_network(plant, PowerPolicy(redundancy=Redundancy.SHARED))
    both = {m.domain: limit.factors for limit in network.limits for m in limit.members}
    assert both["a"]["r1"] == both["b"]["r1"] == 1.0


def test_a_load_that_nobody_rated_makes_its_racks_limit_unknown() -> None:
    plant = build_plant((*CLAIMS, Claim("discovery", "load/n2", "rack", "r1")))
    assert plant.by_name["r1"].limit_w is None
    assert {(gap.subject, gap.field) for gap in plant.gaps} == {("load/n2", "nameplate_w")}


def test_a_load_without_a_rack_or_a_floor_is_told() -> None:
    claims = (
        Claim("discovery", "load/n3", "nameplate_w", 500.0),
        Claim("discovery", "load/n4", "nameplate_w", 500.0),
        Claim("discovery", "load/n4", "rack", "r1"),
    )
    plant = build_plant((*CLAIMS, *claims))
    assert {(gap.subject, gap.field) for gap in plant.gaps} == {
        ("load/n3", "rack"),
        ("load/n4", "floor_w"),
    }
    assert plant.loads[1].floor_w == plant.loads[1].nameplate_w == 500.0


def test_a_circle_and_a_parent_that_is_nowhere_are_cut_and_told() -> None:
    claims = (
        Claim(SITE, "domain/site", "parent", "r1"),
        Claim(SITE, "domain/b", "standby", ("gone",)),
    )
    plant = build_plant((*CLAIMS, *claims))
    assert {gap.reason for gap in plant.gaps} >= {"gone is nowhere in the plant"}
    assert any("feeds itself" in gap.reason for gap in plant.gaps)
    compile_network(plant, PowerPolicy())


def test_a_chain_without_end_is_cut() -> None:
    chain = [Claim(SITE, f"domain/d{n:04}", "parent", f"d{n + 1:04}") for n in range(3_000)]
    plant = build_plant([*chain, Claim(SITE, "domain/d3000", "kind", "site"), *CLAIMS])
    assert any("domains stand above it" in gap.reason for gap in plant.gaps)
    compile_network(plant, PowerPolicy())


def test_loops_units_and_leak_zones_are_read() -> None:
    plant = build_plant(
        [
            Claim("a", "loop/l1", "units", ("cdu1",)),
            Claim("dsx", "loop/l1", "units", ("cdu2",)),
            Claim(SITE, "loop/l1", "racks", ("r1", "r2")),
            Claim(SITE, "unit/cdu1", "loop", "l1"),
            Claim(SITE, "zone/t1", "kind", "tray"),
            Claim(SITE, "zone/t1", "members", ("n1",)),
        ]
    )
    assert (plant.loops[0].units, plant.loops[0].racks) == (("cdu1", "cdu2"), ("r1", "r2"))
    assert plant.units[0].loop == "l1"
    assert plant.zones[0].members == ("n1",)


WORDS = st.sampled_from(["a", "b", "c", "d"])
SUBJECTS = st.tuples(st.sampled_from(["domain", "load", "loop", "zone", "unit"]), WORDS)
FIELDS = ["kind", "parent", "standby", "limit_w", "efficiency", "overhead_w", "rack", "floor_w",
          "nameplate_w", "priority", "job", "units", "members", "servesId"]  # fmt: skip
VALUES = st.one_of(
    WORDS,
    st.sampled_from(["site", "feed", ""]),
    st.floats(allow_nan=True),
    st.lists(WORDS, max_size=3).map(tuple),
)


@given(
    st.lists(
        st.builds(
            Claim, WORDS, SUBJECTS.map("/".join), st.sampled_from(FIELDS), VALUES
        ),
        max_size=30,
    )
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_whatever_is_claimed_gives_a_plant_that_can_be_planned_with(claims: list[Claim]) -> None:
    plant = build_plant(claims)
    compile_network(plant, PowerPolicy())
    assert build_plant(reversed(claims)) == plant
    assert all(load.floor_w <= load.nameplate_w for load in plant.loads)
