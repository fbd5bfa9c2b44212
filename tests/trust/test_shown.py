"""Recorded machines: their chains link by link, anchored or not, and what is missing."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.attest import read_shown
from iolaus.model.evidence import Exhibit, Outcome
from iolaus.model.trust import Identity, Signature, Summary
from iolaus.trust.appraise import Judged, appraise
from iolaus.trust.chains import Anchors
from tests.drivers.redfish.fake import FakeDevice, load

pytestmark = pytest.mark.shared
RECORDED = ("nvidia-gh200-openbmc", "hpe-dl380a-ilo")


async def judged(folder: Path, *, anchored: bool) -> dict[str, Judged]:
    device = FakeDevice(load(folder))
    found = {}
    for attester in (await RedfishDriver().inventory(device)).attesters:
        exhibit = Exhibit(
            endpoint=device.address, asset="uid", attester=attester, asked_at=0.0,
            answered_at=None, outcome=Outcome.NONE, why="it is a recording",
            shown=await read_shown(device, attester),
        )  # fmt: skip
        one = appraise(exhibit, anchors=Anchors(), references=(), at=1.75e9)
        if anchored and one.chain is not None:
            roots = Anchors(one.chain.certificates[:1])
            one = appraise(exhibit, anchors=roots, references=(), at=1.75e9)
        found[attester.name] = one
    return found


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    scratch = tmp_path_factory.mktemp("recorded")
    for name in RECORDED:
        with tarfile.open(shared / "captures" / f"{name}.tar.xz") as archive:
            archive.extractall(scratch, filter="data")
    return {name: scratch / name for name in RECORDED}


@pytest.mark.parametrize("anchored", [False, True])
async def test_chains_are_verified_link_by_link(recorded: dict[str, Path], anchored: bool) -> None:
    found = await judged(recorded["nvidia-gh200-openbmc"], anchored=anchored)
    chains = {name: each for name, each in found.items() if each.chain is not None}
    assert len(chains) >= 5
    for name, each in chains.items():
        assert each.chain is not None
        assert each.chain.linked == each.chain.certificates, (name, each.verdict.findings)
        expected = Identity.ANCHORED if anchored else Identity.UNANCHORED
        assert each.verdict.identity is expected, (name, each.verdict.findings)


@pytest.mark.parametrize("name", RECORDED)
async def test_what_is_missing_is_said_and_nothing_is_trusted(
    recorded: dict[str, Path], name: str
) -> None:
    found = await judged(recorded[name], anchored=True)
    assert found
    for each in found.values():
        assert each.verdict.summary is Summary.UNKNOWN
        assert each.verdict.signature is Signature.UNVERIFIED
        codes = {finding.code for finding in each.verdict.findings}
        assert "signature-missing" in codes
        assert each.chain is not None or "chain-missing" in codes
