"""Addresses of plans and roll-outs, and what a browser may do with them: pause and abort.

To stop is urgent and harms little, so a person may do it where they see it, after saying that they
mean it. The guard takes the browser's cookie for such addresses only, and only from a form of our
own page; the token's role must allow it as everywhere. To go on, to apply and to undo take the
command line.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.kernel.errors import IolausError
from iolaus.north.api.lists import principal_of
from iolaus.north.api.rollouts import asked
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.guard import check_same_origin
from iolaus.north.problems import status_of
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.rollpages import HERE, RollPages

Name = Annotated[str, PathParameter()]
HEADERS: Final = {"Cache-Control": "no-store"}
log = structlog.get_logger(__name__)


def roll_routes(context: Context, rolls: RollPages, pages: Pages) -> list[ControllerRouterHandler]:
    @get("/ui/rollouts", include_in_schema=False)
    async def rollouts(request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        return _html(await rolls.rollouts(principal_of(request).scope, part=part))

    @get("/ui/plans/{name:str}", include_in_schema=False)
    async def plan(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        html = await rolls.plan(principal_of(request).scope, name, part=part)
        return _html(html) if html is not None else _html(pages.missing(name), 404)

    @get("/ui/rollouts/{name:str}", include_in_schema=False)
    async def rollout(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        html = await rolls.rollout(principal_of(request), name, part=part)
        return _html(html) if html is not None else _html(pages.missing(name), 404)

    return [rollouts, plan, rollout, *(_stop(context, rolls, pages, w) for w in ("pause", "abort"))]


def _stop(context: Context, rolls: RollPages, pages: Pages, word: str) -> ControllerRouterHandler:
    @post(f"/ui/rollouts/{{name:str}}/{word}", include_in_schema=False)
    async def stop(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        principal = principal_of(request)
        try:
            check_same_origin(request.headers)
            principal.must(Deed.STOP)
            await asked(context, name, word, principal)
        except IolausError as error:
            told = f"{error.message}. Next: {error.next_step}"
            html = await rolls.rollout(principal, name, problem=told)
            status = status_of(error)
            return _html(html or pages.missing(name), status if html else 404)
        log.info("asked in a browser", what=word, rollout=name, by=principal.name)
        where = f"{HERE}/{quote(name, safe='')}"
        return Response("", status_code=303, headers={**HEADERS, "Location": where})

    return stop


def _html(html: str, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)
