"""What would end an exposure: a baseline of the affected nodes with the fixed versions. Pure.

It is a baseline like any other, so that it is reviewed, planned, drained and rolled out by the
rules that hold for all firmware; nothing here goes round them. What is affected and has no fixed
version known is left over, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.fleet.exposure import AFFECTED, NodeExposure
from iolaus.kernel.errors import OperatorMust
from iolaus.model.advisory import Exposure
from iolaus.model.desired import API_VERSION, Baseline
from iolaus.model.hosts import fold

MAX_NAME: Final = 63


class Left(NamedTuple):
    """An affected firmware that the baseline does not fix."""

    node: str
    component: str
    reason: str


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """`baseline` is None where nothing can be fixed."""

    baseline: Baseline | None
    left: tuple[Left, ...] = ()


def remedy_of(advisory: str, nodes: Iterable[NodeExposure]) -> Remedy:
    """The baseline that brings every affected node to the first fixed versions."""
    wanted: dict[tuple[str, str, str], tuple[str, str]] = {}
    names: set[str] = set()
    left: list[Left] = []
    for node in nodes:
        for item in node.items:
            if item.advisory != advisory or item.outcome != AFFECTED:
                continue
            if why := _unfixed(node, item):
                left.append(Left(node.name, item.component, why))
                continue
            key = (item.component, node.fields.get("vendor") or "", node.fields.get("model") or "")
            before = wanted.setdefault(key, (item.fixed, item.kind))
            if before[0] != item.fixed:
                why = f"{before[0]} is wanted of it elsewhere, and {item.fixed} here"
                left.append(Left(node.name, item.component, why))
                continue
            names.add(node.name)
    left.sort()
    if not names:
        return Remedy(baseline=None, left=tuple(left))
    return Remedy(baseline=_baseline(advisory, wanted, names), left=tuple(left))


def nothing_to_fix(advisory: str, left: tuple[Left, ...]) -> OperatorMust:
    """Why there is no baseline."""
    why = left[0].reason if left else "no node is affected as far as is known"
    return OperatorMust(
        why,
        operation="fix",
        subject=f"advisory/{advisory}",
        code="NothingToFix",
        next_step=f"see who is concerned with: iolaus describe advisory {advisory}",
    )


def _unfixed(node: NodeExposure, item: Exposure) -> str:
    if node.blind:
        return node.blind
    return "" if item.fixed else "the advisory names no fixed version"


def _baseline(
    advisory: str, wanted: dict[tuple[str, str, str], tuple[str, str]], names: set[str]
) -> Baseline:
    components: list[dict[str, Any]] = []
    for (component, vendor, model), (fixed, _) in sorted(wanted.items()):
        match: dict[str, Any] = {"component": component}
        match |= {key: each for key, each in (("vendor", vendor), ("model", model)) if each}
        components.append({"match": match, "version": f">={fixed}"})
    name = re.sub(r"[^a-z0-9.-]+", "-", f"fix-{advisory.lower()}")[:MAX_NAME].strip("-.")
    document = {
        "apiVersion": API_VERSION,
        "kind": "Baseline",
        "metadata": {"name": name},
        "spec": {
            "selector": {"expression": fold(names)},
            "firmware": {"components": components},
        },
    }
    return msgspec.convert(document, Baseline)
