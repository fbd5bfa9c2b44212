"""Settings of drains: one entry per scheduler, by the name that baselines call it.

Secrets are never in the settings; files that hold them are, and those are read when they are
needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Final

import msgspec

from iolaus.fleet.drain import kubernetes, slurm, slurmrestd, webhook
from iolaus.fleet.drain.kubernetes import KubernetesDrains
from iolaus.fleet.drain.kubernetes_objects import Policy
from iolaus.fleet.drain.manual import ManualDrains, Marks
from iolaus.fleet.drain.peer import Peer, check_url, read_secret
from iolaus.fleet.drain.port import Drains
from iolaus.fleet.drain.scontrol import Scontrol
from iolaus.fleet.drain.slurm import SlurmDrains
from iolaus.fleet.drain.slurmrestd import Slurmrestd
from iolaus.fleet.drain.webhook import WebhookDrains
from iolaus.fleet.window import parse_duration
from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Duration, Name

ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_UNKNOWN: Final = re.compile(r"(?:unknown field `|Invalid value ')([^`']+)")
NodeBy = Annotated[str, msgspec.Meta(pattern=r"^(hostname|short-hostname|name|label:.{1,253})\Z")]
Filled = Annotated[str, msgspec.Meta(min_length=1)]


class _Settings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="adapter",
):
    """What all of them have. `node` is by what the scheduler names a node: its hostname, that up
    to the first dot, our name, or the value of one of its labels."""

    node: NodeBy = "hostname"
    timeout: Duration = "30s"


class _Spoken(_Settings, frozen=True, kw_only=True):
    """Those that are spoken to over HTTPS. Without `ca_file` the machine's authorities count."""

    url: Filled
    ca_file: str = ""
    allow_http: bool = False


class KubernetesSettings(_Spoken, frozen=True, kw_only=True, tag="kubernetes"):
    """The defaults are those of a pod in the cluster. An empty `token_file` sends no token."""

    url: Filled = "https://kubernetes.default.svc"
    token_file: str = f"{ACCOUNT}/token"
    ca_file: str = f"{ACCOUNT}/ca.crt"
    evict_unmanaged: bool = False
    delete_empty_dir: bool = False
    wait_for_jobs: bool = False


class ScontrolSettings(_Settings, frozen=True, kw_only=True, tag="scontrol"):
    """Commands by their paths, or names to be found. An empty `squeue` lists no jobs; `conf` is
    the file slurm.conf where it is not in its usual place."""

    node: NodeBy = "short-hostname"
    scontrol: Filled = "scontrol"
    squeue: str = "squeue"
    conf: str = ""


class SlurmrestdSettings(_Spoken, frozen=True, kw_only=True, tag="slurmrestd"):
    """`user` is sent beside the token where the daemon wants it."""

    node: NodeBy = "short-hostname"
    token_file: Filled
    user: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._@-]{0,64}\Z")] = ""
    version: Annotated[str, msgspec.Meta(pattern=r"^v0\.0\.[0-9]{2,3}\Z")] = slurmrestd.VERSION


class WebhookSettings(_Spoken, frozen=True, kw_only=True, tag="webhook"):
    """`poll_url` is asked for the state; empty: `url` is."""

    secret_file: Filled
    poll_url: str = ""


class ManualSettings(_Settings, frozen=True, kw_only=True, tag="manual"):
    """A person drains and says so."""


DrainSettings = (
    KubernetesSettings | ScontrolSettings | SlurmrestdSettings | WebhookSettings | ManualSettings
)
_KINDS: Final = (
    KubernetesSettings,
    ScontrolSettings,
    SlurmrestdSettings,
    WebhookSettings,
    ManualSettings,
)


def read_drains(value: object, *, source: str) -> dict[str, DrainSettings]:
    """Settings by name, from what a YAML file held. Raises `OperatorMust`, with what was probably
    meant."""
    try:
        found = msgspec.convert(value, type=dict[Name, DrainSettings])
        for name, settings in found.items():
            _check(name, settings)
    except msgspec.ValidationError as error:
        raise OperatorMust(
            str(error).replace("`$", "`drains"),
            operation="read",
            subject=source,
            code="DrainSettingsInvalid",
            next_step=_meant(str(error)),
        ) from None
    return found


def _check(name: str, settings: DrainSettings) -> None:
    """Raises `OperatorMust` for what types cannot say."""
    if isinstance(settings, _Spoken):
        check_url(settings.url, allow_http=settings.allow_http)
    if isinstance(settings, WebhookSettings) and settings.poll_url:
        check_url(settings.poll_url, allow_http=settings.allow_http)
    if parse_duration(settings.timeout) <= 0:
        raise OperatorMust(
            "a time-out of nothing lets nothing succeed",
            operation="read",
            subject=f"drains {name}",
            code="DrainSettingsInvalid",
            next_step='write such as "30s"',
        )


def _meant(message: str) -> str:
    known = {field.encode_name for kind in _KINDS for field in msgspec.structs.fields(kind)}
    known |= {"adapter", "kubernetes", "scontrol", "slurmrestd", "webhook", "manual"}
    found = _UNKNOWN.search(message)
    near = get_close_matches(found[1], known, 1) if found else []
    return f'did you mean "{near[0]}"?' if near else "see docs/drains.md for what can be set"


def open_drains(
    settings: DrainSettings, *, name: str, clock: Clock | None = None, marks: Marks | None = None
) -> Drains:
    """The drains `name`. Nothing is asked yet; close them with `aclose`.

    `marks` are the words of people and needed by manual drains only. Raises `OperatorMust`.
    """
    clock = clock or WallClock()
    _check(name, settings)
    match settings:
        case KubernetesSettings():
            policy = Policy(
                evict_unmanaged=settings.evict_unmanaged,
                delete_empty_dir=settings.delete_empty_dir,
                wait_for_jobs=settings.wait_for_jobs,
            )
            peer = _peer(settings, partial(_bearer, settings.token_file), kubernetes.PERMISSION)
            return KubernetesDrains(name, peer, clock=clock, by=settings.node, policy=policy)
        case ScontrolSettings():
            return SlurmDrains(name, _scontrol(settings), clock=clock, by=settings.node)
        case SlurmrestdSettings():
            headers = partial(_slurm_token, settings.token_file, settings.user)
            peer = _peer(settings, headers, slurm.PERMISSION)
            rest = Slurmrestd(peer, version=settings.version)
            return SlurmDrains(name, rest, clock=clock, by=settings.node)
        case WebhookSettings():
            return _webhook(name, settings, clock)
        case ManualSettings():
            return _manual(name, marks, clock)


def _scontrol(settings: ScontrolSettings) -> Scontrol:
    return Scontrol(
        scontrol=settings.scontrol,
        squeue=settings.squeue,
        conf=settings.conf,
        timeout_s=parse_duration(settings.timeout),
    )


def _webhook(name: str, settings: WebhookSettings, clock: Clock) -> WebhookDrains:
    peer = _peer(settings, dict, webhook.PERMISSION)
    poll = _peer(settings, dict, webhook.PERMISSION, url=settings.poll_url)
    secret = partial(read_secret, settings.secret_file)
    return WebhookDrains(name, peer, poll, secret=secret, clock=clock)


def _manual(name: str, marks: Marks | None, clock: Clock) -> ManualDrains:
    if marks is None:
        raise OperatorMust(
            "nobody can say here that a drain is done",
            operation="open",
            subject=f"drains {name}",
            code="DrainSettingsInvalid",
            next_step="run it on a server, or name drains that need no person",
        )
    return ManualDrains(name, marks, clock=clock)


def _peer(
    settings: _Spoken,
    headers: Callable[[], Mapping[str, str]],
    permission: str,
    *,
    url: str = "",
) -> Peer:
    return Peer(
        check_url(url or settings.url, allow_http=settings.allow_http),
        headers=headers,
        permission=permission,
        ca_file=settings.ca_file,
        timeout_s=parse_duration(settings.timeout),
    )


def _bearer(token_file: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {read_secret(token_file)}"} if token_file else {}


def _slurm_token(token_file: str, user: str) -> dict[str, str]:
    named = {"X-SLURM-USER-NAME": user} if user else {}
    return {"X-SLURM-USER-TOKEN": read_secret(token_file), **named}
