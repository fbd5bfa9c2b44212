"""The plant as objects: each domain once, with what is disputed and what nobody has told."""

from __future__ import annotations

import math

from iolaus.model.plant import Domain, DomainKind, Load, Plant, PlantConflict, PlantGap
from iolaus.model.select import EVERYTHING, parse_selector
from iolaus.north.cli.describe import _disputes
from iolaus.north.dto.plant import plant_views
from iolaus.north.planted import plant_items

PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, math.inf, source="plant/h1"),
        Domain("a", DomainKind.FEED, "site", 5e5, source="plant/h1"),
        Domain("r1", DomainKind.RACK, "a", None, source="discovery, plant/h1"),
    ),
    loads=(Load("n1", "r1", 500.0, 5_000.0), Load("n2", "r1", 500.0, 5_000.0)),
    conflicts=(
        PlantConflict(
            "load/n1", "nameplate_w", (("plant/h1", "4000"), ("discovery", "5000")), "5000"
        ),
    ),
    gaps=(
        PlantGap("domain/r1", "limit_w", "nobody says how much it can carry"),
        PlantGap("load/n9", "rack", "nobody says in which rack it stands"),
    ),
)


def test_a_domain_tells_its_limit_its_loads_and_what_is_disputed() -> None:
    site, feed, rack = plant_views(PLANT)
    assert (site.limit, site.limit_w) == ("none", None)
    assert (feed.limit, feed.limit_w, feed.parent) == ("known", 5e5, "site")
    assert (rack.limit, rack.loads, rack.floor_w, rack.nameplate_w) == ("unknown", 2, 1e3, 1e4)
    assert rack.conflicts[0].counts == "5000"
    assert [gap.subject for gap in rack.gaps] == ["domain/r1"]
    assert [gap.subject for gap in site.gaps] == ["load/n9"]


async def test_it_is_listed_from_the_top_down_and_not_within_a_scope() -> None:
    items = plant_items(lambda: PLANT)
    assert [item.name async for item in items(EVERYTHING)] == ["site", "a", "r1"]
    assert [item async for item in items(parse_selector("rack=r1"))] == []


def test_a_person_reads_who_says_what() -> None:
    row = {
        "conflicts": [
            {
                "subject": "load/n1", "field": "nameplate_w", "counts": "5000",
                "claims": [{"source": "plant/h1", "value": "4000"}],
            }
        ],
        "gaps": [{"subject": "domain/r1", "field": "limit_w", "reason": "nobody says"}],
    }  # fmt: skip
    assert _disputes(row).splitlines() == [
        "conflict  load/n1 nameplate_w: plant/h1 says 4000; 5000 counts",
        "unknown   domain/r1 limit_w: nobody says",
    ]
