"""What the command line costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("aiohttp", "sqlalchemy", "numpy", "uvloop", "iolaus.sim", "iolaus.drivers", "iolaus.wire")
LOOK = f"""
import sys
import iolaus.app.commands
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_a_command_that_asks_waits_for_no_part_that_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
