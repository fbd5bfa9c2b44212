"""Writes docs/coverage.md: `python -m tests.drivers.captures`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conftest import SHARED
from tests.drivers.captures.ask import read_all, replayed, unpack
from tests.drivers.captures.counter import read_tree
from tests.drivers.captures.table import render, row

TARGET = Path(__file__).parents[3] / "docs" / "coverage.md"


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folders = unpack(SHARED / "captures", Path(scratch))
        with replayed(folders, Path(scratch) / "hosts.yaml") as devices:
            reports = asyncio.run(read_all(devices))
        rows = [row(name, reports[name], read_tree(folder)) for name, folder in folders.items()]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render(rows), encoding="utf-8")
    for each in rows:
        if not each.agrees:
            print(each.name, each.ours, each.theirs, *each.identities, sep="\n    ")
    return 0 if all(each.agrees for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
