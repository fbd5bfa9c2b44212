"""What execution needs of the world: hands, a journal and leases.

`act` knows no device and no room. Whoever wires it hands in hands that look and do; the journal
and the leases are the state database's. Values that pass through these ports are the store's and
the model's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from iolaus.model.plan import Action, Expect, Json, NodePlan, Plan, Step
from iolaus.model.rollout import Entry, Sight
from iolaus.store.journal import Approved, Due, Intent, KeptPlan
from iolaus.store.lease import Fenced, Lease

__all__ = [
    "Approved",
    "Due",
    "Fenced",
    "Hands",
    "Intent",
    "Journal",
    "KeptPlan",
    "Lease",
    "Leases",
    "Sight",
]


class Hands(Protocol):
    """Eyes and hands of one roll-out. Both raise errors of `kernel.errors`; neither retries."""

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Json],
    ) -> Sight:
        """A fresh read. `baseline` is what was seen before the step began (for `Op.CHANGED`); it
        is empty when that is what is to be found out, and then only `seen` counts. What is seen
        is kept as JSON and handed in again: lists, never tuples."""
        ...

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Json]:
        """Send the action once; the receipt, as JSON without a secret. `effect` is unique to this
        sending ("plan/step/attempt"). `DeviceSilent` and `DeviceLied` mean that it is not known
        whether it took effect; `DeviceRefused` is judged by its status (`act.faults`)."""
        ...


class Journal(Protocol):
    """Kept by the state database: `store.journal.StoredJournal`."""

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        """Durable before it returns, all or none; as kept, with numbers and epoch. Raises
        `Fenced` when the lease is not in force; after any other error it is not known whether
        they were written, and the journal must be read again."""
        ...

    async def entries(self, plan: str, after: int = 0) -> tuple[Entry, ...]: ...

    async def put_plan(self, plan: Plan) -> None: ...

    async def plan(self, id: str) -> Plan: ...  # noqa: A002

    async def plans(self) -> tuple[KeptPlan, ...]: ...

    async def agenda(self) -> tuple[Due, ...]: ...

    async def approve(self, plan: str, by: str, groups: Iterable[str], at: float) -> None: ...

    async def approvals(self, plan: str) -> tuple[Approved, ...]: ...

    async def ask(self, plan: str, what: str, by: str, at: float) -> int: ...

    async def intents(self, plan: str, after: int = 0) -> tuple[Intent, ...]: ...


class Leases(Protocol):
    """Kept by the state database: `store.lease.StoredLeases`. The epoch grows whenever a lease
    is taken anew."""

    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None: ...

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None: ...

    async def release(self, lease: Lease) -> None: ...
