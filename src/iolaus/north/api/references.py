"""Reference values through the API: imported with the anchors they are held against, removed.

The document travels as it is, in Base64, and is read and judged by the server: what a client says
of a document counts for nothing. Its bytes are kept, so that it can be judged again.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust
from iolaus.model.claims import Packages
from iolaus.model.reference import KeptReference
from iolaus.north.api.chosen import chosen_nodes
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, LearnOrder, ReferenceOrder
from iolaus.north.dto.references import reference_view
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

REFERENCE: Final = BY_NAME["reference"]


class NamedFile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file."""

    name: Annotated[str, Meta(min_length=1, max_length=300)]
    data: Annotated[bytes, Meta(description="Its content, in Base64.")]


class ImportSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A document of reference values."""

    document: NamedFile
    anchors: Annotated[
        list[NamedFile],
        Meta(max_length=64, description="Certificates or public keys that may sign it."),
    ] = []
    accept_unverified: Annotated[
        bool, Meta(description="Keep it also if nobody vouches for it; it counts for nothing.")
    ] = False


class ImportOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request to import a document."""

    spec: ImportSpec


class LearnSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Whose measurements are kept: of nodes by name, and of those that a selector selects."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    nodes: Annotated[list[str], Meta(max_length=10_240)] = []
    label_selector: Annotated[str, Meta(max_length=4096)] = ""
    component: Annotated[
        str, Meta(max_length=200, description="Which of them, with * and ?: HGX_ERoT_GPU_*")
    ] = "*"
    least: Annotated[
        int, Meta(ge=1, le=100_000, description="How many of a kind there must be.")
    ] = 2


class LearnRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request to learn reference values."""

    spec: LearnSpec


def reference_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_import(context), _learn(context), _remove(context)]


def _learn(context: Context) -> HTTPRouteHandler:
    @post(
        "/references/learn",
        status_code=200,
        operation_id="learnReference",
        summary="Keep what components that agree have measured, labelled as learned",
        tags=["references"],
        responses=of_type(
            TYPES["reference"][0], "What was learned.", 400, 401, 403, 404, 409, 413, 415
        ),
    )
    async def learn(
        request: Request[Any, Any, Any], data: JSONBody[LearnRequest], dry_run: DryRun = None
    ) -> Response[Any]:
        principal, spec = principal_for_all(request), data.spec
        if context.references is None:
            raise not_found("reference", spec.name)
        wanted = await chosen_nodes(context, spec.nodes, spec.label_selector, principal.scope)
        named = {
            row.held.place: row.node
            for row in context.attestations.rows(principal.scope)
            if row.node in wanted and fnmatchcase(row.held.name, spec.component)
        }
        order = LearnOrder(name=spec.name, named=named, least=spec.least)
        kept = await context.references.learn(order, by=principal.name, keep=dry_run is None)
        return Response(one_object(context, REFERENCE, reference_item(context, kept)))

    return learn


def reference_item(context: Context, kept: KeptReference) -> Item:
    """As it is shown after it was imported."""
    others = context.references.all().values() if context.references else ()
    packages = Packages((*others, kept))
    view = reference_view(kept, now=context.clock.now(), packages=packages)
    return Item(
        name=kept.name, origin=f"reference/{kept.name}", key=(kept.name,), revision=1, view=view
    )


def _import(context: Context) -> HTTPRouteHandler:
    @post(
        "/references",
        status_code=200,
        operation_id="importReference",
        summary="Import a document of reference values",
        tags=["references"],
        responses=of_type(
            TYPES["reference"][0], "What was read from it.", 400, 401, 403, 404, 409, 413, 415
        ),
    )
    async def take(
        request: Request[Any, Any, Any], data: JSONBody[ImportOrder], dry_run: DryRun = None
    ) -> Response[Any]:
        principal = principal_for_all(request)
        if context.references is None:
            raise not_found("reference", data.spec.document.name)
        order = ReferenceOrder(
            source=data.spec.document.name,
            data=data.spec.document.data,
            anchors=tuple((each.name, each.data) for each in data.spec.anchors),
            accept_unverified=data.spec.accept_unverified,
        )
        kept = await context.references.take(order, by=principal.name, keep=dry_run is None)
        return Response(one_object(context, REFERENCE, reference_item(context, kept)))

    return take


def _remove(context: Context) -> HTTPRouteHandler:
    @delete(
        "/references/{name:str}",
        status_code=200,
        operation_id="removeReference",
        summary="Remove a document of reference values",
        tags=["references"],
        responses=of_type(TYPES["reference"][0], "What was removed.", 400, 401, 403, 404),
    )
    async def remove(
        request: Request[Any, Any, Any], name: Name, dry_run: DryRun = None
    ) -> Response[Any]:
        principal = principal_for_all(request)
        item = await context.fleet.find(REFERENCE, name, scope=principal.scope)
        if item is None or context.references is None:
            raise not_found("reference", name)
        gone = one_object(context, REFERENCE, item)
        if dry_run is None:
            await context.references.remove(name)
        return Response(gone)

    return remove


def principal_for_all(request: Request[Any, Any, Any]) -> Principal:
    """Who may say what the whole hall is held against."""
    principal = principal_of(request, Deed.SECURE)
    if principal.scope:
        raise OperatorMust(
            "a token with a scope may not say what the whole hall is held against",
            operation="import",
            subject="reference",
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )
    return principal
