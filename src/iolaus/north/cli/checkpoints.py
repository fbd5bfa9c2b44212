"""Checkpoints as files: read, and taken for what their signer's key says they are worth.

Apart from `audit`, since verifying loads a library that no other command of it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from iolaus.kernel.errors import OperatorMust
from iolaus.model.audit import Head


def kept_heads(files: Iterable[Path], key: Path | None) -> Iterator[Head]:
    """What must stand in the log. Raises `OperatorMust`, `Unverified`."""
    held = list(files)
    if not held and key is None:
        return
    from iolaus.trust.checkpoints import proved_heads, read_checkpoints, read_signer

    signer = read_signer(_bytes(key), subject=str(key)) if key is not None else None
    for path in held:
        found = read_checkpoints(_bytes(path), subject=str(path))
        yield from proved_heads(found, signer=signer, subject=str(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None


def _unusable(path: Path, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="audit",
        subject=str(path),
        code="Unusable",
        next_step="name what `iolaus audit checkpoint` or `iolaus audit key` wrote.",
    )
