"""A state directory that is in use, newer, sealed with another key, or not ours to read."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from iolaus.store.secrets import Secrets
from tests.badinput.command import CANARY, Shell

SERVE = ("serve", "--listen", "127.0.0.1:1", "--state")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    found = tmp_path / "kept"
    found.mkdir(mode=0o700)
    return found


def test_in_use_by_another_process(shell: Shell, state: Path) -> None:
    lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(lock, b"4711")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        shell(*SERVE, state).failed(2, "4711", str(state))
    finally:
        os.close(lock)


def test_written_by_a_newer_version(shell: Shell, state: Path) -> None:
    with sqlite3.connect(state / "state.db") as database:
        database.execute("create table alembic_version (version_num varchar(32) not null)")
        database.execute("insert into alembic_version values ('9999_from_the_future')")
    (state / "state.db").chmod(0o600)
    shell(*SERVE, state).failed(2, "newer", "9999_from_the_future")
    with sqlite3.connect(state / "state.db") as database:
        tables = database.execute("select name from sqlite_master").fetchall()
    assert tables == [("alembic_version",)]


def test_secrets_of_another_key(shell: Shell, state: Path) -> None:
    Secrets(state / "secrets").put("bmc", user="root", password=CANARY)
    (key,) = state.glob("*.key")
    key.write_bytes(os.urandom(len(key.read_bytes())))
    kept = (state / "secrets").read_bytes()
    said = shell(*SERVE, state)
    said.failed(said.code, "key")
    assert said.code in (2, 5)
    assert (state / "secrets").read_bytes() == kept


def test_a_key_that_others_can_read(shell: Shell, state: Path) -> None:
    Secrets(state / "secrets").put("bmc", user="root", password=CANARY)
    (key,) = state.glob("*.key")
    key.chmod(0o644)
    shell(*SERVE, state).failed(2, str(key))


def test_a_directory_that_is_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    shell(*SERVE, tmp_path / "file").failed(2, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
