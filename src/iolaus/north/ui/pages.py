"""The pages: rendered on the server, refreshed in place, and complete without a script.

A page shows what the API shows, from the same views, and its table twin shows what the map shows,
from the same numbers; so no two of them disagree. Only the map needs a script. Nothing is written
from here.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import EVERYTHING, Selector, parse_selector
from iolaus.north.auth import SIGN_IN
from iolaus.north.context import Context
from iolaus.north.dto.views import AssetView, View
from iolaus.north.fleet import Picture, visible
from iolaus.north.kinds import BY_NAME
from iolaus.north.ui.cells import Cell, natural, unit_of
from iolaus.north.ui.departures import node_departures
from iolaus.north.ui.elevation import elevation
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import METRICS, TOP, UNKNOWN
from iolaus.north.ui.paper import Paper
from iolaus.north.ui.scopes import Maps
from iolaus.north.ui.summary import Chip, rack_row, rack_rows, summary_chips
from iolaus.north.ui.words import OUTCOMES, watts

ROWS_A_PAGE: Final = 200
CHARTED: Final = (
    ("node_power", "Power"),
    ("shelf_output_power", "Output power"),
    ("pdu_power", "Power"),
    ("inlet_temperature", "Inlet"),
    ("coolant_return_temperature", "Coolant return"),
)
TONES: Final = {
    "OK": "ok",
    "Warning": "warning",
    "Critical": "critical",
    "Leak": "critical",
    "unknown": "unknown",
    "not measured": "absent",
    **OUTCOMES,
}


class Value(NamedTuple):
    """A metric's value in the table twin."""

    text: str
    tone: str
    stale: bool


class Pages:
    """Each method renders one page (or, with `part`, the piece that refreshes itself) as HTML."""

    def __init__(self, context: Context, maps: Maps, paper: Paper) -> None:
        self._context, self._maps, self._paper = context, maps, paper
        self._chips: dict[Selector, tuple[float, list[Chip]]] = {}

    async def hall(self, scope: Selector) -> str:
        return self._paper.page("hall.html", "Hall", "/", chips=await self._summary(scope))

    async def summary(self, scope: Selector) -> str:
        return self._paper.part("summary.html", chips=await self._summary(scope))

    async def table(self, scope: Selector, *, selector: str, sort: str, page: int) -> str:
        """Everything on the map with every metric of it; `sort` names one, its worst first."""
        await self._maps.settle()
        hall_map, problem = self._maps.of(scope), ""
        order = list(range(len(hall_map.cells())))
        try:
            chosen = await self._chosen(scope, selector, hall_map)
            order = order if chosen is None else chosen
        except OperatorMust as error:
            problem = f"{error.message}; everything is shown."
        if sort in METRICS:
            rank = _ranks(hall_map, sort)
            order.sort(key=lambda index: rank[index], reverse=True)
        pages = max(1, math.ceil(len(order) / ROWS_A_PAGE))
        page = min(max(1, page), pages)
        shown = order[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE]
        asked = {"selector": selector} if selector else {}
        return self._paper.page(
            "table.html",
            "Table",
            "/ui/table",
            metrics=[(m, _link(**asked, sort=m.name)) for m in METRICS.values()],
            rows=self._rows(hall_map, shown),
            total=len(order),
            selector=selector,
            sort=sort if sort in METRICS else "",
            problem=problem,
            page=page,
            pages_count=pages,
            before=_link(**asked, sort=sort, page=page - 1),
            after=_link(**asked, sort=sort, page=page + 1),
            command=_command("nodes", selector if not problem else ""),
        )

    def racks(self, scope: Selector) -> str:
        return self._paper.page(
            "racks.html", "Racks", "/ui/racks", rows=rack_rows(self._maps.of(scope))
        )

    def rack(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where nothing says that it stands in such a rack."""
        hall_map = self._maps.of(scope)
        cells = hall_map.cells()
        members = [index for index, cell in enumerate(cells) if name and cell.rack == name]
        if not members:
            return None
        found = self._views([cells[index] for index in members])
        kinds = {view.kind for view in found}
        found.sort(key=lambda view: (-unit_of(view.labels.get("u")), natural(view.name)))
        values = {
            "rack": name,
            "rows": found,
            "elevation": elevation(found),
            "chips": rack_row(hall_map, members).chips,
            "most_w": {k: max(watts(v.readings) for v in found if v.kind == k) for k in kinds},
            "here_path": f"/ui/racks/{quote(name, safe='')}",
        }
        if part:
            return self._paper.part("rack_body.html", **values)
        command = _command("nodes", f"rack={name}")
        return self._paper.page("rack.html", f"Rack {name}", "/ui/racks", command=command, **values)

    async def asset(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where nothing has that name."""
        await self._maps.settle()
        place = self._context.fleet.index().get(name)
        picture = self._context.fleet.picture(place[0]) if place else None
        seen = picture.assets if picture else ()
        view = next((v for v in seen if v.name == name and visible(v, scope)), None)
        if picture is None or view is None:
            return None
        values = {
            "asset": view,
            "components": sorted(
                (v for v in picture.components if v.node == name), key=lambda v: _badness(v.health)
            ),
            "sensors": sorted(
                (v for v in picture.sensors if v.node == name), key=lambda v: _badness(v.status)
            ),
            "firmware": [v for v in picture.firmware if v.node == name],
            "departures": node_departures(self._context, name, scope=scope),
            "drains": await self._drains(scope, name),
            "events": self._events(picture, name),
            "charts": self._charts(picture, name),
            "here_path": f"/ui/assets/{quote(name, safe='')}",
        }
        if part:
            return self._paper.part("asset_body.html", **values)
        return self._paper.page("asset.html", name, "", **values)

    async def _drains(self, scope: Selector, name: str) -> list[View]:
        found = self._context.fleet.items(BY_NAME["drain"], scope=scope)
        return [item.view async for item in found if item.name.partition(":")[0] == name]

    def missing(self, what: str) -> str:
        return self._paper.page("missing.html", "Not found", "", what=what)

    def sign_in(self, *, onward: str, problem: str = "") -> str:
        """`onward` is where to go then; `problem` is why the last try was refused."""
        return self._paper.page("signin.html", "Sign in", SIGN_IN, onward=onward, problem=problem)

    async def _chosen(self, scope: Selector, selector: str, hall_map: HallMap) -> list[int] | None:
        """The cells that a selector means; None for all. Raises `OperatorMust`."""
        if not (chosen := parse_selector(selector) if selector else EVERYTHING):
            return None
        views = await self._context.fleet.assets(scope)
        names = {view.name for view in views if visible(view, chosen)}
        return [i for i, cell in enumerate(hall_map.cells()) if cell.name in names]

    def _rows(self, hall_map: HallMap, shown: Sequence[int]) -> list[dict[str, Any]]:
        cells = hall_map.cells()
        views = {view.name: view for view in self._views([cells[index] for index in shown])}
        columns = [_column(hall_map, metric, shown) for metric in METRICS]
        return [
            {"cell": cells[index], "view": views.get(cells[index].name), "values": values}
            for index, *values in zip(shown, *columns, strict=True)
        ]

    def _views(self, cells: Sequence[Cell]) -> list[AssetView]:
        """The views of these cells, made from their endpoints only."""
        names = {cell.name for cell in cells}
        pictures = [self._context.fleet.picture(a) for a in dict.fromkeys(c.address for c in cells)]
        return [v for picture in pictures if picture for v in picture.assets if v.name in names]

    def _events(self, picture: Picture, name: str) -> list[dict[str, Any]]:
        uid = picture.uid_of(name)
        now = self._context.clock.now()
        found = self._context.facts.events(limit=200, endpoint=picture.frame.target.address)
        return [
            {"type": e.kind, "message": e.message, "age_s": max(0.0, now - e.at)}
            for e in found
            if e.asset in (None, uid, picture.key_of[name])
        ][:20]

    def _charts(self, picture: Picture, name: str) -> list[dict[str, str]]:
        if self._context.series is None:
            return []
        roles = {view.role for view in picture.sensors if view.node == name}
        return [
            {"title": title, "href": f"/ui/history?{urlencode({'asset': name, 'role': role})}"}
            for role, title in CHARTED
            if role in roles
        ]

    async def _summary(self, scope: Selector) -> list[Chip]:
        """The same for every browser within a second."""
        now, kept = self._context.clock.now(), self._chips.get(scope)
        if kept is None or not 0 <= now - kept[0] < 1.0:
            await self._maps.settle()
            chips = summary_chips(self._context, self._maps.of(scope), scope)
            self._chips[scope] = kept = (now, chips)
        return kept[1]


def _column(hall_map: HallMap, metric: str, shown: Sequence[int]) -> list[Value]:
    texts, stale = hall_map.texts(metric, shown), hall_map.show(metric).stale[list(shown)].tolist()
    return [Value(text, _tone(text), old) for text, old in zip(texts, stale, strict=True)]


def _badness(verdict: str | None) -> int:
    """What needs a look comes first; all else stays as it was."""
    return {"Critical": 0, "Warning": 1}.get(verdict or "", 2)


def _tone(text: str) -> str:
    return TONES.get(text, "")


def _ranks(hall_map: HallMap, metric: str) -> list[int]:
    """Higher is worse: a bad word, then unknown, then a good one; numbers by size."""
    is_word = bool(METRICS[metric].words)
    unknown = 1 if is_word else -1
    return [
        (code * 2 if is_word else code) if code <= TOP else unknown if code == UNKNOWN else -2
        for code in hall_map.show(metric).codes.tolist()
    ]


def _link(**query: str | int) -> str:
    return "/ui/table?" + urlencode({name: value for name, value in query.items() if value})


def _command(kinds: str, selector: str) -> str:
    chosen = f" -l {shlex.quote(selector)}" if selector else ""
    return f"iolaus get {kinds}{chosen} -o wide"
