"""Plans through the API: made, reviewed, approved, applied.

A plan is made from what is known now and kept as it is; whoever may plan may look first
(`dryRun=All`). It is applied by its name alone, so what was approved is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.fleet.plan_text import plan_text
from iolaus.kernel.errors import OperatorMust, PolicyRefused, WeErred
from iolaus.model.desired import Share
from iolaus.model.plan import Asked, Plan
from iolaus.model.select import EVERYTHING, Selector, parse_selector
from iolaus.north.api.discoveries import Key
from iolaus.north.api.lists import DryRun, known_keys, one_object, principal_of
from iolaus.north.api.objects import API_VERSION, TYPES, Object
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, Rolls, Standing
from iolaus.north.fleet import Item
from iolaus.north.keys import Keys
from iolaus.north.kinds import BY_NAME, NODE
from iolaus.north.problems import not_found

PLAN: Final = BY_NAME["plan"]
MAX_GROUPS: Final = 32
Group = Annotated[str, Meta(min_length=1, max_length=128)]


class AskedSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is asked of nodes: a kind, and its own words."""

    kind: Annotated[
        str, Meta(min_length=1, max_length=64, description="power, boot ... (docs/rollouts.md).")
    ]
    arguments: Mapping[str, str | int | float | bool | None] = {}


class PlanSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be planned: a baseline, or what is asked of the nodes that are selected."""

    baseline: Annotated[
        str, Meta(max_length=64, description="Its name; empty where something is asked.")
    ] = ""
    selector: Annotated[
        str,
        Meta(max_length=8192, description="Of the baseline's nodes, these only; who is asked."),
    ] = ""
    asked: AskedSpec | None = None
    rules: Annotated[
        str,
        Meta(
            max_length=64,
            description="The baseline whose window, limits, drain and approvals hold for what is "
            "asked. Empty: of those that select the nodes.",
        ),
    ] = ""
    batch: Annotated[
        Share | None, Meta(description="Of what is asked, so many nodes or percent at once.")
    ] = None


class PlanOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A request for a plan."""

    spec: PlanSpec
    api_version: Literal["iolaus.dev/v1"] = API_VERSION
    kind: Literal["Plan"] = "Plan"
    metadata: Mapping[str, Any] = {}


class Approve(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An approval. Without groups: for all that the plan asks and you belong to."""

    groups: Annotated[list[Group], Meta(max_length=MAX_GROUPS)] = []


def plan_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_make(context), _approve(context), _apply(context)]


def _make(context: Context) -> HTTPRouteHandler:
    keys = Keys()

    @post(
        "/plans",
        status_code=201,
        operation_id="makePlan",
        summary="Plan what would bring nodes to a baseline",
        tags=["plans"],
        responses={
            **of_type(
                TYPES["plan"][0],
                "Dry run: the plan there would be; it is not kept.",
                *(400, 401, 403, 404, 413, 415, 422, 501),
            ),
            201: of_type(TYPES["plan"][0], "The plan; review it.")[200],
        },
    )
    async def make(
        request: Request[Any, Any, Any],
        data: JSONBody[PlanOrder],
        dry_run: DryRun = None,
        key: Key = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.PLAN)
        rolls = offered(context)
        body = msgspec.json.encode(data)
        kept = keys.repeated(key=key, by=principal.name, body=body)
        if kept is None:
            plan = await _planned(context, rolls, data.spec, principal, keep=dry_run is None)
            if dry_run is not None:
                looked = context.plans.plan_item(
                    Standing(plan=plan, text=plan_text(plan)), whole=True
                )
                return Response(one_object(context, PLAN, looked), status_code=200)
            kept = context.plans.sheet(plan).name
            keys.note(kept, key=key, by=principal.name, body=body)
        found = await plan_of(context, kept, principal)
        headers = {"Location": f"/api/v1/plans/{kept}"}
        return Response(one_object(context, PLAN, found), headers=headers)

    return make


def _approve(context: Context) -> HTTPRouteHandler:
    @post(
        "/plans/{name:str}/approve",
        status_code=200,
        operation_id="approvePlan",
        summary="Approve a plan",
        tags=["plans"],
        responses=of_type(
            TYPES["plan"][0],
            "The plan, with what it still needs.",
            *(400, 401, 403, 404, 409, 413, 415, 501),
        ),
    )
    async def approve(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Approve]
    ) -> Response[Any]:
        principal = principal_of(request, Deed.APPROVE)
        rolls = offered(context)
        await plan_of(context, name, principal)
        plan = (await rolls.standing(name)).plan
        groups = _groups(plan, name, data.groups, principal)
        await rolls.approve(name, by=principal.name, groups=groups)
        return Response(one_object(context, PLAN, await plan_of(context, name, principal)))

    return approve


def _apply(context: Context) -> HTTPRouteHandler:
    @post(
        "/plans/{name:str}/apply",
        status_code=202,
        operation_id="applyPlan",
        summary="Let a plan run",
        tags=["plans"],
        responses={202: applied(), **only_problems()},
    )
    async def apply(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request, Deed.ROLL)
        rolls = offered(context)
        await plan_of(context, name, principal)
        await rolls.apply(name, by=principal.name)
        found = await plan_of(context, name, principal)
        headers = {"Location": f"/api/v1/rollouts/{name}"}
        return Response(one_object(context, PLAN, found), headers=headers)

    return apply


def applied() -> Any:
    return of_type(TYPES["plan"][0], "It will run; watch the roll-out of this name.")[200]


def only_problems() -> dict[int, Any]:
    found = of_type(Object, "", 400, 401, 403, 404, 409, 413, 415, 501)
    return {status: spec for status, spec in found.items() if status >= 400}


async def plan_of(context: Context, name: str, principal: Principal) -> Item:
    """Raises `OperatorMust` (NotFound) also for what is outside the principal's scope."""
    item = await context.fleet.find(PLAN, name, scope=principal.scope)
    if item is None:
        raise not_found("plan", name)
    return item


def offered(context: Context) -> Rolls:
    if context.rolls is None:
        raise WeErred(
            "this server makes no plans",
            operation="plan",
            subject="rollouts",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return context.rolls


async def _planned(
    context: Context, rolls: Rolls, spec: PlanSpec, principal: Principal, *, keep: bool
) -> Plan:
    """Looked at before it is kept where a scope has to hold. Raises `PolicyRefused`."""
    selector = EVERYTHING
    if spec.selector:
        selector = parse_selector(spec.selector, known=known_keys(context, NODE))
    _one_of_both(spec)
    for name in (spec.baseline, spec.rules):
        if name and context.baselines.get(name) is None:
            raise not_found("baseline", name)
    for kept in [False, True] if keep and principal.scope else [keep]:
        plan = await _made(rolls, spec, selector, by=principal.name, keep=kept)
        outside = await context.plans.outside(plan, principal.scope)
        if outside:
            raise PolicyRefused(
                f"{len(outside)} of its nodes are outside the scope of this token",
                operation="plan",
                subject=f"baseline/{spec.baseline}" if spec.baseline else "asked",
                code="ScopeTooSmall",
                next_step="select nodes within the scope only, with -l.",
            )
    return plan


async def _made(rolls: Rolls, spec: PlanSpec, selector: Selector, *, by: str, keep: bool) -> Plan:
    if spec.asked is None:
        return await rolls.make_plan(spec.baseline, selector=selector, by=by, keep=keep)
    said = {name: value for name, value in spec.asked.arguments.items() if value is not None}
    asked = Asked(kind=spec.asked.kind, arguments=said, rules=spec.rules)
    return await rolls.plan_asked(asked, selector=selector, batch=spec.batch, by=by, keep=keep)


def _one_of_both(spec: PlanSpec) -> None:
    """Raises `OperatorMust` unless it is either a baseline or something asked of somebody."""
    if (spec.asked is None) == (not spec.baseline):
        wrong, then = "a plan is of a baseline or of what is asked", "give one of the two."
    elif spec.asked is None and (spec.rules or spec.batch is not None):
        wrong, then = "a baseline has rules of its own", "leave rules and batch out."
    elif spec.asked is not None and not spec.selector:
        wrong, then = "nobody is selected", "select nodes, by name or by label."
    else:
        return
    raise OperatorMust(wrong, operation="plan", subject="plans", code="BadRequest", next_step=then)


def _groups(plan: Plan, name: str, given: Sequence[str], principal: Principal) -> tuple[str, ...]:
    """In whose name is approved. Raises `OperatorMust`, `PolicyRefused`."""
    asked = tuple(dict.fromkeys(each.group for each in plan.approvals))
    if given and (strange := [each for each in given if each not in asked]):
        raise OperatorMust(
            f"it asks for no approval of {strange[0]}",
            operation="approve",
            subject=f"plan/{name}",
            code="NoSuchApproval",
            next_step=f"it asks {', '.join(asked)}." if asked else "it asks for none: apply it.",
        )
    if principal.name == plan.made_by:
        return tuple(given or asked)  # whoever keeps approvals refuses it, whatever the groups
    mine = tuple(each for each in (given or asked) if principal.speaks_for(each))
    if len(mine) < len(given) or (asked and not mine):
        raise PolicyRefused(
            "this token does not speak for that group",
            operation="approve",
            subject=f"plan/{name}",
            code="NotInGroup",
            next_step=f"somebody of {', '.join(given or asked)} has to approve it; a token of "
            "a group is made with: iolaus token create NAME --role approver --groups GROUP",
        )
    return mine
