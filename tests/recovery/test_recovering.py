"""Nodes brought back over the real wire: what is the matter, the rungs, and the evidence."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

from iolaus.model.rollout import EntryKind, NodeState
from iolaus.sim.ailments import alive, hang_host
from tests.recovery.stage import plan, recovered, recovering, verdict
from tests.sim.firmware.stage import machines

NODE = "dl365-cpu"
SECRET = "planted-Pa55word"  # planted


async def test_a_hung_host_is_seen_its_evidence_saved_and_it_is_brought_back(
    tmp_path: Path,
) -> None:
    async with recovering(tmp_path, *machines(NODE)) as (on, _):
        device = on.device
        await verdict(on, NODE, "Well")
        hang_host(device, "force-restart")
        found = await verdict(on, NODE, "HostHung")
        assert "monitor says silent" in found["message"]
        assert found["next_step"].endswith(f"iolaus recover {NODE}")
        made, node = await recovered(on, NODE)
        assert node.state is NodeState.DONE, node
        assert alive(device)
        entries = await on.house.rolling.journal.entries(made.id)
        begun = [e.doc["subject"] for e in entries if e.kind is EntryKind.STARTED]
        assert begun == ["evidence", "nmi", "evidence", "restart", "force-restart", "prove"]
        receipt = next(e.doc["receipt"] for e in entries if e.kind is EntryKind.SENT)
        saved = on.house.state.saved
        first = (await saved.of(node.uid))[0]
        data = saved.read(first)
        assert receipt["sha256"] == hashlib.sha256(data).hexdigest()
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        assert {"recovery.json", "logs.json", "last-readings.json"} <= set(names)
        assert any(each.startswith("dumps/") and each.endswith(".bin") for each in names)
        listed = await on.listed("recoveries")
        assert [each["name"] for each in listed] == [made.id]
        assert await verdict(on, NODE, "Well")


async def test_a_bundle_tells_all_but_secrets(tmp_path: Path) -> None:
    async with recovering(tmp_path, *machines(NODE)) as (on, _):
        on.house.state.secrets.put("other", user="x", password=SECRET)
        log = "/redfish/v1/Managers/1/LogServices/IEL/Entries/1"
        if on.device.kept(log):
            await on.change(log, {"Message": f"login with {SECRET} and iolaus-sim"})
        await recovered(on, NODE, **{"class": "host-hung", "only": "nmi"})
        uid = next(iter(on.house.state.facts.held(on.device.address).uids.values()))  # type: ignore[union-attr]
        data = await on.house.recovering.bundle(uid, dumps=False)
        target = tmp_path / "bundle.zip"
        target.write_bytes(data)
        archive = zipfile.ZipFile(target)
        text = b"".join(archive.read(name) for name in archive.namelist())
        assert SECRET.encode() not in text
        assert b"iolaus-sim" not in text
        assert not [name for name in archive.namelist() if name.endswith(".bin")]
        left = json.loads(archive.read("left-out.json"))
        assert any("opaque" in why for why in left.values())
        assert json.loads(archive.read("reach.json"))["evidence"]


async def test_a_host_that_is_alive_and_well_is_left_alone(tmp_path: Path) -> None:
    async with recovering(tmp_path, *machines(NODE)) as (on, _):
        await verdict(on, NODE, "Well")
        made = await plan(on, NODE)
        assert [node.fate.value for node in made.nodes] == ["no-op"]
        before = sum(on.device.counters.by_method.get(m, 0) for m in ("PATCH", "DELETE", "PUT"))
        assert before == 0
