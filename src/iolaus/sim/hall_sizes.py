"""Halls of a wanted size: the default one of `iolaus up`, and uniform ones for benches.

The default hall is a file like anybody's (`sites/demo.yaml`). To make it larger its racks are
repeated in rows of the same kinds and in the same proportions; its templates stay as they are, so
whatever is true of the small hall is true of the large one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.hall_site import (
    HallPlan,
    Placement,
    RackRun,
    RackTemplate,
    Row,
    Site,
    packaged_site,
)
from iolaus.sim.personas import personas

MOST_NODES: Final = 10_240
RACKS_PER_ROW: Final = 16
ROW_PITCH_M: Final = 3.0
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def default_site(nodes: int | None = None) -> Site:
    """The demo hall as it is, or sized to hold at least `nodes` nodes (give the same number to
    `build_hall` to hold no more). Raises OperatorMust above 10,240."""
    site = packaged_site("demo")
    if nodes is None:
        return site
    if not 1 <= nodes <= MOST_NODES:
        raise OperatorMust(
            f"{nodes} nodes are asked for",
            operation="build hall",
            subject=site.name,
            code="HallSize",
            next_step=f"Ask for 1 to {MOST_NODES} nodes.",
        )
    return grown(site, nodes)


def nodes_of(template: RackTemplate) -> int:
    return sum(p.count for p in template.place if personas()[p.persona].kind == "node")


def grown(site: Site, nodes: int) -> Site:
    """The site's first hall with as many racks of each kind as `nodes` nodes need."""
    hall = site.halls[0]
    held = sum(
        run.count * nodes_of(site.templates[run.template]) for row in hall.rows for run in row.racks
    )
    factor = nodes / held
    rows: list[Row] = []
    for row in hall.rows:
        rows += _repeated(row, factor, len(rows))
    return replace(site, halls=(HallPlan(name=hall.name, rows=rows, equip=hall.equip),))


def _repeated(row: Row, factor: float, first: int) -> list[Row]:
    """The row's racks times `factor`, split into rows of at most sixteen."""
    wanted: Counter[str] = Counter()
    for run in row.racks:
        wanted[run.template] += -int(-run.count * factor // 1)
    racks = [template for template, count in wanted.items() for _ in range(count)]
    return [
        replace(row, name=row_name(first + n), y=ROW_PITCH_M * (first + n), racks=_runs(part))
        for n, part in enumerate(_slices(racks, RACKS_PER_ROW))
    ]


def _slices(racks: Sequence[str], size: int) -> list[Sequence[str]]:
    return [racks[at : at + size] for at in range(0, len(racks), size)]


def _runs(racks: Sequence[str]) -> tuple[RackRun, ...]:
    return tuple(RackRun(template=name, count=n) for name, n in Counter(racks).items())


def row_name(number: int) -> str:
    """a ... z, aa, ab ..."""
    head, last = divmod(number, len(LETTERS))
    return (row_name(head - 1) if head else "") + LETTERS[last]


def homogeneous(
    count: int, persona: str = "xe9680-h200", *, seed: int = 1, median_s: float = 0.0
) -> Site:
    """`count` machines of one persona and nothing else, in plain racks: for benches and tests."""
    height = max(1, personas()[persona].height_u)
    per_rack = max(1, 40 // height)
    full, rest = divmod(count, per_rack)
    templates = {
        "full": _plain("full", persona, per_rack, height),
        "rest": _plain("rest", persona, rest, height),
    }
    racks = ["full"] * full + ["rest"] * bool(rest)
    rows = [
        Row(name=row_name(n), y=ROW_PITCH_M * n, racks=_runs(part))
        for n, part in enumerate(_slices(racks, RACKS_PER_ROW))
    ]
    site = Site(
        name="bench", halls=(HallPlan(name="h1", rows=rows),), templates=templates, seed=seed
    )
    return replace(site, latency=replace(site.latency, median_s=median_s))


def _plain(name: str, persona: str, count: int, height: int) -> RackTemplate:
    """Machines without a height of their own are still given units, to have names."""
    place = Placement(persona=persona, u=1, count=count, step=height)
    return RackTemplate(name=name, height_u=48, place=(place,))
