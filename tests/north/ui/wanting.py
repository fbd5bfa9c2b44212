"""Something that is wanted of the scene's hall, so that every outcome is in it.

Rack h1-a01 should run another BMC (u02 to u06 are excused, u24 does not answer), rack h1-a02 should
have a BIOS attribute (u06 has it staged, u08 does not have it), and two baselines disagree on
h1-a03-u02. Everything else has no baseline.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.model.asset import Setting
from iolaus.model.desired import Baseline
from iolaus.north.context import Context
from iolaus.store.facts import Facts
from tests.north.hall import SYSTEM
from tests.north.ui import scene

EXCUSE = {
    "selector": {"expression": "h1-a01-u[02-06]"},
    "items": ["firmware/*"],
    "owner": "ana",
    "expires": "2099-12-31",
    "reason": "waits for fans",
}
COUNTS = {"drifted": 15, "in-sync": 16, "excused": 3, "staged": 1, "unknown": 1, "conflict": 1}
"""State -> nodes, of a scene of 40."""


def baseline(name: str, expression: str, *, bmc: str = "", **spec: Any) -> Baseline:
    """`bmc` is the version that its BMC should have."""
    wanted = [{"match": {"component": "bmc"}, "version": bmc}] if bmc else []
    return msgspec.convert(
        {
            "apiVersion": "iolaus.dev/v1",
            "kind": "Baseline",
            "metadata": {"name": name},
            "spec": {
                "selector": {"expression": expression},
                "firmware": {"components": wanted},
                **spec,
            },
        },
        Baseline,
    )


ALL = (
    baseline("bmc-2026", "rack=h1-a01,kind=node", bmc="25.09-1", exceptions=[EXCUSE]),
    baseline("snc", "rack=h1-a02,kind=node", bios={"raw": {"Snc": "On"}}),
    baseline("one", "h1-a03-u02", bmc=">=25.08"),
    baseline("two", "h1-a03-u02", bmc="25.08-9"),
)


async def want(context: Context, *baselines: Baseline, by: str = "ana") -> None:
    """Apply them as if `by` had, from a file."""
    for each in baselines:
        now = context.clock.now()
        await context.baselines.put(each, at=now, by=by, source="hall.yaml")


def want_now(context: Context, *baselines: Baseline) -> None:
    """The same where nothing can be awaited: what is kept in memory never waits."""
    with contextlib.suppress(StopIteration):
        want(context, *baselines).send(None)
        raise AssertionError("it waits")


def set_snc(facts: Facts, clock: Clock) -> None:
    """Each node of h1-a02 has the attribute; number 20 waits for a reset, 21 has another value."""
    for number in range(18, 36):
        value, staged = ("On", None) if number not in (20, 21) else ("Off", None)
        staged = "On" if number == 20 else None
        setting = Setting(asset=SYSTEM, name="Snc", value=value, staged=staged)
        report = scene.report(number, at=clock.now(), parts=True)
        facts.record_report(msgspec.structs.replace(report, settings=(setting,)))


def counted(states: Sequence[str]) -> dict[str, int]:
    return dict(Counter(states))
