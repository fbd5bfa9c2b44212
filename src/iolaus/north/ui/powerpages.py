"""Power and heat on a page: who feeds whom, what is granted, what the loops do, and why.

Everything that is drawn stands in a table, too, and the page says what mode it looks at: a hall
that is only observed is not one that is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from litestar import MediaType, Request, Response, get
from litestar.types import ControllerRouterHandler

from iolaus.energy.decisions import DomainState
from iolaus.energy.hindsight import Past
from iolaus.energy.ports import Sense
from iolaus.energy.standing import EdgeStanding
from iolaus.energy.timing import BOUNDS_MS
from iolaus.model.plant import Plant
from iolaus.model.select import Selector
from iolaus.north.api.lists import principal_of
from iolaus.north.context import Context
from iolaus.north.dto.edges import edge_view
from iolaus.north.dto.make import when
from iolaus.north.dto.site import SitePowerView, site_view
from iolaus.north.fleet import visible
from iolaus.north.ui.oneline import BOX_W, WAVE_H, WAVE_W, one_line, wave
from iolaus.north.ui.paper import Paper

HERE: Final = "/ui/power"
HEADERS: Final = {"Cache-Control": "no-store"}
DECISIONS: Final = 30
LINES: Final = 400
TONES: Final = {"hung": "critical", "held": "critical", "falling": "warning", "floor": "warning"}


class Bar(NamedTuple):
    """Of a histogram: up to which milliseconds, how many, and its part of the highest."""

    label: str
    turns: int
    height: int


class LoopRow(NamedTuple):
    name: str
    units: Sequence[str]
    racks: Sequence[str]
    says: Sequence[str]


class DomainRow(NamedTuple):
    """A line of the budget tree; `depth` from the top."""

    state: DomainState
    depth: int
    past: Past | None = None


class PowerPages:
    """A scope sees its racks; the plant concerns the whole hall and is shown to whoever sees it."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    def power(self, scope: Selector, rack: str = "", *, part: bool = False) -> str:
        room = self._context.power
        every = room.edges() if room else ()
        edges = [each for each in every if visible(edge_view(each), scope)]
        domains = list(room.domains()) if room and not scope else []
        plant = Plant() if scope else self._context.plant()
        chosen = next((each for each in edges if each.rack == rack), None)
        values = {
            "edges": [edge_view(each) for each in edges][:LINES],
            "tones": TONES,
            "chosen": edge_view(chosen) if chosen else None,
            "rack": rack if chosen else "",
            "modes": sorted({f"{each.mode} / {each.reflexes}" for each in edges}),
            "diagram": self._diagram(plant, domains, edges, rack if chosen else ""),
            "domains": _tree(plant, domains, self._context.site_shelf.past()),
            "site": None if scope else self._site(),
            "p99_ms": max((e.latency_ms[1] or 0.0 for e in edges), default=None),
            "fallback_s": max((e.fallback_s or 0.0 for e in edges if e.lapses), default=None),
            "wave": wave(chosen.drawn_w if chosen else _together(edges)),
            "wave_size": (WAVE_W, WAVE_H),
            "box_w": BOX_W,
            "decisions": _decided(self._context, scope),
            "bars": bars(edges),
            "loops": loops(plant, edges),
            "zones": len(plant.zones),
            "caps": [
                each for each in self._context.power_shelf.cap_views() if visible(each, scope)
            ],
            "latched": [(e, latch) for e in map(edge_view, edges) for latch in e.latched],
            "part_link": f"{HERE}?{urlencode({'rack': rack, 'part': 1})}",
            "here_path": HERE,
        }
        if part:
            return self._paper.part("power_body.html", **values)
        return self._paper.page("power.html", "Power", HERE, **values)

    def _site(self) -> SitePowerView | None:
        sees = self._context.seen_site
        return site_view(sees.site(), sees.efficiency(), sees.actuators()) if sees else None

    @staticmethod
    def _diagram(
        plant: Plant, domains: Sequence[DomainState], edges: Sequence[EdgeStanding], rack: str
    ) -> Any:
        states = {each.name: each for each in domains}
        by_rack = {each.rack: each for each in edges}
        return one_line(plant, states, by_rack, chosen=rack) if plant.domains else None


def _tree(
    plant: Plant, domains: Sequence[DomainState], past: Mapping[str, Past]
) -> list[DomainRow]:
    """Each under what feeds it."""
    states = {each.name: each for each in domains}
    ways = {
        domain.name: (*(each.name for each in plant.above(domain.name)),)[::-1]
        for domain in plant.domains
        if domain.name in states
    }
    ordered = sorted(ways, key=lambda name: (*ways[name], name))
    return [DomainRow(states[name], len(ways[name]), past.get(name)) for name in ordered[:LINES]]


def _decided(context: Context, scope: Selector) -> list[tuple[Any, Any]]:
    room = context.power
    if room is None or scope:
        return []
    sees = context.seen_site
    made = [*room.decisions()[:DECISIONS], *(sees.decisions()[:DECISIONS] if sees else ())]
    newest = sorted(made, key=lambda each: -each[0])[:DECISIONS]
    return [(when(at), each) for at, each in newest]


def _together(edges: Sequence[EdgeStanding]) -> list[float | None]:
    """The sum of all racks, second by second; unknown while any of them is."""
    longest = max((len(each.drawn_w) for each in edges), default=0)
    rows = [(None,) * (longest - len(each.drawn_w)) + each.drawn_w for each in edges]
    return [
        sum(each for each in column if each is not None) if None not in column else None
        for column in zip(*rows, strict=True)
    ]


def bars(edges: Sequence[EdgeStanding]) -> list[Bar]:
    """How soon all loops came round."""
    labels = [f"{bound:g}" for bound in BOUNDS_MS] + ["more"]
    counts = [sum(each) for each in zip(*(e.latency_counts for e in edges), strict=True)]
    highest = max(counts, default=0)
    if not highest:
        return []
    return [
        Bar(label, count, round(100 * count / highest))
        for label, count in zip(labels, counts, strict=True)
    ]


def loops(plant: Plant, edges: Sequence[EdgeStanding]) -> list[LoopRow]:
    """Coolant loops, and what edges say of their units and racks."""
    said: dict[str, list[str]] = {}
    for edge in edges:
        for latch in edge.latches:
            if latch.sense in (Sense.LEAK, Sense.FLOW, Sense.COOLANT):
                said.setdefault(edge.rack, []).append(latch.because)
    return [
        LoopRow(
            loop.name,
            loop.units,
            loop.racks,
            tuple(dict.fromkeys(each for rack in loop.racks for each in said.get(rack, ()))),
        )
        for loop in plant.loops
    ]


def power_page_routes(power: PowerPages) -> list[ControllerRouterHandler]:
    @get(HERE, include_in_schema=False)
    async def shown(request: Request[Any, Any, Any]) -> Response[str]:
        query, scope = request.query_params, principal_of(request).scope
        html = power.power(scope, query.get("rack", "")[:256], part="part" in query)
        return Response(html, media_type=MediaType.HTML, headers=HEADERS)

    return [shown]
