"""What a process that holds thousands of controllers asks of its memory.

Each TLS connection owns a read buffer of 64 KiB, of which a stream of events ever touches a page.
From a common heap it would be cut out of memory that was used before; as a mapping of its own it
costs what is touched of it. And Python looks for circles of garbage after every 700 objects, where
little of what is made here ever stands in one, while a fleet's facts are many.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
from typing import Final

YOUNG: Final = (20_000, 20, 50)
M_MMAP_THRESHOLD: Final = -3
OWN_MAPPING_BYTES: Final = 64 * 1024


def save_memory() -> None:
    """For the whole process. Where the C library is not GNU's, its allocator stays as it is."""
    gc.set_threshold(*YOUNG)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)


def raise_file_limit() -> None:
    """As many open files as this machine grants: a full table would read as silent devices."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
