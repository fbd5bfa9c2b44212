"""Firmware counts as changed when the component measures it: over the wire, honest and not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.test_attestation import asked, held, judged
from tests.app.test_rolling import AT_ONCE, want
from tests.fleet.advisories import csaf
from tests.fleet.drain.fake_webhook import FakeWebhook
from tests.fleet.drain.serve import served
from tests.sim.firmware.stage import machines
from tests.survival.stage import CALM, Stage, staged

from iolaus.app.references import References
from iolaus.fleet.advisories import read_advisories
from iolaus.fleet.plan_text import plan_text
from iolaus.model.desired import Baseline, RolloutWant
from iolaus.model.plan import Fate, Plan, Step, Verb
from iolaus.model.rollout import EntryKind, NodeState, Progress, RolloutState
from iolaus.model.select import EVERYTHING
from iolaus.model.trust import Lifecycle, Reference, Summary
from iolaus.north.context import ReferenceOrder
from iolaus.observe.attest import AttestRules
from iolaus.sim.firmware.examples import example
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.references import as_corim, reference_values, signed

pytestmark = pytest.mark.slow

TRAY, BMC, ATTESTER = "gb300-tray", "FW_BMC_0", "HGX_ERoT_BMC_0"
NEW = "GB200Nvl-25.08-10"
ATTESTERS = 8


@asynccontextmanager
async def proving(
    folder: Path, *, known: bool = True, rollout: dict[str, Any] | None = None, **attest: Any
) -> AsyncIterator[Stage]:
    """A tray that is trusted, and a baseline that wants a new version of its controller; `known`:
    its maker has published what that measures as."""
    place = folder / "state" / "images"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    (place / "new.fwpkg").write_bytes(example(TRAY, {BMC: NEW}, revision=4))
    (place / "new.fwpkg.yaml").write_text(f"versions: {{{BMC}: {NEW}}}\n")
    digest = hashlib.sha256((place / "new.fwpkg").read_bytes()).hexdigest()
    image = {"file": "new.fwpkg", "sha256": digest}
    component = {"match": {"component": "bmc"}, "version": "25.08-10", "image": image}
    async with staged(folder, *machines(TRAY), managed=True, periods=CALM) as on:
        on.house.attesting.attestor.rules = AttestRules(look_s=0.05, settle_s=0.1)
        await _trusting(on, versions={"NVIDIA:FW_BMC": [NEW]} if known else {})
        await on.green()
        await judged(on, ATTESTERS)
        await want(
            on,
            firmware={"components": [component]},
            **({"rollout": rollout} if rollout else {}),
            **({"security": {"attest": attest}} if attest else {}),
        )
        yield on


async def _trusting(on: Stage, *, versions: dict[str, list[str]]) -> None:
    attesting, seed = on.house.attesting, str(on.hall.devices[0].options.seed)
    attesting.anchors.mkdir(exist_ok=True)
    (attesting.anchors / "hall.pem").write_text(anchors(seed))
    order = ReferenceOrder(
        source="hall.corim",
        data=signed(as_corim(reference_values(versions=versions)), seed=seed),
        anchors=(("hall.pem", anchors(seed).encode()),),
    )
    importing = References(shelf=on.house.state.references, clock=on.house.clock)
    await importing.take(order, by="ana", keep=True)
    await attesting.refresh()


PROOF_S, PATIENCE_S = 20.0, 300.0


async def planned(on: Stage, name: str = "base", *, proof_s: float | None = None) -> Plan:
    """Kept; a proof that will not come is waited for `proof_s`."""
    rolling = on.house.rolling
    plan = await rolling.make_plan(name, selector=EVERYTHING, by="ana", keep=False)
    nodes = tuple(
        msgspec.structs.replace(node, steps=tuple(_hurried(step, proof_s) for step in node.steps))
        for node in plan.nodes
    )
    plan = msgspec.structs.replace(plan, nodes=nodes)
    await rolling.journal.put_plan(plan)
    return plan


def _hurried(step: Step, proof_s: float | None) -> Step:
    proof = step.action.verb is Verb.ATTEST and proof_s
    return msgspec.structs.replace(step, timeout_s=proof or step.timeout_s, escalate=())


async def over(on: Stage, plan: Plan) -> Progress:
    async def check() -> Progress | None:
        progress = (await on.house.rolling.standing(plan.id)).progress
        still = progress is not None and progress.state in (RolloutState.DONE, RolloutState.PAUSED)
        return progress if still else None

    progress: Progress = await on.until(check, "the roll-out is over", patience_s=PATIENCE_S)
    return progress


async def test_an_honest_update_is_done_with_its_verdict_in_the_journal(tmp_path: Path) -> None:
    async with proving(tmp_path, maxAge="1h", onFail="quarantine") as on:
        plan = await planned(on)
        text = plan_text(plan)
        assert f"{BMC}: {ATTESTER} measures NVIDIA NVIDIA:FW_BMC {NEW}" in text
        assert "stays drained as it is" in text
        verbs = [step.action.verb for step in plan.nodes[0].steps]
        assert verbs.index(Verb.ATTEST) < verbs.index(Verb.UPDATE)
        assert Verb.ATTEST in verbs[verbs.index(Verb.UPDATE) :]
        await on.house.rolling.apply(plan.id, by="ana")
        progress = await over(on, plan)
        assert progress.state is RolloutState.DONE, progress
        last = next(s.id for s in plan.nodes[0].steps[::-1] if s.action.verb is Verb.ATTEST)
        entries = await on.house.rolling.journal.entries(plan.id)
        (done,) = [e for e in entries if e.kind is EntryKind.DONE and e.step == last]
        verdict = done.doc["seen"][f"verdict/{ATTESTER}"]
        assert verdict["summary"] == "trusted"
        assert f"NVIDIA NVIDIA:FW_BMC {NEW}" in verdict["references"]
        (began,) = [e for e in entries if e.kind is EntryKind.STARTED and e.step == last]
        assert verdict["asked_at"] >= began.at - 1.0


async def test_old_firmware_under_a_new_name_fails_by_its_measurement(tmp_path: Path) -> None:
    async with proving(tmp_path, onFail="quarantine") as on:
        plan = await planned(on, proof_s=PROOF_S)
        await on.strike("image-old-under-new-name")
        await on.house.rolling.apply(plan.id, by="ana")
        progress = await over(on, plan)
        (node,) = progress.nodes.values()
        assert progress.state is RolloutState.PAUSED, progress
        assert node.state is NodeState.FAILED, node
        assert f"attestation/{ATTESTER} is mismatch" in node.reason
        assert "says that it runs" in node.reason
        entry = on.device.get(f"/redfish/v1/UpdateService/FirmwareInventory/{BMC}") or {}
        assert entry["Version"] == NEW
        assert held(on)[ATTESTER].verdict.reference is Reference.MISMATCH
        assert held(on)[ATTESTER].verdict.summary is Summary.UNTRUSTED
        (row,) = await on.listed(f"attestations?labelSelector=component={ATTESTER}")
        assert row["proposal"] == "quarantine"


async def test_a_failed_proof_pauses_waves_that_would_go_on(tmp_path: Path) -> None:
    rollout = {**AT_ONCE, "onFailure": {"node": "leave", "wave": "continue"}}
    async with proving(tmp_path, rollout=rollout, onFail="pause") as on:
        plan = await planned(on, proof_s=PROOF_S)
        assert "where the proof of a node fails, the roll-out pauses" in plan_text(plan)
        await on.strike("image-old-under-new-name")
        await on.house.rolling.apply(plan.id, by="ana")
        progress = await over(on, plan)
        (node,) = progress.nodes.values()
        assert (progress.state, node.state) == (RolloutState.PAUSED, NodeState.FAILED), progress
        assert f"attestation/{ATTESTER} is mismatch" in node.reason


async def test_an_advisory_is_ended_by_the_plan_that_it_asks_for(tmp_path: Path) -> None:
    async with proving(tmp_path) as on:
        await on.house.state.baselines.remove("base")
        versions = {"old": f"vers:generic/<{NEW}", "new": NEW}
        told = csaf("ACME-1", vendor="NVIDIA", product="Tray BMC firmware", versions=versions)
        given = json.dumps(told).encode()
        for kept in read_advisories(given, source="acme.json", at=on.house.clock.now()):
            await on.house.state.advisories.put({kept.advisory.id: kept})

        async def concerned(word: str) -> bool:
            (row,) = await on.listed("advisories")
            await on.house.attesting.refresh()
            return bool(row[word])

        await on.until(lambda: concerned("affected"), "the tray is affected")
        verdict = held(on)[ATTESTER].verdict
        assert verdict.lifecycle is Lifecycle.KNOWN_VULNERABLE, verdict
        assert verdict.summary is Summary.UNKNOWN
        fix = msgspec.convert((await on.get("advisories/ACME-1/fix"))["document"], Baseline)
        (wanted,) = [c for c in fix.spec.firmware.components if c.match.component == BMC]
        assert wanted.version == f">={NEW}"
        at_once = msgspec.convert({"waves": [{"name": "all"}]}, RolloutWant)
        firmware = msgspec.structs.replace(fix.spec.firmware, components=[wanted])
        spec = msgspec.structs.replace(fix.spec, firmware=firmware, rollout=at_once)
        await on.house.state.baselines.put(
            msgspec.structs.replace(fix, spec=spec), at=0.0, by="ana", source="fix"
        )
        plan = await planned(on, "fix-acme-1")
        assert f"{BMC}: {ATTESTER} measures NVIDIA NVIDIA:FW_BMC {NEW}" in plan_text(plan)
        await on.house.rolling.apply(plan.id, by="ana")
        assert (await over(on, plan)).state is RolloutState.DONE

        async def ended() -> bool:
            await on.house.attesting.refresh()
            return held(on)[ATTESTER].verdict.summary is Summary.TRUSTED

        await on.until(ended, "nobody holds the advisory against it any more")
        (row,) = await on.listed("advisories")
        concerns = {each["outcome"] for each in row["findings"] if each["component"] == BMC}
        assert "affected" not in concerns


async def test_a_quarantine_is_proposed_planned_done_and_taken_back(tmp_path: Path) -> None:
    program = FakeWebhook()
    (tmp_path / "key").write_text("k3y\n")
    rollout = {**AT_ONCE, "drain": {"adapter": "ours"}}
    async with served(program.app()) as url, proving(tmp_path, rollout=rollout) as on:
        (tmp_path / "state" / "drains.yaml").write_text(
            f'ours: {{adapter: webhook, url: "{url}/drain", secretFile: {tmp_path}/key, '
            "node: name, allowHttp: true}\n"
        )
        program.state = {"state": "drained"}
        assert {row["proposal"] for row in await on.listed("attestations")} == {None}
        await on.fault("spdm-tampered")
        await asked(on, ATTESTERS)
        rows = await on.listed("attestations")
        assert {r["proposal"] for r in rows if r["protocol"] == "SPDM"} == {"quarantine"}
        assert program.effects["begin"] == 0, "nothing happens by itself"
        told = await on.command("quarantine", "--untrusted")
        plan = await on.house.rolling.journal.plan(told["name"])
        assert [node.fate for node in plan.nodes] == [Fate.UPDATE], plan_text(plan)
        await on.house.rolling.apply(plan.id, by="ana")
        assert (await over(on, plan)).state is RolloutState.DONE
        assert (program.effects["begin"], program.effects["undo"]) == (1, 0)
        (node,) = await on.listed("nodes")
        assert node["power_state"] == "On"
        await on.clear()
        await on.house.rolling.ask(plan.id, "undo", by="ana")

        async def given_back() -> bool:
            if program.effects["undo"]:
                program.state = {"state": "refused", "detail": "it takes work"}
            found = (await on.house.rolling.standing(plan.id)).progress
            return found is not None and found.state is RolloutState.UNDONE

        await on.until(given_back, "the node is given back", patience_s=PATIENCE_S)
        assert program.effects["undo"] == 1


async def test_what_no_reference_knows_is_said_to_be_proved_by_version_only(
    tmp_path: Path,
) -> None:
    async with proving(tmp_path, known=False) as on:
        plan = await planned(on)
        told = f"{BMC}: by version only: no reference values are known of NVIDIA NVIDIA:FW_BMC"
        assert told in plan_text(plan)
        assert Verb.ATTEST not in [step.action.verb for step in plan.nodes[0].steps]
