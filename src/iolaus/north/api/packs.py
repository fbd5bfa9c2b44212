"""The evidence pack through the API: everything that verdicts rest on, as one signed file.

Whoever may read verdicts may have what they rest on; a token with a scope gets what is in it.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from iolaus.kernel.errors import OperatorMust
from iolaus.north.api.attestations import AttestOrder, offered
from iolaus.north.api.chosen import chosen_nodes
from iolaus.north.api.lists import principal_of
from iolaus.north.api.resources import problems
from iolaus.north.context import Context

ZIP: Final = "application/zip"
PEM: Final = "application/x-pem-file"


class PackOrder(AttestOrder, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Whose evidence: nodes by name, or those that a selector selects; all if neither is given."""


def pack_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_pack(context), _key(context)]


def _pack(context: Context) -> HTTPRouteHandler:
    @post(
        "/evidence-pack",
        status_code=200,
        operation_id="exportEvidence",
        summary="Evidence, references and verdicts as one signed file that stands for itself",
        tags=["attestations"],
        media_type=ZIP,
        response_headers=[ResponseHeader(name="Content-Disposition", value=_DISPOSITION)],
        responses=_document("The pack (docs/evidence-pack.md).", ZIP),
    )
    async def pack(request: Request[Any, Any, Any], data: JSONBody[PackOrder]) -> Response[bytes]:
        principal = principal_of(request)
        port = offered(context)
        wanted = await chosen_nodes(
            context, data.nodes, data.label_selector, principal.scope, none_is_all=True
        )
        rows = context.attestations.rows(principal.scope)
        named = context.attestations.named(row for row in rows if row.node in wanted)
        if not named:
            raise _nothing()
        return Response(await port.pack(named), media_type=ZIP)

    return pack


def _key(context: Context) -> HTTPRouteHandler:
    @get(
        "/evidence-pack/key",
        operation_id="getEvidenceKey",
        summary="The public key that evidence packs of this house are signed with",
        tags=["attestations"],
        media_type=PEM,
        responses=_document("The public key (Ed25519) as PEM.", PEM),
    )
    async def key(request: Request[Any, Any, Any]) -> Response[bytes]:
        principal_of(request)
        return Response(await offered(context).pack_key(), media_type=PEM)

    return key


_DISPOSITION: Final = 'attachment; filename="evidence.zip"'


def _document(description: str, media_type: str) -> dict[int, ResponseSpec]:
    good = ResponseSpec(
        data_container=bytes,
        generate_examples=False,
        description=description,
        media_type=media_type,
    )
    return {200: good, **problems(400, 401, 403, 404, 413, 415, 501)}


def _nothing() -> OperatorMust:
    return OperatorMust(
        "nothing that is meant can attest",
        operation="export evidence",
        subject="nodes",
        code="NothingToExport",
        next_step="see what there is: iolaus get attestations",
    )
