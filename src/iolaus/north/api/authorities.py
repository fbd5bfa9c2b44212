"""Certificate authorities through the API: made, brought in, looked at, removed.

A private key goes in and never out: not in an answer, an error or a log. Commands that sign are
named in a file beside the state (docs/certificates.md) and only shown here: who may run a program
on the server is not decided by a token.
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

from iolaus.fleet.certify import make_authority
from iolaus.kernel.errors import OperatorMust, PolicyRefused, WeErred
from iolaus.model.authority import Authority, Words
from iolaus.north.api.lists import principal_of
from iolaus.north.api.objects import API_VERSION, ListMetadata, Metadata
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, KeepsAuthorities
from iolaus.north.dto.make import when

log = structlog.get_logger(__name__)
MAX_PEM: Final = 64 * 1024
Text = Annotated[str, Meta(max_length=64)]


class WordsSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What controllers want to be told for a request, besides the name."""

    organization: Text = Words().organization
    unit: Text = Words().unit
    city: Text = Words().city
    state: Text = Words().state
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] = Words().country


class AuthoritySpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A new authority; with `certificate` and `key` one that there is already."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
    days: Annotated[int, Meta(ge=1, le=36_500, description="How long a new one lasts.")] = 3650
    leaf_days: Annotated[int, Meta(ge=1, le=3650, description="How long what it signs does.")] = 397
    words: WordsSpec = msgspec.field(default_factory=WordsSpec)
    certificate: Annotated[
        str, Meta(max_length=MAX_PEM, description="PEM, those above it behind.")
    ] = ""
    key: Annotated[
        str, Meta(max_length=MAX_PEM, description="PEM (PKCS#8). It is never told again.")
    ] = ""

    def __repr__(self) -> str:
        return f"AuthoritySpec({self.name!r}, key=...)"


class AuthorityOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request for an authority."""

    spec: AuthoritySpec


class AuthorityStatus(msgspec.Struct, kw_only=True):
    """What anybody may know of an authority."""

    name: str
    kind: Annotated[str, Meta(description="local (its key is in the vault) or command.")]
    subject: str
    fingerprint: Annotated[str, Meta(description="SHA-256 of its certificate, in hex.")]
    not_after: datetime | None
    leaf_days: int
    certificate: Annotated[str, Meta(description="PEM: what clients have to trust.")]


class AuthorityObject(msgspec.Struct, kw_only=True, rename="camel"):
    """A certificate authority."""

    api_version: str
    kind: str
    metadata: Metadata
    status: AuthorityStatus


class AuthorityList(msgspec.Struct, kw_only=True, rename="camel"):
    """All authorities by name."""

    api_version: str
    kind: str
    metadata: ListMetadata
    items: list[AuthorityObject]


def authority_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_make(context), _list(context), _one(context), _remove(context)]


def _make(context: Context) -> HTTPRouteHandler:
    @post(
        "/authorities",
        status_code=201,
        operation_id="makeAuthority",
        summary="Make a certificate authority, or bring one in",
        tags=["authorities"],
        responses={
            **of_type(AuthorityObject, "", 400, 401, 403, 413, 415, 501),
            201: of_type(AuthorityObject, "The authority, without its key.")[200],
        },
    )
    async def make(
        request: Request[Any, Any, Any], data: JSONBody[AuthorityOrder]
    ) -> Response[Any]:
        principal = _secures(request)
        kept = _offered(context)
        spec = data.spec
        words = msgspec.convert(msgspec.to_builtins(spec.words), Words)
        certificate, key = spec.certificate, spec.key
        if bool(certificate) != bool(key):
            raise OperatorMust(
                "a certificate and its key belong together",
                operation="keep authority",
                subject=spec.name,
                code="BadAuthority",
                next_step="give both, or none: then both are made.",
            )
        if not certificate:
            made = make_authority(spec.name, words=words, days=spec.days, now=context.clock.now())
            certificate, key = made.certificate, made.key
        authority = kept.put(
            spec.name, certificate=certificate, key=key, days=spec.leaf_days, words=words
        )
        log.info("authority_kept", name=spec.name, by=principal.name, made=not spec.certificate)
        return Response(_object(authority))

    return make


def _list(context: Context) -> HTTPRouteHandler:
    @get(
        "/authorities",
        operation_id="listAuthorities",
        summary="List certificate authorities",
        tags=["authorities"],
        responses=of_type(AuthorityList, "The authorities.", 400, 401, 403, 501),
    )
    async def list_authorities(request: Request[Any, Any, Any]) -> Response[Any]:
        principal_of(request, Deed.READ)
        every = _offered(context).all()
        return Response(
            AuthorityList(
                api_version=API_VERSION,
                kind="AuthorityList",
                metadata=ListMetadata(remaining=0),
                items=[_object(every[name]) for name in sorted(every)],
            )
        )

    return list_authorities


def _one(context: Context) -> HTTPRouteHandler:
    @get(
        "/authorities/{name:str}",
        operation_id="getAuthority",
        summary="Look at a certificate authority",
        tags=["authorities"],
        responses=of_type(AuthorityObject, "The authority.", 400, 401, 403, 404, 501),
    )
    async def one(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal_of(request, Deed.READ)
        return Response(_object(_called(_offered(context), name)))

    return one


def _remove(context: Context) -> HTTPRouteHandler:
    @delete(
        "/authorities/{name:str}",
        status_code=200,
        operation_id="removeAuthority",
        summary="Remove a local authority and its key",
        tags=["authorities"],
        responses=of_type(AuthorityObject, "What was removed.", 400, 401, 403, 404, 501),
    )
    async def remove(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = _secures(request)
        kept = _offered(context)
        authority = _called(kept, name)
        if not kept.remove(name):
            raise OperatorMust(
                "it is not kept here but named in authorities.yaml",
                operation="remove authority",
                subject=name,
                code="NotOurs",
                next_step="take it out of that file.",
            )
        log.info("authority_removed", name=name, by=principal.name)
        return Response(_object(authority))

    return remove


def _secures(request: Request[Any, Any, Any]) -> Principal:
    """Raises `PolicyRefused` also for whom a part of the hall does not exist: an authority signs
    for all of it."""
    principal = principal_of(request, Deed.SECURE)
    if principal.scope:
        raise PolicyRefused(
            "a token with a scope keeps no authorities",
            operation="secure",
            subject=principal.name,
            code="ScopeTooSmall",
            next_step="ask somebody whose token has no scope.",
        )
    return principal


def _offered(context: Context) -> KeepsAuthorities:
    if context.authorities is None:
        raise WeErred(
            "this server keeps no authorities",
            operation="find authority",
            subject="authorities",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.authorities


def _called(kept: KeepsAuthorities, name: str) -> Authority:
    if (found := kept.get(name)) is None:
        raise OperatorMust(
            "there is no authority of this name",
            operation="find authority",
            subject=name,
            code="NotFound",
            next_step="list them with: iolaus ca show",
        )
    return found


def _object(authority: Authority) -> AuthorityObject:
    return AuthorityObject(
        api_version=API_VERSION,
        kind="Authority",
        metadata=Metadata(name=authority.name, uid=authority.fingerprint[:12]),
        status=AuthorityStatus(
            name=authority.name,
            kind=authority.kind,
            subject=authority.subject,
            fingerprint=authority.fingerprint,
            not_after=when(authority.not_after),
            leaf_days=authority.days,
            certificate=authority.certificate,
        ),
    )
