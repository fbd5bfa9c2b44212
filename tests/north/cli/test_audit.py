"""The audit log as a person meets it: listed, exported and checked against a server that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from tests.north.checkpointing import Signs
from tests.north.cli.test_golden import run
from tests.north.conftest import make_context, serving


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    context = make_context(JumpClock())
    context.checkpoints = Signs(context.audit)
    with serving(context) as address:
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


def test_a_checkpoint_that_was_kept_finds_a_cut_log(url: str, tmp_path: Path) -> None:
    run("refresh h1-r01-u01")
    kept, key, file = tmp_path / "kept", tmp_path / "audit.pub", tmp_path / "audit.jsonl"
    assert "added to" in run(f"audit checkpoint -o {kept}")
    assert '"AuditCheckpoint"' in run("audit checkpoint")
    run(f"audit key -o {key}")
    run("refresh h1-r01-u02")
    run(f"audit checkpoint -o {kept}")
    run(f"audit export {file}")
    assert "not proved" not in run(f"audit verify --checkpoint {kept} --key {key}")
    assert "4 entries: the chain holds" in run(f"audit verify {file} --checkpoint {kept}")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    cut = run(f"audit verify {file} --checkpoint {kept} --key {key}")
    assert "Truncated" in cut
    assert cut.endswith("--- exit code 5\n")
    kept.write_bytes(kept.read_bytes().replace(b'"atMs":', b'"atMs":1'))
    assert "not as signed" in run(f"audit verify {file} --checkpoint {kept}")
    assert "Ed25519" in run(f"audit verify {file} --checkpoint {kept} --key {file}")
