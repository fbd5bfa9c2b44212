"""Writes docs/peers.md: `python -m tests.peers`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.conftest import SHARED
from tests.drivers.captures.ask import unpack
from tests.peers.gather import rows_of
from tests.peers.table import render

TARGET = Path(__file__).parents[2] / "docs" / "peers.md"


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folders = unpack(SHARED / "captures", Path(scratch) / "unpacked")
        found = rows_of(folders, Path(scratch) / "hosts.yaml")
    TARGET.write_text(render(found), encoding="utf-8")
    wrong = 0
    for row in found:
        for topic, verdict in row.verdicts.items():
            for each in verdict.unexplained:
                print(row.name, topic, *each)
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
