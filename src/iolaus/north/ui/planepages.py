"""The control plane on a page: what still works, what is no longer known, who owns what.

It concerns the whole hall, so whoever sees a part of it only sees nothing of it.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import MediaType, Request, Response, get
from litestar.types import ControllerRouterHandler

from iolaus.model.select import Selector
from iolaus.north.api.lists import principal_of
from iolaus.north.context import Context
from iolaus.north.members import Plane
from iolaus.north.ui.paper import Paper

HERE: Final = "/ui/plane"
HEADERS: Final = {"Cache-Control": "no-store"}
TONES: Final = {
    "yes": "ok", "partly": "warning", "no": "critical", "silent": "critical", "leading": "ok",
    "serving": "ok", "alone": "ok", "standing by": "",
}  # fmt: skip


class PlanePages:
    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    def shown(self, scope: Selector, *, part: bool = False) -> str:
        port = None if scope else self._context.members
        values = {
            "plane": port.plane() if port else Plane(works=(), parts=()),
            "members": sorted(port.views(), key=lambda e: (e.role, e.site, e.name)) if port else (),
            "tones": TONES,
            "hidden": bool(scope),
        }
        if part:
            return self._paper.part("plane_body.html", **values)
        link = f"{HERE}?part=1"
        return self._paper.page("plane.html", "Control plane", HERE, part_link=link, **values)


def plane_page_routes(plane: PlanePages) -> list[ControllerRouterHandler]:
    @get(HERE, include_in_schema=False)
    async def shown(request: Request[Any, Any, Any]) -> Response[str]:
        scope = principal_of(request).scope
        html = plane.shown(scope, part="part" in request.query_params)
        return Response(html, media_type=MediaType.HTML, headers=HEADERS)

    return [shown]
