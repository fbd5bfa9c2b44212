"""What each command prints, whole: a person reads these files and judges them.

`python -m tests.north.cli.test_golden` writes them anew; look at the difference before committing.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.north.cli import Commands, build_cli, run_cli
from tests.north.conftest import make_context, serving

GOLDEN = Path(__file__).parent / "golden"
FILES = "tests/north/cli/files"
COMMANDS = {
    "get-nodes": "get nodes",
    "get-nodes-wide": "get no -o wide",
    "get-nodes-json": "get nodes -l name=h1-r01-u01 -o json",
    "get-node-yaml": "get node/h1-r01-u03 -o yaml",
    "get-nodes-csv": "get node h1-r01-u01 node/h1-r01-u02 -o csv",
    "get-nodes-name": "get nodes -l h1-r01-u[02-04] -o name",
    "get-nodes-none": "get nodes -l vendor=lenovo",
    "get-racks": "get racks",
    "get-halls": "get hall",
    "get-cdus": "get cdus",
    "get-leaks": "get leaks",
    "get-gpus": "get gpu -l node=h1-r01-u02",
    "get-sensors": "get sensors -l node=cdu-1 -o wide",
    "get-firmware": "get fw -l node=h1-r01-u01",
    "get-endpoints": "get ep",
    "describe-node": "describe node/h1-r01-u03",
    "describe-endpoint": "describe endpoint cdu-1",
    "events": "events --since 1h",
    "events-none": "events --since 1h -l severity=Fatal",
    "top-nodes": "top nodes --sort temperature",
    "top-racks": "top racks",
    "summary": "summary",
    "explain-node": "explain node",
    "explain-field": "explain no.conditions.next_step",
    "discover": "discover a silent",
    "discover-dry": "discover a b --dry-run",
    "forget-dry": "forget h1-r01-u04 --dry-run",
    "diff-none": "diff",
    "diff-none-selected": "diff -l vendor=dell",
    "validate": f"validate {FILES}/hall.yaml",
    "apply-dry": f"apply {FILES}/hall.yaml --dry-run",
    "diff-file": f"diff -f {FILES}/hall.yaml",
    "diff-file-wide": f"diff -f {FILES}/hall.yaml -o wide",
    "diff-file-name": f"diff -f {FILES}/hall.yaml -o name",
    "export-baseline": "export baseline h1-r01-u01",
    "error-file": f"apply {FILES}/wrong.yaml",
    "error-file-senseless": f"validate {FILES}/senseless.yaml",
    "error-no-file": "validate nothing.yaml",
    "error-apply-unconfirmed": f"apply {FILES}/hall.yaml",
    "error-no-baseline": "diff --baseline nothing",
    "error-no-folder": "sync nowhere",
    "error-no-node": "get node nobody",
    "error-no-kind": "get noodes",
    "error-selector": "get nodes -l rack=a,,b",
    "error-near-key": "get nodes -l vendro=dell",
    "error-field": "explain node.firmwere",
    "error-sort": "top nodes --sort colour",
    "error-usage": "get",
    "error-command": "gte nodes",
    "error-unconfirmed": "forget h1-r01-u04",
    "error-bad-target": "discover bad",
    "error-nothing-named": "discover",
    "help": "--help",
    "help-get": "get --help",
    "help-discover": "discover --help",
    "help-apply": "apply --help",
    "help-diff": "diff --help",
    "help-manage": "manage --help",
    "manage-dry": "manage -l h1-r01-u[01-02] --dry-run",
    "error-manage-nothing": "manage",
    "error-refresh": "refresh h1-r01-u01",
    "help-refresh": "refresh --help",
    "error-manage-unconfirmed": "manage h1-r01-u01",
    "audit-verify-file": f"audit verify {FILES}/audit.jsonl",
    "audit-verify-head": f"audit verify {FILES}/audit.jsonl --head 9:{'a' * 64}",
    "audit-verify-changed": f"audit verify {FILES}/audit-changed.jsonl -o json",
    "error-audit-head": "audit verify --head 9",
    "error-audit-file": f"audit verify {FILES}/hall.yaml",
    "help-audit": "audit --help",
    "version": "--version",
}


def run(line: str) -> str:
    """Exit code, standard output and standard error of a command as one text."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        words = shlex.split(line)
        code = run_cli(build_cli(Commands(version="0.1.0"), words), words)
    told = f"--- standard error\n{err.getvalue()}" if err.getvalue() else ""
    return f"$ iolaus {line}\n{out.getvalue()}{told}--- exit code {code}\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(make_context(JumpClock())) as address:
        yield address


@pytest.mark.parametrize("name", COMMANDS)
def test_it_prints_what_was_agreed(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLAUS_URL", url)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(COMMANDS[name]) == (GOLDEN / f"{name}.txt").read_text()


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(COMMANDS)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    os.environ["COLUMNS"] = "100"
    with serving(make_context(JumpClock())) as address:
        os.environ["IOLAUS_URL"] = address
        for name, line in COMMANDS.items():
            (GOLDEN / f"{name}.txt").write_text(run(line))
