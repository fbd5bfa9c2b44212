"""The pages' place: `routes(context)` gives the handlers that the API mounts beside itself."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from iolaus.north.context import Context


def routes(context: Context) -> Sequence[ControllerRouterHandler]:  # noqa: ARG001
    return ()
