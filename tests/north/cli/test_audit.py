"""The audit log as a person meets it: listed, exported and checked against a server that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from tests.north.cli.test_golden import run
from tests.north.conftest import make_context, serving


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(make_context(JumpClock())) as address:
        monkeypatch.setenv("IOLAUS_URL", address)
        yield address


def test_it_is_listed_exported_and_checked(url: str, tmp_path: Path) -> None:
    assert "nothing was asked for yet" in run("audit list")
    assert "the audit log is empty" in run("audit head")
    run("refresh h1-r01-u01")
    assert "POST /api/v1/endpoints/h1-r01-u01/refresh" in run("audit list")
    head = run("audit head").splitlines()[1]
    assert "2 entries: the chain holds" in run(f"audit verify --head {head}")
    file = tmp_path / "audit.jsonl"
    assert "2 entries" in run(f"audit export {file}")
    assert run(f"audit verify {file} --head {head}").endswith("--- exit code 0\n")
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    assert run(f"audit verify {file} --head {head}").endswith("--- exit code 5\n")
