"""The pages: rendered on the server, refreshed in place, and complete without a script.

A page shows what the API shows, from the same views, so the two never disagree. Only the map needs
a script; its table twin does not. Nothing is written from here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import EVERYTHING, Selector, parse_selector
from iolaus.north.context import Context
from iolaus.north.dto.views import AssetView
from iolaus.north.fleet import Picture, visible
from iolaus.north.places import leaks, node_power_w
from iolaus.north.ui.words import FILTERS, age, kw, watts

PAGES: Final = (("/", "Hall"), ("/ui/table", "Table"), ("/ui/racks", "Racks"))
ROWS_A_PAGE: Final = 200
CHARTED: Final = (
    ("node_power", "Power"),
    ("shelf_output_power", "Output power"),
    ("pdu_power", "Power"),
    ("inlet_temperature", "Inlet"),
    ("coolant_return_temperature", "Coolant return"),
)
Chip = tuple[str, str, str]


class Pages:
    """Each method renders one page (or, with `part`, the piece that refreshes itself) as HTML."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._env = Environment(
            loader=PackageLoader("iolaus.north.ui"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters.update(FILTERS)

    async def hall(self, scope: Selector) -> str:
        return self._render("hall.html", "Hall", "/", chips=await self._summary(scope))

    async def summary(self, scope: Selector) -> str:
        return self._env.get_template("summary.html").render(chips=await self._summary(scope))

    async def table(self, scope: Selector, *, selector: str, page: int) -> str:
        problem, chosen = "", EVERYTHING
        try:
            chosen = parse_selector(selector) if selector else EVERYTHING
        except OperatorMust as error:
            problem = error.message
        found = [v for v in await self._context.fleet.assets(scope) if visible(v, chosen)]
        pages = max(1, math.ceil(len(found) / ROWS_A_PAGE))
        page = min(max(1, page), pages)
        return self._render(
            "table.html",
            "Table",
            "/ui/table",
            rows=found[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE],
            total=len(found),
            selector=selector,
            problem=problem,
            page=page,
            pages_count=pages,
            before="/ui/table?" + urlencode({"selector": selector, "page": page - 1}),
            after="/ui/table?" + urlencode({"selector": selector, "page": page + 1}),
        )

    async def racks(self, scope: Selector) -> str:
        grouped: dict[str, list[AssetView]] = {}
        for view in await self._context.fleet.assets(scope):
            if rack := view.labels.get("rack"):
                grouped.setdefault(rack, []).append(view)
        rows = [{"name": name, "chips": _rack_chips(members)} for name, members in grouped.items()]
        return self._render(
            "racks.html", "Racks", "/ui/racks", rows=sorted(rows, key=lambda row: str(row["name"]))
        )

    async def rack(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where nothing says that it stands in such a rack."""
        found = [v for v in await self._context.fleet.assets(scope) if v.labels.get("rack") == name]
        if not found:
            return None
        found.sort(key=lambda view: (-_unit(view), view.name))
        values = {
            "rack": name,
            "rows": found,
            "chips": _rack_chips(found),
            "most_w": max([1.0, *(watts(view.readings) for view in found)]),
            "here_path": f"/ui/racks/{quote(name, safe='')}",
        }
        if part:
            return self._env.get_template("rack_body.html").render(values)
        return self._render("rack.html", f"Rack {name}", "/ui/racks", **values)

    async def asset(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where nothing has that name."""
        place = self._context.fleet.index().get(name)
        picture = self._context.fleet.picture(place[0]) if place else None
        view = (
            next((v for v in picture.assets if v.name == name and visible(v, scope)), None)
            if picture
            else None
        )
        if picture is None or view is None:
            return None
        values = {
            "asset": view,
            "components": [v for v in picture.components if v.node == name],
            "sensors": [v for v in picture.sensors if v.node == name],
            "firmware": [v for v in picture.firmware if v.node == name],
            "events": self._events(picture, name),
            "charts": self._charts(picture, name),
            "here_path": f"/ui/assets/{quote(name, safe='')}",
        }
        if part:
            return self._env.get_template("asset_body.html").render(values)
        return self._render("asset.html", name, "", **values)

    def missing(self, what: str) -> str:
        return self._render("missing.html", "Not found", "", what=what)

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
            {
                "title": title,
                "href": f"/ui/history?{urlencode({'asset': name, 'role': role})}",
            }
            for role, title in CHARTED
            if role in roles
        ]

    async def _summary(self, scope: Selector) -> list[Chip]:
        views = await self._context.fleet.assets(scope)
        health = Counter(view.health or "Unknown" for view in views)
        nodes = [view for view in views if view.kind == "node"]
        known = [w for view in nodes if (w := node_power_w(view)) is not None]
        reach = Counter(
            held.status.reach.value if held.status else "untried"
            for held in self._context.facts.all_held()
        )
        leaking = sum(leaks(view) == "leak" for view in views)
        makes = len({view.vendor for view in views if view.vendor})
        oldest = max((view.age_s for view in views if view.age_s is not None), default=None)
        return [
            ("Endpoints reachable", f"{reach['reachable']} of {sum(reach.values())}", ""),
            ("Makes", str(makes), ""),
            ("Nodes", str(len(nodes)), ""),
            *_health_chips(health),
            ("Power", f"{kw(sum(known))} ({len(known)} of {len(nodes)} nodes)", ""),
            ("Leaks", str(leaking), "critical" if leaking else ""),
            ("Oldest", age(oldest), ""),
        ]

    def _render(self, template: str, title: str, here: str, **values: Any) -> str:
        now = datetime.fromtimestamp(self._context.clock.now(), UTC)
        return self._env.get_template(template).render(
            title=title, here=here, pages=PAGES, now=f"{now:%Y-%m-%d %H:%M:%S} UTC", **values
        )


def _unit(view: AssetView) -> int:
    label = view.labels.get("u", "")
    return int(label) if label.isdigit() else 0


def _health_chips(health: Counter[str]) -> list[Chip]:
    tones = {"OK": "ok", "Warning": "warning", "Critical": "critical", "Unknown": "unknown"}
    return [
        (word, str(health[word]), tone)
        for word, tone in tones.items()
        if health[word] or word == "OK"
    ]


def _rack_chips(members: Sequence[AssetView]) -> list[Chip]:
    nodes = [view for view in members if view.kind == "node"]
    known = [w for view in nodes if (w := node_power_w(view)) is not None]
    leaking = sum(leaks(view) == "leak" for view in members)
    return [
        ("Nodes", str(len(nodes)), ""),
        ("Devices", str(len(members) - len(nodes)), ""),
        *_health_chips(Counter(view.health or "Unknown" for view in members)),
        ("Power", kw(sum(known)) if known else "unknown", ""),
        *([("Leaks", str(leaking), "critical")] if leaking else []),
    ]
