"""Refused logins outlive the process; a damaged file or a full disk costs only a memory."""

from __future__ import annotations

import os
from pathlib import Path

from structlog.testing import capture_logs

from iolaus.kernel.clock import JumpClock
from iolaus.store.logins import Logins

ADDRESS = "https://10.0.0.1"


def test_a_refusal_is_there_after_a_kill_and_ends_with_its_time(tmp_path: Path) -> None:
    clock = JumpClock()
    first = Logins(tmp_path / "logins", clock=clock)
    first.remember(ADDRESS, failures=2, wait_s=600.0)
    clock.advance(100.0)
    again = Logins(tmp_path / "logins", clock=clock)
    assert again.recall(ADDRESS) == (2, 500.0)
    clock.advance(600.0)
    assert again.recall(ADDRESS) == (2, 0.0)
    assert again.recall("https://10.0.0.2") == (0, 0.0)


def test_what_was_forgotten_stays_forgotten(tmp_path: Path) -> None:
    first = Logins(tmp_path / "logins", clock=JumpClock())
    first.remember(ADDRESS, failures=1, wait_s=600.0)
    first.forget(ADDRESS)
    first.forget("https://never.seen")
    first.close()
    assert Logins(tmp_path / "logins", clock=JumpClock()).recall(ADDRESS) == (0, 0.0)
    assert (tmp_path / "logins").read_bytes() == b""


def test_damaged_lines_are_skipped_and_told(tmp_path: Path) -> None:
    path = tmp_path / "logins"
    path.write_bytes(b'garbage\n["https://10.0.0.1",1,1700000600.0]\n["https://10.0.0.2",1,17')
    with capture_logs() as said:
        logins = Logins(path, clock=JumpClock(start=1_700_000_000.0))
    assert logins.recall(ADDRESS) == (1, 600.0)
    assert [line["event"] for line in said] == ["logins_damaged"]


def test_a_file_that_cannot_be_written_is_told_once_and_the_memory_goes_on(tmp_path: Path) -> None:
    logins = Logins(tmp_path / "logins", clock=JumpClock())
    os.close(logins._descriptor)
    logins._descriptor = os.open(tmp_path / "logins", os.O_RDONLY)
    with capture_logs() as said:
        for failures in (1, 2):
            logins.remember(ADDRESS, failures=failures, wait_s=600.0)
    assert logins.recall(ADDRESS) == (2, 600.0)
    assert [line["event"] for line in said] == ["logins_not_written"]
    assert logins.trouble is not None
    logins.close()


def test_the_file_stays_small_and_private(tmp_path: Path) -> None:
    logins = Logins(tmp_path / "logins", clock=JumpClock())
    for turn in range(12_000):
        logins.remember(f"https://10.0.0.{turn % 5}", failures=1, wait_s=1.0)
    assert (tmp_path / "logins").stat().st_size < 6_000 * 60
    assert (tmp_path / "logins").stat().st_mode & 0o077 == 0
    logins.close()
