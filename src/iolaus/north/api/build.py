"""Putting the routes together, and the OpenAPI document that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from iolaus.north.api.advisories import advisory_routes
from iolaus.north.api.alarms import alarm_routes
from iolaus.north.api.attestations import attestation_routes
from iolaus.north.api.audit import audit_routes
from iolaus.north.api.authorities import authority_routes
from iolaus.north.api.baselines import baseline_routes
from iolaus.north.api.consoles import console_routes, shared_console
from iolaus.north.api.credentials import credential_routes
from iolaus.north.api.discoveries import discovery_routes
from iolaus.north.api.drains import drain_routes
from iolaus.north.api.endpoints import endpoint_routes
from iolaus.north.api.events import event_routes
from iolaus.north.api.fbom import fbom_routes
from iolaus.north.api.history import history_routes
from iolaus.north.api.lists import principal_of
from iolaus.north.api.onboarding import onboarding_routes
from iolaus.north.api.once import Once, Whole
from iolaus.north.api.overview import health_routes, overview_routes
from iolaus.north.api.packaged import package_route
from iolaus.north.api.packs import pack_routes
from iolaus.north.api.plans import plan_routes
from iolaus.north.api.power import power_routes
from iolaus.north.api.recoveries import recovery_routes
from iolaus.north.api.references import reference_routes
from iolaus.north.api.resources import SSE, resource_routes
from iolaus.north.api.rollouts import rollout_routes
from iolaus.north.api.ruling import ruling_routes
from iolaus.north.api.scrape import metrics_route
from iolaus.north.api.signals import signal_routes
from iolaus.north.api.targets import target_routes
from iolaus.north.api.tasks import task_routes
from iolaus.north.api.tokens import token_routes
from iolaus.north.context import Context
from iolaus.north.guard import MAX_BODY, Guard
from iolaus.north.handed import Handed
from iolaus.north.metrics import Metrics
from iolaus.north.problems import HANDLERS
from iolaus.north.recorded import Recorded
from iolaus.north.refused import Refused
from iolaus.north.ui import routes as own_pages
from iolaus.north.warm import Warm

Pages = Sequence[ControllerRouterHandler]
OPENAPI_PATH = "/api/v1/openapi.json"


def create_app(context: Context, *, pages: Pages | None = None) -> Refused:
    """The ASGI application: REST, metrics, health and pages behind the guard. `pages` other than
    our own may be given, or none."""
    litestar = build(context, pages=pages)
    handed = Handed(litestar, context=context)
    recorded = Recorded(handed, audit=context.audit)
    guard = Guard(recorded, auth=context.auth, clock=context.clock)
    return Refused(guard, audit=context.audit, clock=context.clock)


def build(context: Context, *, pages: Pages | None = None) -> Litestar:
    api = Once(
        "/api/v1",
        route_handlers=[
            *overview_routes(context),
            *resource_routes(context),
            *endpoint_routes(context),
            *event_routes(context),
            *history_routes(context),
            *baseline_routes(context),
            *reference_routes(context),
            package_route(context),
            *plan_routes(context),
            *rollout_routes(context),
            *drain_routes(context),
            *onboarding_routes(context),
            *recovery_routes(context),
            *alarm_routes(context),
            *power_routes(context),
            *ruling_routes(context),
            *console_routes(context),
            *signal_routes(context),
            *target_routes(context),
            *discovery_routes(context),
            *task_routes(context),
            *attestation_routes(context),
            *credential_routes(context),
            *pack_routes(context),
            *token_routes(context),
            *audit_routes(context),
            *advisory_routes(context),
            *fbom_routes(context),
            *authority_routes(context),
        ],
    )
    cache: list[bytes] = []

    @get(OPENAPI_PATH, include_in_schema=False, media_type=MediaType.JSON)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        principal_of(request)
        if not cache:
            cache.append(_encode(request.app))
        return Response(cache[0], media_type=MediaType.JSON)

    warm = Warm(Metrics(context), context.clock)
    return Whole(
        route_handlers=[
            api,
            openapi,
            *health_routes(context),
            metrics_route(warm),
            shared_console(context),
            *(own_pages(context) if pages is None else pages),
        ],
        exception_handlers=dict(HANDLERS),
        openapi_config=_openapi_config(context),
        on_shutdown=[context.tasks.close, warm.close],
        request_max_body_size=MAX_BODY,
        logging_config=None,
    )


def openapi_document(context: Context) -> dict[str, Any]:
    """The OpenAPI 3.1 document as plain data."""
    document: dict[str, Any] = msgspec.json.decode(_encode(build(context, pages=())))
    return document


def _encode(app: Litestar) -> bytes:
    document = app.openapi_schema.to_schema()
    for path in document["paths"].values():
        listing = path.get("get", {})
        if any(each["name"] == "watch" for each in listing.get("parameters", ())):
            listing["responses"]["200"]["content"][SSE] = {"schema": {"type": "string"}}
    return msgspec.json.encode(document)


def _openapi_config(context: Context) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Iolaus",
        version=context.version,
        summary="The open, out-of-band control plane for AI data halls",
        description=(
            "Objects in Kubernetes' shape over everything a hall is made of. `status` is whole "
            "by itself; unknown is null and its reason stands in `status.conditions`."
        ),
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"bearer": []}, {}],
        render_plugins=(),
        use_handler_docstrings=False,
    )
