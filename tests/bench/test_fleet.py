"""The bench of a fleet runs whole, on a small one: what it prints is counted, never how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_fleet_is_read_held_and_compared() -> None:
    command = [sys.executable, "-m", "bench.fleet", "--nodes", "2", "--latency-ms", "0"]
    done = subprocess.run(
        [*command, "--mix", "dl365-cpu", "--peers", "1", "--threads", "2", "--hold", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    *_, ratio, line = done.stdout.splitlines()
    rows = {row["what"]: row for row in json.loads(line)}
    assert ratio.startswith("0 ms: 2 nodes, ")
    assert len(rows) == 6
    read, held = rows["iolaus inventory, 0 ms"], rows["iolaus held, 0 ms"]
    assert read["nodes"] == held["nodes"] == 2
    assert read["missing"] == held["missing"] == 0
    assert all(row["requests_per_node"] > 0 for row in rows.values())
    assert read["peak_mb"] > 0
