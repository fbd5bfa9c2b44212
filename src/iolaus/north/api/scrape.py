"""`GET /metrics`: outside `/api/v1`, where every scraper looks for it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from iolaus.kernel.errors import PolicyRefused
from iolaus.north.api.lists import principal_of
from iolaus.north.metrics import CONTENT_TYPE
from iolaus.north.warm import Warm


def metrics_route(metrics: Warm) -> HTTPRouteHandler:
    @get(
        "/metrics",
        operation_id="metrics",
        summary="Prometheus metrics of everything",
        tags=["metrics"],
        media_type=CONTENT_TYPE,
    )
    async def get_metrics(request: Request[Any, Any, Any]) -> Stream:
        principal = principal_of(request)
        if principal.scope:
            raise PolicyRefused(
                "metrics show the whole hall; this token sees a part of it",
                operation="get",
                subject="metrics",
                code="ScopedToken",
                next_step="use a token without a scope.",
            )
        return Stream(metrics.chunks(), media_type=CONTENT_TYPE)

    return get_metrics
