"""Slurm: a node is drained by its state, and whose drain it is stands in its reason.

The mark is the reason, `iolaus: ...`, set in the same update as the state. Slurm keeps one reason
per node, so where anybody else's stands nothing is written: a node that they drained is only
watched, and one that they marked otherwise is left to them. Undoing uses the state UNDRAIN, which
clears the drain and nothing else, so a node that was down before is down afterwards and not in
service.

Drained means: the drain is set, the node is idle or down, nothing is allocated on it, and where
jobs can be listed there are none. This module judges; two transports read and write
(`iolaus.fleet.drain.scontrol`, `iolaus.fleet.drain.slurmrestd`).
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

import msgspec

from iolaus.fleet.drain.port import (
    MAX_REMAINING,
    Drained,
    DrainPhase,
    DrainState,
    DrainTarget,
    held,
    mark_text,
    name_of,
    name_there,
)
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError, OperatorMust

PREFIX: Final = "iolaus: "
DRAIN: Final = "DRAIN"
BUSY: Final = frozenset({"ALLOCATED", "ALLOC", "MIXED", "COMPLETING", "COMP", "ERROR"})
SWITCHING: Final = frozenset(
    {"REBOOT_ISSUED", "REBOOT_REQUESTED", "REBOOT", "POWERING_UP", "POWERING_DOWN"}
)
FREE: Final = frozenset({"IDLE", "DOWN"})
PERMISSION: Final = "let our user be a Slurm administrator (docs/drains.md), or renew its token"
BY_HAND: Final = 'drain the node by hand or clear its reason (scontrol update reason="")'
_SUFFIX: Final = "*~#!%$@^-+"
_SPELT: Final = {"DRAINED": ("IDLE", DRAIN), "DRAINING": ("ALLOCATED", DRAIN)}
_WHO: Final = re.compile(r"\s*\[[^\[\]]{1,100}@[^\[\]]{1,60}\]\s*$")
_STATE: Final = re.compile(r"[A-Z][A-Z_]*")
_NOTHING: Final = ("", "(null)", "none", "N/A")


class SlurmNode(msgspec.Struct, frozen=True, kw_only=True):
    """`states` are upper case, base state and flags alike; `reason` is without who set it."""

    name: str
    states: frozenset[str]
    reason: str = ""
    allocated: bool = False

    @property
    def draining(self) -> bool:
        return DRAIN in self.states


class Slurm(Protocol):
    """How the controller is reached. `read` and `jobs` raise where nothing can be told; `jobs` is
    None where they cannot be listed. `update` sets what is not None."""

    async def read(self, name: str) -> SlurmNode: ...

    async def jobs(self, name: str, /) -> tuple[str, ...] | None: ...

    async def update(self, name: str, *, state: str | None, reason: str | None) -> None: ...

    async def aclose(self) -> None: ...


def mark_of(reason: str) -> str:
    """The reason as it stands in Slurm."""
    return PREFIX + mark_text(reason)


def judge_node(node: SlurmNode, jobs: tuple[str, ...] | None) -> DrainState:
    """Whether nothing runs there and nothing will. Pure; unknown states are never drained."""
    shown = "+".join(sorted(node.states)) or "no state"
    if not node.draining:
        return DrainState(phase=DrainPhase.REFUSED, detail=f"somebody resumed the node ({shown})")
    if jobs:
        detail = f"{len(jobs)} jobs are still there" if len(jobs) > 1 else "1 job is still there"
        return DrainState(phase=DrainPhase.DRAINING, detail=detail, remaining=jobs[:MAX_REMAINING])
    if node.states & BUSY or node.allocated:
        return DrainState(phase=DrainPhase.DRAINING, detail=f"jobs are still there ({shown})")
    if node.states & SWITCHING:
        return DrainState(phase=DrainPhase.DRAINING, detail=f"Slurm itself is at work ({shown})")
    if node.states & FREE:
        return DrainState(phase=DrainPhase.DRAINED, detail=f"no job is left ({shown})")
    return DrainState(phase=DrainPhase.UNKNOWN, detail=f"its state does not tell ({shown})")


class SlurmDrains:
    """The drains of one Slurm cluster; conforms to `iolaus.fleet.drain.port.Drains`."""

    def __init__(
        self, name: str, slurm: Slurm, *, clock: Clock, by: str = "short-hostname"
    ) -> None:
        self.name, self._slurm, self._clock, self._by = name, slurm, clock, by

    async def aclose(self) -> None:
        await self._slurm.aclose()

    async def begin(self, node: DrainTarget, *, reason: str) -> Drained:
        name, mark = self._name(node), mark_of(reason)
        seen = await self._slurm.read(name)
        ours, stale = seen.reason == mark, seen.reason.startswith(PREFIX) and not seen.draining
        if seen.reason and not ours and not stale:
            if seen.reason.startswith(PREFIX) or not seen.draining:
                raise held(name, seen.reason, next_step=BY_HAND)
            return self._receipt(node, name, reason, seen.reason, did=())
        if seen.draining and not ours:
            return self._receipt(node, name, reason, "", did=())
        if not seen.draining:
            await self._slurm.update(name, state=DRAIN, reason=mark)
        return self._receipt(node, name, reason, "", did=("drain",))

    async def state(self, node: DrainTarget, drained: Drained) -> DrainState:
        name = name_of(node, drained)
        seen = await self._slurm.read(name)
        return judge_node(seen, await self._slurm.jobs(name) if seen.draining else None)

    async def undo(self, node: DrainTarget, drained: Drained) -> None:
        name, mark = name_of(node, drained), mark_of(drained.reason)
        seen = await self._slurm.read(name)
        if seen.reason != mark:
            return
        if seen.draining:
            await self._slurm.update(name, state="UNDRAIN", reason=None)
            seen = await self._slurm.read(name)
        if seen.reason == mark and not seen.draining:
            await self._slurm.update(name, state=None, reason="")

    def _name(self, node: DrainTarget) -> str:
        """Checked, because a name such as ALL means every node to Slurm."""
        name = name_there(node, self._by)
        if name.upper() != "ALL":
            return name
        raise OperatorMust(
            "this name means every node",
            operation="drain",
            subject=node.name,
            code="DrainNodeUnnamed",
            next_step="rename the node",
        )

    def _receipt(
        self, node: DrainTarget, name: str, reason: str, found: str, *, did: tuple[str, ...]
    ) -> Drained:
        return Drained(
            adapter=self.name,
            uid=node.uid,
            node=name,
            reason=reason,
            at=self._clock.now(),
            found={"drained": not did, "reason": found},
            did=did,
        )


def parse_nodes(document: Any, name: str) -> SlurmNode | None:
    """The node of this name in an answer of `--json` or REST, whose shape depends on the version
    (text with flags beside it, or one list). None where it, or its state, is not there."""
    nodes = document.get("nodes") if isinstance(document, dict) else None
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict) and node.get("name") == name:
            found = [*_words(node.get("state")), *_words(node.get("state_flags"))]
            if not (states := _states(found)):
                return None
            reason = node.get("reason")
            return SlurmNode(
                name=name,
                states=states,
                reason=_reason(reason if isinstance(reason, str) else ""),
                allocated=any(_number(node.get(key)) for key in ("alloc_cpus", "alloc_memory")),
            )
    return None


def parse_text(text: str, name: str) -> SlurmNode | None:
    """The node of this name in what `scontrol show node` prints for people. A field of free text
    (`Reason=`, `Comment=`) has a line of its own, so nothing in it is taken for another field."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, rest = line.strip().partition("=")
        if key in ("Reason", "Comment", "Extra", "OS"):
            fields.setdefault(key, rest)
            continue
        for word in line.split() if equals else ():
            key, _, value = word.partition("=")
            if key == "NodeName" and "NodeName" in fields:
                return None  # more than one node was printed
            fields.setdefault(key, value)
    states = _states(fields.get("State", "").split("+"))
    if fields.get("NodeName") != name or not states:
        return None
    return SlurmNode(
        name=name,
        states=states,
        reason=_reason(fields.get("Reason", "")),
        allocated=any(fields.get(key, "0") != "0" for key in ("CPUAlloc", "AllocMem")),
    )


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split("+")
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _states(words: list[str]) -> frozenset[str]:
    plain = [word.strip().upper().rstrip(_SUFFIX)[:40] for word in words]
    sound = [word if _STATE.fullmatch(word) else "ODD" for word in plain if word]
    return frozenset(state for word in sound for state in _SPELT.get(word, (word,)))


def _reason(text: str) -> str:
    plain = _WHO.sub("", text.strip()[:1024]).strip()
    return "" if plain in _NOTHING else plain


def _number(value: object) -> float:
    if isinstance(value, dict):
        value = value.get("number")
    return value if isinstance(value, int | float) else 0


_MEANINGS: Final[tuple[tuple[tuple[str, ...], type[IolausError], str, str], ...]] = (
    (
        ("permission denied", "invalid user", "authentication"),
        OperatorMust,
        "DrainNotAllowed",
        PERMISSION,
    ),
    (
        ("invalid node name", "not found"),
        OperatorMust,
        "DrainNodeUnknown",
        "see by which name Slurm knows it and set node: in the settings of the drains",
    ),
    (
        ("unable to contact", "timed out", "zero bytes", "connection"),
        DeviceSilent,
        "DrainPeerSilent",
        "see whether slurmctld runs and can be reached from here",
    ),
)


def slurm_error(text: str, *, operation: str, subject: str) -> IolausError:
    """The error that a message of Slurm's means."""
    for words, kind, code, step in _MEANINGS:
        if any(word in text.lower() for word in words):
            return kind(text, operation=operation, subject=subject, code=code, next_step=step)
    return DeviceRefused(text, operation=operation, subject=subject, code="DrainRefused")
