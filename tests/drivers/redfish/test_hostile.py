"""Whatever a device answers, an inventory ends in a report: trees bent at random, never raising."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iolaus.drivers.redfish import RedfishDriver
from iolaus.model.asset import Report
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice, Tree
from tests.examples import examples

BASES: list[Tree] = [
    trees.server(),
    trees.tray(),
    trees.blades(),
    trees.with_dpu(),
    trees.switch_tray(),
    trees.equipment("PowerEquipment", "PowerShelves", "PowerDistribution", "PowerShelf"),
    trees.equipment("ThermalEquipment", "CDUs", "CoolingUnit", "CDU"),
]
URIS = sorted({uri for tree in BASES for uri in tree})
WORDS = st.sampled_from(
    (
        *("", " ", "Enabled", "OK", "GPU", "CPU", "DPU", "Virtual", "#Processor.x", "#Chassis."),
        *("\x00\ud800", "/redfish/v1#", "../..", "Absent", "0", "9" * 400, "Card", "Shelf", "NaN"),
    )
)
LINKS = st.sampled_from(URIS).map(lambda uri: {"@odata.id": uri})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | WORDS
)
JUNK = st.recursive(
    SCALARS | LINKS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        found += _places(value[key], (*path, key))
    return found


@st.composite
def bent(draw: Callable[..., Any]) -> Tree:
    """A sound tree with some of its values replaced, dropped or repeated."""
    tree: Tree = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 6))):
        uri = draw(st.sampled_from(sorted(tree)))
        path = draw(st.sampled_from(_places(tree[uri], ())))
        holder = tree[uri]
        for key in path[:-1]:
            holder = holder[key]
        if isinstance(holder, dict) and draw(st.booleans()):
            del holder[path[-1]]
        else:
            holder[path[-1]] = draw(JUNK)
    return tree


def check(report: Report) -> None:
    keys = [asset.key for asset in report.assets]
    assert len(keys) == len(set(keys))
    assert {part.asset for part in report.components} <= {*keys, ""}
    for asset in report.assets:
        counted = {kind: 0 for kind, number in asset.counts.items() if number is not None}
        for part in report.components:
            if part.asset == asset.key and part.kind in counted and part.state != "Disabled":
                counted[str(part.kind)] += 1
        for kind, number in counted.items():
            assert kind == "dpu" or asset.counts[kind] == number
    assert msgspec.json.encode(report)


@settings(
    max_examples=examples(120, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(tree=bent())
def test_a_bent_tree_gives_a_report(tree: Tree) -> None:
    check(asyncio.run(RedfishDriver().inventory(FakeDevice(tree))))


@settings(max_examples=examples(80, 200), deadline=None)
@given(body=st.dictionaries(st.sampled_from(["Systems", "Chassis", "Managers", "Oem"]), JUNK))
def test_a_bent_root_gives_a_report(body: dict[str, Any]) -> None:
    tree = {**trees.server(), ROOT: body}
    check(asyncio.run(RedfishDriver().inventory(FakeDevice(tree))))


@pytest.mark.parametrize("base", BASES)
async def test_a_root_that_names_the_wrong_collection_gives_a_report(base: Tree) -> None:
    for uri in base:
        astray = {**base[ROOT], "Systems": [{"@odata.id": uri}, {"@odata.id": uri}]}
        check(await RedfishDriver().inventory(FakeDevice({**base, ROOT: astray})))


@pytest.mark.parametrize("junk", [None, [], "", 0, {"Members": None}, {"Members": {}}])
async def test_resources_that_are_no_resources_give_a_report(junk: Any) -> None:
    for uri in trees.server():
        if uri != ROOT:
            check(await RedfishDriver().inventory(FakeDevice({**trees.server(), uri: junk})))
