"""Folders that hold a running hall's secrets, and do not outlive it for long.

A hall that ends takes its folder with it. One that is killed cannot; so a folder is locked for as
long as its process lives, and whoever needs one next sweeps away those that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

YOUNG_S: Final = 60.0
"""A folder this new may be about to be locked."""
_held: list[int] = []


def private_folder(prefix: str) -> Path:
    """A new temporary folder that only this user can read, held until this process ends."""
    for old in _abandoned(Path(tempfile.gettempdir()), prefix):
        shutil.rmtree(old, ignore_errors=True)
    found = Path(tempfile.mkdtemp(prefix=prefix))
    held = _locked(found)
    if held is not None:
        _held.append(held)
    return found


def _abandoned(top: Path, prefix: str) -> Iterator[Path]:
    """Those of this user that no process holds."""
    for folder in top.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            seen = folder.lstat()
            ours = seen.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink()
            if not ours or time.time() - seen.st_mtime < YOUNG_S:
                continue
            held = _locked(folder)
            if held is not None:
                os.close(held)
                yield folder


def _locked(folder: Path) -> int | None:
    """An open file that holds it; None if another process does."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
