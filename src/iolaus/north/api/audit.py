"""The audit log through the API, for reading only: entries as they were chained.

A client checks the chain itself (`iolaus audit verify`), so the answer holds everything that a
digest covers and nothing that it does not.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import Meta

from iolaus.kernel.errors import PolicyRefused, WeErred
from iolaus.model.audit import Entry
from iolaus.north.api.lists import principal_of
from iolaus.north.api.resources import of_type, problems
from iolaus.north.auth import Deed
from iolaus.north.context import Checkpointing, Context
from iolaus.trust.checkpoints import Checkpoint

MAX_ENTRIES: Final = 5_000
PEM: Final = "application/x-pem-file"


class AuditEntry(msgspec.Struct, kw_only=True, rename="camel"):
    """One entry of the audit log."""

    number: Annotated[int, Meta(description="Counts from 1, without gaps.")]
    at_ms: Annotated[int, Meta(description="Milliseconds since 1970, UTC.")]
    who: Annotated[str, Meta(description="Name of the token that asked.")]
    what: Annotated[
        str,
        Meta(
            description="ask and answer (a request that may change something), refuse (401, 403), "
            "sign-in, sign-out, change (of a file), note (of the log itself)."
        ),
    ]
    subject: Annotated[str, Meta(description="Method and path, or what it is about.")]
    detail: Annotated[str, Meta(description="JSON text of what else is known.")]
    before: Annotated[str, Meta(description="Digest of the entry before (SHA-256, hex).")]
    digest: Annotated[str, Meta(description="SHA-256 of all the above as one line of JSON.")]


class AuditList(msgspec.Struct, kw_only=True, rename="camel"):
    """Entries in their order; `head` is NUMBER:DIGEST of the newest one there is, or empty."""

    items: list[AuditEntry]
    head: str
    api_version: str = "iolaus.dev/v1"
    kind: str = "AuditList"


def audit_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/audit",
        operation_id="listAudit",
        summary="Who asked for what, and what became of it",
        tags=["audit"],
        responses=of_type(AuditList, "The entries.", 400, 401, 403),
    )
    async def list_audit(
        request: Request[Any, Any, Any],
        after: Annotated[
            int, QueryParameter(ge=0, le=2**62, description="From the entry behind this number.")
        ] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_ENTRIES)] = 1_000,
    ) -> Response[Any]:
        _check(request)
        found = await context.audit.entries(after=after, limit=limit)
        head = context.audit.head
        return Response(AuditList(items=[_shown(e) for e in found], head=str(head) if head else ""))

    return [list_audit, _checkpoint(context), _key(context)]


def _checkpoint(context: Context) -> HTTPRouteHandler:
    @get(
        "/audit/checkpoint",
        operation_id="getAuditCheckpoint",
        summary="The newest entry, signed: to be kept where nobody of this house can write",
        tags=["audit"],
        responses=of_type(Checkpoint, "The checkpoint.", 400, 401, 403, 501),
    )
    async def checkpoint(request: Request[Any, Any, Any]) -> Response[Any]:
        _check(request)
        return Response(await _offered(context).newest())

    return checkpoint


def _key(context: Context) -> HTTPRouteHandler:
    good = ResponseSpec(
        data_container=bytes,
        generate_examples=False,
        description="The public key (Ed25519) as PEM.",
        media_type=PEM,
    )

    @get(
        "/audit/key",
        operation_id="getAuditKey",
        summary="The public key that checkpoints of the audit log are signed with",
        tags=["audit"],
        media_type=PEM,
        responses={200: good, **problems(401, 403, 501)},
    )
    async def key(request: Request[Any, Any, Any]) -> Response[bytes]:
        _check(request)
        return Response(await _offered(context).public_key(), media_type=PEM)

    return key


def _check(request: Request[Any, Any, Any]) -> None:
    principal = principal_of(request, Deed.AUDIT)
    if principal.scope:
        raise PolicyRefused(
            "the audit log speaks of the whole hall, and this token has a scope",
            operation="audit",
            subject=principal.name,
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )


def _offered(context: Context) -> Checkpointing:
    if context.checkpoints is None:
        raise WeErred(
            "this server signs no checkpoints",
            operation="audit",
            subject="checkpoint",
            code="NotOffered",
            next_step="ask the server of the hall.",
        )
    return context.checkpoints


def _shown(entry: Entry) -> AuditEntry:
    return AuditEntry(**msgspec.structs.asdict(entry))
