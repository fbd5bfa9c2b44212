"""Machines taken on through the API: what is expected, what appeared, and people's answers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, PolicyRefused, WeErred
from iolaus.model.candidate import Appearance, Way
from iolaus.model.expected import ExpectedHardware, json_schema
from iolaus.north.api.baselines import Origin
from iolaus.north.api.lists import DryRun, one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME
from iolaus.north.onboarding import Onboards
from iolaus.north.problems import not_found

CANDIDATE: Final = BY_NAME["candidate"]
REFUSALS: Final = (400, 401, 403, 404, 409, 413, 415, 501)
Short = Annotated[str, Meta(max_length=256)]


class FactoryLoginSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A login that came with a delivery."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    user: Annotated[str, Meta(min_length=1, max_length=128)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]

    def __repr__(self) -> str:
        return f"FactoryLoginSpec(name={self.name!r}, user={self.user!r}, password=...)"


class FactoryLogins(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Logins to be sealed in the credential store; none of them ever comes back."""

    spec: Annotated[list[FactoryLoginSpec], Meta(max_length=20_000)]


class FactoryLoginsKept(msgspec.Struct, kw_only=True):
    """How many were kept."""

    kept: int


class ExpectedApplied(msgspec.Struct, kw_only=True):
    """What became of a list. `unknown` are factory logins that it names and nobody keeps."""

    name: str
    outcome: Annotated[str, Meta(description="created, changed or unchanged.")]
    generation: int
    nodes: int
    unknown: list[str]
    dry_run: bool


class AppearanceSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A controller that somebody saw: `address` as for discovering, `mac` of its lease, `site`
    where several are held."""

    address: Annotated[str, Meta(min_length=1, max_length=256)]
    mac: Annotated[str, Meta(max_length=32)] = ""
    hostname: Short = ""
    site: Annotated[str, Meta(max_length=63)] = ""
    way: Literal["dhcp", "ssdp", "scan", "list"] = "dhcp"


class Appearances(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Controllers that were seen."""

    spec: Annotated[list[AppearanceSpec], Meta(max_length=20_000)]


class AppearancesTaken(msgspec.Struct, kw_only=True):
    """How many were new."""

    taken: int
    new: int


class Approving(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Yes to a candidate; with `fingerprint` only to the certificate that it shows."""

    fingerprint: Annotated[str, Meta(max_length=128)] = ""


class Rejecting(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """No, and why."""

    reason: Short = ""


class HandingOver(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """To whom. `login`: with the controller's login, for whoever installs; `taken`: they have it,
    nothing is left to be done."""

    to: Literal["metal3", "ironic"]
    namespace: Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9-]*$")] = ""
    login: bool = False
    taken: bool = False


class HandoverDocuments(msgspec.Struct, kw_only=True):
    """What whoever installs wants to be told, in the order in which it is applied."""

    to: str
    documents: list[dict[str, Any]]


class Answered(msgspec.Struct, kw_only=True):
    """What came of an answer, in words."""

    message: str


def onboarding_routes(context: Context) -> list[HTTPRouteHandler]:
    return [
        _apply(context),
        _export(context),
        _remove(context),
        _logins(context),
        _approve_list(context),
        _appear(context),
        _approve(context),
        _reject(context),
        _retry(context),
        _recommission(context),
        _hand_over(context),
        _schema(),
    ]


# --- lists ------------------------------------------------------------------------------------


def _apply(context: Context) -> HTTPRouteHandler:
    @put(
        "/expected/{name:str}",
        operation_id="applyExpectedHardware",
        summary="Say which hardware is expected",
        tags=["onboarding"],
        responses=of_type(ExpectedApplied, "What became of it.", *REFUSALS),
    )
    async def apply(
        request: Request[Any, Any, Any],
        name: Name,
        data: JSONBody[ExpectedHardware],
        dry_run: DryRun = None,
        source: Origin = None,
    ) -> Response[Any]:
        principal, port = _whole(request, Deed.MANAGE), _port(context)
        if data.name != name:
            raise OperatorMust(
                f"the path says {name!r} and metadata.name {data.name!r}",
                operation="apply",
                subject=f"expected/{name}",
                code="NameDiffers",
                next_step="use one name in both.",
            )
        before = port.lists().get(name)
        kept = await port.put_list(
            data, by=principal.name, source=source or "api", keep=dry_run is None
        )
        outcome = "created" if before is None else "changed"
        outcome = "unchanged" if before and before.document == data else outcome
        return Response(
            ExpectedApplied(
                name=name,
                outcome=outcome,
                generation=kept.generation,
                nodes=len(data.spec.nodes),
                unknown=_unknown(context, data),
                dry_run=dry_run is not None,
            )
        )

    return apply


def _unknown(context: Context, data: ExpectedHardware) -> list[str]:
    known = set(context.secrets.names()) if context.secrets else set()
    named = {data.spec.credential, *(node.credential for node in data.spec.nodes)}
    return sorted(name for name in named if name and name not in known)


def _export(context: Context) -> HTTPRouteHandler:
    @get(
        "/expected/{name:str}/export",
        operation_id="exportExpectedHardware",
        summary="A list of expected hardware as it was applied",
        tags=["onboarding"],
        responses=of_type(ExpectedHardware, "The list.", 400, 401, 403, 404, 501),
    )
    async def export(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        _whole(request, Deed.READ)
        kept = _port(context).lists().get(name)
        if kept is None:
            raise not_found("expected", name)
        return Response(kept.document)

    return export


def _remove(context: Context) -> HTTPRouteHandler:
    @delete(
        "/expected/{name:str}",
        status_code=200,
        operation_id="removeExpectedHardware",
        summary="Expect the hardware of a list no more; what is claimed stays",
        tags=["onboarding"],
        responses=of_type(Answered, "What was removed.", 400, 401, 403, 404, 501),
    )
    async def remove(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        _whole(request, Deed.MANAGE)
        if await _port(context).remove_list(name) is None:
            raise not_found("expected", name)
        return Response(Answered(message=f"expected/{name} is removed"))

    return remove


def _logins(context: Context) -> HTTPRouteHandler:
    @post(
        "/expected/{name:str}/logins",
        status_code=200,
        operation_id="keepFactoryLogins",
        summary="Keep factory logins of a delivery, sealed",
        tags=["onboarding"],
        responses=of_type(FactoryLoginsKept, "How many were kept.", *REFUSALS),
    )
    async def logins(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[FactoryLogins]
    ) -> Response[Any]:
        del name
        _whole(request, Deed.DISCOVER)
        if context.secrets is None:
            raise _not_offered()
        context.secrets.put_all({each.name: (each.user, each.password) for each in data.spec})
        return Response(FactoryLoginsKept(kept=len(data.spec)))

    return logins


def _approve_list(context: Context) -> HTTPRouteHandler:
    @post(
        "/expected/{name:str}/approve",
        status_code=200,
        operation_id="approveExpectedHardware",
        summary="Say yes to all that are exactly as a list expects",
        tags=["onboarding"],
        responses=of_type(Answered, "What came of it.", *REFUSALS),
    )
    async def approve(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        return Response(Answered(message=await say_yes_to_list(context, request, name)))

    return approve


def _schema() -> HTTPRouteHandler:
    @get(
        "/schemas/expectedhardware",
        operation_id="getExpectedHardwareSchema",
        summary="JSON Schema of a list of expected hardware",
        tags=["onboarding"],
        responses=of_type(dict[str, Any], "JSON Schema 2020-12.", 401),
    )
    async def schema(request: Request[Any, Any, Any]) -> Response[Any]:
        principal_of(request)
        return Response(json_schema())

    return schema


# --- candidates -------------------------------------------------------------------------------


def _appear(context: Context) -> HTTPRouteHandler:
    @post(
        "/appearances",
        status_code=200,
        operation_id="tellAppearances",
        summary="Tell of controllers that were seen, as a DHCP server's hook does",
        tags=["onboarding"],
        responses=of_type(AppearancesTaken, "How many were new.", *REFUSALS),
    )
    async def appear(request: Request[Any, Any, Any], data: JSONBody[Appearances]) -> Response[Any]:
        _whole(request, Deed.DISCOVER)
        now = context.clock.now()
        found = [
            Appearance(
                address=e.address,
                way=Way(e.way),
                at=now,
                mac=e.mac,
                hostname=e.hostname,
                site=e.site,
            )
            for e in data.spec
        ]
        new = await _port(context).appear(found)
        return Response(AppearancesTaken(taken=len(found), new=new))

    return appear


def _approve(context: Context) -> HTTPRouteHandler:
    @post(
        "/candidates/{name:str}/approve",
        status_code=200,
        operation_id="approveCandidate",
        summary="Say yes to a candidate, or to the certificate that it shows",
        tags=["onboarding"],
        responses=of_type(Answered, "What came of it.", *REFUSALS),
    )
    async def approve(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Approving]
    ) -> Response[Any]:
        told = await say_yes(context, request, name, fingerprint=data.fingerprint)
        return Response(Answered(message=told))

    return approve


async def say_yes(
    context: Context, request: Request[Any, Any, Any], name: str, *, fingerprint: str = ""
) -> str:
    """To a candidate, by who asks; what came of it. Raises what the port raises, and for who may
    not."""
    principal = await _who(context, request, name)
    return await _port(context).approve(name, by=principal.name, fingerprint=fingerprint)


async def say_yes_to_list(context: Context, request: Request[Any, Any, Any], name: str) -> str:
    """To all that are as a list expects."""
    principal = _whole(request, Deed.MANAGE)
    return await _port(context).approve_list(name, by=principal.name)


def _reject(context: Context) -> HTTPRouteHandler:
    @post(
        "/candidates/{name:str}/reject",
        status_code=200,
        operation_id="rejectCandidate",
        summary="Have nothing to do with a candidate",
        tags=["onboarding"],
        responses=of_type(Answered, "What came of it.", *REFUSALS),
    )
    async def reject(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[Rejecting]
    ) -> Response[Any]:
        principal = await _who(context, request, name)
        await _port(context).reject(name, by=principal.name, reason=data.reason)
        return Response(Answered(message=f"candidate/{name} is rejected"))

    return reject


def _retry(context: Context) -> HTTPRouteHandler:
    @post(
        "/candidates/{name:str}/retry",
        status_code=200,
        operation_id="retryCandidate",
        summary="Go on with a candidate where it stands",
        tags=["onboarding"],
        responses=of_type(TYPES["candidate"][0], "The candidate.", *REFUSALS),
    )
    async def retry(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = await _who(context, request, name)
        await _port(context).retry(name, by=principal.name)
        item = await context.fleet.find(CANDIDATE, name, scope=principal.scope)
        if item is None:
            raise not_found("candidate", name)
        return Response(one_object(context, CANDIDATE, item))

    return retry


def _recommission(context: Context) -> HTTPRouteHandler:
    @post(
        "/candidates/{name:str}/recommission",
        status_code=200,
        operation_id="recommissionCandidate",
        summary="Begin anew with a machine that was retired",
        tags=["onboarding"],
        responses=of_type(Answered, "What came of it.", *REFUSALS),
    )
    async def recommission(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = await _who(context, request, name)
        await _port(context).recommission(name, by=principal.name)
        return Response(Answered(message=f"candidate/{name} begins anew"))

    return recommission


def _hand_over(context: Context) -> HTTPRouteHandler:
    @post(
        "/candidates/{name:str}/handover",
        status_code=200,
        operation_id="handOverCandidate",
        summary="What Metal3 or Ironic want to be told of a node",
        tags=["onboarding"],
        responses=of_type(HandoverDocuments, "The documents.", *REFUSALS),
    )
    async def hand_over(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[HandingOver]
    ) -> Response[Any]:
        principal, port = await _who(context, request, name), _port(context)
        found = await port.documents(name, to=data.to, namespace=data.namespace, login=data.login)
        if data.taken:
            await port.handed(name, to=data.to, by=principal.name)
        return Response(HandoverDocuments(to=data.to, documents=[dict(each) for each in found]))

    return hand_over


async def _who(context: Context, request: Request[Any, Any, Any], name: str) -> Principal:
    """What a scope does not show is not there."""
    principal = principal_of(request, Deed.MANAGE)
    if principal.scope and await context.fleet.find(CANDIDATE, name, scope=principal.scope) is None:
        raise not_found("candidate", name)
    return principal


def _whole(request: Request[Any, Any, Any], deed: Deed) -> Principal:
    principal = principal_of(request, deed)
    if principal.scope:
        raise PolicyRefused(
            "a token with a scope does not speak of what is not there yet",
            operation=deed.value,
            subject="expected hardware",
            code="ScopeTooSmall",
            next_step="use a token without a scope.",
        )
    return principal


def _port(context: Context) -> Onboards:
    if context.onboards is None:
        raise _not_offered()
    return context.onboards


def _not_offered() -> WeErred:
    return WeErred(
        "this server takes no machines on",
        operation="onboard",
        subject="candidates",
        code="NotOffered",
        next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
    )
