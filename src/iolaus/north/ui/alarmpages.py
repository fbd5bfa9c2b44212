"""Alarms as a page, the most urgent first, and a page for each code: what it means, what to do.

Shown are those that ask for something; what is shelved, suppressed or out of service is one choice
away and counted, so that nobody takes a quiet page for a quiet hall.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from litestar import MediaType, Request, Response, get
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.energy.standing import CODES
from iolaus.model.alarm import HIDDEN, PRIORITIES
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarming import HALL_SILENT, RACK_SILENT
from iolaus.model.select import Selector
from iolaus.north.api.lists import principal_of
from iolaus.north.context import Context
from iolaus.north.dto.alarms import AlarmView
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.paper import Paper

Code = Annotated[str, PathParameter()]
HERE: Final = "/ui/alarms"
LINES_A_PAGE: Final = 200
FEW: Final = 100
"""So many of what a cause explains are listed below it."""
HEADERS: Final = {"Cache-Control": "no-store"}
TONES: Final = {"critical": "critical", "high": "critical", "medium": "warning", "low": "unknown"}
_HIDDEN: Final = frozenset(str(state) for state in HIDDEN)


class Asked(NamedTuple):
    """Which alarms somebody wants to see: of one priority, hidden ones or the others."""

    priority: str = ""
    hidden: bool = False
    page: int = 1

    def link(self, **other: str | int | bool) -> str:
        said = {k: v for k, v in {**self._asdict(), "page": 1, **other}.items() if v}
        if said.get("page") == 1:
            del said["page"]
        if "hidden" in said:
            said["hidden"] = "1"
        return HERE + (f"?{urlencode(said)}" if said else "")


class AlarmPages:
    """As `Pages`: each method renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    async def alarms(self, scope: Selector, asked: Asked, *, part: bool = False) -> str:
        every = await self._views(scope)
        rows = [view for view in every if (view.state in _HIDDEN) is asked.hidden]
        counts = Counter(view.priority for view in rows)
        chosen = [view for view in rows if not asked.priority or view.priority == asked.priority]
        pages = max(1, -(-len(chosen) // LINES_A_PAGE))
        asked = asked._replace(page=min(max(1, asked.page), pages))
        first = (asked.page - 1) * LINES_A_PAGE
        values = {
            "rows": chosen[first : first + LINES_A_PAGE],
            "counts": {str(each): counts[str(each)] for each in PRIORITIES},
            "tones": TONES,
            "place_of": place_of,
            "below": below(every),
            "asked": asked,
            "pages_count": pages,
            "hidden": sum(view.state in _HIDDEN for view in every),
            "waiting": sum(view.needs_answer for view in rows),
        }
        if part:
            return self._paper.part("alarms_body.html", **values)
        return self._paper.page("alarms.html", "Alarms", HERE, **values)

    async def runbook(self, scope: Selector, code: str) -> str | None:
        """None: no alarm has this code."""
        kind = ALARM_KINDS.get(code)
        if kind is None:
            return None
        rows = [view for view in await self._views(scope) if view.code == code]
        return self._paper.page(
            "runbook.html",
            code,
            HERE,
            kind=kind,
            tone=TONES[kind.priority],
            rows=rows[:LINES_A_PAGE],
            place_of=place_of,
        )

    async def _views(self, scope: Selector) -> Sequence[AlarmView]:
        found = [item.view async for item in self._context.alarm_shelf.items(scope)]
        return [view for view in found if isinstance(view, AlarmView)]


def below(every: Sequence[AlarmView]) -> Mapping[str, Sequence[AlarmView]]:
    """What each cause explains, the first of them."""
    found: dict[str, list[AlarmView]] = defaultdict(list)
    for view in every:
        if view.cause and len(found[view.cause]) < FEW:
            found[view.cause].append(view)
    return found


def place_of(view: AlarmView) -> str:
    """The page of what it is of."""
    if view.code == HALL_SILENT:
        return "/"
    if view.code in CODES:
        return "/ui/power"
    folder = "/ui/racks" if view.code == RACK_SILENT else "/ui/assets"
    return f"{folder}/{quote(view.subject, safe='')}"


def alarm_page_routes(alarms: AlarmPages, pages: Pages) -> list[ControllerRouterHandler]:
    @get(HERE, include_in_schema=False)
    async def listed(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        number, priority = query.get("page", "1"), query.get("priority", "")
        asked = Asked(
            priority=priority if priority in TONES else "",
            hidden="hidden" in query,
            page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
        )
        return _html(await alarms.alarms(principal_of(request).scope, asked, part="part" in query))

    @get("/ui/runbooks/{code:str}", include_in_schema=False)
    async def runbook(code: Code, request: Request[Any, Any, Any]) -> Response[str]:
        html = await alarms.runbook(principal_of(request).scope, code)
        return _html(html) if html is not None else _html(pages.missing(code), 404)

    return [listed, runbook]


def _html(html: str, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)
