"""What the command line costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVERS = ("aiohttp", "sqlalchemy", "numpy", "duckdb", "litestar", "iolaus.sim")
HEAVY = (*SERVERS, "uvloop", "iolaus.drivers", "iolaus.wire")


@pytest.mark.parametrize(
    ("entered", "spared"), [("iolaus.app.commands", HEAVY), ("iolaus.app.alone", SERVERS)]
)
def test_a_command_waits_for_no_part_that_it_does_not_need(
    entered: str, spared: tuple[str, ...]
) -> None:
    look = f"import sys, {entered}; print([name for name in {spared!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=90, check=True
    )
    assert done.stdout.strip() == "[]"
