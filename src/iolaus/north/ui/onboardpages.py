"""Machines on their way into the hall: who is expected, who appeared, and who stands and why.

Those that wait for a person come first. A person may say yes here, to one or to a list, under the
rules of the command line: who may is who may there, nobody says yes to what is not as expected, and
a certificate that nobody knows is compared where one can paste it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.kernel.errors import IolausError
from iolaus.north.api.lists import principal_of
from iolaus.north.api.onboarding import say_yes, say_yes_to_list
from iolaus.north.auth import ALLOWED, Deed, Principal
from iolaus.north.context import Context
from iolaus.north.dto.onboarding import CandidateView, ExpectedView
from iolaus.north.guard import check_same_origin
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import status_of
from iolaus.north.ui.paper import Paper
from iolaus.recovery.onboard import State

log = structlog.get_logger(__name__)
Name = Annotated[str, PathParameter()]
HERE: Final = "/ui/onboarding"
HEADERS: Final = {"Cache-Control": "no-store"}
CANDIDATE, EXPECTED = BY_NAME["candidate"], BY_NAME["expected"]
LINES_A_PAGE: Final = 200
ORDER: Final = {state.value: number for number, state in enumerate(State)}
TONES: Final = {
    State.CONFLICT.value: "critical",
    State.AWAITING_APPROVAL.value: "warning",
    State.HANDED_OVER.value: "ok",
}


class Asked(NamedTuple):
    """Which candidates somebody wants to see: of one state, or all."""

    state: str = ""
    page: int = 1

    def link(self, **other: str | int) -> str:
        said = {k: v for k, v in {**self._asdict(), "page": 1, **other}.items() if v}
        if said.get("page") == 1:
            del said["page"]
        return HERE + (f"?{urlencode(said)}" if said else "")


class OnboardPages:
    """As `Pages`: renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    async def onboarding(
        self, principal: Principal, asked: Asked, *, part: bool = False, problem: str = ""
    ) -> str:
        every = sorted(await self._candidates(principal), key=_urgency)
        lists = await self._lists(principal)
        counts = Counter(view.state for view in every)
        chosen = [view for view in every if not asked.state or view.state == asked.state]
        pages = max(1, -(-len(chosen) // LINES_A_PAGE))
        asked = asked._replace(page=min(max(1, asked.page), pages))
        first = (asked.page - 1) * LINES_A_PAGE
        values = {
            "rows": chosen[first : first + LINES_A_PAGE],
            "counts": {state.value: counts[state.value] for state in State if counts[state.value]},
            "standing": sum(view.stands and view.state not in _ENDED for view in every),
            "lists": lists,
            "waiting": Counter(v.list for v in every if v.state == State.AWAITING_APPROVAL),
            "tones": TONES,
            "asked": asked,
            "pages_count": pages,
            "problem": problem,
            "may": Deed.MANAGE in ALLOWED[principal.role],
            "may_lists": Deed.MANAGE in ALLOWED[principal.role] and not principal.scope,
        }
        if part:
            return self._paper.part("onboarding_body.html", **values)
        return self._paper.page("onboarding.html", "Onboarding", HERE, **values)

    async def _candidates(self, principal: Principal) -> Sequence[CandidateView]:
        items = self._context.fleet.items(CANDIDATE, scope=principal.scope)
        return [item.view async for item in items if isinstance(item.view, CandidateView)]

    async def _lists(self, principal: Principal) -> Sequence[ExpectedView]:
        items = self._context.fleet.items(EXPECTED, scope=principal.scope)
        return [item.view async for item in items if isinstance(item.view, ExpectedView)]


_ENDED: Final = (State.REJECTED, State.RETIRED)


def _urgency(view: CandidateView) -> tuple[bool, bool, int, str]:
    """What waits for a person first, what is over last."""
    over = view.state in (State.HANDED_OVER, *_ENDED)
    return over, not view.stands, ORDER.get(view.state, 0), view.name


def onboard_page_routes(context: Context, pages: OnboardPages) -> list[ControllerRouterHandler]:
    @get(HERE, include_in_schema=False)
    async def shown(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        state, number = query.get("state", ""), query.get("page", "1")
        asked = Asked(
            state=state if state in ORDER else "",
            page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
        )
        part = "part" in query
        return _html(await pages.onboarding(principal_of(request), asked, part=part))

    return [
        shown,
        _answer(context, pages, "candidates", say_yes),
        _answer(context, pages, "lists", say_yes_to_list),
    ]


def _answer(
    context: Context,
    pages: OnboardPages,
    what: str,
    yes: Callable[[Context, Request[Any, Any, Any], str], Awaitable[str]],
) -> ControllerRouterHandler:
    @post(f"{HERE}/{what}/{{name:str}}/approve", include_in_schema=False)
    async def approve(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        try:
            check_same_origin(request.headers)
            told = await yes(context, request, name)
        except IolausError as error:
            problem = f"{name}: {error.message}. Next: {error.next_step}"
            html = await pages.onboarding(principal_of(request), Asked(), problem=problem)
            return _html(html, status_of(error))
        log.info("approved in a browser", what=told, by=principal_of(request).name)
        return Response("", status_code=303, headers={**HEADERS, "Location": HERE})

    return approve


def _html(html: str, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)
