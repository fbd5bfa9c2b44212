"""The bench of the journal runs whole, in small: what it prints is counted, never how fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.store.postgres import binaries

ROOT = Path(__file__).resolve().parents[2]


def test_the_bench_measures_each_database() -> None:
    command = [sys.executable, "-m", "bench.act", "--seconds", "0.2", "--nodes", "1,8"]
    done = subprocess.run(
        [*command, "--rollout", "10"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    kinds = 1 if binaries() is None else 2
    assert sum("a roll-out of 10 nodes" in line for line in lines) == kinds
    assert any(line.startswith("SQLite") for line in lines)
