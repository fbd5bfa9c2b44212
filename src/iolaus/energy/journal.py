"""Latches outlive the process: one small file, written whole or not at all.

A file that cannot be read is not the same as no latches: the edge must not start as if nothing had
ever struck. So it is an error that a person sees, and the nodes stay as they are meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from iolaus.energy.ports import Latch
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store.files import replace_file

MOST_BYTES: Final = 4 * 1024 * 1024


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    latches: tuple[Latch, ...]


class LatchFile:
    """`energy.ports.KeepsLatches` in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[Latch, ...]:
        """None were kept where there is no file. Raises `OperatorMust` for one that is spoilt."""
        try:
            with self.path.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _spoilt(self.path, str(error)) from error
        return parse_latches(data, source=self.path)

    def save(self, latches: Sequence[Latch]) -> None:
        """Durable when it returns. Raises `WeErred` for a full disk."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise WeErred(str(error), operation="save latches", subject=str(self.path)) from error
        replace_file(self.path, msgspec.json.encode(_File(version=1, latches=tuple(latches))))


def parse_latches(data: bytes, *, source: Path) -> tuple[Latch, ...]:
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"it is longer than {MOST_BYTES} bytes")
        held = msgspec.json.decode(data, type=_File)
        if held.version != 1:
            raise ValueError(f"version {held.version} is not known")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _spoilt(source, str(error)) from None
    return held.latches


def _spoilt(path: Path, why: str) -> OperatorMust:
    return OperatorMust(
        f"what is latched cannot be read: {why}",
        operation="load latches",
        subject=str(path),
        code="LatchesUnreadable",
        next_step="look at the racks, then remove the file: nothing is latched without it",
    )
