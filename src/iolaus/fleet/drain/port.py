"""The port of drains: begin, look, undo.

Each adapter leaves a mark where the drain itself lives (an annotation, a reason), written in the
same request as the drain. So a process that died between a request and its answer finds out by
looking whether it had happened, and nothing is done twice; and undoing is decided by the mark and
not by our memory, so what somebody else did in the meantime stays.

`state` is level and not edge: it reads afresh at each call. Where a drain has to be pushed (pods
to be evicted), it is `state` that pushes, and only while our own mark stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from iolaus.kernel.errors import DeviceRefused, OperatorMust, WeErred

MAX_REASON: Final = 200
MAX_REMAINING: Final = 20


class DrainPhase(StrEnum):
    DRAINING = "draining"
    """No new work comes; some is still there."""
    DRAINED = "drained"
    """No work is there and none comes: the node may be touched. The only phase that says so."""
    REFUSED = "refused"
    """It will not become drained by waiting: a person or another program stands in the way."""
    UNKNOWN = "unknown"
    """The answer does not tell."""


class DrainState(msgspec.Struct, frozen=True, kw_only=True):
    """`detail` is a sentence; `remaining` names the first jobs or pods that are still there."""

    phase: DrainPhase
    detail: str = ""
    remaining: tuple[str, ...] = ()


class DrainTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A node as the drains know it. `uid` is the asset's."""

    uid: str
    name: str
    hostname: str | None = None
    labels: Mapping[str, str] = {}


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of `begin`; JSON-able, without secrets.

    `adapter` is the name of the drains in the settings, `node` the node's name there, `found` what
    was so before, `did` what we did (empty: it was drained by somebody else already), `at` seconds
    since 1970.
    """

    adapter: str
    uid: str
    node: str
    reason: str
    at: float
    found: Mapping[str, Any] = {}
    did: tuple[str, ...] = ()


class Drains(Protocol):
    """Somebody who runs work on nodes and can be asked to take it away.

    All methods raise the errors of `iolaus.kernel.errors`: `DeviceSilent` and `DeviceRefused` may
    pass with time (a conflict is `DeviceRefused` with status 409), `OperatorMust` does not.
    """

    @property
    def name(self) -> str: ...

    async def begin(self, node: DrainTarget, *, reason: str) -> Drained:
        """No new work from now on. Idempotent: with the same `reason` nothing is done twice, and
        the receipt says the same but for `at`. Under another reason of ours: `DrainHeld`."""
        ...

    async def state(self, node: DrainTarget, drained: Drained) -> DrainState: ...

    async def undo(self, node: DrainTarget, drained: Drained) -> None:
        """Give back what `begin` with this receipt's reason took; idempotent."""
        ...

    async def aclose(self) -> None: ...


_SPECIAL: Final = frozenset("\"'`\\[]{}")
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def name_there(node: DrainTarget, by: str) -> str:
    """What the drains call this node. `by` is "hostname", "short-hostname" (up to the first dot),
    "name", or "label:KEY". Raises `OperatorMust`: to guess would be to drain somebody else."""
    host = node.hostname or ""
    known = {"hostname": host, "short-hostname": host.partition(".")[0], "name": node.name}
    key = by.removeprefix("label:")
    name = known.get(by, "") if key == by else node.labels.get(key, "")
    if _NODE_NAME.fullmatch(name):
        return name
    raise OperatorMust(
        f"its {by} {f'is {name[:80]!r}, which no scheduler knows' if name else 'is not known'}",
        operation="drain",
        subject=node.name,
        code="DrainNodeUnnamed",
        next_step="set node: name or node: label:KEY in the settings of these drains",
    )


def name_of(node: DrainTarget, drained: Drained) -> str:
    """What the drains called this node when its drain began."""
    if drained.uid == node.uid:
        return drained.node
    raise WeErred(
        f"this receipt is of {drained.node}",
        operation="drain",
        subject=node.name,
        code="DrainReceiptWrong",
    )


def held(node: str, whose: str, *, next_step: str) -> DeviceRefused:
    """The drain of this node belongs to `whose`, and we do not overwrite it."""
    return DeviceRefused(
        f"it is held by {whose[:MAX_REASON]!r}",
        operation="drain",
        subject=node,
        code="DrainHeld",
        next_step=next_step,
    )


def unknown_there(node: str, where: str) -> OperatorMust:
    return OperatorMust(
        f"{where} knows no node of this name",
        operation="drain",
        subject=node,
        code="DrainNodeUnknown",
        next_step="see by which name it is known there and set node: in the settings of the drains",
    )


def mark_text(reason: str) -> str:
    """`reason` as it is told to others: one line of printable ASCII without quotes and brackets,
    not much longer than `MAX_REASON`. Where that changes it, a digest keeps it apart from others
    that would read the same. Raises `OperatorMust` where nothing would be left."""
    plain = "".join(c if " " <= c <= "~" and c not in _SPECIAL else " " for c in reason)
    short = " ".join(plain.split())[:MAX_REASON].strip()
    if not short:
        raise OperatorMust(
            "a drain needs a reason that people can read",
            operation="drain",
            subject="reason",
            code="DrainReasonEmpty",
        )
    digest = hashlib.sha256(reason.encode("utf-8", "replace")).hexdigest()[:8]
    return short if short == reason else f"{short} #{digest}"
