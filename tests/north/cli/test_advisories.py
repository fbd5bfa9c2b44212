"""Advisories as a person meets them: a folder brought in, looked at, and answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from tests.north.api.test_advisories import read
from tests.north.cli.test_golden import FILES, run
from tests.north.conftest import make_context, serving


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    context = make_context(JumpClock())
    context.read_advisories = read
    with serving(context) as address:
        monkeypatch.setenv("IOLAUS_URL", address)
        yield address


def test_they_are_brought_in_looked_at_and_answered(url: str, tmp_path: Path) -> None:
    assert "no advisories yet; bring some in with" in run("get advisories")
    told = run(f"advisory import {FILES}/csaf.json {FILES}/osv.json {FILES}/hall.yaml --yes")
    assert "advisory/DSA-2026-101 created: 2 statements" in told
    assert "  not used: a range of commits says nothing of firmware versions" in told
    assert "error: it is neither CSAF 2.0 nor OSV" in told or "malformed" in told
    assert told.endswith("1 of 3 files could not be imported\n--- exit code 1\n")
    listed = run("get advisories").splitlines()
    assert listed[2].split()[:5] == ["DSA-2026-101", "critical", "2", "0", "0"]
    assert listed[3].split()[:5] == ["VENDOR-2026-7", "-", "0", "1", "0"]
    shown = run("describe advisory DSA-2026-101")
    assert "Next: iolaus advisory fix DSA-2026-101" in shown
    assert "h1-r01-u[01,04]" in shown
    fix = tmp_path / "fix.yaml"
    assert "next: iolaus apply" in run(f"advisory fix DSA-2026-101 -o {fix}")
    assert "1 baseline is valid" in run(f"validate {fix}")
    assert "2 nodes" in run(f"apply {fix} --yes")
    assert '"specVersion": "1.6"' in run("export fbom -l h1-r01-u01")
    bom = tmp_path / "hall.cdx.json"
    assert f"devices in {bom}" in run(f"export fbom -o {bom}")
    assert "removed advisory/DSA-2026-101" in run("advisory remove DSA-2026-101 --yes")


def test_bad_input_is_told_plainly(url: str, tmp_path: Path) -> None:
    assert "there is no .json file in this folder" in run(f"advisory import {tmp_path} --yes")
    assert "it cannot be read" in run(f"advisory import {tmp_path}/nothing --yes")
    assert "add --yes if you mean it" in run(f"advisory import {FILES}/csaf.json")
    assert run("advisory fix nothing").endswith("--- exit code 2\n")
