from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from iolaus.kernel.errors import OperatorMust
from iolaus.store import sessions as module
from iolaus.store.sessions import Sessions
from iolaus.wire.redfish.port import SessionLedger

A, B = "https://a", "https://b"
ONE, TWO = "/redfish/v1/SessionService/Sessions/1", "/redfish/v1/SessionService/Sessions/2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


def test_what_is_ours_is_known_after_a_crash(path: Path) -> None:
    ledger: SessionLedger = Sessions(path)
    ledger.remember(A, ONE)
    ledger.remember(A, TWO)
    ledger.remember(B, ONE)
    ledger.forget(A, ONE)
    ledger.forget(B, TWO)
    crashed = Sessions(path)
    assert (crashed.ours(A), crashed.ours(B), crashed.ours("x")) == ((TWO,), (ONE,), ())
    assert crashed.addresses() == (A, B)
    assert path.stat().st_mode & 0o077 == 0


def test_it_is_on_the_disk_when_remember_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, flushed = Sessions(path), []
    monkeypatch.setattr(os, "fdatasync", lambda fd: flushed.append(path.read_bytes()))
    ledger.remember(A, ONE)
    assert ONE.encode() in flushed[-1]
    ledger.forget(A, ONE)
    assert len(flushed) == 1


def test_many_threads_share_a_flush_and_lose_nothing(path: Path) -> None:
    ledger = Sessions(path)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: ledger.remember(f"https://n{n}", ONE), range(500)))
        list(pool.map(lambda n: ledger.forget(f"https://n{n}", ONE), range(0, 500, 2)))
    ledger.close()
    assert sorted(Sessions(path).addresses()) == sorted(f"https://n{n}" for n in range(1, 500, 2))


def test_the_file_does_not_grow_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMPACT_LINES", 20)
    ledger = Sessions(path)
    ledger.remember(B, TWO)
    for _ in range(200):
        ledger.remember(A, ONE)
        ledger.forget(A, ONE)
    assert len(path.read_bytes().splitlines()) < 30
    assert Sessions(path).ours(B) == (TWO,)


def test_damaged_lines_are_skipped_and_told(path: Path) -> None:
    ledger = Sessions(path)
    ledger.remember(A, ONE)
    ledger.remember(B, ONE)
    path.write_bytes(path.read_bytes()[:-9] + b"\n\xff\xfe junk\n[1,2]\n")
    with capture_logs() as logs:
        assert Sessions(path).addresses() == (A,)
    assert (logs[0]["event"], logs[0]["lines_skipped"]) == ("sessions_damaged", 3)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_open(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "sessions"
    path.write_bytes(content)
    ledger = Sessions(path)
    ledger.remember(A, ONE)
    assert ONE in Sessions(path).ours(A)


def test_a_full_disk_is_told_once_and_made_up_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, write = Sessions(path), os.write

    def full(descriptor: int, content: bytes) -> int:
        write(descriptor, bytes(content[:7]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with capture_logs() as logs:
        monkeypatch.setattr(os, "write", full)
        for number in range(3):
            ledger.remember(A, f"/s/{number}")
        assert ledger.trouble is not None
        assert ledger.trouble.code == "DiskFull"
        assert len(ledger.ours(A)) == 3
        monkeypatch.setattr(os, "write", write)
        ledger.forget(A, "/s/0")
    assert [line["event"] for line in logs] == ["sessions_not_written", "sessions_written_again"]
    assert ledger.trouble is None
    assert Sessions(path).ours(A) == ("/s/1", "/s/2")


def test_a_directory_in_its_place_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OperatorMust):
        Sessions(path)
