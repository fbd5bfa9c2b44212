"""Tokens through the API: made, listed, revoked.

A token's text is told once, in the answer to whoever asked for it, and kept nowhere; what is kept
says who it is for, what it may do, for which groups it speaks, and who made it. Two tokens of one
name are one person: whoever made a plan does not approve it with another token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.desired import Duration
from iolaus.north.api.lists import principal_of
from iolaus.north.api.objects import API_VERSION, ListMetadata, Metadata
from iolaus.north.api.plans import MAX_GROUPS, Group
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal, Role, Token, new_token
from iolaus.north.context import Context
from iolaus.north.dto.make import when
from iolaus.north.problems import not_found

log = structlog.get_logger(__name__)
MOST_S: Final = 10 * 366 * 86_400.0


class TokenSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Who the token is for, and what it may do."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$",
            description="Whose it is: letters, digits, and . _ @ -",
        ),
    ]
    role: Role
    groups: Annotated[
        list[Group], Meta(max_length=MAX_GROUPS, description="Approvals that it speaks for.")
    ] = []
    scope: Annotated[
        str, Meta(max_length=8192, description="A selector: nothing else exists for it.")
    ] = ""
    expires_in: Annotated[Duration | None, Meta(description="After so long it ends.")] = None


class TokenOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for a token."""

    spec: TokenSpec


class TokenStatus(msgspec.Struct, kw_only=True):
    """What is kept of a token. `token` is its text: in the answer to making it, and never again."""

    name: str
    role: Role
    groups: list[str]
    scope: str
    made_at: datetime | None
    made_by: str
    expires_at: datetime | None
    expired: bool
    token: str | None = None


class TokenObject(msgspec.Struct, kw_only=True, rename="camel"):
    """A token; `metadata.name` is its id."""

    api_version: str
    kind: str
    metadata: Metadata
    status: TokenStatus


class TokenList(msgspec.Struct, kw_only=True, rename="camel"):
    """All tokens, oldest first."""

    api_version: str
    kind: str
    metadata: ListMetadata
    items: list[TokenObject]


def token_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_make(context), _list(context), _revoke(context)]


def _make(context: Context) -> HTTPRouteHandler:
    @post(
        "/tokens",
        status_code=201,
        operation_id="makeToken",
        summary="Make a token",
        tags=["tokens"],
        responses={
            **of_type(TokenObject, "", 400, 401, 403, 413, 415),
            201: of_type(TokenObject, "The token; its text is told this once.")[200],
        },
    )
    async def make(request: Request[Any, Any, Any], data: JSONBody[TokenOrder]) -> Response[Any]:
        principal = _admits(request)
        spec, now = data.spec, context.clock.now()
        lasts_s = _lasts_s(spec.expires_in) if spec.expires_in else None
        text, token = new_token(
            spec.role,
            name=spec.name,
            scope=spec.scope,
            groups=tuple(dict.fromkeys(spec.groups)),
            expires_at=None if lasts_s is None else now + lasts_s,
            made_at=now,
            made_by=principal.name,
        )
        context.auth.tokens.put(token)
        log.info("token_made", id=token.id, name=token.name, role=token.role, by=principal.name)
        return Response(_object(token, now, text=text), headers={"Cache-Control": "no-store"})

    return make


def _lasts_s(text: str) -> float:
    """Raises `OperatorMust` for no time at all, and for more than a person means."""
    if 0 < (seconds := parse_duration(text)) <= MOST_S:
        return seconds
    raise OperatorMust(
        "a token lasts from a second to ten years",
        operation="make token",
        subject=text[:40],
        code="BadDuration",
        next_step="write such as 90d, or leave it out: then it does not end by itself.",
    )


def _list(context: Context) -> HTTPRouteHandler:
    @get(
        "/tokens",
        operation_id="listTokens",
        summary="List tokens",
        tags=["tokens"],
        responses=of_type(TokenList, "The tokens, without their texts.", 400, 401, 403),
    )
    async def list_tokens(request: Request[Any, Any, Any]) -> Response[Any]:
        _admits(request)
        now = context.clock.now()
        return Response(
            TokenList(
                api_version=API_VERSION,
                kind="TokenList",
                metadata=ListMetadata(remaining=0),
                items=[_object(token, now) for token in context.auth.tokens.all()],
            )
        )

    return list_tokens


def _revoke(context: Context) -> HTTPRouteHandler:
    @delete(
        "/tokens/{name:str}",
        status_code=200,
        operation_id="revokeToken",
        summary="Revoke a token: it is not known any more",
        tags=["tokens"],
        responses=of_type(TokenObject, "What was revoked.", 400, 401, 403, 404),
    )
    async def revoke(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = _admits(request)
        token = next((each for each in context.auth.tokens.all() if each.id == name), None)
        if token is None:
            raise not_found("token", name)
        context.auth.tokens.remove(token.id)
        log.info("token_revoked", id=token.id, name=token.name, by=principal.name)
        return Response(_object(token, context.clock.now()))

    return revoke


def _admits(request: Request[Any, Any, Any]) -> Principal:
    """Raises `PolicyRefused` also for whom a part of the hall does not exist: a token could be
    given more than its giver has."""
    principal = principal_of(request, Deed.ADMIT)
    if principal.scope:
        raise PolicyRefused(
            "a token with a scope makes and sees no tokens",
            operation="admit",
            subject=principal.name,
            code="ScopeTooSmall",
            next_step="ask somebody whose token has no scope.",
        )
    return principal


def _object(token: Token, now: float, *, text: str | None = None) -> TokenObject:
    ends = token.expires_at
    return TokenObject(
        api_version=API_VERSION,
        kind="Token",
        metadata=Metadata(name=token.id, uid=token.id),
        status=TokenStatus(
            name=token.name,
            role=token.role,
            groups=list(token.groups),
            scope=token.scope,
            made_at=when(token.made_at),
            made_by=token.made_by,
            expires_at=when(ends),
            expired=ends is not None and now > ends,
            token=text,
        ),
    )
