"""An application whose routes are put together once, which takes half the time.

Litestar copies a router that is registered in depth, as it might be registered elsewhere too, and
asks all routes anew what they handle for each that is added. Nothing here is registered twice.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Self

from litestar import Litestar, Router
from litestar.routes import BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types.internal_types import RouteHandlerMapItem


class _Asked(Router):
    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        asked: dict[BaseRoute, RouteHandlerMapItem] = self.__dict__.setdefault("_asked", {})
        found: dict[str, RouteHandlerMapItem] = defaultdict(dict)
        for route in self.routes:
            if route not in asked:
                asked[route] = _handled(route)
            found[route.path].update(asked[route])
        return found


class Once(_Asked):
    """Routes that one application takes on."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Whole(_Asked, Litestar):
    """The application."""


def _handled(route: Any) -> RouteHandlerMapItem:
    if isinstance(route, HTTPRoute):
        return {method: each for each in route.route_handlers for method in each.http_methods}
    return {"websocket" if isinstance(route, WebSocketRoute) else "asgi": route.route_handler}
