"""What good looks like, through the API: baselines, and the causes of departures from them.

A baseline that arrives here was nearly always checked by the command line first, with line and
column; here the shape is checked by the model's types and the rest by the same checks, so that a
program is told as much as a person.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter

from iolaus.fleet.check import check
from iolaus.fleet.export import baseline_from
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Baseline, json_schema
from iolaus.model.select import parse_selector
from iolaus.north.api.endpoints import IfMatch, changed
from iolaus.north.api.lists import (
    DryRun,
    LabelSelector,
    known_keys,
    one_object,
    principal_of,
)
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, etag, of_type
from iolaus.north.auth import Deed
from iolaus.north.context import Context
from iolaus.north.dto.desired import Applied, CauseList, document_of
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

BASELINE: Final = BY_NAME["baseline"]
DRIFT: Final = BY_NAME["drift"]
Of = Annotated[
    str | None, QueryParameter(name="baseline", max_length=64, description="Of this one only.")
]
Origin = Annotated[
    str | None,
    QueryParameter(
        name="source", max_length=400, description="Where it came from: a file, a commit."
    ),
]


def baseline_routes(context: Context) -> list[HTTPRouteHandler]:
    return [
        _apply(context),
        _remove(context),
        _causes(context),
        _causes_as_if(context),
        _export(context),
        _schema(),
    ]


def _apply(context: Context) -> HTTPRouteHandler:
    @put(
        "/baselines/{name:str}",
        operation_id="applyBaseline",
        summary="Apply a baseline: say what good looks like",
        tags=["baselines"],
        responses=of_type(Applied, "What became of it.", 400, 401, 403, 412, 413, 415),
    )
    async def apply(
        request: Request[Any, Any, Any],
        name: Name,
        data: JSONBody[Baseline],
        dry_run: DryRun = None,
        source: Origin = None,
        if_match: IfMatch = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.APPLY)
        _must_see_all(principal.scope)
        _check(name, data)
        before = context.baselines.get(name)
        if if_match not in (None, "*") and if_match != etag(before.generation if before else 0):
            raise changed(f"baseline/{name}")
        outcome = "created" if before is None else "changed"
        outcome = "unchanged" if before and before.baseline == data else outcome
        generation = (before.generation if before else 0) + (outcome != "unchanged")
        if dry_run is None:
            kept = await context.baselines.put(
                data, at=context.clock.now(), by=principal.name, source=source or "api"
            )
            generation = kept.generation
        found = await context.desired.as_if(data, principal.scope)
        return Response(
            Applied(
                name=name,
                outcome=outcome,
                generation=generation,
                selects=found.nodes,
                dry_run=dry_run is not None,
            ),
            headers={"ETag": etag(generation)},
        )

    return apply


def _remove(context: Context) -> HTTPRouteHandler:
    @delete(
        "/baselines/{name:str}",
        status_code=200,
        operation_id="removeBaseline",
        summary="Remove a baseline: its nodes are compared with it no more",
        tags=["baselines"],
        responses=of_type(TYPES["baseline"][0], "What was removed.", 400, 401, 403, 404, 412),
    )
    async def remove(
        request: Request[Any, Any, Any],
        name: Name,
        dry_run: DryRun = None,
        if_match: IfMatch = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.APPLY)
        _must_see_all(principal.scope)
        item = await context.fleet.find(BASELINE, name, scope=principal.scope)
        if item is None:
            raise not_found("baseline", name)
        if if_match not in (None, "*", etag(item.revision)):
            raise changed(f"baseline/{name}")
        gone = one_object(context, BASELINE, item)
        if dry_run is None:
            await context.baselines.remove(name)
        return Response(gone)

    return remove


def _causes(context: Context) -> HTTPRouteHandler:
    @get(
        "/causes",
        operation_id="listCauses",
        summary="Why nodes depart from their baselines, grouped by cause",
        tags=["drifts"],
        responses=of_type(CauseList, "The causes.", 400, 401, 403, 404),
    )
    async def list_causes(
        request: Request[Any, Any, Any],
        label_selector: LabelSelector = None,
        baseline: Of = None,
    ) -> Response[Any]:
        principal = principal_of(request)
        known = known_keys(context, DRIFT)
        selectors = (parse_selector(label_selector, known=known),) if label_selector else ()
        if baseline and context.baselines.get(baseline) is None:
            raise not_found("baseline", baseline)
        return Response(await context.desired.causes(principal.scope, selectors, baseline or ""))

    return list_causes


def _causes_as_if(context: Context) -> HTTPRouteHandler:
    @post(
        "/causes",
        status_code=200,
        operation_id="compareBaseline",
        summary="Compare the hall with a baseline that is not applied",
        tags=["drifts"],
        responses=of_type(CauseList, "The causes there would be.", 400, 401, 403, 413, 415),
    )
    async def compare(request: Request[Any, Any, Any], data: JSONBody[Baseline]) -> Response[Any]:
        principal = principal_of(request)
        _check(data.name, data)
        return Response(await context.desired.as_if(data, principal.scope))

    return compare


def _export(context: Context) -> HTTPRouteHandler:
    @get(
        "/drifts/{name:str}/export",
        operation_id="exportBaseline",
        summary="A baseline that a live node would satisfy; it can be applied",
        tags=["drifts"],
        responses=of_type(Baseline, "The baseline.", 400, 401, 403, 404),
    )
    async def export(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request)
        place = context.fleet.index().get(name)
        facts = next(
            (
                each
                for each in (context.desired.ledger.node_facts(place[0]) if place else ())
                if place and each.key == place[1]
            ),
            None,
        )
        if facts is None or (principal.scope and not principal.scope.matches(name, facts.lookup())):
            raise not_found("node", name)
        return Response(document_of(baseline_from(facts, name=name)))

    return export


def _schema() -> HTTPRouteHandler:
    @get(
        "/schemas/baseline",
        operation_id="getBaselineSchema",
        summary="JSON Schema of a baseline file",
        tags=["baselines"],
        responses=of_type(dict[str, Any], "JSON Schema 2020-12.", 401),
    )
    async def schema(request: Request[Any, Any, Any]) -> Response[Any]:
        principal_of(request)
        return Response(json_schema())

    return schema


def _check(name: str, baseline: Baseline) -> None:
    if baseline.name != name:
        raise OperatorMust(
            f"the path says {name!r} and metadata.name {baseline.name!r}",
            operation="apply",
            subject=f"baseline/{name}",
            code="NameDiffers",
            next_step="use one name in both.",
        )
    wrong = check(baseline)
    if wrong:
        first = wrong[0]
        raise OperatorMust(
            f"{first.where}: {first.message}",
            operation="apply",
            subject=f"baseline/{name}",
            code="BaselineInvalid",
            next_step=first.next_step,
        )


def _must_see_all(scope: Any) -> None:
    """A baseline speaks of the whole hall."""
    if scope:
        raise OperatorMust(
            "a token with a scope may not say what the whole hall should be",
            operation="apply",
            subject="baseline",
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )
