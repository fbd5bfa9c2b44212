"""A console as a page: the terminal, who writes, and the same by a link without an account."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.north.api.lists import principal_of
from iolaus.north.auth import SIGN_IN, Deed
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.paper import Paper

NODE: Final = BY_NAME["node"]
HEADERS: Final = {"Cache-Control": "no-store"}
Name = Annotated[str, PathParameter()]


def console_page_routes(
    context: Context, paper: Paper, pages: Pages
) -> list[ControllerRouterHandler]:
    @get("/ui/consoles/{name:str}", include_in_schema=False)
    async def console(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        principal = principal_of(request, Deed.WATCH)
        item = await context.fleet.find(NODE, name, scope=principal.scope)
        if item is None or context.consoles is None:
            return _page(pages.missing(name), 404)
        socket = f"/api/v1/consoles/{quote(item.name, safe='')}/socket"
        title = f"Console of {item.name}"
        html = paper.page("console.html", title, "", name=item.name, socket=socket, shared=False)
        return _page(html, 200)

    @get("/shared/console", include_in_schema=False)
    async def shared() -> Response[str]:
        """Nothing of the hall is on it: what it may watch is in the link's text alone."""
        return _page(paper.page("console_shared.html", "Console", SIGN_IN, shared=True), 200)

    return [console, shared]


def _page(html: str, status: int) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)
