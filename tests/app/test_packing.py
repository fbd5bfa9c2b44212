"""A pack of evidence, exported from a house over its API and verified where nothing else is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.app.test_attestation import DPU, asked, attesting, judged

from iolaus.app.verifying import VERIFY_COMMANDS
from iolaus.model.decision import Decision, Named, Standing
from iolaus.model.trust import Identity, Reference, Summary
from iolaus.north.cli import Commands, build_cli, run_cli
from iolaus.sim.roots.chain import anchors
from iolaus.trust.derive import with_derived
from iolaus.trust.packs import Pack, open_pack, write_pack
from iolaus.wire.octets import EvidenceMalformed

SAID = {"rack": "h1-r07"}
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    app = build_cli(Commands(version="0", verify=VERIFY_COMMANDS), ["verify"])

    def ran(*line: object) -> tuple[int, dict[str, Any]]:
        code = run_cli(app, ["verify", *(str(each) for each in line), "-o", "json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else {}

    return ran


async def exported(folder: Path, *, fault: str = "", silent: bool = False) -> Path:
    """A house of one machine; its pack and its key, away from the house."""
    house, out = folder / "house", folder / "away"
    house.mkdir()
    out.mkdir()
    async with attesting(house, DPU) as on:
        await judged(on, 2)
        if fault:
            await on.fault(fault)
            await asked(on, 2)
        if silent:
            await on.down()
            await asked(on, 2)
        own = on.house.attesting
        named = {each.place: Named(node="dpu-1", said=SAID) for each in own.appraisals()}
        (out / "pack.zip").write_bytes(await own.pack(named))
        (out / "key.pub").write_bytes(await own.pack_key())
        assert await own.pack_key() == (out / "key.pub").read_bytes()
    return out


def codes(found: dict[str, Any]) -> set[str]:
    return {each["code"] for each in found["findings"]}


async def test_a_pack_proves_the_same_elsewhere_and_no_byte_of_it_may_change(
    tmp_path: Path, run: Run
) -> None:
    out = await exported(tmp_path)
    pack, key = out / "pack.zip", out / "key.pub"
    code, found = run("pack", pack, "--key", key)
    assert (code, found["summary"]) == (0, "trusted"), found
    assert run(pack, "--key", key)[0] == 0  # the short form
    code, found = run(pack)
    assert (code, found["summary"], found["identity"]) == (0, "verified", None)
    assert "signer-unknown" in codes(found)
    assert "evidence-old" in codes(run(pack, "--key", key, "--at", "2099-01-01")[1])

    other = out / "other.pub"
    fresh = ed25519.Ed25519PrivateKey.generate()
    form = PublicFormat.SubjectPublicKeyInfo
    other.write_bytes(fresh.public_key().public_bytes(Encoding.PEM, form))
    code, found = run(pack, "--key", other)
    assert (code, found["summary"], codes(found)) == (5, "untrusted", {"signer-other"})
    other.write_bytes(b"no key")
    assert run(pack, "--key", other)[0] == 2

    whole = pack.read_bytes()
    chosen = random.Random(5).sample(range(len(whole)), 300)
    for at in (*chosen, *range(120), *range(len(whole) - 200, len(whole))):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        with pytest.raises(EvidenceMalformed):
            open_pack(bytes(changed))
    changed = bytearray(whole)
    changed[whole.index(b"measurements.bin") + 40] ^= 1
    for bad in (bytes(changed), whole[:-1], whole + b"\0", b"", whole[: len(whole) // 2]):
        pack.write_bytes(bad)
        code, found = run(pack, "--key", key)
        assert (code, found["evidence"]) == (5, "malformed")
        assert run(pack)[0] == 5
    _forge(whole, out, run)


def _forge(whole: bytes, out: Path, run: Run) -> None:
    """Who signs a changed pack anew is not believed in what the evidence does not say."""
    pack = open_pack(whole).pack
    key = ed25519.Ed25519PrivateKey.generate()

    def told(changed: Pack) -> dict[str, Any]:
        (out / "forged.zip").write_bytes(write_pack(changed, key))
        assert run(out / "forged.zip", "--key", out / "key.pub")[0] == 5
        return run(out / "forged.zip")[1]

    exhibits = {
        number: msgspec.structs.replace(each, measurements=each.measurements[:-1] + b"\0")
        for number, each in pack.exhibits.items()
    }
    found = told(msgspec.structs.replace(pack, exhibits=exhibits))
    assert found["evidence"] == "malformed"
    assert {"verdict-differs"} < codes(found)
    found = told(with_derived(msgspec.structs.replace(pack, exhibits=exhibits)))
    assert found["summary"] in ("untrusted", "unknown")
    sets = tuple(msgspec.structs.replace(each, values=()) for each in pack.references)
    found = told(msgspec.structs.replace(pack, references=sets))
    assert "reference-differs" in codes(found)
    nothing = told(msgspec.structs.replace(pack, entries=()))
    assert nothing["summary"] == "unknown"


async def test_what_stood_worse_in_the_house_is_not_taken_back(tmp_path: Path, run: Run) -> None:
    out = await exported(tmp_path, fault="spdm-tampered", silent=True)
    opened = open_pack((out / "pack.zip").read_bytes())
    assert {each.standing.summary for each in opened.pack.entries} == {Summary.UNTRUSTED}
    assert all(each.derived.axes == each.standing.axes for each in opened.pack.entries)
    code, found = run(out / "pack.zip", "--key", out / "key.pub")
    assert (code, found["summary"], found["reference"]) == (5, "untrusted", Reference.MISMATCH)
    assert found["evidence"] == "unreachable"
    code, found = run(out / "pack.zip")
    assert (code, found["summary"]) == (5, "untrusted")


async def test_own_anchors_stand_in_for_those_of_an_unknown_signer(
    tmp_path: Path, run: Run
) -> None:
    out = await exported(tmp_path)
    root = tmp_path / "house/state/anchors/hall.pem"
    code, found = run(out / "pack.zip", "--anchor", root)
    assert (code, found["identity"], found["reference"]) == (0, Identity.PINNED, None)
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(anchors("another hall"))
    code, found = run(out / "pack.zip", "--key", out / "key.pub", "--anchor", stranger)
    assert (code, found["identity"]) == (5, "unanchored")


POLICY = """
apiVersion: iolaus.dev/v1
kind: Policy
metadata: {name: hall}
spec:
  waivers:
    - selector: {matchLabels: {rack: h1-r07}}
      axes: [reference/none]
      owner: ana
      reason: its maker has published nothing
      expires: "2098-12-31"
"""


async def test_policies_of_a_pack_are_held_against_its_verdicts_again(
    tmp_path: Path, run: Run
) -> None:
    house = tmp_path / "house"
    house.mkdir()
    async with attesting(house, DPU) as on:
        own = on.house.attesting
        for name in on.house.state.references.all():
            await on.house.state.references.remove(name)
        (own.anchors.parent / "policy.yaml").write_text(POLICY)
        await own.refresh()
        await asked(on, 2)
        named = {each.place: Named(node="dpu-1", said=SAID) for each in own.appraisals()}
        (tmp_path / "pack.zip").write_bytes(await own.pack(named))
        (tmp_path / "key.pub").write_bytes(await own.pack_key())
    key = ("--key", tmp_path / "key.pub")
    code, found = run(tmp_path / "pack.zip", *key)
    assert (code, found["reference"], found["summary"]) == (5, "none", "unknown"), found
    waived = [each for each in found["findings"] if each["code"] == "waived"]
    assert [each["detail"]["owner"] for each in waived] == ["ana", "ana"]
    assert "waiver-over" in codes(run(tmp_path / "pack.zip", *key, "--at", "2099-06-01")[1])
    assert "waived" not in codes(run(tmp_path / "pack.zip")[1])  # an unknown signer's policy

    pack = open_pack((tmp_path / "pack.zip").read_bytes()).pack
    lies = tuple(
        msgspec.structs.replace(each, decision=Decision(standing=Standing.TRUSTED))
        for each in pack.entries
    )
    signer = ed25519.Ed25519PrivateKey.generate()
    form = PublicFormat.SubjectPublicKeyInfo
    forged = msgspec.structs.replace(pack, entries=lies)
    (tmp_path / "pack.zip").write_bytes(write_pack(forged, signer))
    (tmp_path / "key.pub").write_bytes(signer.public_key().public_bytes(Encoding.PEM, form))
    code, found = run(tmp_path / "pack.zip", *key)
    assert (code, found["evidence"]) == (5, "malformed")
    assert "decision-differs" in codes(found)
