"""Latches outlive the process. A file of them that cannot be read is not the same as no latches:
the edge must not start as if nothing had ever struck, and the nodes stay as they are meanwhile.
"""

from __future__ import annotations

from pathlib import Path

from iolaus.energy.ports import Latch
from iolaus.store.kept import KeptFile


def latch_file(path: Path) -> KeptFile[Latch]:
    """`energy.ports.KeepsLatches` in a file."""
    return KeptFile(
        path,
        Latch,
        word="latches",
        code="LatchesUnreadable",
        next_step="look at the racks, then remove the file: nothing is latched without it",
    )
