"""What is read of Kubernetes' objects, and what follows from it alone.

Only the fields that a drain needs are named; what else an object holds is not looked at, and a
field of another type than the API's is an error of reading and no guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

MARK: Final = "iolaus.dev/drain"
MIRROR: Final = "kubernetes.io/config.mirror"
BUDGET: Final = "DisruptionBudget"
TERMINATING: Final = "NamespaceTerminating"
AGAINST_BUDGET: Final = "waits for its PodDisruptionBudget"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be evicted. `evict_unmanaged`: pods that nothing starts again; `delete_empty_dir`:
    pods whose emptyDir data is lost; `wait_for_jobs`: pods of a Job may end by themselves."""

    evict_unmanaged: bool = False
    delete_empty_dir: bool = False
    wait_for_jobs: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What we read of an object; fields that we do not know are not looked at."""


class Owner(Seen, frozen=True, kw_only=True):
    kind: str
    controller: bool = False


class Meta(Seen, frozen=True, kw_only=True):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None


class NodeSpec(Seen, frozen=True, kw_only=True):
    unschedulable: bool | None = None


class Node(Seen, frozen=True, kw_only=True):
    metadata: Meta
    spec: NodeSpec

    @property
    def cordoned(self) -> bool:
        return bool(self.spec.unschedulable)

    @property
    def marked(self) -> str | None:
        return (self.metadata.annotations or {}).get(MARK)


class Volume(Seen, frozen=True, kw_only=True):
    empty_dir: Any = None


class PodSpec(Seen, frozen=True, kw_only=True):
    node_name: str = ""
    volumes: list[Volume] | None = None


class PodStatus(Seen, frozen=True, kw_only=True):
    phase: str = ""


class Pod(Seen, frozen=True, kw_only=True):
    metadata: Meta
    spec: PodSpec
    status: PodStatus = PodStatus()

    @property
    def shown(self) -> str:
        return _printable(f"{self.metadata.namespace}/{self.metadata.name}")

    @property
    def owner(self) -> str:
        """The kind of its controller; empty: nothing starts it again."""
        owners = self.metadata.owner_references or []
        return next((owner.kind for owner in owners if owner.controller), "")

    @property
    def stays(self) -> bool:
        """No drain waits for it: it belongs to the node, or it has ended."""
        mirror = MIRROR in (self.metadata.annotations or {})
        return mirror or self.owner == "DaemonSet" or self.status.phase in ("Succeeded", "Failed")


class ListMeta(msgspec.Struct, frozen=True, kw_only=True, rename={"more": "continue"}):
    more: str = ""


class PodList(Seen, frozen=True, kw_only=True):
    items: list[Pod]
    metadata: ListMeta = ListMeta()


class Cause(Seen, frozen=True, kw_only=True):
    reason: str = ""


class Details(Seen, frozen=True, kw_only=True):
    causes: list[Cause] | None = None


class Status(Seen, frozen=True, kw_only=True):
    message: str = ""
    details: Details | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The annotation's value, as JSON. `cordoned`: the node was schedulable and we cordoned it."""

    reason: str
    cordoned: bool
    at: float


def read_mark(text: str | None) -> Mark | None:
    """None for no mark, and for what is none of ours."""
    try:
        return msgspec.json.decode(text or "", type=Mark)
    except (msgspec.DecodeError, RecursionError):
        return None


def _status(body: bytes) -> Status:
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Status()


def has_cause(body: bytes, cause: str) -> bool:
    """Whether a refusal names this cause: a 429 may be a budget's, or that of a busy API."""
    details = _status(body).details
    return details is not None and any(each.reason == cause for each in details.causes or [])


def note_of(pod: Pod, status: int, body: bytes) -> list[str]:
    """What a person should know of the answer to an eviction: nothing where it worked."""
    if status < 400 or status == 404:
        return []
    if status == 429:
        budget = has_cause(body, BUDGET)
        return [f"{pod.shown} {AGAINST_BUDGET}" if budget else "the API has no time for evictions"]
    said = _printable(_status(body).message)
    return [f"{pod.shown} was not evicted (HTTP {status}{': ' + said if said else ''})"]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:200])


def obstacles(pods: Sequence[Pod], policy: Policy) -> Iterator[str]:
    """Why nothing may be evicted: a sentence for each pod that would be lost for good."""
    for pod in pods:
        if pod.metadata.deletion_timestamp:
            continue
        if not pod.owner and not policy.evict_unmanaged:
            yield f"{pod.shown} has no controller that would start it again"
        waits = policy.wait_for_jobs and pod.owner == "Job"
        local = any(volume.empty_dir is not None for volume in pod.spec.volumes or [])
        if local and not waits and not policy.delete_empty_dir:
            yield f"{pod.shown} keeps data in an emptyDir"


def count_of(pods: Sequence[Pod]) -> str:
    """Such as "3 pods are", to begin a sentence with."""
    return "1 pod is" if len(pods) == 1 else f"{len(pods)} pods are"
