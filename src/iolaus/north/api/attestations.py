"""Attestation through the API: what was proved is a list like any other; asking is a request.

An order is taken at once and done when the endpoint's turn comes; what came of it is read from the
list, where `triedAt` moves on.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.model.appraisal import Appraisal
from iolaus.model.evidence import Outcome
from iolaus.model.select import EVERYTHING, Selector, parse_selector
from iolaus.north.api.lists import LabelSelector, known_keys, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type, problems
from iolaus.north.attestations import Attests
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.dto.attestation import EvidenceView, evidence_view
from iolaus.north.fleet import lookup_of
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found
from iolaus.north.rolledup import GroupList, read_by, rolled_up

ATTESTATION: Final = BY_NAME["attestation"]
MOST: Final = 10_240
By = Annotated[
    str, QueryParameter(max_length=40, description="node, rack (usual), row, hall, or all.")
]


class AttestOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Whom to ask: nodes and devices by name, or those that a selector selects."""

    nodes: Annotated[list[str], Meta(max_length=MOST)] = []
    label_selector: Annotated[str, Meta(max_length=4096)] = ""


class AttestOrdered(msgspec.Struct, kw_only=True, rename="camel"):
    """Who is asked now; and who cannot be, with the reason."""

    asked: Annotated[list[str], Meta(description="Names of nodes and devices.")]
    skipped: Annotated[dict[str, str], Meta(description="Name and reason.")]
    api_version: str = "iolaus.dev/v1"
    kind: str = "AttestOrdered"


def attestation_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_order(context), _groups(context), _evidence(context), _enrol(context)]


def _order(context: Context) -> HTTPRouteHandler:
    @post(
        "/attest",
        status_code=202,
        operation_id="attest",
        summary="Ask components to prove what they run, now",
        tags=["attestations"],
        responses={
            **problems(400, 401, 403, 404, 413, 415, 501),
            202: of_type(AttestOrdered, "They are asked as soon as their turn comes.")[200],
        },
    )
    async def order(request: Request[Any, Any, Any], data: JSONBody[AttestOrder]) -> Response[Any]:
        principal = principal_of(request, Deed.REFRESH)
        port = offered(context)
        asked: list[str] = []
        skipped: dict[str, str] = {}
        for name, address, able in await _meant(context, data, principal.scope):
            if able:
                port.order(address)
                asked.append(name)
            else:
                skipped[name] = "nothing of it can attest"
        return Response(AttestOrdered(asked=asked, skipped=skipped), status_code=202)

    return order


async def _meant(
    context: Context, data: AttestOrder, scope: Selector
) -> list[tuple[str, str, bool]]:
    """(name, endpoint, whether it can attest) of what is named or selected."""
    if not data.nodes and not data.label_selector:
        raise OperatorMust(
            "nothing is named",
            operation="attest",
            subject="nodes",
            code="NothingNamed",
            next_step="name nodes, or select them.",
        )
    known = known_keys(context, BY_NAME["node"])
    selector = parse_selector(data.label_selector, known=known) if data.label_selector else None
    wanted, found = set(data.nodes), []
    for view in await context.fleet.assets(scope):
        named = view.name in wanted
        chosen = selector is not None and selector.matches(view.name, lookup_of(view))
        if named or chosen:
            wanted.discard(view.name)
            report = context.facts.report_of(view.endpoint)
            key = context.fleet.index()[view.name][1]
            able = any(a.asset == key for a in report.attesters) if report else False
            if able or named:
                found.append((view.name, view.endpoint, able))
    if wanted:
        raise not_found("node", min(wanted))
    return found


def _groups(context: Context) -> HTTPRouteHandler:
    @get(
        "/attestation-groups",
        operation_id="groupAttestations",
        summary="Verdicts counted by node, rack, row, hall, or all together",
        tags=["attestations"],
        responses=of_type(GroupList, "One for each group that has an attester.", 400, 401, 403),
    )
    async def groups(
        request: Request[Any, Any, Any],
        by: By = "rack",
        label_selector: LabelSelector = None,
    ) -> Response[Any]:
        scope = principal_of(request).scope
        known = known_keys(context, ATTESTATION)
        selector = parse_selector(label_selector, known=known) if label_selector else EVERYTHING
        rows, now = context.attestations.rows(scope), context.clock.now()
        if selector:
            rows = [each for each in rows if selector.matches(each.node, each.look(now))]
        return Response(GroupList(items=rolled_up(rows, read_by(by), now=now)))

    return groups


def _evidence(context: Context) -> HTTPRouteHandler:
    @get(
        "/attestations/{name:str}/evidence",
        operation_id="getEvidence",
        summary="The evidence of an attester as it came, and what is in it",
        tags=["attestations"],
        responses=of_type(EvidenceView, "The evidence.", 400, 401, 403, 404, 501),
    )
    async def evidence(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request)
        port, held = offered(context), _held(context, name, principal.scope)
        kept = tuple(await port.evidence(held.place))
        last = next((k for k in kept if k.exhibit.outcome is Outcome.ANSWERED), None)
        last = last or next(iter(kept), None)
        examined = await port.examined(last) if last else None
        return Response(evidence_view(name, kept, examined))

    return evidence


def _enrol(context: Context) -> HTTPRouteHandler:
    @post(
        "/attestations/{name:str}/enrol",
        status_code=200,
        operation_id="enrolAttester",
        summary="Let who answered last be this component from now on",
        tags=["attestations"],
        responses=of_type(
            TYPES["attestation"][0], "It is judged anew.", 400, 401, 403, 404, 413, 415, 501
        ),
    )
    async def enrol(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request, Deed.MANAGE)
        port, held = offered(context), _held(context, name, principal.scope)
        if not await port.enrol(held.place, by=principal.name):
            raise OperatorMust(
                "it did not answer with a valid signature",
                operation="enrol",
                subject=name,
                code="NothingToEnrol",
                next_step="ask it first with: iolaus attest",
            )
        item = await context.fleet.find(ATTESTATION, name, scope=principal.scope)
        if item is None:
            raise not_found("attestation", name)
        return Response(one_object(context, ATTESTATION, item))

    return enrol


def offered(context: Context) -> Attests:
    if context.attests is None:
        raise WeErred(
            "this server attests nothing",
            operation="attest",
            subject="server",
            code="NotOffered",
            next_step="ask the server that does.",
        )
    return context.attests


def _held(context: Context, name: str, scope: Selector) -> Appraisal:
    row = context.attestations.find(name, scope)
    if row is None:
        raise not_found("attestation", name)
    return row.held
