"""Retirements brought to their end: the record written and signed, and nothing of ours left here.

The plan wipes the machine; when it is over this reads what its journal says, writes that down, and
lets the endpoint and its login go. It is done once for each plan, and again after a crash.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from iolaus.app.onboarding_seeing import host_in
from iolaus.app.rolling import Rolling
from iolaus.kernel.clock import Clock
from iolaus.model.candidate import Candidate
from iolaus.model.endpoint import Event
from iolaus.model.plan import Asked, NodePlan, Plan, Verb
from iolaus.model.retirement import Retirement
from iolaus.model.rollout import EntryKind, NodeState, Progress, RolloutState
from iolaus.north.context import Standing
from iolaus.recovery.retire import wiped_of
from iolaus.store.state import State

log = structlog.get_logger(__name__)
KIND: Final = "retire"
Sign = Callable[[bytes], Awaitable[tuple[bytes, str]]]
"""The signature over bytes, and the public key in hex."""


class Retiring:
    """`let_go(address)` forgets an endpoint."""

    def __init__(
        self,
        *,
        state: State,
        rolling: Rolling,
        clock: Clock,
        sign: Sign,
        let_go: Callable[[str], None],
    ) -> None:
        self._state, self._rolling, self._clock = state, rolling, clock
        self._sign, self._let_go = sign, let_go
        self._settled: set[str] = set()

    async def settle(self) -> None:
        """Every node that was retired and has no record yet."""
        for kept in await self._rolling.journal.plans():
            if not kept.state or kept.id in self._settled or kept.baseline:
                continue
            asked = (await self._rolling.plan(kept.id)).asked
            retires = isinstance(asked, Asked) and asked.kind == KIND
            if retires:
                await self._write((await self._rolling.fares((kept.id,)))[kept.id])
            if not retires or RolloutState(kept.state).over:
                self._settled.add(kept.id)

    async def _write(self, standing: Standing) -> None:
        """Of each node that the plan is done with, whatever becomes of the others."""
        plan, progress = standing.plan, standing.progress
        for node in plan.nodes:
            known = self._state.retirements.get(record_name(plan, node))
            if known is None and progress is not None and _worked_on(progress, node):
                await self._retire(plan, node, progress)

    async def _retire(self, plan: Plan, node: NodePlan, progress: Progress) -> None:
        record = await self._record(plan, node, progress)
        await self._state.retirements.put({record_name(plan, node): record})
        if progress.nodes[node.uid].state is not NodeState.DONE:
            return
        await self._state.candidates.put({node.endpoint: self._candidate(plan, node)})
        told = "all of it is proved" if record.whole else "not all of it could be proved"
        self._state.facts.record_event(
            Event(
                at=self._clock.now(),
                kind="NodeRetired",
                severity="OK",
                endpoint=node.endpoint,
                message=f"{node.name} was wiped by plan {plan.id}; {told}",
            )
        )
        self._state.facts.remove_target(node.endpoint)
        await self._state.facts.flush()
        self._state.secrets.drop_own(node.endpoint)
        self._let_go(node.endpoint)
        log.info("node_retired", node=node.name, plan=plan.id, proved=record.whole)

    def _candidate(self, plan: Plan, node: NodePlan) -> Candidate:
        """It is remembered as what it was."""
        now = self._clock.now()
        before = self._state.candidates.get(node.endpoint)
        known = before or Candidate(address=node.endpoint, appeared_at=now, seen_at=now)
        return msgspec.structs.replace(known, retired=plan.id, entry=known.entry or node.name)

    async def _record(self, plan: Plan, node: NodePlan, progress: Progress) -> Retirement:
        held = self._state.facts.held(node.endpoint)
        asset = host_in(held)
        state = progress.nodes[node.uid]
        seen = await self._seen(plan, node)
        does = {each.action.subject for each in node.steps if each.action.verb is Verb.WIPE}
        why = state.reason or "nothing was read back"
        bare = Retirement(
            plan=plan.id,
            node=node.name,
            uid=node.uid,
            address=node.endpoint,
            serial=(asset.identity.serial if asset else None) or "",
            make=(asset.vendor if asset else None) or "",
            model=(asset.model if asset else None) or "",
            at=self._clock.now(),
            by=plan.made_by,
            items=tuple(wiped_of(dict.fromkeys(does, True), seen, why=why)),
        )
        signature, key = await self._sign(bare.signed_bytes())
        signed = base64.b64encode(signature).decode()
        return msgspec.structs.replace(bare, signature=signed, key=key)

    async def _seen(self, plan: Plan, node: NodePlan) -> dict[str, Any]:
        """What was read back when each step was done."""
        found: dict[str, Any] = {}
        for entry in await self._rolling.journal.entries(plan.id):
            if entry.kind is EntryKind.DONE and entry.node == node.uid:
                found |= entry.doc.get("seen", {})
        return found


def record_name(plan: Plan, node: NodePlan) -> str:
    """By plan and node: one plan may retire many."""
    return f"{plan.id}.{node.name}"


def _worked_on(progress: Progress, node: NodePlan) -> bool:
    state = progress.nodes.get(node.uid)
    return state is not None and state.started_at is not None and state.state.over
