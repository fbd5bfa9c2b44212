"""The last good image pushed again over the real wire: what was broken runs it, nobody else is
touched, and where there is no such image a person is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from iolaus.model.plan import Fate
from iolaus.model.rollout import EntryKind, NodeState
from iolaus.sim.effects import attentive
from iolaus.sim.firmware.examples import example
from tests.recovery.stage import plan, recovered, recovering
from tests.sim.firmware.stage import machines
from tests.survival.stage import Stage

TRAY, BMC = "gb300-tray", "FW_BMC_0"
NODE, CONTROLLER, BIOS = "dl365-cpu", "1", "2"
"""Numbered: the controller says what it runs with its own name before it."""
WRITES = ("POST", "PATCH", "PUT", "DELETE")


def shelve(folder: Path, persona: str, component: str, version: str) -> None:
    place = folder / "state" / "images"
    place.mkdir(parents=True, exist_ok=True)
    (place / "good.fwpkg").write_bytes(example(persona, {component: version}))
    note = f'versions: {{"{component}": "{version}"}}\n'
    (place / "good.fwpkg.yaml").write_text(note)


async def begun(on: Stage, plan: str) -> list[str]:
    entries = await on.house.rolling.journal.entries(plan)
    return [e.doc["subject"] for e in entries if e.kind is EntryKind.STARTED]


def version_of(on: Stage, component: str) -> str:
    report = on.house.state.facts.report_of(on.device.address)
    assert report is not None
    found = next(each.version for each in report.firmware if each.component == component)
    assert found is not None
    return found


def written(on: Stage, word: str) -> int:
    found = on.device.counters.order or []
    return sum(method in WRITES and word in path for _, method, path in found)


@pytest.mark.parametrize(("name", "component"), [(TRAY, BMC), (NODE, CONTROLLER)])
async def test_a_controllers_half_written_firmware_is_pushed_again_and_runs(
    tmp_path: Path, name: str, component: str
) -> None:
    async with recovering(tmp_path, *machines(name)) as (on, _):
        was = version_of(on, component)
        await on.strike("broken-update", component=component)
        made = await plan(on, name)
        assert f"no image is known that brings {component} back to {was}" in made.nodes[0].reason
        shelve(tmp_path, name, component, was)
        on.device.counters.order = []
        made, node = await recovered(on, name)
        assert node.state is NodeState.DONE, node
        assert await begun(on, made.id) == ["evidence", "reflash", "reflash-activate", "prove"]
        assert attentive(on.device.effects).truth(on.device)["flash"][component]["runs"] == was
        assert (written(on, "Manager.Reset"), written(on, "ComputerSystem.Reset")) == (1, 0)


async def test_a_hosts_firmware_is_pushed_again_and_its_host_restarted_once(
    tmp_path: Path,
) -> None:
    async with recovering(tmp_path, *machines(NODE)) as (on, _):
        shelve(tmp_path, NODE, BIOS, version_of(on, BIOS))
        await on.strike("broken-update", component=BIOS)
        on.device.counters.order = []
        _, node = await recovered(on, NODE, only="reflash", host_may_stop=True)
        assert node.state is NodeState.DONE, node
        assert (written(on, "Manager.Reset"), written(on, "ComputerSystem.Reset")) == (0, 1)


async def test_policy_may_want_a_signature(tmp_path: Path) -> None:
    policy = "  reflash: {signed: true}"
    async with recovering(tmp_path, *machines(NODE), policy=policy) as (on, _):
        shelve(tmp_path, NODE, BIOS, version_of(on, BIOS))
        await on.strike("broken-update", component=BIOS)
        (node,) = (await plan(on, NODE, image="good.fwpkg")).nodes
        assert node.fate is Fate.UPDATE
        assert "good.fwpkg is not signed by a key of ours" in node.reason
        assert not [each for each in node.steps if each.rung == "reflash"]
