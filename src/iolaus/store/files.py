"""Small files that must never be half there or readable by others."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from iolaus.kernel.errors import OperatorMust
from iolaus.store.database import explain

PRIVATE_FILE, PRIVATE_DIR = 0o600, 0o700


def replace_file(path: Path, content: bytes) -> None:
    """Write the file whole and durably, readable by its owner only, or leave the old one."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        sync_dir(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise explain(error, operation="write", subject=str(path)) from error


def sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_private(path: Path, *, operation: str) -> None:
    """`OperatorMust` if others may read or write it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise OperatorMust(
            f"others may read it (mode {mode:04o})",
            operation=operation,
            subject=str(path),
            code="SecretsExposed",
            next_step=f"chmod 600 {path}, and change what it protects if others had access.",
        )


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
