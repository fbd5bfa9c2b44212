"""`POST /api/v1/discoveries`: asking for endpoints to be found; the answer is a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta

from iolaus.kernel.errors import OperatorMust, PolicyRefused, WeErred
from iolaus.model.endpoint import Target
from iolaus.model.naming import endpoint_name
from iolaus.model.select import lookup_in
from iolaus.north.api.lists import DryRun, principal_of
from iolaus.north.api.objects import API_VERSION
from iolaus.north.api.resources import of_type
from iolaus.north.api.tasks import TaskObject, task_object
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context, Discovers, DiscoveryOrder, Found
from iolaus.north.tasks import State, Task, TaskResult, TaskStatus

MAX_TARGETS: Final = 10_000
Word = Annotated[str, Meta(min_length=1, max_length=512)]
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same body gives the same task.",
    ),
]


class CredentialRef(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An entry of the credential store by name, or an account. Never shown again."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    password: Annotated[str, Meta(max_length=1024)] | None = None


class DiscoverySpec(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """What to discover, and how to be let in."""

    targets: Annotated[
        list[Word],
        Meta(max_length=MAX_TARGETS, description="Hosts, https:// addresses, CIDR, host ranges."),
    ] = []
    hosts_file: (
        Annotated[str, Meta(max_length=8_000_000, description="The text of a hosts file.")] | None
    ) = None
    credential: CredentialRef | None = None
    trust: Annotated[
        Literal["verify", "first"],
        Meta(description="`first` pins an unknown certificate at first contact."),
    ] = "verify"
    allow_http: bool = False
    ssdp: bool = False
    site: Annotated[
        str,
        Meta(
            max_length=63, description="The site of what names none; in a cluster its edges look."
        ),
    ] = ""


class Discovery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A request to discover endpoints."""

    spec: DiscoverySpec
    api_version: Literal["iolaus.dev/v1"] = API_VERSION
    kind: Literal["Discovery"] = "Discovery"
    metadata: Mapping[str, Any] = {}


def discovery_routes(context: Context) -> list[HTTPRouteHandler]:
    @post(
        "/discoveries",
        status_code=202,
        operation_id="discover",
        summary="Discover endpoints",
        tags=["discoveries"],
        responses={
            **of_type(
                TaskObject, "Dry run: what would be tried.", 400, 401, 403, 409, 413, 415, 422, 501
            ),
            202: of_type(TaskObject, "Begun; follow the task.")[200],
        },
    )
    async def discover(
        request: Request[Any, Any, Any],
        data: JSONBody[Discovery],
        dry_run: DryRun = None,
        key: Key = None,
    ) -> Response[Any]:
        principal = principal_of(request, Deed.DISCOVER)
        port = _offered(context.discover)
        body = msgspec.json.encode(data)
        repeated = context.tasks.repeated(key=key, by=principal.name, body=body)
        if repeated is not None:
            return _accepted(repeated)
        order = _order(data.spec)
        _check_scope(principal, port, order)
        what = _say(data.spec)
        if dry_run is not None:
            return Response(_dry(port, order, what=what, by=principal.name), status_code=200)
        task = context.tasks.start(
            lambda note: port.run(order, _noting(note)),
            what=what,
            by=principal.name,
            key=key,
            body=body,
        )
        return _accepted(task)

    return [discover]


def _accepted(task: Task) -> Response[Any]:
    headers = {"Location": f"/api/v1/tasks/{task.name}"}
    return Response(task_object(task), status_code=202, headers=headers)


def _offered(port: Discovers | None) -> Discovers:
    if port is None:
        raise WeErred(
            "this server does not discover",
            operation="discover",
            subject="targets",
            code="NotOffered",
            next_step="ask the server that was started with `iolaus up` or `iolaus serve`.",
        )
    return port


def _order(spec: DiscoverySpec) -> DiscoveryOrder:
    if not spec.targets and not spec.hosts_file and not spec.ssdp:
        raise OperatorMust(
            "nothing to discover is named",
            operation="discover",
            subject="spec",
            code="NothingNamed",
            next_step="name targets, a hostsFile, or ssdp: true.",
        )
    credential = spec.credential or CredentialRef()
    return DiscoveryOrder(
        targets=tuple(spec.targets),
        hosts_file=spec.hosts_file,
        user=credential.user,
        password=credential.password,
        credential=credential.name,
        trust_first=spec.trust == "first",
        allow_http=spec.allow_http,
        ssdp=spec.ssdp,
        site=spec.site,
    )


def _check_scope(principal: Principal, port: Discovers, order: DiscoveryOrder) -> None:
    """Reads the order's targets (so that a mistake is told at once) and keeps to the scope."""
    targets = port.targets(order)
    if not principal.scope:
        return
    outside = [each for each in targets if not _inside(principal, each)]
    if outside or order.ssdp:
        raise PolicyRefused(
            "outside the scope of this token",
            operation="discover",
            subject=outside[0].address if outside else "ssdp",
            code="OutOfScope",
            next_step="name hosts with labels in a hosts file, all within the scope.",
        )


def _inside(principal: Principal, target: Target) -> bool:
    lookup = lookup_in(labels=target.labels, fields={"address": target.address})
    return principal.scope.matches(endpoint_name(target), lookup)


def _say(spec: DiscoverySpec) -> str:
    named = [*spec.targets[:5], *(["..."] if len(spec.targets) > 5 else [])]
    extra = [*(["a hosts file"] if spec.hosts_file else []), *(["ssdp"] if spec.ssdp else [])]
    return "discover " + ", ".join([*named, *extra])


def _dry(port: Discovers, order: DiscoveryOrder, *, what: str, by: str) -> TaskObject:
    results = [
        TaskResult(address=each.address, outcome="would-try", name=each.name)
        for each in port.targets(order)
    ]
    status = TaskStatus(
        state=State.SUCCEEDED,
        message="dry run: nothing was tried",
        counts={"would-try": len(results)},
        results=results[:MAX_TARGETS],
    )
    return task_object(Task(name="dry-run", what=what, by=by, status=status))


def _noting(note: Callable[[TaskResult], None]) -> Callable[[Found], None]:
    return lambda found: note(
        TaskResult(
            address=found.address,
            outcome=found.outcome,
            name=found.name,
            message=found.message,
            next_step=found.next_step,
            fingerprint=found.fingerprint,
        )
    )
