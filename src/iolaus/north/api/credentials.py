"""Logins of endpoints through the API: whose they are, how old, and what is known of the old ones.

No answer holds a password, and none ever comes back that was given. What is added here is sealed
in the credential store: a login for endpoints, or one that endpoints may fall back to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import PolicyRefused, WeErred
from iolaus.model.credential import CredentialFact
from iolaus.model.select import Selector
from iolaus.north.api.lists import principal_of
from iolaus.north.api.objects import API_VERSION, ListMetadata
from iolaus.north.api.resources import of_type
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.dto.make import when
from iolaus.north.dto.views import EndpointView
from iolaus.north.kinds import BY_NAME
from iolaus.store.secrets import Secrets

log = structlog.get_logger(__name__)
ENDPOINT = BY_NAME["endpoint"]
Pattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="An address, a range (10.0.0.0/16), a pattern of host names, or default.",
    ),
]


class CredentialView(msgspec.Struct, kw_only=True):
    """The login of one endpoint, without its secret."""

    endpoint: Annotated[str, Meta(description="Its name.")]
    address: str
    user: Annotated[str, Meta(description="The account that is ours.")]
    state: Annotated[
        str,
        Meta(
            description="shared (with others, as it was given), own (Iolaus gave it), pending (a "
            "new one is under way), fallen-back (it takes only another login)."
        ),
    ]
    shared: Annotated[str, Meta(description="The named credential that it uses or used.")]
    number: Annotated[int, Meta(description="How many passwords Iolaus gave it.")]
    since: Annotated[datetime | None, Meta(description="When it was proved; null: not known.")]
    age_s: Annotated[float | None, Meta(description="Seconds since then; null: not known.")]
    old: Annotated[
        str, Meta(description="Of the former password: refused, or why that was not tried.")
    ]


class CredentialList(msgspec.Struct, kw_only=True, rename="camel"):
    """The logins of all endpoints that have one, by name."""

    api_version: str
    kind: str
    metadata: ListMetadata
    items: list[CredentialView]


class CredentialSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A login, and for whom it is."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    user: Annotated[str, Meta(min_length=1, max_length=128)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]
    uses: Annotated[list[Pattern], Meta(description="Endpoints that log in with it.")] = []
    recovers: Annotated[
        list[Pattern], Meta(description="Endpoints that may fall back to it, as to their maker's.")
    ] = []

    def __repr__(self) -> str:
        return f"CredentialSpec(name={self.name!r}, user={self.user!r}, password=...)"


class CredentialOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A login to be kept."""

    spec: CredentialSpec


class CredentialKept(msgspec.Struct, kw_only=True):
    """What was kept."""

    name: str
    user: str
    uses: list[str]
    recovers: list[str]


def credential_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_list(context), _add(context)]


def _list(context: Context) -> HTTPRouteHandler:
    @get(
        "/credentials",
        operation_id="listCredentials",
        summary="List the logins of endpoints, without their secrets",
        tags=["credentials"],
        responses=of_type(CredentialList, "The logins.", 400, 401, 403, 501),
    )
    async def list_credentials(request: Request[Any, Any, Any]) -> Response[Any]:
        principal, kept = principal_of(request), _offered(context)
        return Response(
            CredentialList(
                api_version=API_VERSION,
                kind="CredentialList",
                metadata=ListMetadata(remaining=0),
                items=await _views(context, kept, principal.scope),
            )
        )

    return list_credentials


def _add(context: Context) -> HTTPRouteHandler:
    @post(
        "/credentials",
        status_code=201,
        operation_id="addCredential",
        summary="Keep a login, sealed",
        tags=["credentials"],
        responses={
            **of_type(CredentialKept, "", 400, 401, 403, 413, 415, 501),
            201: of_type(CredentialKept, "What was kept.")[200],
        },
    )
    async def add(
        request: Request[Any, Any, Any], data: JSONBody[CredentialOrder]
    ) -> Response[Any]:
        principal, kept = principal_of(request, Deed.DISCOVER), _offered(context)
        if principal.scope:
            raise PolicyRefused(
                "a token with a scope adds no credentials",
                operation="add credential",
                subject=principal.name,
                code="ScopeTooSmall",
                next_step="ask somebody whose token has no scope.",
            )
        spec = data.spec
        kept.put(spec.name, user=spec.user, password=spec.password)
        for pattern in spec.uses:
            kept.assign(pattern, spec.name)
        for pattern in spec.recovers:
            kept.recover_with(pattern, spec.name)
        log.info("credential_kept", name=spec.name, by=principal.name)
        return Response(
            CredentialKept(name=spec.name, user=spec.user, uses=spec.uses, recovers=spec.recovers)
        )

    return add


async def _views(context: Context, kept: Secrets, scope: Selector) -> list[CredentialView]:
    found: list[CredentialView] = []
    async for item in context.fleet.items(ENDPOINT, scope=scope):
        assert isinstance(item.view, EndpointView)
        target = context.facts.target_of(item.view.address)
        named = target.credential if target else None
        fact = kept.fact_of(item.view.address, name=named)
        if fact is not None:
            shared = kept.reference_of(item.view.address, name=named)
            found.append(_view(item.name, item.view.address, fact, shared, context.clock.now()))
    return found


def _view(name: str, address: str, fact: CredentialFact, shared: str, now: float) -> CredentialView:
    return CredentialView(
        endpoint=name,
        address=address,
        user=fact.user,
        state=state_of(fact),
        shared=shared,
        number=fact.number,
        since=when(fact.since),
        age_s=None if fact.since is None else round(max(0.0, now - fact.since), 3),
        old=fact.old,
    )


def state_of(fact: CredentialFact) -> str:
    """In one word; what needs a person comes first."""
    if fact.fallen:
        return "fallen-back"
    if fact.pending:
        return "pending"
    return "own" if fact.number else "shared"


def _offered(context: Context) -> Secrets:
    if context.secrets is None:
        raise WeErred(
            "this server keeps no credentials",
            operation="list credentials",
            subject="credentials",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.secrets
