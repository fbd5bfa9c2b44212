"""The composition root: the only file that knows all rooms. Plain calls, no framework."""

from __future__ import annotations


def run() -> None:
    """Entry point of the `iolaus` command."""
