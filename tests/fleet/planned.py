"""Halls, baselines and images as tests of plans write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.images import Image
from iolaus.fleet.judge import Judge
from iolaus.fleet.plan import Surroundings, make_plan
from iolaus.fleet.topology import topology_of
from iolaus.model.desired import Baseline, Kept
from iolaus.model.plan import Plan
from tests.fleet.build import baseline, firmware, manager, node, setting

NOW = 1_795_000_000.0
ABLE = frozenset({"update.multipart", "update.start", "power.reset", "manager.reset", "bios"})
SHA = {name: f"{number:064x}" for number, name in enumerate(("bmc", "bios", "erot", "nic"), 10)}


def image(file: str, **versions: str) -> Image:
    """`bmc-1.8.fwpkg` is the image of the word before the dash."""
    word = file.partition("-")[0]
    sha256 = SHA.get(word, "f" * 64)
    return Image(file=file, sha256=sha256, size=33_554_432, versions=versions)


def want(component: str, version: str, **more: Any) -> dict[str, Any]:
    return {"match": {"component": component}, "version": version, **more}


def tray(name: str, **more: Any) -> NodeFacts:
    """A node that can do everything; `labels` are added to its rack's."""
    rack = name.rpartition("-")[0] or "r1"
    labels = {"rack": rack, **more.pop("labels", {})}
    fields = {"name": name, "model": "m1", "vendor": "Acme", "kind": "node", "health": "OK",
              "power_state": "On", **more.pop("fields", {})}  # fmt: skip
    given: dict[str, Any] = {"firmware": parts(bmc="1.7"), "capabilities": ABLE}
    return node(name, labels=labels, fields=fields, **{**given, **more})


def parts(**versions: str | None) -> tuple[Any, ...]:
    """bmc="1.7" is a component BMC of kind bmc."""
    return tuple(firmware(k.upper(), version, kind=k) for k, version in versions.items())


def bios(**values: Any) -> tuple[Any, ...]:
    """A pair is what is applied and what is staged."""
    return tuple(
        setting(name, value[0], staged=value[1])
        if isinstance(value, tuple)
        else setting(name, value)
        for name, value in values.items()
    )


def settings(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(manager(name, value) for name, value in values.items())


def rows(pattern: str, racks: int, units: int, **more: Any) -> list[NodeFacts]:
    """`pattern` has {rack} and {unit}."""
    return [
        tray(pattern.format(rack=f"{r:02}", unit=f"{u:02}"), **more)
        for r in range(1, racks + 1)
        for u in range(1, units + 1)
    ]


def planned(
    nodes: Iterable[NodeFacts],
    base: Baseline,
    *images: Image,
    others: Iterable[NodeFacts] = (),
    baselines: Iterable[Baseline] = (),
    now: float = NOW,
    **more: Any,
) -> Plan:
    """The plan for all nodes that the baseline selects; `others` stand in the hall, too."""
    every = list(nodes)
    judge = Judge([base, *baselines])
    judged = [(each, drift) for each in every if (drift := judge.judge(each, now=now)) is not None]
    around = Surroundings(
        topology=topology_of([*every, *others]),
        images={each.file: each for each in images},
        durations=more.pop("durations", {}),
        provers=more.pop("provers", None),
    )
    given: dict[str, Any] = {"made_by": "carol", **more}
    return make_plan(kept(base), judged, around, now=now, **given)


def kept(base: Baseline, generation: int = 4) -> Kept:
    return Kept(baseline=base, generation=generation, at=NOW)


def changed(facts: NodeFacts, **fields: Any) -> NodeFacts:
    return msgspec.structs.replace(facts, **fields)


def base_of(**spec: Any) -> Baseline:
    return baseline("trays", **spec)
